"""The list of living hosts: what it may say, and when it is not believed."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest

from outlive.reaper.alive_hosts import Hosts, HostsError, parse_hosts, read_hosts
from outlive.reaper.round import _by_address

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


@pytest.mark.parametrize(
    "text",
    [
        "10.0.0.1\n10.0.0.0/33",
        "two words",
        "10.0.0.1:0",
        "[::1",
        # Of another format, or cut off. Taken for names, they would be the death of every host.
        "10.0.0.1,10.0.0.2",
        '["10.0.0.1"]',
        "10.0.0.1\n10.0.0.",
        "10.0.0.300",
        "a..example.com",
        "1\x000\x00.\x000\x00",
    ],
)
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


def test_a_mark_at_the_files_beginning_is_none_of_its_first_host(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(b"\xef\xbb\xbf10.0.0.7\r\n10.0.0.8\r\n")
    hosts = read_hosts(str(file))
    assert "10.0.0.7" in hosts
    assert "10.0.0.8" in hosts


def test_a_hundred_thousand_networks_are_not_walked_through_for_each_connection() -> None:
    hosts = parse_hosts("\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(20_000)))
    assert len(hosts) == 20_000
    began = monotonic()
    assert not any(f"192.168.{n >> 8}.{n & 255}" in hosts for n in range(1000))
    assert "10.0.78.31" in hosts
    assert monotonic() - began < 1


def test_hosts_that_are_listed_by_name_are_those_at_its_addresses() -> None:
    """The database may show addresses alone: PostgreSQL always does."""

    async def by_address(text: str, *shown: str) -> Hosts:
        return await _by_address(parse_hosts(text), set(shown))

    hosts = asyncio.run(by_address("localhost\n10.0.0.7"))
    assert "127.0.0.1" in hosts
    assert asyncio.run(by_address("localhost:40000\n127.0.0.1:40001")).ports("127.0.0.1") == {40000, 40001}
    # RFC 6761: there is no such name.
    with pytest.raises(HostsError, match=r"nobody\.invalid"):
        asyncio.run(by_address("10.0.0.7\nnobody.invalid", "10.0.0.8"))
    assert "nobody.invalid" in asyncio.run(by_address("nobody.invalid", "Nobody.invalid"))


def test_a_list_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostsError, match="cannot be read: No such file"):
        read_hosts(str(tmp_path / "none"))
