"""The host of a node vanishes without a word: its server connections end within the dead man's bound, by themselves."""

import asyncio
import threading
import time

import pytest

from ..servers import Network, Postgres15, Postgres18, PostgresServer
from .postgres_upstream import Upstream

BOUND_S = 4


@pytest.mark.root
@pytest.mark.parametrize("version", [Postgres15, Postgres18])
def test_what_a_vanished_node_held(network: Network, eventually, version: type[PostgresServer]) -> None:
    with version(namespace=network.server.name, host="0.0.0.0") as pg:
        begun = threading.Event()
        over = threading.Event()

        async def hold() -> None:
            up = Upstream(pg, host=network.server.address, dead_man_s=BOUND_S)
            up.dialer.slow_client_s = BOUND_S  # as where a client that takes nothing is ended as early
            idle, waiting, running, reading = [await up.lease() for _ in range(4)]
            await up.say(idle, "SELECT 1")
            await up.say(waiting, "BEGIN")
            up.begin(running, "SELECT pg_sleep(600)")
            up.begin(reading, "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")
            assert reading.transport is not None
            reading.transport.pause_reading()
            await asyncio.sleep(0.5)
            begun.set()
            await asyncio.to_thread(over.wait)
            up.server.abort_all()

        node = threading.Thread(target=network.client.call, args=(asyncio.run, hold()))
        node.start()
        try:
            assert begun.wait(30)
            assert len(pg.connection_ids("app")) == 4
            network.cut()
            since = time.monotonic()
            eventually(lambda: pg.connection_ids("app") == [], 4 * BOUND_S)
            assert time.monotonic() - since < BOUND_S + 3
        finally:
            over.set()
            node.join(30)
