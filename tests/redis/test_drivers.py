"""redis-py, valkey-py, redis-cli and redis-benchmark, unmodified: what they hear through is what they hear direct."""

import asyncio
import re
import subprocess
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import redis
import redis.asyncio
import valkey
import valkey.asyncio

from ..servers.processes import program
from ..servers.redis import PASSWORD, USER, RedisServer
from .conftest import Node


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Any:
    with Node.of(server, max_connections=5, passthrough="true") as found:
        yield found


def scenario(module: ModuleType, port: int, protocol: int) -> list[Any]:
    """What a program does with one of the drivers."""
    make = getattr(module, "Redis", None) or module.Valkey
    heard: list[Any] = []
    with make(port=port, protocol=protocol, username=USER, password=PASSWORD) as client:
        heard += [client.set("a", "é"), client.get("a"), client.incrby("n", 5)]
        heard += [client.hset("h", mapping={"f": 1, "g": 2}), client.hgetall("h")]
        heard += [client.zadd("z", {"m": 1.5}), client.zrange("z", 0, -1, withscores=True)]
        with pytest.raises(module.ResponseError) as wrong:
            client.incr("a")
        heard.append(str(wrong.value))
        with client.pipeline() as pipeline:
            heard.append(pipeline.set("p", 1).incr("p").lpush("p", 1).get("p").execute(raise_on_error=False)[:2])
        with client.pipeline(transaction=False) as pipeline:
            for number in range(100):
                pipeline.set(f"k{number}", number).get(f"k{number}")
            heard.append(pipeline.execute())

        def move(pipeline: Any) -> None:
            found = int(pipeline.get("n"))
            pipeline.multi()
            pipeline.set("n", found + 1)

        heard += [client.transaction(move, "n"), client.get("n")]
        heard += [client.blpop("none", timeout=0.02), client.rpush("q", "x"), client.blpop("q", timeout=1)]
        heard += [client.register_script("return {KEYS[1], ARGV[1]}")(keys=["k"], args=["v"])]
        heard += [sorted(client.scan_iter("k1*", count=7)), client.client_setname("me"), client.client_getname()]
        heard += [client.xadd("x", {"f": "v"}, id="1-1"), client.xread({"x": "0"}, block=10)]
        heard += [client.xread({"x": "$"}, block=10)]
        with client.pubsub() as subscriber:
            subscriber.subscribe("c")
            heard.append(subscriber.get_message(timeout=5))
            client.publish("c", "hello")
            heard.append(subscriber.get_message(timeout=5))
        with client.lock("lock", timeout=5):
            heard.append(client.exists("lock"))
    return heard


async def concurrently(module: ModuleType, port: int, protocol: int) -> list[Any]:
    """Many tasks over a pool of few connections."""
    make = getattr(module, "Redis", None) or module.Valkey
    pool = module.BlockingConnectionPool(port=port, protocol=protocol, max_connections=10, timeout=30)
    async with make(connection_pool=pool) as client:

        async def one(number: int) -> Any:
            async with client.pipeline(transaction=number % 2 == 0) as pipeline:
                pipeline.set(f"a{number}", number).get(f"a{number}").rpush(f"q{number}", number)
                return [*await pipeline.execute(), await client.blpop(f"q{number}", timeout=5)]

        found = await asyncio.gather(*(one(number) for number in range(200)))
    await pool.disconnect()
    return found


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("module", [redis, valkey], ids=["redis-py", "valkey-py"])
def test_drivers(server: RedisServer, node: Node, module: ModuleType, protocol: int) -> None:
    direct = scenario(module, server.port, protocol)
    server.ask("FLUSHALL")
    assert scenario(module, node.redis_port, protocol) == direct


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("module", [redis.asyncio, valkey.asyncio], ids=["redis-py", "valkey-py"])
def test_asyncio(server: RedisServer, node: Node, module: ModuleType, protocol: int) -> None:
    direct = asyncio.run(concurrently(module, server.port, protocol))
    server.ask("FLUSHALL")
    assert asyncio.run(concurrently(module, node.redis_port, protocol)) == direct


def cli(port: int, *arguments: str, said: str | None = None) -> str:
    done = subprocess.run(
        [program("redis-cli", "redis-tools"), "-p", str(port), *arguments],
        input=said, stdin=subprocess.DEVNULL if said is None else None,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_redis_cli(server: RedisServer, node: Node) -> None:
    session = "SET a 1\nINCR a\nMULTI\nGET a\nGET b\nEXEC\nHSET h f v\nHGETALL h\nSELECT 2\nGET a\nNOSUCH\nPING\n"

    def all_of_it(port: int) -> list[str]:
        loaded = "".join(f"SET line{number} {number}\r\n" for number in range(2000))
        return [
            cli(port, said=session),
            cli(port, "-3", said=session),
            cli(port, "-n", "3", "SET", "a", "x"),
            cli(port, "--pipe", said=loaded),
            cli(port, "DBSIZE"),
            cli(port, "-x", "SET", "in", said="from standard input"),
            cli(port, "-r", "3", "INCR", "r"),
            cli(port, "--user", USER, "--pass", PASSWORD, "--no-auth-warning", "GET", "r"),
            cli(port, "--eval", "/dev/stdin", "k", ",", "v", said="return {KEYS[1], ARGV[1]}"),
            cli(port, "EVAL", "return {1,{2}}", "0"),
            "\n".join(sorted(cli(port, "--scan", "--pattern", "line1*").split())),
        ]

    direct = all_of_it(server.port)
    server.ask("FLUSHALL")
    assert all_of_it(node.redis_port) == direct


@pytest.mark.parametrize("arguments", [("-P", "16"), ("-P", "1", "-3")])
def test_redis_benchmark(
    server: RedisServer, node: Node, arguments: tuple[str, ...], count: Callable[[int, int], int]
) -> None:
    """Each of its tests comes to its end, and the server ran each command once."""
    requests = count(2000, 100_000)
    done = subprocess.run(
        [
            *(program("redis-benchmark", "redis-tools"), "-p", str(node.redis_port), "-n", str(requests)),
            *("-c", "50", "-q", "-t", "ping,set,get,incr,lpush,rpop,sadd,hset,zadd,lrange_100,mset", *arguments),
        ],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stdout.replace("could not fetch", ""), done.stdout
    finished = re.findall(r"^(\w+).*requests per second", done.stdout.replace("\r", "\n"), re.M)
    assert {"PING_INLINE", "SET", "GET", "INCR", "LPUSH", "MSET"} <= set(finished)
    assert int(server.ask("GET", "counter:__rand_int__")) == requests
