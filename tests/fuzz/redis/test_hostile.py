"""Hostile clients of a real node, and a hostile server behind one: it goes on, and nobody else notices."""

import random
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ...redis.conftest import Node
from ...redis.talk import Talker, encode
from ...servers.redis import RedisServer
from ..inputs import examples
from ..raw import rss_bytes
from .inputs import COMMANDS, INLINE, NEARLY, pieces, spoiled

MEGABYTE = 1 << 20
HELLO = (
    b"%7\r\n+server\r\n+redis\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n+id\r\n:7\r\n+mode\r\n+standalone\r\n"
    b"+role\r\n+master\r\n+modules\r\n*0\r\n"
)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=4, passthrough="true") as found:
        yield found


@pytest.fixture(scope="module")
def innocent(node: Node) -> Iterator[Talker]:
    """One who works all the while, over the same connections."""
    with Talker(node.redis_port) as talker:
        yield talker


def is_unharmed(node: Node, innocent: Talker) -> None:
    word = random.randbytes(8).hex()
    assert innocent.pipeline(("SET", "innocent", word), ("GET", "innocent")) == b"+OK\r\n$16\r\n%b\r\n" % word.encode()
    assert "Traceback" not in node.log
    assert "level=error" not in node.log


SAYINGS = st.lists(
    st.one_of(NEARLY, NEARLY, COMMANDS, INLINE, spoiled(NEARLY), spoiled(COMMANDS), st.binary(max_size=50)),
    min_size=1, max_size=8,
)  # fmt: skip


@examples(100)
@given(st.data(), SAYINGS)
def test_clients_that_say_anything(node: Node, innocent: Talker, data: st.DataObject, sayings: list[bytes]) -> None:
    """In pieces, and gone in the middle of it, or closed politely."""
    with socket.create_connection(("127.0.0.1", node.redis_port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in data.draw(pieces(b"".join(sayings))):
                client.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
    is_unharmed(node, innocent)


@examples(15)
@given(st.lists(NEARLY, min_size=1, max_size=6))
def test_the_pieces_make_no_difference(server: RedisServer, node: Node, sayings: list[bytes]) -> None:
    """Byte by byte or whole, the node says the same (but for ids, and what waits for others)."""
    whole = b"".join(saying for saying in sayings if not saying.startswith(SOME_THAT_WAIT))
    whole = whole.replace(b"CLIENT", b"CLIENX") + encode("QUIT")
    heard = []
    for parts in ([whole], [whole[at : at + 1] for at in range(len(whole))]):
        server.ask("FLUSHALL")
        server.ask("SCRIPT", "FLUSH")
        with Talker(node.redis_port) as talker:
            talker.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                for part in parts:
                    talker.socket.sendall(part)
            except (BrokenPipeError, ConnectionResetError):
                pass
            heard.append(talker.rest())
    assert heard[0] == heard[1]


SOME_THAT_WAIT = tuple(
    b"*%d\r\n$%d\r\n%b" % (words, len(name), name)
    for words in range(1, 6)
    for name in (b"BLPOP", b"BLMPOP", b"BZMPOP", b"WAIT", b"XREAD", b"HELLO", b"MONITOR", b"SUBSCRIBE", b"PSUBSCRIBE")
)


@pytest.mark.parametrize(
    "flood",
    [
        b"*1000000\r\n" + b"$1\r\nx\r\n" * 1000,
        b"*2\r\n$3\r\nGET\r\n$536870912\r\n",
        b"x" * 70_000,
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$400000000\r\n",
    ],
    ids=["arguments", "a key", "a line", "a value"],
)
def test_clients_that_never_come_to_an_end(node: Node, innocent: Talker, flood: bytes) -> None:
    """A hundred of them at once, and little is kept of any."""
    before = rss_bytes(node.pid)
    clients = [socket.create_connection(("127.0.0.1", node.redis_port), timeout=10) for _ in range(100)]
    for client in clients:
        try:
            client.sendall(flood)
        except (BrokenPipeError, ConnectionResetError):
            pass
    is_unharmed(node, innocent)
    assert rss_bytes(node.pid) - before < 64 * MEGABYTE
    for client in clients:
        client.close()
    is_unharmed(node, innocent)


class Liar:
    """A server that greets rightly and then answers what `says` gives for what it read."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.says: Callable[[bytes], bytes] = lambda said: b"+OK\r\n" * said.count(b"*")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(HELLO if b"HELLO" in data else self.says(data))
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


LIES = {
    "a reply too many": b"+OK\r\n+OK\r\n",
    "a push": b">2\r\n+message\r\n+x\r\n",
    "nonsense": b"\x00\xff\x16\x03\r\n",
    "an endless header": b"$" + b"1" * 1000,
    "deep nesting": b"*1\r\n" * 10_000,
    "no length": b"$-7\r\n",
    "too many elements": b"*99999999999999\r\n",
    "the end of nothing": b".\r\n",
    "a part of nothing": b";3\r\nabc\r\n",
    "half a reply": b"$100\r\nabc",
    "silence": b"",
}


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.close()


@pytest.fixture(scope="module")
def believer(liar: Liar) -> Iterator[Node]:
    with Node(f"redis://default@127.0.0.1:{liar.port}/0?max_connections=4&acquire_timeout_s=2") as found:
        yield found


@pytest.mark.parametrize("lie", LIES)
def test_servers_that_lie(liar: Liar, believer: Node, lie: str) -> None:
    """Over a shared connection and over one of one's own. Whoever waits is told, or cut off; nobody hears what is not
    his, and the next connection is used as if nothing had been.
    """
    truth = liar.says
    liar.says = lambda said: LIES[lie]
    talkers = [Talker(believer.redis_port, timeout_s=10) for _ in range(4)]
    for number, talker in enumerate(talkers):
        talker.send("WATCH" if number % 2 else "GET", "a")
    if lie not in ("silence", "half a reply"):
        for talker in talkers:
            heard = talker.hear()
            assert heard.endswith(b"<closed>") or heard.startswith((b"-ERR Outlive", b"+OK\r\n")), heard
    for talker in talkers:
        talker.close()
    liar.says = truth
    with Talker(believer.redis_port) as talker:
        # The lines on which somebody waits for ever are found by nobody; they are let go by their clients' ends.
        assert b"Traceback" not in believer.log.encode()
        if lie not in ("silence", "half a reply"):
            heard = talker.ask("SET", "a", 1)
            if heard != b"+OK\r\n":  # of the connection that was to end, and had not yet
                heard = talker.ask("SET", "a", 1)
            assert heard == b"+OK\r\n"
