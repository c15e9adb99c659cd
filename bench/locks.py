"""`python -m bench locks`: thousands of waiters and steady releases, beside BLPOP with a connection a waiter.

How long it is from a release to its waiter's answer, how many connections the store has, and what a waiter takes of
memory, in the node and in the store.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvloop
from tests.gateway.caller import KEY
from tests.locks.place import HOUSES, Place, RedisHouse

from .http_load import post
from .report import Part, Section, table
from .rounds import say
from .route import Route

PARALLEL = 100
"""Connections that are opened at once."""
RELEASERS = 8
MOST_S = 120.0

PART = Part(
    "Locks",
    """\
Each waiter waits for a signal of its own (over HTTP with an id, so at least once; asking again after 25 s), and
releases come at a steady rate for waiters out of order. "ms" are from a release's first byte to the first byte of its
waiter's answer. Memory is what resident memory grew by, for each waiter. Redis writes its append-only file at each
command. BLPOP is the naive way: one connection to Redis a waiter, and a release that is lost where its waiter is dead.
The load is Python too, in one process beside.""",
    {"locks": "Waiters and releases"},
)


@dataclass(frozen=True, slots=True)
class _Found:
    times: list[float]
    connections: int
    node_bytes: float
    store_bytes: float


Ask = Callable[[int], bytes]
"""What waiter number so-and-so sends; and what is sent to release it."""


class _Waiter(asyncio.Protocol):
    """Waits; `granted` gets its number when its answer comes."""

    def __init__(self, number: int, ask: bytes, granted: Callable[[int], None]) -> None:
        self._number = number
        self._ask = ask
        self._granted = granted
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 202"):
            self._transport.write(self._ask)
        elif data.startswith((b"HTTP/1.1 200", b"*2")):
            self._granted(self._number)
        elif data.startswith((b"HTTP/1.1", b"-")):
            raise RuntimeError(data[:300].decode())


class _Releaser(asyncio.Protocol):
    """Sends releases on one connection; answers are not looked at, but for errors."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        wrong = re.search(rb"HTTP/1.1 (?!200)\d+.*|^-.*", data)
        if wrong:
            raise RuntimeError(wrong[0].decode())


async def _run(
    port: int, wait: Ask, release: Ask, waiting: Callable[[], int], waiters: int, rate: float, look: Callable[[], None]
) -> list[float]:
    loop = asyncio.get_running_loop()
    sent: dict[int, float] = {}
    times: list[float] = []
    over = loop.create_future()

    def granted(number: int) -> None:
        times.append(time.perf_counter() - sent[number])
        if len(times) == waiters and not over.done():
            over.set_result(None)

    def crashed(_: object, context: dict[str, object]) -> None:
        if not over.done():
            over.set_exception(RuntimeError(str(context.get("exception") or context["message"])))

    loop.set_exception_handler(crashed)
    gate = asyncio.Semaphore(PARALLEL)

    async def open_one(number: int) -> asyncio.BaseTransport:
        async with gate:
            made = await loop.create_connection(lambda: _Waiter(number, wait(number), granted), "127.0.0.1", port)
            return made[0]

    async with asyncio.timeout(MOST_S):
        transports = await asyncio.gather(*map(open_one, range(waiters)))
        while await asyncio.to_thread(waiting) < waiters:
            pass
        await asyncio.to_thread(look)
        releasers = [(await loop.create_connection(_Releaser, "127.0.0.1", port))[1] for _ in range(RELEASERS)]
        began = loop.time()
        # Neither in the order of their coming, nor at random twice the same.
        for turn, number in enumerate(sorted(range(waiters), key=lambda at: (at * 7919) % waiters)):
            await asyncio.sleep(max(0.0, began + turn / rate - loop.time()))
            sent[number] = time.perf_counter()
            releasers[turn % RELEASERS].transport.write(release(number))
        await over
    for transport in transports:
        transport.close()
    for releaser in releasers:
        releaser.transport.close()
    return times


def _outlive(kind: str, waiters: int, rate: float) -> _Found:
    """One node; its store is of this kind."""
    place = Place(kind, nodes=1)
    try:
        node = Route("node", "127.0.0.1", place.ports[0], place.nodes[0].pid)
        store = _store(place)
        fields = {"Authorization": f"Bearer {KEY}"}

        def wait(number: int) -> bytes:
            return post(f"/v1/locks/k{number}/wait", json.dumps({"waiter_id": f"w{number}"}).encode(), **fields)

        def release(number: int) -> bytes:
            return post(f"/v1/locks/k{number}/release", b"", **fields)

        place.caller().post("/v1/locks/warm/release", b"")
        place.caller().post("/v1/locks/warm/wait", b"")
        before = (node.rss_bytes(), store())
        found: list[float] = []

        def look() -> None:
            grown = (node.rss_bytes() - before[0], store() - before[1])
            found.extend((place.house.connections(), grown[0] / waiters, grown[1] / waiters))

        times = uvloop.run(_run(node.port, wait, release, place.waiting, waiters, rate, look))
        return _Found(times, int(found[0]), found[1], found[2])
    finally:
        with contextlib.redirect_stdout(sys.stderr):
            place.close()


def _store(place: Place) -> Callable[[], int]:
    """What the store's memory is; PostgreSQL's is shared between processes, and not told."""
    house = place.house
    return (lambda: _redis_bytes(house)) if isinstance(house, RedisHouse) else lambda: 0


def _redis_bytes(house: RedisHouse) -> int:
    return int(house.server.ask("INFO", "memory")["used_memory"])


def _blpop(waiters: int, rate: float) -> _Found:
    house = RedisHouse()
    try:
        house.server.ask("CONFIG", "SET", "maxclients", waiters + 100)
        before = _redis_bytes(house)
        found: list[float] = []

        def command(*words: object) -> bytes:
            parts = [str(word).encode() for word in words]
            return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)

        def clients(what: str) -> int:
            return int(house.server.ask("INFO", "clients")[what])

        def look() -> None:
            found.extend((clients("connected_clients"), (_redis_bytes(house) - before) / waiters))

        times = uvloop.run(
            _run(
                house.server.port,
                lambda number: command("BLPOP", f"k{number}", 0),
                lambda number: command("LPUSH", f"k{number}", 1),
                lambda: clients("blocked_clients"),
                waiters,
                rate,
                look,
            )
        )
        return _Found(times, int(found[0]), 0, found[1])
    finally:
        house.close()


def _ways(waiters: int, rate: float) -> Iterator[tuple[str, _Found]]:
    ways: dict[str, Callable[[], _Found]] = {
        f"Outlive, {kind}": (lambda kind=kind: _outlive(kind, waiters, rate)) for kind in HOUSES
    }
    ways["BLPOP"] = lambda: _blpop(waiters, rate)
    for name, run in ways.items():
        found = run()
        say(f"{name}: {found.connections} connections, p50 {_at(found.times, 0.5):.2f} ms")
        yield name, found


def _at(times: list[float], part: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1e3


def section(arguments: list[str]) -> tuple[Section, bool]:
    """Measures; also whether it is to be written."""
    parser = argparse.ArgumentParser(prog="python -m bench locks", description=__doc__)
    parser.add_argument("--waiters", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=500, help="releases a second")
    parser.add_argument("--dry", action="store_true", help="print the table, do not write RESULTS.md")
    given = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    rows = [
        [
            f"{name}, {given.waiters:,} waiters, {given.rate:.0f} releases/s",
            f"{_at(found.times, 0.5):.2f}",
            f"{_at(found.times, 0.99):.2f}",
            found.connections,
            f"{found.node_bytes / 1024:.1f}" if found.node_bytes else "",
            f"{found.store_bytes / 1024:.1f}" if found.store_bytes else "",
        ]
        for name, found in _ways(given.waiters, given.rate)
    ]
    head = ("", "p50 ms", "p99 ms", "store connections", "KiB a waiter, node", "KiB a waiter, Redis")
    return PART.section("locks", table(head, rows)), not given.dry
