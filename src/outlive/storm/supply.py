"""How functions come to their connections: what a remedy changes in their code. One supply serves a process."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from outlive.storm.policy import Policy
from outlive.storm.protocol import Connection

Connect = Callable[[], Coroutine[Any, Any, Connection]]


class Supply(Protocol):
    """Lends connections to requests. Its methods raise the driver's errors."""

    async def lend(self, function: int) -> Connection:
        """The connection for a request of this instance."""

    def back(self, function: int, connection: Connection, *, sound: bool) -> None:
        """The request is over; `sound` unless it raised."""

    async def close(self) -> None:
        """SIGTERM has come: close all."""


class OfFunction:
    """Each instance keeps one, until the request that finds it older than `ttl_s`."""

    def __init__(self, connect: Connect, ttl_s: float | None = None) -> None:
        self._connect = connect
        self._ttl_s = ttl_s
        self._kept: dict[int, tuple[Connection, float]] = {}
        self._goodbyes = _Goodbyes()

    async def lend(self, function: int) -> Connection:
        kept = self._kept.get(function)
        if kept is not None:
            connection, since = kept
            if not connection.ended and (self._ttl_s is None or time.monotonic() - since < self._ttl_s):
                return connection
            # First away, then anew: in a database that is full the other order would find no place.
            del self._kept[function]
            await _closed(connection)
        connection = await self._connect()
        self._kept[function] = connection, time.monotonic()
        return connection

    def back(self, function: int, connection: Connection, *, sound: bool) -> None:
        if not sound:
            self._kept.pop(function, None)
            self._goodbyes.say(connection)

    async def close(self) -> None:
        await asyncio.gather(*(_closed(connection) for connection, _ in self._kept.values()))


class OfRequest:
    """Each request opens its own and closes it."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._goodbyes = _Goodbyes()

    async def lend(self, function: int) -> Connection:
        return await self._connect()

    def back(self, function: int, connection: Connection, *, sound: bool) -> None:
        self._goodbyes.say(connection)

    async def close(self) -> None:
        await self._goodbyes.said()


class OfPool:
    """The process keeps at most `size`, for whoever comes first."""

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self._places = asyncio.Semaphore(size)
        self._idle: list[Connection] = []
        self._goodbyes = _Goodbyes()

    async def lend(self, function: int) -> Connection:
        await self._places.acquire()
        try:
            return self._idle.pop() if self._idle else await self._connect()
        except BaseException:
            self._places.release()
            raise

    def back(self, function: int, connection: Connection, *, sound: bool) -> None:
        if sound:
            self._idle.append(connection)
        else:
            self._goodbyes.say(connection)
        self._places.release()

    async def close(self) -> None:
        await asyncio.gather(*map(_closed, self._idle))
        await self._goodbyes.said()


class _Goodbyes:
    """Connections that close while nobody waits for it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def say(self, connection: Connection) -> None:
        task = asyncio.get_running_loop().create_task(_closed(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def said(self) -> None:
        await asyncio.gather(*self._tasks)


async def _closed(connection: Connection) -> None:
    # Whatever a driver says of a connection that is broken: it is gone.
    with suppress(Exception):
        async with asyncio.timeout(5):
            await connection.close()


def supply_of(policy: Policy, connect: Connect) -> Supply:
    """What `policy` asks for."""
    if policy.connection == "request":
        return OfRequest(connect)
    if policy.connection == "pool":
        return OfPool(connect, policy.pool_size or 1)
    return OfFunction(connect, policy.ttl_s)
