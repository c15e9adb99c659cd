"""`python -m bench http`: a request's query by every way that a function has, in one run.

A connection for each request (direct), the pooled port of the wire, `/v1/query`, the RDS dialect, and a bare starlette
endpoint without a database, the floor of any API over HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import asyncpg
import uvloop
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.gateway.caller import KEY, configuration
from tests.gateway.rds import clients as rds
from tests.servers import OutliveProcess, Postgres15, Process, free_port
from tests.servers.database import APP

from .http_load import load, post
from .report import Part, Section, table
from .rounds import say
from .route import Route

SQL = "SELECT 1 AS one"
CALLERS = (1, 8)
BUDGET = 10
DIRECT, WIRE, NATIVE, RDS, FLOOR = "connection per request", "wire port", "/v1/query", "RDS Data API", "bare endpoint"

PART = Part(
    "SQL over HTTP",
    f"""\
PostgreSQL 15, `{SQL}`, every way in one run. Callers over HTTP and at the wire port keep their connections; "connection
per request" is the direct driver (asyncpg) that opens one for each. The bare endpoint is starlette, uvicorn, uvloop
and httptools, and asks no database. "p50 added" is to the wire port's, "of the floor" and "of direct" are ratios of the
requests a second. The load is Python too, in one process beside.""",
    {"http": "One row a request"},
)


@dataclass(frozen=True, slots=True)
class _Found:
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


Run = Callable[[int, float], Awaitable[list[float]]]
"""The seconds each request took, of so many callers in so many seconds."""


async def _direct(server: Postgres15, callers: int, seconds: float) -> list[float]:
    async def one() -> list[float]:
        times = []
        while (began := time.perf_counter()) < until:
            connection = await asyncpg.connect(
                host=server.host, port=server.port, user=APP.user, password=APP.password, database="test", ssl=False
            )
            await connection.fetch(SQL)
            await connection.close()
            times.append(time.perf_counter() - began)
        return times

    until = time.perf_counter() + seconds
    return [took for times in await asyncio.gather(*(one() for _ in range(callers))) for took in times]


async def _wire(node: OutliveProcess, callers: int, seconds: float) -> list[float]:
    async def one() -> list[float]:
        connection = await asyncpg.connect(
            host=node.host, port=node.pg_port, user=APP.user, password=APP.password, database="test", ssl=False
        )
        times = []
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            await connection.fetch(SQL)
            times.append(time.perf_counter() - began)
        await connection.close()
        return times

    return [took for times in await asyncio.gather(*(one() for _ in range(callers))) for took in times]


def _over_http(port: int, request: bytes) -> Run:
    return lambda callers, seconds: load("127.0.0.1", port, request, callers, seconds)


def _signed() -> bytes:
    """ExecuteStatement, anew for each run: a signature has its time. Without an invocation id, which a load that sends
    the same request again cannot have.
    """
    body = json.dumps({"resourceArn": rds.arn("test"), "secretArn": rds.SECRET_ARN, "sql": SQL}).encode()
    asked = AWSRequest("POST", "http://example.com/Execute", data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(rds.KEY, rds.SECRET), "rds-data", rds.REGION).add_auth(asked)
    return post("/Execute", body, **dict(asked.headers.items()))


@contextlib.contextmanager
def _ways() -> Iterator[dict[str, tuple[Route, Run]]]:
    port = free_port()
    floor = Process([sys.executable, "-m", "bench.http_floor", str(port)], name="floor")
    with floor, Postgres15() as server:
        floor.wait_line("serving")
        url = server.url(APP, sslmode="disable", max_connections=BUDGET)
        with OutliveProcess(configuration({"test": url}, rds.principal(["test"]))) as node:
            query = json.dumps({"database": "test", "sql": SQL}).encode()
            native = post("/v1/query", query, Authorization=f"Bearer {KEY}", Content_Type="application/json")

            def route(name: str, pid: int | None) -> Route:
                return Route(name, "127.0.0.1", 0, pid)

            yield {
                DIRECT: (route(DIRECT, None), lambda callers, seconds: _direct(server, callers, seconds)),
                WIRE: (route(WIRE, node.pid), lambda callers, seconds: _wire(node, callers, seconds)),
                NATIVE: (route(NATIVE, node.pid), _over_http(node.http_port, native)),
                RDS: (
                    route(RDS, node.pid),
                    lambda callers, seconds: load("127.0.0.1", node.http_port, _signed(), callers, seconds),
                ),
                FLOOR: (route(FLOOR, floor.pid), _over_http(port, native)),
            }


def _measure(route: Route, run: Run, callers: int, seconds: float) -> _Found:
    before = route.cpu_s()
    began = time.perf_counter()
    times = sorted(uvloop.run(_started(run, callers, seconds)))
    took = time.perf_counter() - began
    cpu_us = (route.cpu_s() - before) / len(times) * 1e6
    return _Found(len(times) / took, times[len(times) // 2] * 1e3, times[int(len(times) * 0.99)] * 1e3, cpu_us)


async def _started(run: Run, callers: int, seconds: float) -> list[float]:
    return await run(callers, seconds)


def _rows(callers: int, found: dict[str, _Found]) -> list[list[str]]:
    direct, wire, floor = found[DIRECT], found[WIRE], found[FLOOR]
    return [
        [
            f"{name}, {callers} callers",
            f"{of.per_second:,.0f}",
            f"{of.p50_ms:.2f}",
            f"{of.p99_ms:.2f}",
            f"{of.cpu_us:.0f}" if of.cpu_us else "",
            f"{of.p50_ms - wire.p50_ms:+.2f}",
            f"{of.per_second / floor.per_second:.2f}",
            f"{of.per_second / direct.per_second:.1f}",
        ]
        for name, of in found.items()
    ]


def section(arguments: list[str]) -> tuple[Section, bool]:
    """Measures; also whether it is to be written."""
    parser = argparse.ArgumentParser(prog="python -m bench http", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--seconds", type=float, default=3, help="length of a run")
    parser.add_argument("--dry", action="store_true", help="print the table, do not write RESULTS.md")
    given = parser.parse_args(arguments)
    rows: list[list[str]] = []
    with _ways() as ways:
        for route, run in ways.values():
            _measure(route, run, max(CALLERS), 1)
        for callers in CALLERS:
            runs: defaultdict[str, list[_Found]] = defaultdict(list)
            for turn in range(given.rounds):
                for name, (route, run) in list(ways.items())[:: 1 if turn % 2 == 0 else -1]:
                    runs[name].append(_measure(route, run, callers, given.seconds))
            found = {name: _median(runs[name]) for name in ways}
            rows += _rows(callers, found)
            say(f"{callers} callers: " + ", ".join(f"{name} {of.per_second:.0f}/s" for name, of in found.items()))
    head = ("", "requests/s", "p50 ms", "p99 ms", "CPU us", "p50 added ms", "of the floor", "of direct")
    return PART.section("http", table(head, rows)), not given.dry


def _median(runs: list[_Found]) -> _Found:
    return _Found(*(statistics.median(getattr(run, name) for run in runs) for name in _Found.__slots__))
