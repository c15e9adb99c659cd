"""What the kernel's table and MySQL's HOST column say."""

import pytest

from outlive.census.mysql import split_host
from outlive.census.sockets import Socket, parse_table, plain_address

# As /proc/net/tcp and tcp6 of a little-endian machine have it: a listener, a client with unanswered keepalive probes,
# one with unacknowledged bytes, one that has closed.
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
   1: 010200C0:0CEA 060200C0:D81C 01 00000000:00000000 02:0000001F 00000000     0        4 2 2 0 20 4 30 10 -1
   2: 010200C0:0CEA 060200C0:D81D 01 0000000B:00000000 01:00000031 00000005     0        0 3 2 0 20 4 30 10 -1
   3: 010200C0:0CEA 060200C0:D81E 08 00000000:00000001 00:00000000 00000000     0        0 4 1 0 20 4 30 10 -1
   4: nonsense
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 0000000000000000FFFF0000010200C0:0CEA 0000000000000000FFFF0000060200C0:D81F 01 00000000:00000000 00:00000000 """
TCP6 += "00000000     0        0 5 1 0 20 4 30 10 -1\n"


def test_the_kernels_table() -> None:
    assert parse_table(TCP, 3306) == [
        Socket("0.0.0.0", 3306, "0.0.0.0", 0, "LISTEN", inode=1),
        Socket("192.0.2.1", 3306, "192.0.2.6", 55324, "ESTABLISHED", probes=4, inode=2),
        Socket("192.0.2.1", 3306, "192.0.2.6", 55325, "ESTABLISHED", unacked=11, retransmits=5, inode=3),
        Socket("192.0.2.1", 3306, "192.0.2.6", 55326, "CLOSE_WAIT", inode=4),
    ]
    assert [one.peer_port for one in parse_table(TCP, 0xD81D)] == [0xD81D]  # on either side
    assert parse_table(TCP, 5432) == []
    assert parse_table(TCP6, 3306) == [Socket("192.0.2.1", 3306, "192.0.2.6", 55327, "ESTABLISHED", inode=5)]


@pytest.mark.parametrize(
    ("shown", "host", "port"),
    [
        ("10.0.0.7:40000", "10.0.0.7", 40000),
        ("fn-7.example.com:40000", "fn-7.example.com", 40000),
        ("2001:db8::5:40000", "2001:db8::5", 40000),
        ("[2001:db8::5]:40000", "2001:db8::5", 40000),
        ("::ffff:10.0.0.7:40000", "10.0.0.7", 40000),
        ("localhost", "", 0),
        ("", "", 0),
    ],
)
def test_mysqls_hosts(shown: str, host: str, port: int) -> None:
    assert split_host(shown) == (host, port)


def test_one_spelling_of_an_address() -> None:
    assert plain_address("::FFFF:10.0.0.7") == "10.0.0.7"
    assert plain_address("2001:DB8:0::5") == "2001:db8::5"
    assert plain_address("Host.Example.com") == "host.example.com"
