"""The budget, and the queue before it."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ..servers import Beanstalkd, Memcached, OutliveProcess, SmallServer, free_port
from .client import RESET, Client


class Peak:
    """The most connections that a server had, by its own count, asked all the time."""

    def __init__(self, server: SmallServer) -> None:
        self.most = 0
        self._server = server
        self._connection = server.connect()
        self._before = server.statistic(self._connection)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(0.002):
            self.most = max(self.most, self._server.statistic(self._connection) - self._before)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._connection.close()


def ask_memcached(client: Client, number: int) -> None:
    value = b"%d" % (number * 7919)
    assert client.ask(b"set key%d 0 0 %d\r\n%s\r\n" % (number, len(value), value)) == b"STORED\r\n"
    answer = client.ask(b"get key%d\r\n" % number, b"END\r\n")
    assert answer == b"VALUE key%d 0 %d\r\n%s\r\nEND\r\n" % (number, len(value), value)


def ask_beanstalkd(client: Client, number: int) -> None:
    tube = b"tube%d" % number
    assert client.ask(b"use %s\r\n" % tube) == b"USING %s\r\n" % tube
    assert client.ask(b"list-tube-used\r\n") == b"USING %s\r\n" % tube


class Entry:
    """A `tcp://` entry of the node. Entries of one server have other names for its host, so each has its own budget."""

    def __init__(self, name: str, port: int, **options: object) -> None:
        self.server = f"{name}:{port}"
        self.port = free_port()
        query = "&".join(f"{option}={value}" for option, value in options.items())
        self.url = f"tcp://{self.server}?listen=127.0.0.1:{self.port}&{query}"


@pytest.fixture(scope="module")
def entries(memcached: Memcached, beanstalkd: Beanstalkd) -> dict[str, Entry]:
    crowd = {"max_connections": 20, "acquire_timeout_s": 60}
    return {
        "memcached": Entry("127.0.0.1", memcached.port, **crowd),
        "beanstalkd": Entry("127.0.0.1", beanstalkd.port, **crowd),
        "fifo": Entry("localhost", memcached.port, max_connections=1, evict_after_idle_s=60),
        "deadline": Entry(
            "127.1", memcached.port, max_connections=1, max_waiters=1, acquire_timeout_s=0.5, evict_after_idle_s=60
        ),
        "away": Entry("127.0.0.1", free_port(), max_connections=3),
    }


@pytest.fixture(scope="module")
def node(entries: dict[str, Entry]) -> Iterator[OutliveProcess]:
    with OutliveProcess([entry.url for entry in entries.values()]) as found:
        yield found


@pytest.mark.parametrize(("name", "ask"), [("memcached", ask_memcached), ("beanstalkd", ask_beanstalkd)])
def test_two_hundred_clients_on_twenty_connections(
    name: str, ask: Callable[[Client, int], None], entries, node: OutliveProcess, request, eventually
) -> None:
    """Each gets its own answers, and the server never has more than the budget."""
    server: SmallServer = request.getfixturevalue(name)
    entry = entries[name]
    eventually(lambda: server.connections() == 0)  # of the look whether it listens
    failed: list[object] = []

    def function(number: int) -> None:
        try:
            client = Client(node.host, entry.port)
            ask(client, number)
            if number % 4 == 0:
                client.reset()
            client.close()
        except Exception as error:
            failed.append((number, error))

    threads = [threading.Thread(target=function, args=(number,)) for number in range(200)]
    with Peak(server) as peak:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not failed
    assert 2 <= peak.most <= 20
    assert node.metric("outlive_leases_total", server=entry.server) == 200
    eventually(lambda: server.connections() == 0)


def test_first_come_first_served(entries, node: OutliveProcess, connect, eventually) -> None:
    entry = entries["fifo"]

    def waiters() -> float:
        return node.metric("outlive_waiters", server=entry.server)

    holder = connect(node, entry.port)
    holder.ask(b"version\r\n")
    waiting = []
    for number in range(8):
        client = connect(node, entry.port)
        client.send(b"version\r\n")
        waiting.append(client)
        eventually(lambda number=number: waiters() == number + 1)
    waiting.pop(3).close()  # said something, and is gone: it costs its turn, and nobody else's
    silent = connect(node, entry.port)
    eventually(lambda: waiters() == 9)
    silent.close()  # said nothing, and is gone
    eventually(lambda: waiters() == 8)
    holder.close()
    for number, client in enumerate(waiting):
        assert client.read(b"\r\n").startswith(b"VERSION")
        assert not any(later.readable for later in waiting[number + 1 :])
        client.close()


def test_deadline_and_full_queue(entries, node: OutliveProcess, connect, eventually) -> None:
    entry = entries["deadline"]
    holder = connect(node, entry.port)
    holder.ask(b"version\r\n")
    started = time.monotonic()
    waiting = connect(node, entry.port)
    waiting.send(b"get secret-of-mine\r\n")
    eventually(lambda: node.metric("outlive_waiters", server=entry.server) == 1)
    with contextlib.suppress(ConnectionResetError):  # which may be as early as that
        assert connect(node, entry.port).rest() == (b"", RESET)
    assert time.monotonic() - started < 0.5, "at once"
    assert waiting.rest() == (b"", RESET)
    assert 0.4 < time.monotonic() - started < 5
    assert node.metric("outlive_queue_full_total") == node.metric("outlive_wait_timeouts_total") == 1
    assert holder.ask(b"version\r\n").startswith(b"VERSION")
    assert "acquire_timeout" in node.log
    assert "secret-of-mine" not in node.log


def test_a_server_that_is_away_is_waited_for(entries, node: OutliveProcess, connect, eventually) -> None:
    entry = entries["away"]
    client = connect(node, entry.port)
    client.send(b"version\r\n")
    eventually(lambda: node.metric("outlive_dial_failures_total", server=entry.server) >= 1)
    with Memcached(port=int(entry.server.rpartition(":")[2])):
        assert client.read(b"\r\n").startswith(b"VERSION")
