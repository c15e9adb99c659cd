"""The list of living hosts: what it may say, and when it is not believed."""

from pathlib import Path

import pytest

from outlive.reaper.alive_hosts import HostsError, parse_hosts, read_hosts

TEXT = """\
# living now
10.0.0.7
10.1.0.0/16   # a whole network
::ffff:10.0.0.9
fe80::1
Worker.Example.com
10.2.0.1:40000
[2001:db8::5]:40001
"""


def test_what_a_list_says() -> None:
    hosts = parse_hosts(TEXT)
    assert len(hosts) == 7
    listed = ("10.0.0.7", "10.1.2.3", "10.0.0.9", "fe80:0::1", "worker.example.com", "::ffff:10.0.0.7")
    assert all(host in hosts for host in listed)
    assert all(host not in hosts for host in ("10.0.0.8", "10.2.0.1", "2001:db8::5", "example.com", ""))
    assert hosts.ports("10.2.0.1") == {40000}
    assert hosts.ports("2001:db8:0::5") == {40001}
    assert hosts.ports("10.0.0.7") is None
    assert not hosts.names_loopback
    assert parse_hosts("127.0.0.1:5").names_loopback


@pytest.mark.parametrize("text", ["10.0.0.1\n10.0.0.0/33", "two words", "10.0.0.1:0", "[::1"])
def test_a_line_that_is_none_is_named(text: str) -> None:
    with pytest.raises(HostsError, match=f"Line {len(text.splitlines())} of a list of hosts"):
        parse_hosts(text)


@pytest.mark.parametrize("text", ["", "\n\n", "# none\n"])
def test_a_list_that_names_nobody_is_not_believed(text: str, tmp_path: Path) -> None:
    """It is being written, or what writes it failed: not a reason to end everybody."""
    file = tmp_path / "hosts"
    file.write_text(text)
    with pytest.raises(HostsError, match="names no host"):
        read_hosts(str(file))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostsError, match="cannot be read: No such file"):
        read_hosts(str(tmp_path / "none"))
