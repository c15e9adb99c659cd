"""How connections end: each way by itself, and never so that half a stream looks whole."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ..servers import Memcached, OutliveProcess, free_port
from .client import END, RESET


class Stub:
    """A server for what no real one does on demand: `serve(socket)` for each connection, on a thread."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.listen = free_port()
        self._serve = serve
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(20)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def url(self) -> str:
        """Through Outlive it is on the port `listen`."""
        options = f"listen=127.0.0.1:{self.listen}&max_connections=1&dead_man_s=3&acquire_timeout_s=20"
        return f"tcp://127.0.0.1:{self.port}?{options}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


heard: list[bytes] = []
heard_all = threading.Event()


def says_hello_and_listens(client: socket.socket) -> None:
    client.sendall(b"hello")
    client.shutdown(socket.SHUT_WR)
    while data := client.recv(100):
        heard.append(data)
    client.close()
    heard_all.set()


def resets_in_the_middle(client: socket.socket) -> None:
    client.recv(3)
    client.sendall(b"half")
    client.recv(3)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def never_ends(client: socket.socket) -> None:
    try:
        while True:
            client.sendall(b"x")
            time.sleep(0.02)  # it talks on
    except ConnectionError:
        heard.append(b"reset")


@pytest.fixture(scope="module")
def stubs() -> Iterator[dict[Callable[..., None], Stub]]:
    made = {serve: Stub(serve) for serve in (says_hello_and_listens, resets_in_the_middle, never_ends)}
    yield made
    for found in made.values():
        found.close()


@pytest.fixture(scope="module")
def node(memcached: Memcached, stubs: dict[Callable[..., None], Stub]) -> Iterator[OutliveProcess]:
    """One for all: each test must leave the only connection of its server free."""
    with OutliveProcess(
        [memcached.url(max_connections=1, evict_after_idle_s=60), *(found.url() for found in stubs.values())]
    ) as found:
        yield found


def test_the_clients_fin_is_not_the_end_of_its_answer(
    memcached: Memcached, node: OutliveProcess, connect, eventually
) -> None:
    before = node.metric("outlive_server_closes_total", reason="client")
    clients = [connect(node) for _ in range(2)]
    for client in clients:  # the second one waits
        client.send(b"version\r\nget nothing\r\n")
        client.finish()
    for client in clients:
        answer, end = client.rest()
        assert answer.startswith(b"VERSION")
        assert answer.endswith(b"\r\nEND\r\n")
        assert end == END
    eventually(lambda: memcached.connections() == 0)
    assert node.metric("outlive_server_closes_total", reason="client") - before == 2


def test_the_servers_fin_goes_on_and_what_the_client_says_then_too(stubs, node: OutliveProcess, connect) -> None:
    client = connect(node, stubs[says_hello_and_listens].listen)
    assert client.rest() == (b"hello", END)
    client.send(b"good")
    client.send(b"bye")
    client.close()
    assert heard_all.wait(10)
    assert b"".join(heard) == b"goodbye"


def test_quit_of_the_server(memcached: Memcached, node: OutliveProcess, connect, eventually) -> None:
    client = connect(node)
    client.send(b"version\r\nquit\r\n")
    answer, end = client.rest()
    assert answer.startswith(b"VERSION")
    assert end == END
    client.close()
    eventually(lambda: memcached.connections() == 0)


def test_half_a_stream_is_told_by_reset(stubs, node: OutliveProcess, connect) -> None:
    client = connect(node, stubs[resets_in_the_middle].listen)
    assert client.ask(b"one", b"half") == b"half"
    client.send(b"two")
    assert client.rest() == (b"", RESET)


def test_a_client_that_resets_frees_its_slot(memcached: Memcached, node: OutliveProcess, connect, eventually) -> None:
    for _ in range(3):
        client = connect(node)
        client.ask(b"version\r\n")
        client.send(b"set half 0 0 1000\r\nabc")
        client.reset()
    eventually(lambda: memcached.connections() == 0)
    assert connect(node).ask(b"get half\r\n") == b"END\r\n"


def test_a_server_that_never_ends_gets_reset(stubs, node: OutliveProcess, connect, count, eventually) -> None:
    """It ignores FIN: after 5 s it is reset, and counts until dead_man_s. It takes 6 s: in `make prove`."""
    if not count(0, 1):
        pytest.skip("in make prove")
    client = connect(node, stubs[never_ends].listen)
    client.read(b"x")
    client.close()
    assert connect(node, stubs[never_ends].listen).read(b"x")
    eventually(lambda: b"reset" in heard)


def test_kill_9_of_the_server_and_of_outlive(outlive, connect, eventually) -> None:
    with Memcached() as server:
        node = outlive(server.url(max_connections=2, acquire_timeout_s=20))
        client = connect(node)
        client.ask(b"version\r\n")
        server.kill()
        client.rest()
        client.close()
        with Memcached(port=server.port) as again:
            client = connect(node)
            assert client.ask(b"version\r\n").startswith(b"VERSION")
            node.kill()
            client.rest()
            eventually(lambda: again.connections() == 0)


def test_bytes_split_at_every_place(memcached: Memcached, node: OutliveProcess, connect) -> None:
    said = b"set split 0 0 9\r\none\r\ntwo!\r\nget split\r\nversion\r\n"
    straight = memcached.connect()
    straight.sendall(said)
    expected = b""
    while b"VERSION" not in expected or not expected.endswith(b"\r\n"):
        expected += straight.recv(1000)
    straight.close()
    client = connect(node)
    for place in range(1, len(said)):
        client.send(said[:place])
        client.send(said[place:])
        answer = b""
        while len(answer) < len(expected):
            answer += client.socket.recv(1000)
        assert answer == expected
    for place in range(len(said)):
        client.send(said[place : place + 1])
    assert client.read(expected[-20:]) == expected
