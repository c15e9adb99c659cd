"""Load of HTTP/1.1 on kept connections, in as little Python as it takes: the load must not be what is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class _Caller(asyncio.Protocol):
    """Sends `request`, and again as soon as its answer is complete."""

    def __init__(self, request: bytes, until: float, done: Callable[[list[float], str], None]) -> None:
        self._request = request
        self._until = until
        self._done = done
        self._times: list[float] = []
        self._began = 0.0
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its type
        self._next()

    def _next(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer = data = self._buffer + data
        head = data.find(_END)
        if head < 0:
            return
        start = data[:head].lower().find(_LENGTH) + len(_LENGTH)
        size = int(data[start : data.index(b"\r", start)])
        if len(data) < head + 4 + size:
            return
        if not data.startswith(b"HTTP/1.1 200"):
            self._end(data[:500].decode())
            return
        self._buffer = b""
        now = time.perf_counter()
        self._times.append(now - self._began)
        if now < self._until:
            self._next()
        else:
            self._end("")

    def connection_lost(self, error: Exception | None) -> None:
        self._end("the connection was closed")

    def _end(self, why: str) -> None:
        self._done(self._times, why)
        self._done = _nothing
        self._transport.close()


def _nothing(times: list[float], why: str) -> None:
    pass


async def load(host: str, port: int, request: bytes, callers: int, seconds: float) -> list[float]:
    """The seconds each request took. RuntimeError where one was not answered with 200."""
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    all_times: list[float] = []
    left = callers

    def done(times: list[float], why: str) -> None:
        nonlocal left
        left -= 1
        all_times.extend(times)
        if finished.done():
            return
        if why:
            finished.set_exception(RuntimeError(f"refused: {why}"))
        elif not left:
            finished.set_result(None)

    until = time.perf_counter() + seconds
    for _ in range(callers):
        await loop.create_connection(lambda: _Caller(request, until, done), host, port)
    await finished
    return all_times


def post(path: str, body: bytes, **headers: str) -> bytes:
    """A whole request."""
    lines = [f"POST {path} HTTP/1.1", "Host: example.com", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body
