"""A WebSocket on the HTTP port: uvicorn's, with limits on what a caller who does not read may hold."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from outlive.config.http import Http
from outlive.gateway.unread import Unread

TRANSPORT: Final = "transport"
"""Under which name a WebSocket's state has its transport: for what no message of ASGI says."""


class WebSocketConnection(WebSocketsSansIOProtocol):
    """See the module."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        WebSocketsSansIOProtocol.__init__(self, *arguments, **options)
        self._unread = Unread()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See uvicorn."""
        WebSocketsSansIOProtocol.connection_made(self, transport)
        self.app_state = {**self.app_state, TRANSPORT: self.transport}

    def handle_ping(self) -> None:
        """See uvicorn. Who does not read needs no answer, and would else fill the memory with them: the standard of
        WebSockets asks for one to the last ping only.
        """
        output = self.conn.data_to_send()
        if self.writable.is_set():
            self.transport.write(b"".join(output))

    def handle_text(self, event: Frame) -> None:
        """See uvicorn. Nobody here takes text, so that it is not read either: it might be none."""
        if not self.close_sent:
            self.conn.send_close(CloseCode.UNSUPPORTED_DATA)
            self.handle_parser_exception()

    def look(self, now: float, http: Http) -> None:
        """Ends it where its caller takes nothing of what was written for too long, be it a farewell."""
        if self._unread.is_stuck(self.transport.get_write_buffer_size(), now, http.response_timeout_s):
            self.transport.abort()
