"""Servers and nodes that stop, freeze and die under clients at work."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest

from ..servers.redis import RedisServer
from .conftest import Node
from .talk import CLOSED, Talker
from .watch import Observer

BUDGET = 4
AT_ONCE = {"repl_diskless_sync_delay": 0}
"""A replica's first copy is begun without waiting for others."""


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=BUDGET, acquire_timeout_s=20) as found:
        yield found


def in_all_states(port: int, protocol: int = 3) -> dict[str, Talker]:
    """A client in each of the states that matter, all of them at work at once on a budget of four."""
    clients = {name: Talker(port) for name in ("idle", "transaction", "blocked", "subscribed", "in a script")}
    for talker in clients.values():
        talker.ask("HELLO", protocol)
    clients["idle"].ask("SET", "idle", 1)
    clients["transaction"].ask("MULTI")
    clients["transaction"].ask("INCR", "never")
    clients["blocked"].send("BLPOP", "q", 0)
    clients["subscribed"].send("SUBSCRIBE", "c")
    clients["subscribed"].messages(1, protocol)
    return clients


def close(clients: dict[str, Talker]) -> None:
    for talker in clients.values():
        talker.close()


def blocked(server: RedisServer) -> int:
    found: int = server.ask("INFO", "clients")["blocked_clients"]
    return found


def test_the_server_is_killed_and_comes_again(
    server: RedisServer, node: Node, eventually: Callable[..., None]
) -> None:
    """Who was idle notices nothing; what was under way gets one error, and is never sent again."""
    clients = in_all_states(node.redis_port)
    eventually(lambda: blocked(server) == 1)
    under_way = clients["in a script"]
    sent = node.metric("outlive_bytes_to_server_total")
    under_way.send("EVAL", "redis.call('INCR','ran') while true do end", 0)
    eventually(lambda: node.metric("outlive_bytes_to_server_total") > sent)
    server.process.kill()
    heard = under_way.hear()
    assert heard.startswith(b"-ERR Outlive: the server closed the connection")
    assert clients["blocked"].hear().startswith(b"-ERR Outlive: the server closed the connection")
    assert clients["transaction"].rest() == b""  # a transaction that is gone cannot be told otherwise
    server.restart()
    assert clients["idle"].ask("GET", "idle") == b"_\r\n"
    assert under_way.ask("GET", "ran") == b"_\r\n"
    assert clients["blocked"].ask("RPUSH", "q", "x") == b":1\r\n"
    close(clients)


def test_what_waits_while_the_server_is_away_runs_once_it_is_back(server: RedisServer, node: Node) -> None:
    with Talker(node.redis_port) as talker, Talker(node.redis_port) as other:
        talker.ask("SET", "a", 1)
        server.process.kill()
        talker.send("INCR", "a")
        other.send("BLPOP", "q", "0.1")
        heard = other.hear()
        assert heard == b"*-1\r\n" or heard.startswith(b"-ERR Outlive: the server closed the connection")
        server.restart()
        heard = talker.hear()
        # Sent before the node knew, or after.
        assert heard == b":1\r\n" or heard.startswith(b"-ERR Outlive: the server closed the connection")
        assert talker.ask("INCR", "a") in (b":1\r\n", b":2\r\n")


def test_a_server_that_stands_still(server: RedisServer, node: Node) -> None:
    """Nothing is lost, doubled or mixed up; the answers come when it goes on."""
    talkers = [Talker(node.redis_port) for _ in range(50)]
    for number, talker in enumerate(talkers):
        talker.ask("SET", f"k{number}", number)
    server.process.pause()
    for number, talker in enumerate(talkers):
        for words in (("GET", f"k{number}"), ("INCR", f"k{number}"), ("PING", number)):
            talker.send(*words)
    for talker in talkers[::5]:
        talker.close()
    time.sleep(0.3)  # it stands still for as long as nothing is decided by
    server.process.resume()
    for number, talker in enumerate(talkers):
        if number % 5:
            digits = str(number)
            expected = f"${len(digits)}\r\n{digits}\r\n:{number + 1}\r\n${len(digits)}\r\n{digits}\r\n"
            assert talker.hear(3) == expected.encode()
            talker.close()


def test_the_node_is_killed(server: RedisServer, eventually: Callable[..., None]) -> None:
    """Its connections at the server end with it, those that block, too; and nothing is given to them."""
    before = len(server.connections())
    node = Node.of(server, max_connections=BUDGET)
    clients = in_all_states(node.redis_port)
    eventually(lambda: blocked(server) == 1)
    node.kill()
    eventually(lambda: len(server.connections()) <= before and blocked(server) == 0)
    for talker in clients.values():
        assert talker.rest() == b""
    server.ask("RPUSH", "q", "x")
    assert server.ask("LLEN", "q") == 1
    assert server.ask("EXISTS", "never") == 0
    close(clients)
    node.close()


def test_the_node_drains(server: RedisServer, eventually: Callable[..., None]) -> None:
    """SIGTERM: what is under way is answered, no server connection stays, and the exit status is 0."""
    before = len(server.connections())
    with Node.of(server, max_connections=BUDGET) as node:
        clients = in_all_states(node.redis_port)
        eventually(lambda: blocked(server) == 1)
        node.signal(signal.SIGTERM)
        clients["idle"].rest()  # closed at once
        heard = clients["transaction"].ask("EXEC")
        assert heard in (b"*1\r\n:1\r\n", CLOSED) or heard.startswith(b"-ERR Outlive")
        server.ask("RPUSH", "q", "x")
        heard = clients["blocked"].hear()
        assert heard == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n" or server.ask("LLEN", "q") == 1
        close(clients)
        assert node.stop() == 0
        eventually(lambda: len(server.connections()) <= before)


def test_the_budget_holds_while_everything_dies(
    server: RedisServer, node: Node, count: Callable[[int, int], int]
) -> None:
    """Looked at every 10 ms, with clients that come, change user and database, block and vanish, and with server
    connections that are killed.
    """
    with Observer(server.port, kill_every_s=0.05) as observer:
        ends_at = time.monotonic() + count(1, 30)
        turn = 0
        while time.monotonic() < ends_at:
            turn += 1
            talkers = [Talker(node.redis_port) for _ in range(10)]
            for number, talker in enumerate(talkers):
                if number % 2:
                    talker.send("HELLO", 3)
                talker.send("SELECT", (turn + number) % 7)
                talker.send("MULTI" if number % 3 else "GET", *([] if number % 3 else ["a"]))
                talker.send("INCR", "a")
                if number % 3 != 1:
                    talker.send("EXEC")
                if number == 4:
                    talker.send("BLPOP", "never", 0)
            for talker in talkers[::2]:
                talker.hear()
            for talker in talkers:
                talker.close()
    assert observer.samples > 10
    assert observer.kills
    assert observer.most <= BUDGET


def test_failover(eventually: Callable[..., None]) -> None:
    """READONLY: what was a primary is a replica now. The command that hears it has its error; those after it go to the
    new one.
    """
    with RedisServer(**AT_ONCE) as first, RedisServer(**AT_ONCE) as second:
        second.ask("REPLICAOF", first.host, first.port)
        eventually(lambda: second.ask("INFO", "replication")["master_link_status"] == "up")
        urls = f"redis://default@{first.host}:{first.port},{second.host}:{second.port}/0?max_connections={BUDGET}"
        with Node(urls) as node, Talker(node.redis_port) as talker, Talker(node.redis_port) as other:
            assert talker.ask("SET", "a", 1) == b"+OK\r\n"
            assert talker.ask("WAIT", 1, 5000) == b":1\r\n"
            second.ask("REPLICAOF", "NO", "ONE")
            first.ask("REPLICAOF", second.host, second.port)
            heard = other.ask("SET", "b", 1)
            assert heard.startswith((b"-READONLY", b"+OK"))
            eventually(lambda: talker.ask("SET", "c", 1) == b"+OK\r\n")
            assert second.ask("GET", "c") == b"1"


def test_wait_tells_the_truth(eventually: Callable[..., None]) -> None:
    """Of a connection that was idle since before the write, the server would say that a frozen replica has it."""
    with (
        RedisServer(**AT_ONCE) as first,
        RedisServer(**AT_ONCE) as replica,
        Node.of(first, max_connections=BUDGET) as node,
    ):
        replica.ask("REPLICAOF", first.host, first.port)
        eventually(lambda: replica.ask("INFO", "replication")["master_link_status"] == "up")
        with Talker(node.redis_port) as talker, Talker(node.redis_port) as idle:
            idle.ask("WAIT", 1, 5000)
            assert talker.pipeline(("SET", "a", 1), ("WAIT", 1, 5000)) == b"+OK\r\n:1\r\n"
            replica.process.pause()
            assert talker.pipeline(("SET", "a", 2), ("WAIT", 1, 300)) == b"+OK\r\n:0\r\n"
            replica.process.resume()
            assert talker.ask("WAIT", 1, 5000) == b":1\r\n"
