"""What the chaos tests look at."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.database import DatabaseServer


class Watch:
    """One connection to a server, for what it says about the others. `own` is its id there."""

    def __init__(self, server: DatabaseServer) -> None:
        self._connection = server.connect()
        self.own = self._connection.thread_id()

    def rows(self, sql: str) -> tuple[tuple[Any, ...], ...]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchall())

    def transactions(self) -> int:
        """Open InnoDB transactions, as of now: innodb_trx shows what it showed before until nobody asked for 100 ms."""
        time.sleep(0.11)
        return int(self.rows("SELECT COUNT(*) FROM information_schema.innodb_trx")[0][0])

    def running(self, text: str) -> int:
        """Statements that contain `text`."""
        return int(
            self.rows(
                "SELECT COUNT(*) FROM information_schema.processlist "
                f"WHERE id <> {self.own} AND command <> 'Sleep' AND info LIKE '%{text}%'"
            )[0][0]
        )

    def connections(self, user: str = "app") -> list[int]:
        return [
            int(row[0])
            for row in self.rows(f"SELECT id FROM information_schema.processlist WHERE user = '{user}' ORDER BY id")
        ]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def watch(mariadb: MariaDB) -> Iterator[Watch]:
    made = Watch(mariadb)
    yield made
    with contextlib.suppress(Exception):
        made.close()


@pytest.fixture
def whole(eventually: Callable[..., None]) -> Callable[..., None]:
    """`whole(node, lendable)`: every slot of the node can be had, all at once, and nothing is left of former leases."""

    def check(node: OutliveProcess, lendable: int, timeout_s: float) -> None:
        eventually(lambda: node.metric("outlive_leases_held") == 0, timeout_s, "leases end")
        clients = [node.connect() for _ in range(lendable)]
        try:
            started = time.monotonic()
            for number, client in enumerate(clients):
                with client.cursor() as cursor:
                    cursor.execute("BEGIN")
                    cursor.execute("SELECT %s", (number,))
                    assert cursor.fetchone() == (number,)
            assert time.monotonic() - started < timeout_s
            for client in clients:
                client.rollback()
        finally:
            for client in clients:
                client.close()

    return check


@pytest.fixture
def own() -> Iterator[MariaDB]:
    """A server that this test may kill."""
    with MariaDB(tls=False) as server:
        yield server
