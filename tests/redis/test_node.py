"""node's ioredis and node-redis, unmodified: what they hear through is what they hear direct."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ..servers.redis import RedisServer
from .conftest import Node

FOLDER = Path(__file__).parent / "node"

pytestmark = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")


def heard(client: str, port: int) -> list[Any]:
    done = subprocess.run(
        ["node", "scenario.js", str(port), client],
        cwd=FOLDER, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("client", ["ioredis", "ioredis-auto", "node-redis-2", "node-redis-3"])
def test_node(server: RedisServer, node: Node, client: str) -> None:
    direct = heard(client, server.port)
    server.ask("FLUSHALL")
    assert heard(client, node.redis_port) == direct
