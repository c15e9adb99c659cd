"""A hostile server on real sockets: it speaks out of turn, without end, or not at all; the node goes on."""

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pymysql
import pytest

from outlive.wire.mysql.packets import packet

from ..servers import OutliveProcess
from ..servers.database import APP
from .raw import rss_bytes
from .server import FakeMySQL, FakeServers

MEGABYTE = 1 << 20


class Liar:
    """Listens; each connection is given to `behaviour`, in a thread of its own."""

    def __init__(self, behaviour: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.behaviour = behaviour
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.behaviour(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()


def greets_with(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(65536)

    return behave


def floods(head: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(2000):
            connection.sendall(b"x" * 65536)

    return behave


def says_nothing(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


GREETINGS = {
    "garbage": greets_with(bytes(range(256))),
    "empty": greets_with(b"\0\0\0\0"),
    "error storm": greets_with(packet(0, b"\xff\x10\x04#08004full") * 100),
    "huge": greets_with(b"\xff\xff\xff\0"),
    "wrong number": greets_with(packet(9, b"\x0a8.4.0\0")),
    "http": greets_with(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "endless": floods(b"\xfe\xff\xff\0"),
    "endless packets": floods(b""),
    "silence": says_nothing,
    "close": lambda connection: None,
}


@pytest.mark.parametrize("name", GREETINGS)
def test_greetings(name: str, outlive: Callable[..., OutliveProcess]) -> None:
    liar = Liar(GREETINGS[name])
    node = outlive(
        f"mysql://{APP.user}:{APP.password}@127.0.0.1:{liar.port}/test?max_connections=3&connect_timeout_s=0.5"
        "&acquire_timeout_s=1"
    )
    before = rss_bytes(node.pid)
    time.sleep(0.7)  # more than connect_timeout_s, so that what fails is dialled again
    assert node.get("/healthz")[0] == 200
    assert liar.accepted < 12, "a storm of logins"
    assert (rss_bytes(node.pid) - before) / MEGABYTE < 20
    liar.close()
    _assert_quiet(node)


def _assert_quiet(node: OutliveProcess) -> None:
    for word in ("Traceback", "Fatal", "Exception", "internal"):
        assert word not in node.log, node.log[-3000:]


class _Thread:
    """`FakeMySQL` behind a real socket: what its `Wire` would hear goes to the socket."""

    def __init__(self, servers: FakeServers, connection: socket.socket) -> None:
        self._connection = connection
        self.lost = False
        self.loop = self
        self.listener: Callable[[bytes | None], None] | None = None
        self.fake = FakeMySQL(servers, self)  # type: ignore[arg-type]

    def call_soon(self, call: Callable[..., None], *arguments: object) -> None:
        call(*arguments)

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)

    def hang_up(self, *, reset: bool = False) -> None:
        self.lost = True
        self._connection.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        assert self.listener is not None
        while not self.lost:
            data = self._connection.recv(65536)
            self.listener(data or None)


@pytest.fixture
def fake() -> Iterator[tuple[FakeServers, Liar]]:
    servers = FakeServers(b"5.5.5-10.11.6-MariaDB")
    liar = Liar(lambda connection: _Thread(servers, connection).run())
    yield servers, liar
    liar.close()


LIES: dict[str, bytes] = {
    "file": packet(1, b"\xfb/etc/passwd"),
    "two answers": packet(1, b"\0\0\0\2\0\0\0") * 2,
    "wrong number": packet(3, b"\0\0\0\2\0\0\0"),
    "empty packet": packet(1, b""),
    "endless error": (0xFFFFF0).to_bytes(3, "little") + b"\x01\xff" + b"x" * 8 * MEGABYTE,
    "endless columns": packet(1, b"\xfd\xff\xff\xff"),
    "an end within the columns": packet(1, b"\x02") + packet(2, b"\xfe\0\0\2\0\0\0"),
    "state that is none": packet(1, b"\0\0\0\2\x40\0\0\0\x05\0\xff\xff\xff\xff"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", LIES)
def test_answers(name: str, fake: tuple[FakeServers, Liar], outlive: Callable[..., OutliveProcess]) -> None:
    servers, liar = fake
    node = outlive(
        f"mysql://{APP.user}:{APP.password}@127.0.0.1:{liar.port}/test?max_connections=3&connect_timeout_s=1"
        "&acquire_timeout_s=10"
    )
    with node.connect(local_infile=False, read_timeout=4) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        before = rss_bytes(node.pid)
        servers.mutation = lambda data: [LIES[name]]
        # Session state that is none is found when the answer is with the client: its end then comes after it.
        with pytest.raises((pymysql.Error, OSError)):  # noqa: PT012
            cursor.execute("SELECT 1")
            cursor.execute("SELECT 1")
        servers.mutation = None
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert (rss_bytes(node.pid) - before) / MEGABYTE < 20
    _assert_quiet(node)
