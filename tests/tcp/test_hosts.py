"""A tcp entry with several hosts beside a MySQL entry, in one file: whose clients share what a node's clients share."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from ..servers import MariaDB, Memcached, OutliveProcess, SmallServer, free_port

CONFIGURATION = """
max_clients = 3
[databases.cache]
url = "tcp://127.0.0.1:{first},127.0.0.1:{second}?max_connections=3"
listen = "127.0.0.1:{port}"
[databases.shop]
url = "{mysql}"
"""


class Place(NamedTuple):
    node: OutliveProcess
    port: int
    second: SmallServer
    first_port: int


@pytest.fixture(scope="module")
def place(mariadb: MariaDB) -> Iterator[Place]:
    """The first host is not there yet."""
    first, port = free_port(), free_port()
    with Memcached() as second:
        mysql = mariadb.url(max_connections=3)
        text = CONFIGURATION.format(first=first, second=second.port, port=port, mysql=mysql)
        with OutliveProcess(text) as node:
            yield Place(node, port, second, first)


def name(client) -> bytes:
    """Of the server that it came to."""
    return client.ask(b"get name\r\n", b"END\r\n").split(b"\r\n")[1]


def test_the_next_host_where_one_cannot_be_reached(place: Place, connect) -> None:
    early = connect(place.node, place.port)
    assert early.ask(b"set name 0 0 6\r\nsecond\r\n") == b"STORED\r\n"
    with Memcached(port=place.first_port) as first:
        sock = first.connect()
        sock.sendall(b"set name 0 0 5\r\nfirst\r\n")
        assert sock.recv(100) == b"STORED\r\n"
        sock.close()
        assert name(early) == b"second", "who is connected stays"
        place.second.kill()
        assert early.rest()[0] == b""
        assert name(connect(place.node, place.port)) == b"first"


def test_beside_mysql(place: Place, connect) -> None:
    """Each has its own listener and budget."""
    with Memcached(port=place.first_port), place.node.connect() as mysql, mysql.cursor() as cursor:
        other = connect(place.node, place.port)
        assert other.ask(b"version\r\n").startswith(b"VERSION")
        cursor.execute("SELECT 1 + 1")
        assert cursor.fetchall() == ((2,),)
        assert place.node.metric("outlive_leases_held") == 1


def test_clients_beyond_the_limit(place: Place, connect, eventually) -> None:
    """Those that hold a lease are not ended for another one, and nothing can be said to it."""
    eventually(lambda: place.node.metric("outlive_clients") == 0)
    with Memcached(port=place.first_port):
        clients = [connect(place.node, place.port) for _ in range(3)]
        for client in clients:
            client.ask(b"version\r\n")
        with pytest.raises(ConnectionResetError):  # before its connect() has returned, or after it
            assert connect(place.node, place.port).socket.recv(1)
        assert place.node.metric("outlive_clients_refused_total", reason="max_clients") == 1
        clients.pop().close()
        eventually(lambda: place.node.metric("outlive_clients") == 2)
        assert connect(place.node, place.port).ask(b"version\r\n").startswith(b"VERSION")
