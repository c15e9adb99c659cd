"""Functions that vanish: the link is cut, so that no FIN or RST is ever sent."""

import socket
import time

import pytest

from ..servers import MariaDB, Network
from ..servers.processes import in_time
from ..servers.watch import Watch
from .wire import RawClient, query


@pytest.mark.root
@pytest.mark.parametrize("doing", ["idle", "running", "reading", "uploading"])
def test_vanished_without_a_word(network: Network, outlive, eventually, doing: str) -> None:
    """The link is cut: no FIN, no RST. What was held is free 3 s (the probe's limit) and 2 s later."""
    server = MariaDB(namespace=network.server.name)
    try:
        node = outlive(
            server.url(max_connections=4, transaction_idle_timeout_s=60), host="0.0.0.0", namespace=network.server,
        )  # fmt: skip
        watch = Watch(server)
        server.query("CREATE TABLE vanishing (n INT)")

        def begin() -> RawClient:
            client = RawClient(network.server.address, node.port)
            client.run("BEGIN")
            client.run("INSERT INTO vanishing VALUES (1)")
            return client

        clients = [network.client.call(begin) for _ in range(3)]
        for client in clients:
            if doing == "running":
                client.send(query("SELECT SLEEP(60)"))
            elif doing == "reading":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                client.send(query("SELECT REPEAT('x', 1000) FROM seq_1_to_100000"))
                assert client.socket.recv(1000)
            elif doing == "uploading":
                client.send(b"\x00\x12\x7a\x00\x03" + b"SELECT '" + b"x" * 1_000_000)
        eventually(lambda: watch.transactions() == 3)
        time.sleep(1.5)  # into the probe, as a function that has worked for a while
        network.cut()
        # Who was slow to read before is known to be gone by the second silence of its kernel.
        eventually(lambda: watch.transactions() == 0, in_time(8.0 if doing == "reading" else 5.0))
        assert server.query("SELECT COUNT(*) FROM vanishing") == ((0,),)
        watch.close()
    finally:
        server.close()
