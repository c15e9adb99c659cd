"""A connection to the HTTP port: uvicorn's, with limits on what a slow or endless caller may hold.

One sweep a second looks at all of them, so that no request costs a timer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from outlive.config.http import Http

HEAD_MAX_BYTES: Final = 65_536
"""The longest request line and header fields together; a JSON Web Token or a connection string takes a few KiB."""
LEAVING: Final = "outlive.leaving"
_CLOSED: Final = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"


class Leaving:
    """Whether a connection's caller has gone; `call` is called then. It stands in a request's scope as LEAVING."""

    __slots__ = ("_gone", "call")

    def __init__(self) -> None:
        self.call: Callable[[], None] | None = None
        self._gone = False

    def gone(self) -> bool:
        """Whether it has."""
        return self._gone

    def tell(self) -> None:
        """It has gone."""
        self._gone = True
        if self.call is not None:
            self.call()


class HttpConnection(HttpToolsProtocol):
    """See the module. Times are the loop's; 0.0 where nothing of the kind is under way."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        HttpToolsProtocol.__init__(self, *arguments, **options)
        self._request_since = self.loop.time()  # the first request has to come
        self._idle_since = 0.0
        self._unread_since = 0.0
        self._unread_bytes = 0
        self._head_bytes = -1
        self._leaving = Leaving()

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

    def on_header(self, name: bytes, value: bytes) -> None:
        """See uvicorn. Behind a chunked body come trailers, of which nobody wants to know."""
        if self._head_bytes >= 0:
            HttpToolsProtocol.on_header(self, name, value)

    def on_headers_complete(self) -> None:
        """See uvicorn."""
        self._head_bytes = -1
        HttpToolsProtocol.on_headers_complete(self)
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[LEAVING] = self._leaving

    def on_message_complete(self) -> None:
        """See uvicorn."""
        self._request_since = 0.0
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

    def connection_lost(self, exc: Exception | None) -> None:
        """See uvicorn."""
        HttpToolsProtocol.connection_lost(self, exc)
        self._leaving.tell()

    # -- what does not come ------------------------------------------------------------------------

    def look(self, now: float, http: Http) -> None:
        """Ends it where its caller sends a request, takes a response, or stays idle for too long."""
        if self._is_stuck(now, http.response_timeout_s):
            self.transport.abort()
        elif self.transport.is_closing():
            pass
        elif self._request_since and now - self._request_since > http.request_timeout_s:
            self._refuse(408, "request_timeout", f"The request did not come in {http.request_timeout_s:g} s.")
        elif self._idle_since and now - self._idle_since > http.keep_alive_s and self._is_idle():
            self.transport.close()

    def _is_idle(self) -> bool:
        return not self._request_since and (self.cycle is None or self.cycle.response_complete)

    def _is_stuck(self, now: float, timeout_s: float) -> bool:
        """Whether what was written to it waits, and the caller took nothing of it."""
        unread = self.transport.get_write_buffer_size()
        if not unread or unread < self._unread_bytes or not self._unread_since:
            self._unread_since = now
        self._unread_bytes = unread
        return unread > 0 and now - self._unread_since > timeout_s

    def _refuse(self, status: int, code: str, message: str) -> None:
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = msgspec.json.encode({"error": {"code": code, "message": message, "outcome": "not_run"}})
            reason = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}[status]
            self.transport.write(b"HTTP/1.1 %d %b\r\n" % (status, reason) + _CLOSED % len(body) + body)
        if cycle is not None:
            cycle.disconnected = True
        self.transport.close()
