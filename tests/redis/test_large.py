"""Large replies and large commands pass in pieces; who does not read is in nobody's way."""

import time
from collections.abc import Callable, Iterator

import pytest

from ..fuzz.raw import rss_bytes
from ..servers.redis import RedisServer
from .conftest import Node
from .talk import Talker, encode

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=5, client_output_buffer_bytes=4 * MEGABYTE) as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(client_query_buffer_limit="1gb") as found:
        yield found


def take(talker: Talker, length: int, meanwhile: Callable[[], object]) -> None:
    """Reads a bulk string of `length` without keeping it. `meanwhile` is called once, when it has begun to come."""
    left = len(f"${length}\r\n") + length + 2
    begun = False
    while left:
        data = talker.socket.recv(MEGABYTE)
        assert data, f"ended {left} bytes before its end"
        left -= len(data)
        if not begun:
            meanwhile()
            begun = True


def test_replies_and_commands_of_512_mib(server: RedisServer, node: Node, count: Callable[[int, int], int]) -> None:
    """In memory that does not grow with them. Meanwhile others are answered."""
    length = count(48, 512) * MEGABYTE - (1024 if count(0, 1) else 0)
    before = rss_bytes(node.pid)
    piece = b"x" * MEGABYTE
    with Talker(node.redis_port) as talker, Talker(node.redis_port) as other:
        talker.socket.sendall(b"*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n" % length)
        for start in range(0, length, MEGABYTE):
            talker.socket.sendall(piece[: min(MEGABYTE, length - start)])
        talker.socket.sendall(b"\r\n")
        assert other.ask("GET", "a") == b"$-1\r\n"
        assert talker.hear() == b"+OK\r\n"
        assert server.ask("STRLEN", "large") == length
        talker.send("GET", "large")
        take(talker, length, lambda: other.pipeline(("SET", "a", 1), ("GET", "a")))
        assert other.ask("GET", "a") == b"$1\r\n1\r\n"
        assert talker.ask("PING") == b"+PONG\r\n"
        assert rss_bytes(node.pid) - before < 24 * MEGABYTE


@pytest.mark.parametrize("blocked", [0, 4])
def test_large_commands_that_stall(server: RedisServer, eventually: Callable[..., None], blocked: int) -> None:
    """However many of them, one connection is left to everybody else; and however many block, one is left to them."""
    with Node.of(server, max_connections=4, key_switch_after_ms=1, acquire_timeout_s=20) as narrow:
        others = [Talker(narrow.redis_port) for _ in range(blocked)]
        for other in others:
            other.send("BLPOP", f"fed by {blocked}", 0)
        if blocked:
            eventually(lambda: narrow.metric("outlive_server_connections", state="leased") == 2)
        stalled = [Talker(narrow.redis_port) for _ in range(12)]
        for talker in stalled:
            talker.socket.sendall(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n" % MEGABYTE + b"x" * 100_000)
        eventually(lambda: narrow.metric("outlive_server_connections", state="leased") >= 3)
        eventually(lambda: narrow.metric("outlive_waiters") >= 9)
        with Talker(narrow.redis_port, timeout_s=10) as innocent:
            for number in range(300):  # over several of those moments in which the shared connection makes room
                assert innocent.ask("SET", "n", number) == b"+OK\r\n"
        for talker in stalled[:6]:
            talker.close()
        for talker in stalled[6:]:  # in turn: each has what the one before it had
            talker.socket.sendall(b"x" * (MEGABYTE - 100_000) + b"\r\n")
        for talker in stalled[6:]:
            assert talker.hear() == b"+OK\r\n"
        for talker in (*stalled, *others):
            talker.close()
        eventually(lambda: narrow.metric("outlive_server_connections", state="leased") == 0)


def test_who_does_not_read(server: RedisServer, node: Node, eventually: Callable[..., None]) -> None:
    """Its replies are kept up to a limit, then it is ended; those who share its connection are always answered."""
    server.ask("SET", "large", "x" * MEGABYTE)
    before = rss_bytes(node.pid)
    ended = node.metric("outlive_errors_total", kind="output_buffer")
    with Talker(node.redis_port) as slow, Talker(node.redis_port) as other:
        slow.socket.sendall(encode("GET", "large") * 64)
        for number in range(200):
            assert other.ask("INCR", "n") == b":%d\r\n" % (number + 1)
        eventually(lambda: node.metric("outlive_clients") == 1)
        assert node.metric("outlive_errors_total", kind="output_buffer") == ended + 1
        assert rss_bytes(node.pid) - before < 48 * MEGABYTE
        assert other.ask("INCR", "n") == b":201\r\n"


def test_who_reads_slowly(server: RedisServer, node: Node) -> None:
    """Below the limit it hears all of it, in order."""
    server.ask("SET", "large", "x" * 300_000)
    with Talker(node.redis_port) as slow, Talker(node.redis_port) as other:
        slow.socket.sendall((encode("GET", "large") + encode("INCR", "m")) * 10)
        for number in range(10):
            assert other.ask("INCR", "n") == b":%d\r\n" % (number + 1)
            time.sleep(0.01)  # as slowly as it reads
            assert slow.hear() == b"$300000\r\n" + b"x" * 300_000 + b"\r\n"
            assert slow.hear() == b":%d\r\n" % (number + 1)


def test_a_transaction_with_a_large_reply(server: RedisServer, node: Node) -> None:
    """Over a connection of its own the server waits for its reader."""
    server.ask("SET", "large", "x" * 300_000)
    with Talker(node.redis_port) as slow, Talker(node.redis_port) as other:
        slow.ask("MULTI")
        for _ in range(60):
            slow.ask("GET", "large")
        slow.send("EXEC")
        assert other.ask("INCR", "n") == b":1\r\n"
        heard = slow.hear()
        assert heard == b"*60\r\n" + (b"$300000\r\n" + b"x" * 300_000 + b"\r\n") * 60
