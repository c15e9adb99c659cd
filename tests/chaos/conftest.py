"""What the chaos tests look at."""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.watch import Watch


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
