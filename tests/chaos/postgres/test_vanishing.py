"""Functions that vanish: the link is cut, so that no FIN or RST is ever sent."""

import socket
import time

import pytest

from outlive.wire.postgres import messages as say

from ...hazards.postgres.raw import Raw
from ...servers import Network, Postgres18
from ...servers.processes import in_time
from .conftest import Watch
from .test_deaths import run

SAID = {
    "idle": b"",
    "running": say.query(b"SELECT pg_sleep(60)"),
    "reading": say.query(b"SELECT repeat('x', 1000) FROM generate_series(1, 100000)"),
    "uploading": say.query(b"SELECT '" + b"x" * 2_000_000 + b"'")[:-500_000],
    "copying": say.query(b"COPY vanishing FROM STDIN"),
    "in the middle of a unit": say.parse(b"", b"INSERT INTO vanishing VALUES (2)")
    + say.bind(b"", b"")
    + say.execute()
    + say.FLUSH,
}


@pytest.mark.root
def test_vanished_without_a_word(network: Network, outlive, eventually) -> None:
    """The link is cut. What was held is free 3 s (the probe's limit) and 2 s later; of one that was slow to read it is
    known by the second silence of its kernel.
    """
    with Postgres18(namespace=network.server.name) as server:
        node = outlive(
            server.url(max_connections=8, transaction_idle_timeout_s=60), host="0.0.0.0", namespace=network.server,
        )  # fmt: skip
        node.host = network.server.address
        watch = Watch(server)
        server.query("CREATE TABLE vanishing (n int)")
        server.query("GRANT ALL ON vanishing TO app")
        clients = {doing: network.client.call(Raw, node) for doing in SAID}
        pinned = network.client.call(Raw, node)
        run(pinned, "SELECT pg_advisory_lock(1)")
        for doing, client in clients.items():
            if doing != "in the middle of a unit":
                run(client, "BEGIN")
                run(client, "INSERT INTO vanishing VALUES (1)")
            if doing == "reading":
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.send(SAID[doing])
            if doing in ("reading", "copying"):
                assert client.socket.recv(100)
        eventually(lambda: watch.transactions() == len(SAID))
        time.sleep(1.5)  # into the probe, as a function that has worked for a while
        before = watch.connections()
        network.cut()
        eventually(lambda: watch.transactions() <= 1, in_time(5.0))
        eventually(lambda: watch.transactions() == 0, in_time(3.0))
        eventually(lambda: watch.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0)
        assert server.query("SELECT count(*) FROM vanishing") == ((0,),)
        assert len(set(before) & set(watch.connections())) >= len(before) - 1, "all but the uploading one's go on"
        watch.close()
