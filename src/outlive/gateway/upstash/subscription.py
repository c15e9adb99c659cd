"""SUBSCRIBE and PSUBSCRIBE as server-sent events, until the caller goes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from outlive.gateway.answering import response
from outlive.gateway.connection import caller_of
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.proxy.redis.in_process import InProcessRedis
from outlive.wire.redis.values import RedisError

KEEP_ALIVE_S: Final = 10.0
"""A comment says so often that the stream lives: what stands between closes silent connections."""
_LINE_ENDS: Final = re.compile(rb"\r\n|\r|\n")
_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


class Subscription:
    """An ASGI response. What fails before the first confirmation is a plain error."""

    def __init__(
        self,
        open: Callable[[], InProcessRedis],
        command: bytes,
        channels: list[bytes],
        place: AbstractContextManager[None],
        tell: Callable[[RedisError | Failure], Answer],
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self._open = open
        self._words = [command, *channels]
        self._place = place
        self._tell = tell
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        caller = caller_of(scope)
        streaming = asyncio.ensure_future(self._stream(scope, receive, send))

        def leave() -> None:
            streaming.cancel()

        try:
            if caller.watch(leave):
                await asyncio.wait({streaming})
        finally:
            caller.unwatch()
            streaming.cancel()
            with suppress(asyncio.CancelledError):
                await streaming

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        beat: asyncio.Future[None] | None = None
        try:
            with self._place, closing(self._open()) as redis:
                async for message in redis.subscribed(*self._words):
                    if not started:
                        started = True
                        headers = [*_HEADERS, *self._headers]
                        await send({"type": "http.response.start", "status": 200, "headers": headers})
                        beat = asyncio.ensure_future(_beat(send))
                    await _send(send, event(message))
        except (RedisError, Failure) as failure:
            if not started:
                await response(self._tell(failure))(scope, receive, send)
                return
        finally:
            if beat is not None:
                beat.cancel()
        # Its end tells the caller that messages may be missing from here on: it subscribes again.
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event(message: list[Any]) -> bytes:
    """`data: message,CHANNEL,PAYLOAD`. A payload of several lines gets a `data:` for each, without the space that
    Upstash's client looks for, lest a publisher's text looks like another channel's message to it.
    """
    words = [word if isinstance(word, bytes) else b"%d" % word if isinstance(word, int) else b"" for word in message]
    first, *more = _LINE_ENDS.split(b",".join(words))
    # A leading space is dropped by readers: one that belongs to the line gets another before it.
    rest = [b"data: " + line if line[:1] == b" " else b"data:" + line for line in more]
    return b"\n".join([b"data: " + first, *rest]) + b"\n\n"


async def _beat(send: Send) -> None:
    while True:
        await asyncio.sleep(KEEP_ALIVE_S)
        await _send(send, b": \n\n")


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})
