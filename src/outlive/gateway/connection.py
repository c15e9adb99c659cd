"""A connection to the HTTP port: uvicorn's, with limits on what a slow or endless caller may hold.

One sweep a second looks at all of them, so that no request costs a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from outlive.config.http import Http
from outlive.gateway.unread import Unread
from outlive.net.sockets import arm_probe

_CONNECTION: Final = "outlive.connection"
HEAD_MAX_BYTES: Final = 65_536
"""The longest request line and header fields together; a JSON Web Token or a connection string takes a few KiB."""
_LONG_S: Final = 1.0
_CLOSED: Final = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class _OneWrite(asyncio.Transport):
    """A response's transport: its head waits for the beginning of its body, as each write is a call of the kernel's."""

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._transport.is_closing()

    def write(self, data: Any) -> None:
        """See asyncio."""
        if self._head is not None:
            data, self._head = self._head + data, b""
        elif not data.startswith(b"HTTP/1.1 100 "):
            self._head = data
            return
        if data:
            self._transport.write(data)

    def close(self) -> None:
        """See asyncio."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()


class HttpConnection(HttpToolsProtocol):
    """See the module. Times are the loop's; 0.0 where nothing of the kind is under way."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        HttpToolsProtocol.__init__(self, *arguments, **options)
        self._request_since = self.loop.time()  # the first request has to come
        self._idle_since = 0.0
        self._unread = Unread()
        self._working_since = 0.0
        self._is_armed = False
        self._head_bytes = -1
        self._has_left = False
        self._leave: Callable[[], None] | None = None

    def connection_lost(self, error: Exception | None) -> None:
        """See uvicorn."""
        self._has_left = True
        HttpToolsProtocol.connection_lost(self, error)
        if self._leave is not None:
            self._leave()

    def watch(self, leave: Callable[[], None]) -> bool:
        """`leave` is called when the caller goes, until `unwatch`. False where it has gone."""
        if self._has_left:
            return False
        self._leave = leave
        if not self.transport.is_closing():
            self.flow.resume_reading()  # paused behind a long body, where its end would not be seen
        return True

    def has_left(self) -> bool:
        """Whether the caller has gone."""
        return self._has_left

    def unwatch(self) -> None:
        """Nobody minds any more."""
        self._leave = None

    # -- what comes --------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See uvicorn."""
        HttpToolsProtocol.data_received(self, data)
        if self._head_bytes >= 0:
            # Before its end the parser gives nothing of a field to anybody, and keeps all of it.
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES and not self.transport.is_closing():
                self._refuse(431, "header_too_large", f"The request's head is longer than {HEAD_MAX_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """See uvicorn."""
        self._request_since = self.loop.time()
        self._head_bytes = 0
        HttpToolsProtocol.on_message_begin(self)
        self.scope[_CONNECTION] = self  # type: ignore[typeddict-unknown-key]

    def on_header(self, name: bytes, value: bytes) -> None:
        """See uvicorn. Behind a chunked body come trailers, of which nobody wants to know."""
        if self._head_bytes >= 0:
            HttpToolsProtocol.on_header(self, name, value)

    def on_headers_complete(self) -> None:
        """See uvicorn."""
        self._head_bytes = -1
        before = self.cycle
        HttpToolsProtocol.on_headers_complete(self)
        if self.cycle is not before and self.scope["method"] != "HEAD":  # which has a head and nothing more
            self.cycle.transport = _OneWrite(self.transport)

    def on_message_complete(self) -> None:
        """See uvicorn."""
        self._request_since = 0.0
        self._working_since = self.loop.time()
        HttpToolsProtocol.on_message_complete(self)

    def on_response_complete(self) -> None:
        """As uvicorn's, but without a timer for the idle time."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        else:
            self._idle_since = self.loop.time()

    # -- what does not come ------------------------------------------------------------------------

    def look(self, now: float, http: Http) -> None:
        """Ends it where its caller sends a request, takes a response, or stays idle for too long."""
        self._arm(now, http.response_timeout_s)
        if self._unread.is_stuck(self.transport.get_write_buffer_size(), now, http.response_timeout_s):
            self.transport.abort()
        elif self.transport.is_closing():
            pass
        elif self._request_since and now - self._request_since > http.request_timeout_s:
            self._refuse(408, "request_timeout", f"The request did not come in {http.request_timeout_s:g} s.")
        elif self._idle_since and now - self._idle_since > http.keep_alive_s and self._is_idle():
            self.transport.close()

    def _arm(self, now: float, timeout_s: float) -> None:
        """A caller that vanishes without a word during a long request (a stream, a command that blocks) is found by its
        kernel's silence. Most requests are over before that is worth a system call.
        """
        waits = self.cycle is not None and not self.cycle.response_complete and not self._request_since
        if not waits or self._is_armed or now - self._working_since < _LONG_S:
            return
        self._is_armed = True
        with contextlib.suppress(OSError):
            arm_probe(self.transport.get_extra_info("socket"), limit_s=max(2, int(timeout_s)))

    def _is_idle(self) -> bool:
        return not self._request_since and (self.cycle is None or self.cycle.response_complete)

    def _refuse(self, status: int, code: str, message: str) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = msgspec.json.encode({"error": {"code": code, "message": message, "outcome": "not_run"}})
            reason = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}[status]
            self.transport.write(b"HTTP/1.1 %d %b\r\n" % (status, reason) + _CLOSED % len(body) + body)
        if cycle is not None:
            cycle.disconnected = True
        self.transport.close()


def caller_of(scope: Scope) -> HttpConnection:
    """The connection of a request."""
    found: HttpConnection = scope[_CONNECTION]
    return found
