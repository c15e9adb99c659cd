"""`@upstash/redis` and `upstash-redis`, unmodified: only their URL is Outlive's."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import upstash_redis
import upstash_redis.asyncio
from upstash_redis.errors import UpstashError

from tests.gateway.caller import KEY
from tests.gateway.upstash.conftest import Upstash, configuration
from tests.servers.redis import RedisServer

FOLDER = Path(__file__).parent
NODE = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Upstash]:
    with Upstash(configuration(server)) as found:
        yield found


@NODE
def test_the_package_of_node(node: Upstash) -> None:
    done = subprocess.run(
        ["node", "scenario.js", node.url, KEY], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:] + node.log[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["set"], found["get"], found["ok"], found["nothing"]) == ("OK", "Zürich ☃ OK", "OK", None)
    assert found["object"] == {"a": [1, 2.5, None], "b": "x"}
    assert found["together"][:2] == [1, 2]
    assert found["hash"] == {"f": 1, "g": "two"}
    assert found["sorted"] == ["a", 1.5, "b", 2]
    assert found["scan"] == ["js:z"]
    assert found["script"] == ["k", "v", 7]
    assert (found["status"], found["ping"]) == (["OK", "OK"], "PONG")
    assert found["pipeline"] == ["OK", 2, []]
    assert [each.get("error") for each in found["broken"]] == [
        None, "ERR value is not an integer or out of range", None,
    ]  # fmt: skip
    assert found["multi"] == ["OK", 2]
    assert "WRONGTYPE" in found["wrongType"]["message"]
    assert found["plain"] == "Zürich ☃ OK"
    assert "ERR value is not an integer" in found["plainError"]["message"]
    assert found["unauthorized"]["name"] == "UpstashError"
    assert sorted(found["messages"], key=str) == [
        ["js:n*", "js:news", {"said": "it, twice"}],
        [None, "js:news", {"said": "it, twice"}],
    ]


def test_the_package_of_python(node: Upstash) -> None:
    with upstash_redis.Redis(url=node.url, token=KEY) as redis:
        assert redis.set("py:a", "Zürich ☃") is True
        assert redis.get("py:a") == "Zürich ☃"
        assert redis.get("py:none") is None
        assert redis.mset({"py:1": "OK", "py:2": "2"}) is True
        assert redis.mget("py:1", "py:2", "py:none") == ["OK", "2", None]
        redis.hset("py:hash", values={"f": "1", "g": "two"})
        assert redis.hgetall("py:hash") == {"f": "1", "g": "two"}
        redis.zadd("py:z", {"a": 1.5, "b": 2})
        assert redis.zrange("py:z", 0, -1, withscores=True) == [("a", 1.5), ("b", 2.0)]
        redis.geoadd("py:geo", (13.361389, 38.115556, "Palermo"))
        assert redis.geopos("py:geo", "Palermo")
        assert redis.pipeline().set("py:p", 1).incr("py:p").exec() == [True, 2]
        assert redis.multi().set("py:m", 1).incr("py:m").get("py:m").exec() == [True, 2, "2"]
        with pytest.raises(UpstashError, match="WRONGTYPE"):
            redis.lpush("py:a", "x")
        with pytest.raises(UpstashError, match="not an integer"):
            redis.multi().incr("py:a").exec()
    with (
        upstash_redis.Redis(url=node.url, token="wrong", rest_retries=0) as stranger,
        pytest.raises(UpstashError, match="API key"),
    ):
        stranger.get("py:a")


def test_the_package_of_python_with_asyncio(node: Upstash) -> None:
    async def run() -> Any:
        async with upstash_redis.asyncio.Redis(url=node.url, token=KEY) as redis:
            return await asyncio.gather(*(redis.incr("aio:n") for _ in range(20)))

    assert sorted(asyncio.run(run())) == list(range(1, 21))
