"""Who dies while it waits for an element: nothing that is pushed afterwards is given to it, and what it had been given
already is counted, or put back.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..servers.processes import spawn
from ..servers.redis import RedisServer
from .conftest import Node
from .talk import Talker

WAITER = """
import sys, redis
with redis.Redis(port=int(sys.argv[1]), protocol=3) as client:
    client.ping()
    print("waits", flush=True)
    client.blpop(sys.argv[2], 0)
"""

POPS: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]] = {
    # what is waited with, what is pushed, and how the rest is seen
    "BLPOP": (("BLPOP", "none", "q", 0), ("RPUSH", "q", "a", "b"), ("LRANGE", "q", 0, -1)),
    "BRPOP": (("BRPOP", "q", 0), ("RPUSH", "q", "a", "b"), ("LRANGE", "q", 0, -1)),
    "BLMPOP left": (("BLMPOP", 0, 1, "q", "LEFT", "COUNT", 2), ("RPUSH", "q", "a", "b", "c"), ("LRANGE", "q", 0, -1)),
    "BLMPOP right": (("BLMPOP", 0, 1, "q", "RIGHT", "COUNT", 2), ("RPUSH", "q", "a", "b", "c"), ("LRANGE", "q", 0, -1)),
    "BZPOPMIN": (("BZPOPMIN", "z", 0), ("ZADD", "z", "1.5", "a", 2, "b"), ("ZRANGE", "z", 0, -1, "WITHSCORES")),
    "BZPOPMAX": (("BZPOPMAX", "z", 0), ("ZADD", "z", "1.5", "a", 2, "b"), ("ZRANGE", "z", 0, -1, "WITHSCORES")),
    "BZMPOP": (("BZMPOP", 0, 1, "z", "MIN", "COUNT", 2), ("ZADD", "z", "1.5", "a", 2, "b"), ("ZCARD", "z")),
}


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=8, return_unclaimed="true") as found:
        yield found


@pytest.fixture(scope="module")
def counting(server: RedisServer) -> Iterator[Node]:
    """A node that puts nothing back."""
    with Node.of(server, max_connections=8) as found:
        yield found


def blocked(server: RedisServer) -> int:
    found: int = server.ask("INFO", "clients")["blocked_clients"]
    return found


def test_nothing_is_given_to_the_dead(server: RedisServer, node: Node, eventually: Callable[..., None]) -> None:
    """Processes are killed (SIGKILL) inside redis-py's BLPOP. Once the node has noticed, what is pushed goes to those
    who live, all of it, and the server has nobody blocked.
    """
    waiters = [
        spawn([sys.executable, "-c", WAITER, str(node.redis_port), f"q{number}"], stdout=subprocess.PIPE)
        for number in range(4)
    ]
    eventually(lambda: blocked(server) == 4)
    for waiter in waiters:
        waiter.send_signal(signal.SIGKILL)
    eventually(lambda: node.metric("outlive_clients") == 0)
    eventually(lambda: blocked(server) == 0)
    with Talker(node.redis_port) as living:
        for number in range(4):
            living.ask("RPUSH", f"q{number}", "x")
            assert living.ask("BLPOP", f"q{number}", 1).endswith(b"$1\r\nx\r\n")
    for waiter in waiters:
        waiter.wait(10)


def given_to_the_dead(server: RedisServer, node: Node, name: str, eventually: Callable[..., None]) -> None:
    """The node stands still while its client dies and the server gives away what that waited for."""
    waiting, pushing, _ = POPS[name]
    with Talker(node.redis_port) as talker:
        talker.send(*waiting)
        eventually(lambda: blocked(server) == 1)
        node.process.pause()
    server.ask(*pushing)
    node.process.resume()
    eventually(lambda: blocked(server) == 0 and node.metric("outlive_clients") == 0)


@pytest.mark.parametrize("name", POPS)
def test_what_it_had_been_given_is_put_back(
    server: RedisServer, node: Node, name: str, eventually: Callable[..., None]
) -> None:
    """To where it was, in its order and with its score."""
    _, pushing, looking = POPS[name]
    server.ask(*pushing)
    expected = server.ask(*looking)
    server.ask("FLUSHALL")
    before = node.metric("outlive_server_errors_total", kind="returned")
    given_to_the_dead(server, node, name, eventually)
    eventually(lambda: node.metric("outlive_server_errors_total", kind="returned") == before + 1)
    eventually(lambda: server.ask(*looking) == expected, what=f"{server.ask(*looking)} is {expected}")


def test_what_it_had_been_given_is_counted(
    server: RedisServer, counting: Node, eventually: Callable[..., None]
) -> None:
    given_to_the_dead(server, counting, "BLPOP", eventually)
    eventually(lambda: counting.metric("outlive_server_errors_total", kind="unclaimed") == 1)
    assert server.ask("LRANGE", "q", 0, -1) == [b"b"]


def test_a_connection_that_was_unblocked_serves_again(
    server: RedisServer, node: Node, eventually: Callable[..., None]
) -> None:
    """Many who die while they wait cost no connection each."""
    with Talker(node.redis_port) as talker:
        talker.ask("BLPOP", "never", "0.01")
    before = node.metric("outlive_dials_total")
    for _ in range(20):
        with Talker(node.redis_port) as talker:
            talker.send("BLPOP", "never", 0)
            eventually(lambda: blocked(server) == 1)
        eventually(lambda: blocked(server) == 0)
    with Talker(node.redis_port) as talker:
        assert talker.ask("BLPOP", "never", "0.01") == b"*-1\r\n"
    assert node.metric("outlive_dials_total") <= before + 1


def test_time_in_the_queue_counts(server: RedisServer, eventually: Callable[..., None]) -> None:
    """Its end is nil, not an error; those who push are not kept from it by those who wait; and who waits for longer
    than the queue lets it hears what was full.
    """
    with Node.of(server, max_connections=3, acquire_timeout_s=1) as narrow:
        waiting = [Talker(narrow.redis_port) for _ in range(4)]
        for talker in waiting[:2]:
            talker.send("BLPOP", "q", 0)
        eventually(lambda: blocked(server) >= 1)
        waiting[2].send("BLPOP", "p", "0.2")
        waiting[3].send("BLPOP", "p", 0)
        assert waiting[2].hear() == b"*-1\r\n"
        refused = waiting[3].hear()
        assert refused.startswith(b"-ERR Outlive: ")
        with Talker(narrow.redis_port) as pushing:
            assert pushing.ask("RPUSH", "q", "x", "y") == b":2\r\n"
            assert pushing.ask("GET", "a") == b"$-1\r\n"
        for talker in waiting:
            talker.close()


def test_a_group_called_streams_blocks_no_shared_connection(
    server: RedisServer, node: Node, eventually: Callable[..., None]
) -> None:
    """Its XREADGROUP waits on a connection of its own; the commands of all others are answered meanwhile."""
    server.ask("XGROUP", "CREATE", "stream", "streams", "$", "MKSTREAM")
    with Talker(node.redis_port) as waiter, Talker(node.redis_port) as other:
        waiter.ask("SET", "warm", 1)
        waiter.send("XREADGROUP", "GROUP", "streams", "block", "BLOCK", 0, "STREAMS", "stream", ">")
        eventually(lambda: blocked(server) == 1)
        for _ in range(20):
            assert other.ask("GET", "warm") == b"$1\r\n1\r\n"
        assert node.metric("outlive_clients") == 2
    eventually(lambda: blocked(server) == 0)
