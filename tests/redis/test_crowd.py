"""Thousands of clients on eight connections: every answer is the asker's own, whatever happens to the others."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ..servers.processes import spawn
from ..servers.redis import RedisServer
from .conftest import Node
from .watch import Observer

ROOT = Path(__file__).parent.parent.parent
BUDGET = 8

pytestmark = pytest.mark.timeout(280)


def run_crowd(port: int, clients: int, seconds: float, each: int) -> Counter[str]:
    command = [sys.executable, "-m", "tests.redis.crowd", str(port)]
    crowds = [
        spawn([*command, str(first), str(each), str(seconds), "7"], cwd=ROOT, stdout=subprocess.PIPE)
        for first in range(0, clients, each)
    ]
    reports = [json.loads(crowd.communicate(timeout=seconds + 120)[0]) for crowd in crowds]
    for report in reports:
        print(*report.get("failures", ()), sep="\n")  # whole: an assertion's text is cut
    assert not any("failures" in report for report in reports)
    return sum((Counter(report) for report in reports), Counter())


def test_every_answer_is_its_own(count: Callable[[int, int], int]) -> None:
    """Clients die and are killed, server connections are killed; nobody hears another's words, no command is run twice,
    and the server never sees a connection more than the budget.
    """
    clients, seconds = count(300, 5000), count(3, 60)
    with (
        RedisServer() as server,
        Node.of(server, max_connections=BUDGET, acquire_timeout_s=120, pin_idle_timeout_s=60) as node,
        Observer(server.port, kill_every_s=0.25) as observer,
    ):
        try:
            counts = run_crowd(node.redis_port, clients, seconds, count(150, 1250))
        finally:
            print(node.log[-3000:])
        print(dict(counts), "most connections:", observer.most, "of", observer.samples, "samples")
        assert observer.samples > 5 * seconds
        assert observer.most <= BUDGET
        assert observer.kills
        # How much is done in the time is the machine's; that they came, and did everything, is the test's.
        assert counts["connected"] >= clients / 2
        assert counts["_ask"] > 50
        assert counts["died in a transaction"]
        assert counts["lost"]
