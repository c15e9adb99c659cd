"""What is measured of tcp:// entries."""

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator, Sequence

from tests.servers import HAProxy, Memcached, OutliveProcess
from tests.servers.processes import run

from ..comparison import DIRECT, OUTLIVE, Comparison
from ..report import Part, Section
from ..rounds import Found, Measured, Options, medians
from ..route import Route

BUDGET = 300
HAPROXY = "HAProxy"
SMALL_BYTES, LARGE_BYTES = 100, 1_000_000
COMPARISON = Comparison(HAPROXY)

PART = Part(
    "Any other protocol (TCP)",
    f"""\
memcached, asked for values of {SMALL_BYTES} bytes, or of {LARGE_BYTES:,} where it says so. Outlive has {BUDGET}
server connections, HAProxy in TCP mode one thread. The ratio is Outlive's CPU an answer divided by HAProxy's.""",
    {
        "requests": "Small requests",
        "bytes": "Values of a megabyte",
        "reconnect": "A connection for every request",
    },
)


def sections(names: Sequence[str], options: Options) -> Iterator[Section]:
    """Measure what `names` say (of PART's), each told as soon as it is done."""
    wanted = [name for name in names if name in LOADS]
    if not wanted:
        return
    with _routes() as ways:
        for name in wanted:
            yield PART.section(name, LOADS[name](ways, options))


@contextlib.contextmanager
def _routes() -> Iterator[list[Route]]:
    with (
        Memcached() as server,
        HAProxy(server.host, server.port) as relay,
        OutliveProcess(server.url(max_connections=BUDGET)) as own,
    ):
        with server.connect() as client:
            for size in (SMALL_BYTES, LARGE_BYTES):
                client.sendall(b"set v%d 0 0 %d\r\n%s\r\n" % (size, size, b"x" * size))
                _expect(client, b"STORED\r\n")
        yield [
            Route(DIRECT, server.host, server.port),
            Route(HAPROXY, relay.host, relay.port, relay.pid),
            Route(OUTLIVE, own.host, own.tcp_port, own.pid),
        ]


def _expect(client: socket.socket, answer: bytes) -> None:
    found = client.recv(1000)
    if found != answer:
        raise ValueError(f"memcached said {found!r}")


def _measure(way: Route, kind: str, clients: int, size: int, seconds: int) -> Measured:
    before = way.cpu_s()
    arguments = [kind, way.host, str(way.port), str(clients), str(size), str(seconds)]
    answers, elapsed_s, p95_ms = run([sys.executable, "-m", "bench.tcp.load", *arguments]).split()
    used = way.cpu_s() - before
    return Measured(int(answers) / float(elapsed_s), float(p95_ms), used / max(int(answers), 1) * 1e6)


def _rows(
    ways: Sequence[Route], options: Options, kind: str, clients: Sequence[int], size: int
) -> list[tuple[str, Found]]:
    return [
        (
            f"{number} clients",
            medians(
                ways,
                f"{kind} of {size} bytes, {number} clients",
                lambda way, number=number: _measure(way, kind, number, size, options.seconds),  # type: ignore[misc]
                options.rounds,
            ),
        )
        for number in clients
    ]


def _requests(ways: Sequence[Route], options: Options) -> str:
    return COMPARISON.cost(_rows(ways, options, "requests", (1, 20, 100), SMALL_BYTES))


def _bytes(ways: Sequence[Route], options: Options) -> str:
    return COMPARISON.cost(_rows(ways, options, "requests", (1, 20), LARGE_BYTES))


def _reconnect(ways: Sequence[Route], options: Options) -> str:
    return COMPARISON.cost(_rows(ways, options, "reconnect", (1, 20), SMALL_BYTES))


LOADS: dict[str, Callable[[Sequence[Route], Options], str]] = {
    "requests": _requests,
    "bytes": _bytes,
    "reconnect": _reconnect,
}
