"""A wait as a stream of events (Server-Sent Events of the HTML standard): `pending` with the place, then `granted`.

It may last longer than a poll. The waiter is told to the store again and again meanwhile, so that the end of this node
is noticed as that of any caller.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from starlette.types import Receive, Scope, Send

from outlive.gateway.connection import caller_of
from outlive.gateway.failure import Failure
from outlive.locks import answers
from outlive.locks.requests import POLL_MAX_MS
from outlive.locks.service import Granted, Service, Waiting
from outlive.locks.state import US, Wait
from outlive.locks.store import StoreFailure

_HEADERS: Final = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"connection", b"close")]
_TURN_US: Final = 15 * US
"""A proxy between may end a connection on which nothing is said for long."""
assert _TURN_US < POLL_MAX_MS * 1000


class Events:
    """An ASGI response."""

    def __init__(self, service: Service, key: str, step: Wait, anonymous: bool) -> None:
        self._service = service
        self._key = key
        self._step = step
        self._anonymous = anonymous

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        service, loop = self._service, asyncio.get_running_loop()
        caller = caller_of(scope)
        until = loop.time() + self._step.timeout_us / US
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        # A comment: the head goes out with the first bytes behind it.
        await send({"type": "http.response.body", "body": b": \n\n", "more_body": True})
        while not caller.has_left():
            turn_us = min(_TURN_US, max(0, int((until - loop.time()) * US)))
            said: Any = None
            if not service.is_draining():
                last = turn_us < _TURN_US
                # Only the last turn of a waiter without an id gives up its place.
                step = msgspec.structs.replace(self._step, timeout_us=turn_us if last else 2 * turn_us)
                found = service.wait(self._key, step, anonymous=self._anonymous and last, here_us=turn_us)

                def leave(found: Waiting = found) -> None:
                    found.tell(caller)

                try:
                    said = await found.answer if caller.watch(leave) else caller
                except asyncio.CancelledError:
                    service.gone(found)
                    raise
                finally:
                    caller.unwatch()
                if caller.has_left():
                    found.anonymous = self._anonymous
                    service.gone(found)
                    break
            if isinstance(said, Granted):
                await _say(send, "granted", answers.granted(said), more=False)
                return
            if said is not None:
                await _say(send, "error", _words(said), more=False)
                return
            over = service.is_draining() or loop.time() >= until
            place = 0 if over and self._anonymous else max(found.position, 0)
            await _say(send, "pending", answers.pending(place), more=not over)
            if over:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _words(said: Any) -> dict[str, object]:
    if isinstance(said, StoreFailure):
        return answers.away(said).body()
    try:
        answers.refuse(said)
    except Failure as failure:
        return failure.body()
    return {}


async def _say(send: Send, event: str, members: dict[str, Any], *, more: bool) -> None:
    body = b"event: %b\ndata: %b\n\n" % (event.encode(), answers.encoded(members))
    await send({"type": "http.response.body", "body": body, "more_body": more})
