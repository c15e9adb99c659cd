"""What is measured of Redis."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence

import uvloop
from tests.gateway.caller import KEY
from tests.gateway.upstash.conftest import Upstash, configuration
from tests.servers.redis import RedisServer

from ..comparison import DIRECT, OUTLIVE
from ..http_load import load as over_http
from ..http_load import post
from ..report import Part, Section, table
from ..rounds import Options
from ..route import Route
from .benchmark import VALUE_BYTES, Figures, Load, measure, medians
from .peers import Twemproxy, Webdis

TWEMPROXY, WEBDIS = "twemproxy", "webdis"
BUDGET, SHARED = 8, 4
CLIENTS = (1, 50, 1000)
PIPELINES = (1, 16)
CALLERS = (1, 8, 50)

PART = Part(
    "Redis",
    f"""\
Redis 7.0 with values of {VALUE_BYTES} bytes. Outlive and twemproxy share {SHARED} server connections among all clients.
twemproxy, webdis and Outlive have one thread each. Ratios are Outlive's figure divided by the other's; CPU is of the
relay, a command.""",
    {
        "commands": "redis-benchmark",
        "upstash": "GET over HTTP: Upstash's dialect beside webdis",
    },
)


def sections(names: Sequence[str], options: Options) -> Iterator[Section]:
    """Measure what `names` say (of PART's), each told as soon as it is done."""
    wanted = [name for name in names if name in LOADS]
    if not wanted:
        return
    with _running() as (server, node):
        for name in wanted:
            yield PART.section(name, LOADS[name](server, node, options))


@contextlib.contextmanager
def _running() -> Iterator[tuple[RedisServer, Upstash]]:
    url = f"max_connections={BUDGET}&shared_connections={SHARED}"
    with RedisServer(maxclients=4000) as server, Upstash(configuration(server, url=url)) as node:
        server.ask("SET", "key", "x" * VALUE_BYTES)
        yield server, node


def _commands(server: RedisServer, node: Upstash, options: Options) -> str:
    with Twemproxy(server.port, SHARED) as relay:
        ways = [
            Route(DIRECT, server.host, server.port),
            Route(TWEMPROXY, relay.host, relay.port, relay.pid),
            Route(OUTLIVE, node.host, node.redis_port, node.pid),
        ]
        loads = [
            Load(command, clients, pipeline)
            for pipeline in PIPELINES
            for command in ("get", "set")
            for clients in CLIENTS
        ]
        rows = []
        for load in loads:

            def one(way: Route, load: Load = load) -> Figures:
                return measure(way, load, options.seconds)

            rows.append((str(load), medians(ways, str(load), one, options.rounds)))
    return _table(rows, (DIRECT, TWEMPROXY))


def _upstash(server: RedisServer, node: Upstash, options: Options) -> str:
    with Webdis(server.port) as relay:
        ways = [
            Route(WEBDIS, relay.host, relay.port, relay.pid),
            Route(OUTLIVE, node.http_host, node.http_port, node.pid),
        ]
        requests = {
            WEBDIS: post("/", b"GET/key"),
            OUTLIVE: post("/", json.dumps(["GET", "key"]).encode(), Authorization=f"Bearer {KEY}"),
        }
        rows = []
        for callers in CALLERS:
            what = "1 caller" if callers == 1 else f"{callers} callers"

            def one(way: Route, callers: int = callers) -> Figures:
                return _over_http(way, requests[way.name], callers, options.seconds)

            for way in ways:
                _over_http(way, requests[way.name], callers, 0.3)
            rows.append((what, medians(ways, what, one, options.rounds)))
    return _table(rows, (WEBDIS,))


def _over_http(way: Route, request: bytes, callers: int, seconds: float) -> Figures:
    before, began = way.cpu_s(), time.perf_counter()
    times = sorted(uvloop.run(over_http(way.host, way.port, request, callers, seconds)))
    took = time.perf_counter() - began
    cpu_us = (way.cpu_s() - before) / len(times) * 1e6
    return Figures(len(times) / took, times[int(len(times) * 0.99)] * 1e3, cpu_us)


def _table(rows: Sequence[tuple[str, dict[str, Figures]]], others: Sequence[str]) -> str:
    ways = (*others, OUTLIVE)
    relays = tuple(way for way in ways if way != DIRECT)
    head = (
        "",
        *(f"{way} /s" for way in ways),
        *(f"{OUTLIVE} / {way}" for way in others),
        *(f"{way} p99 ms" for way in ways),
        *(f"{way} CPU us" for way in relays),
    )
    return table(head, [_row(name, found, ways, relays) for name, found in rows])


def _row(name: str, found: dict[str, Figures], ways: Sequence[str], relays: Sequence[str]) -> list[str]:
    return [
        name,
        *(f"{found[way].per_second:,.0f}" for way in ways),
        *(f"{found[OUTLIVE].per_second / found[way].per_second:.2f}" for way in ways[:-1]),
        *(f"{found[way].p99_ms:.2f}" for way in ways),
        *(f"{found[way].cpu_us:.1f}" for way in relays),
    ]


LOADS: dict[str, Callable[[RedisServer, Upstash, Options], str]] = {"commands": _commands, "upstash": _upstash}
