"""A thousand clients on twenty connections: every answer is the asker's own, whatever happens to the others."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..servers import DatabaseServer, MariaDB, MySQL97, OutliveProcess
from ..servers.processes import spawn
from ..servers.watch import Observer

ROOT = Path(__file__).parent.parent.parent
BUDGET = 20
PROCESSES = 4


def run_crowds(module: str, port: int, clients: int, seconds: float, *more: str) -> list[dict[str, Any]]:
    """What each of the processes reports that `clients` are shared out to."""
    each = clients // PROCESSES
    command = [sys.executable, "-m", module, str(port)]
    crowds = [
        spawn([*command, str(first), str(each), str(seconds), "7", *more], cwd=ROOT, stdout=subprocess.PIPE)
        for first in range(0, clients, each)
    ]
    return [json.loads(crowd.communicate(timeout=seconds + 120)[0]) for crowd in crowds]


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
        reports = run_crowds("tests.clients.crowd", node.port, clients, seconds, str(server.flavour == "mariadb"))
    counts = sum((Counter(report) for report in reports if "failures" not in report), Counter())
    print(dict(counts), "most connections:", observer.most, "of", observer.samples, "samples")
    for report in reports:
        print(*report.get("failures", ()), sep="\n")  # whole: an assertion's text is cut
    assert not any("failures" in report for report in reports)
    assert observer.samples > 5 * seconds
    assert observer.most <= BUDGET
    assert server.status("Connection_errors_max_connections") == refused
    # How much is done in the time is the machine's; that they came, and did everything, is the test's.
    assert counts["connected"] >= clients / 2
    assert counts["_ask"] > 100
    assert counts["interrupted"]
    assert counts["died in a transaction"]
    # No money was made or lost by those who died in their transactions.
    assert server.query(
        "SELECT COUNT(*) FROM (SELECT client FROM crowd GROUP BY client HAVING SUM(money) <> 1000) w"
    ) == ((0,),)


pytestmark = pytest.mark.timeout(200)
