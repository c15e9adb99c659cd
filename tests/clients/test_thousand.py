"""A thousand clients on twenty connections: every answer is the asker's own, whatever happens to the others."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..servers import DatabaseServer, MariaDB, MySQL97, OutliveProcess
from ..servers.processes import spawn

ROOT = Path(__file__).parent.parent.parent
BUDGET = 20
PROCESSES = 4


class Observer:
    """Counts the connections of a user at the server every 10 ms, on a connection of its own."""

    def __init__(self, server: DatabaseServer, user: str = "app") -> None:
        self._server = server
        self._user = user
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.most = 0
        self.samples = 0

    def _run(self) -> None:
        with self._server.connect() as connection, connection.cursor() as cursor:
            while not self._ends.wait(0.01):
                cursor.execute(
                    "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user NOT IN "
                    "('system user', 'event_scheduler')"
                )
                ((count,),) = cursor.fetchall()
                self.most = max(self.most, count)
                self.samples += 1

    def __enter__(self) -> "Observer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(10)


@pytest.fixture(params=[MariaDB, MySQL97], ids=["mariadb", "mysql97"])
def own_server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """On which nobody else's connections are."""
    with request.param() as server:
        yield server


def test_every_answer_is_its_own(
    own_server: DatabaseServer, outlive: Callable[..., OutliveProcess], count: Callable[[int, int], int]
) -> None:
    server, clients, seconds = own_server, 1000, count(8, 60)
    server.query("CREATE TABLE crowd (client INT, side INT, money INT, PRIMARY KEY (client, side))")
    server.query("CREATE TABLE crowd_log (id INT AUTO_INCREMENT PRIMARY KEY, client INT)")
    rows = ", ".join(f"({number}, 0, 1000), ({number}, 1, 0)" for number in range(clients))
    server.query(f"INSERT INTO crowd VALUES {rows}")
    refused = server.status("Connection_errors_max_connections")
    node = outlive(server.url(max_connections=BUDGET, acquire_timeout_s=60))
    with Observer(server) as observer:
        crowds = [
            spawn(
                [
                    sys.executable, "-m", "tests.clients.crowd", str(node.port), str(first), str(clients // PROCESSES),
                    str(seconds), "7", str(server.flavour == "mariadb"),
                ],
                cwd=ROOT, stdout=subprocess.PIPE,
            )
            for first in range(0, clients, clients // PROCESSES)
        ]  # fmt: skip
        reports = [json.loads(crowd.communicate(timeout=seconds + 60)[0]) for crowd in crowds]
    counts = sum((Counter(report) for report in reports if "failures" not in report), Counter())
    print(dict(counts), "most connections:", observer.most, "of", observer.samples, "samples")
    assert not [report["failures"] for report in reports if "failures" in report]
    assert observer.samples > 100
    assert observer.most <= BUDGET
    assert server.status("Connection_errors_max_connections") == refused
    assert counts["_ask"] > clients
    assert counts["interrupted"]
    assert counts["died in a transaction"]
    # No money was made or lost by those who died in their transactions.
    assert server.query(
        "SELECT COUNT(*) FROM (SELECT client FROM crowd GROUP BY client HAVING SUM(money) <> 1000) w"
    ) == ((0,),)


pytestmark = pytest.mark.timeout(200)
