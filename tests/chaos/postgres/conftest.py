"""What the chaos tests of PostgreSQL look at, from a superuser's connection in the slots reserved for it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from ...servers import OutliveProcess, Postgres18
from ...servers.postgres import SUPERUSER, PostgresServer


class Watch:
    """One superuser's connection, for what it says about those of `app`."""

    def __init__(self, server: PostgresServer) -> None:
        self._connection = server.connect(SUPERUSER, autocommit=True)
        self._lock = threading.Lock()

    def one(self, sql: str) -> Any:
        with self._lock:
            return self._connection.execute(sql).fetchall()[0][0]

    def connections(self) -> list[int]:
        with self._lock:
            found = self._connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = 'app' ORDER BY pid")
            return [row[0] for row in found]

    def transactions(self) -> int:
        return int(self.one("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND xact_start IS NOT NULL"))

    def running(self, text: str) -> int:
        return int(
            self.one(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app' AND state = 'active' "
                f"AND query LIKE '%{text}%'"
            )
        )

    def close(self) -> None:
        self._connection.close()


class Observer(Watch):
    """For the time of `with` it counts the connections of `app` every 10 ms; `most` is the highest count."""

    def __init__(self, server: PostgresServer) -> None:
        super().__init__(server)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self.most = self.samples = 0

    def _run(self) -> None:
        while not self._done.wait(0.01):
            with contextlib.suppress(psycopg.Error):  # the server is away
                self.most = max(self.most, len(self.connections()))
                self.samples += 1

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join(10)
        self.close()


@pytest.fixture
def watch(postgres18: Postgres18) -> Iterator[Watch]:
    made = Watch(postgres18)
    yield made
    made.close()


@pytest.fixture
def own() -> Iterator[Postgres18]:
    """A server that this test may kill."""
    with Postgres18(tls=False) as server:
        yield server


@pytest.fixture
def whole(eventually: Callable[..., None]) -> Callable[..., None]:
    """`whole(node, lendable)`: every slot of the node can be had, all at once, and nothing is left of former leases."""

    def check(node: OutliveProcess, lendable: int, timeout_s: float) -> None:
        eventually(lambda: node.metric("outlive_leases_held") == 0, timeout_s, "leases end")
        clients = [node.pg(autocommit=False) for _ in range(lendable)]
        try:
            started = time.monotonic()
            for number, client in enumerate(clients):
                assert client.execute("SELECT %s::int", (number,)).fetchall() == [(number,)]
                left = client.execute(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
                ).fetchall()
                assert left == [(0,)]
                assert client.execute("SHOW search_path").fetchall() == [('"$user", public',)]
            assert time.monotonic() - started < timeout_s
            for client in clients:
                client.rollback()
        finally:
            for client in clients:
                client.close()

    return check
