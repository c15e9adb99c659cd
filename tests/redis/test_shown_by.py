"""Two thousand clients of redis-py on a Redis with maxclients 50: each gets its own replies, and no element is lost."""

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
MAX_CLIENTS = 50
BUDGET = 45
"""The rest is for those who look on."""

pytestmark = pytest.mark.timeout(280)


def test_shown_by(count: Callable[[int, int], int]) -> None:
    clients, seconds = count(200, 2000), count(2, 60)
    each = clients // count(2, 4)
    with (
        RedisServer(maxclients=MAX_CLIENTS) as server,
        Node.of(server, max_connections=BUDGET, acquire_timeout_s=60) as node,
    ):
        command = [sys.executable, "-m", "tests.redis.drivers_crowd", str(node.redis_port)]
        with Observer(server.port) as observer:
            crowds = [
                spawn([*command, str(first), str(each), str(seconds)], cwd=ROOT, stdout=subprocess.PIPE)
                for first in range(0, clients, each)
            ]
            reports = [json.loads(crowd.communicate(timeout=seconds + 120)[0]) for crowd in crowds]
        left = [
            f"{key.decode().removeprefix('queue:')} {word.decode()}"
            for key in server.ask("KEYS", "queue:*")
            for word in server.ask("LRANGE", key, 0, -1)
        ]
        refused = server.ask("INFO", "stats")["rejected_connections"]
        print(node.log[-2000:])
    for report in reports:
        print(*report["failures"], sep="\n")  # whole: an assertion's text is cut
    assert not any(report["failures"] for report in reports)
    counts = sum((Counter(report["counts"]) for report in reports), Counter[str]())
    pushed = Counter(word for report in reports for word in report["pushed"])
    taken = Counter(word for report in reports for word in report["taken"])
    print(dict(counts), len(pushed), "pushed,", len(left), "left; most connections:", observer.most)
    assert pushed == taken + Counter(left)
    assert len(taken) > clients / 10
    assert set(counts) == {"word", "transaction", "pipeline", "push", "take"}
    assert observer.most <= BUDGET
    assert refused == 0
