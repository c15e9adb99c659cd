"""A longer way to the database, where the kernel has no netem: a relay that holds all bytes half a round trip each way.

It lives in the functions' own process, on the loopback of their own network, and so vanishes with them: a process that
is killed behind a cut link, or frozen, takes it along, and no FIN gets out.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

_HIGH_WATER_BYTES = 1 << 20


class _End(asyncio.Protocol):
    """One end of a relayed connection: what comes here leaves at `other` half a round trip later."""

    def __init__(self, half_s: float) -> None:
        self._half_s = half_s
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None
        self.open_at = 0.0  # nothing that comes here can have been sent before
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self.transport = transport = cast(asyncio.Transport, transport)
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            transport.write(data)

    def data_received(self, data: bytes) -> None:
        self._later(self._pass, data)

    def eof_received(self) -> bool:
        self._later(self._finish, None)
        return True  # the other direction goes on

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._later(self._close, None)

    def _later(self, act: Callable[[Any], None], what: bytes | None) -> None:
        # A constant delay keeps the order; the loop's heap keeps it between equal times, too.
        self._loop.call_at(max(self._loop.time(), self.open_at) + self._half_s, act, what)

    def _pass(self, data: bytes) -> None:
        other = self.other
        if other is None:
            return
        if other.transport is None:
            other._waiting.append(data)
        elif not other.transport.is_closing():
            other.transport.write(data)
            if other.transport.get_write_buffer_size() > _HIGH_WATER_BYTES:
                other.transport.abort()  # nobody reads there: functions and databases here always do

    def _finish(self, _: None) -> None:
        if self.other is not None and self.other.transport is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()

    def _close(self, _: None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Relay:
    """Listens on this network's loopback and dials `host`:`port`. A TCP handshake costs a round trip here, too: the
    server sees the connection one and a half after the function's first packet, when its third one would come.
    """

    def __init__(self, host: str, port: int, rtt_s: float) -> None:
        self._target = (host, port)
        self._rtt_s = rtt_s
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Its port on 127.0.0.1."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=4096)
        return int(server.sockets[0].getsockname()[1])

    def _accept(self) -> _End:
        loop = asyncio.get_running_loop()
        near, far = _End(self._rtt_s / 2), _End(self._rtt_s / 2)
        near.other, far.other = far, near
        near.open_at = loop.time() + self._rtt_s
        loop.call_later(self._rtt_s * 1.5, self._start, near, far)
        return near

    def _start(self, near: _End, far: _End) -> None:
        task = asyncio.get_running_loop().create_task(self._dial(near, far))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _dial(self, near: _End, far: _End) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, *self._target)
        except OSError:
            if near.transport is not None:
                near.transport.abort()
            return
        if near.transport is None and far.transport is not None:
            far.transport.close()  # the function has given up meanwhile
