"""The promise in one scene: MariaDB with 30 connections, Outlive with 20 of them, a thousand PyMySQL clients, and all of
them killed at once.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.processes import in_time, spawn
from ..servers.watch import Observer
from .test_thousand import BUDGET, ROOT

CLIENTS = 1000
PROCESSES = 4


@pytest.fixture
def small() -> Iterator[MariaDB]:
    with MariaDB(max_connections=30) as server:
        rows = ", ".join(f"({number}, 0)" for number in range(CLIENTS))
        server.query("CREATE TABLE test.shown (client INT PRIMARY KEY, money INT)")
        server.query("CREATE TABLE test.shown_log (id INT AUTO_INCREMENT PRIMARY KEY, client INT, turn INT)")
        server.query(f"INSERT INTO test.shown VALUES {rows}")
        yield server


def _start(port: int, first: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.clients.pymysql_crowd", str(port), str(first), str(CLIENTS // PROCESSES)]
    return spawn(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _tell(crowds: list[subprocess.Popen[bytes]]) -> None:
    for crowd in crowds:
        assert crowd.stdin is not None
        crowd.stdin.write(b"go on\n")
        crowd.stdin.flush()


def _hear(crowds: list[subprocess.Popen[bytes]]) -> list[str]:
    return [crowd.stdout.readline().decode().strip() for crowd in crowds if crowd.stdout is not None]


@pytest.mark.timeout(200)
def test_a_thousand_functions_on_twenty_connections(
    small: MariaDB, outlive: Callable[..., OutliveProcess], count: Callable[[int, int], int], eventually: Any
) -> None:
    node = outlive(small.url(max_connections=BUDGET, acquire_timeout_s=60))
    crowds = [_start(node.port, first) for first in range(0, CLIENTS, CLIENTS // PROCESSES)]
    with Observer(small) as observer:
        assert _hear(crowds) == ["connected"] * PROCESSES
        assert node.metric("outlive_clients") == CLIENTS
        _tell(crowds)
        time.sleep(count(6, 30))  # they work
        _tell(crowds)
        reports = [json.loads(line) for line in _hear(crowds)]
        failures = [failure for report in reports for failure in report["failures"]]
        done = [turns for report in reports for turns in report["done"]]
        assert not failures, failures[:5]
        assert min(done) > 0
        assert node.metric("outlive_clients") == CLIENTS  # they all stayed connected
        assert observer.rows("SELECT (SELECT COUNT(*) FROM test.shown_log), SUM(money) FROM test.shown") == (
            (sum(done),) * 2,
        )
        _tell(crowds)
        assert _hear(crowds) == ["in transactions"] * PROCESSES
        for crowd in crowds:
            crowd.kill()
        eventually(lambda: observer.transactions() == 0, in_time(3.0))
        assert observer.rows("SELECT SUM(money) FROM test.shown") == ((sum(done),),)  # rolled back
        eventually(lambda: node.metric("outlive_clients") == 0)
        for crowd in crowds:
            crowd.communicate()
    assert 0 < observer.most <= BUDGET
    assert small.status("Connection_errors_max_connections") == 0
    assert node.stop() == 0
    small.wait_gone()
    print(f"{sum(done)} transactions, {observer.most} connections at most in {observer.samples} samples")
