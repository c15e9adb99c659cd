"""A path of the native API: its method (nearly always POST), and what browsers ask and are told of pages of other
origins (CORS).

Source: the CORS protocol of the Fetch standard. No credentials of the browser's own are ever taken, so that an origin
needs no more than to be named, and `*` gives nobody a key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from outlive.config.model import Config

_METHOD_NOT_ALLOWED: Final = (
    b'{"error":{"code":"method_not_allowed","message":"This path takes %b only.","outcome":"not_run"}}'
)
_MAX_AGE_S: Final = b"600"
_PREFLIGHT: Final = [
    (b"access-control-allow-headers", b"authorization, content-type, idempotency-key"),
    (b"access-control-max-age", _MAX_AGE_S),
]


class Endpoint:
    """An ASGI application; `answer` gives the response, another one."""

    def __init__(
        self, answer: Callable[[Request], Awaitable[Any]], config: Callable[[], Config], method: str = "POST"
    ) -> None:
        self._answer = answer
        self._config = config
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the class."""
        origins = self._config().http.cors_origins
        if origins:
            send = _telling(send, _allowed(scope, origins))
        if scope["method"] == self._method:
            response = await self._answer(Request(scope, receive, send))
            await response(scope, receive, send)
        elif origins and scope["method"] == "OPTIONS":
            await _say(send, 204, [(b"access-control-allow-methods", self._method.encode()), *_PREFLIGHT], b"")
        else:
            method = self._method.encode()
            headers = [(b"allow", method), (b"content-type", b"application/json")]
            await _say(send, 405, headers, _METHOD_NOT_ALLOWED % method)


async def _say(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    length = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})


def _allowed(scope: Scope, origins: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    origin = next((value for name, value in scope["headers"] if name == b"origin"), None)
    headers = [(b"vary", b"Origin")]
    if origin is not None and ("*" in origins or origin.decode("latin-1") in origins):
        headers.append((b"access-control-allow-origin", origin))
        headers.append((b"access-control-expose-headers", b"retry-after"))
    return headers


def _telling(send: Send, more: list[tuple[bytes, bytes]]) -> Send:
    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *more]
        await send(message)

    return telling
