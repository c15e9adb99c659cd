"""Clients and servers that vanish: the link is cut, so that no FIN or RST is ever sent."""

import time

import pytest

from ..servers import Memcached, Network
from ..servers.processes import in_time
from .client import RESET, Client

VALUE = b"x" * 1_000_000


@pytest.mark.root
def test_vanished_without_a_word(network: Network, outlive, eventually) -> None:
    """Clients (idle, sending, not reading) of a node beside the server: none is left there 4 s later (2 s of
    vanished_after_s, and 2 s). Clients of a node that is not beside the server: they are reset after the same time, and
    their slots count until the dead man's bound.
    """
    with Memcached(host=network.server.address, namespace=network.server) as server:
        near = outlive(
            server.url(max_connections=4, evict_after_idle_s=60, vanished_after_s=2),
            host="0.0.0.0",
            namespace=network.server,
            wait=False,
        )
        far = outlive(server.url(max_connections=2, vanished_after_s=2), namespace=network.client)
        near.wait_ready()
        beside = [network.client.call(Client, "127.0.0.1", far.tcp_port) for _ in range(2)]
        clients = [network.client.call(Client, network.server.address, near.tcp_port) for _ in range(4)]
        for client in (*clients, *beside):
            assert client.ask(b"version\r\n").startswith(b"VERSION")
        sending, reading = clients[2:]
        sending.send(b"set large 0 0 %d\r\n%s\r\nset half 0 0 9\r\nabc" % (len(VALUE), VALUE))
        assert sending.read(b"STORED\r\n")
        reading.send(b"get large\r\n" * 20)
        time.sleep(0.3)  # the kernels' buffers fill, and its window closes
        assert server.connections() == 6
        network.cut()
        started = time.monotonic()
        beside[1].send(b"version\r\n")
        for client in beside:
            assert client.rest() == (b"", RESET)
        assert time.monotonic() - started < in_time(5.0)
        assert far.metric("outlive_server_connections", state="closing") == 2
        # The two of the far node are as they were: nobody has told the server.
        eventually(lambda: server.connections() == 2, in_time(2.0))
