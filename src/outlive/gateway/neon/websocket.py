"""PostgreSQL's own protocol in the binary frames of a WebSocket, for Neon's Pool and Client.

A caller is a client of the wire from its StartupMessage on: the same login, session, queue, budget and cleaning. Only
principals with `websocket` may, as what is said here is no request whose statement their limits could be held against.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from outlive.gateway.answering import Answering
from outlive.gateway.failure import Failure
from outlive.gateway.neon.channel import NOT_ADMITTED, FrameTransport, WebSocketChannel
from outlive.gateway.users import principal_of
from outlive.gateway.websocket_connection import TRANSPORT
from outlive.proxy.postgres.services import PostgresServices
from outlive.wire.postgres.errors import ErrorFields

_ENDS: Final = (RuntimeError, WebSocketDisconnect, OSError)
"""What starlette and uvicorn say where the caller has ended it already."""
_PATHS: Final = ("/v2", "/v1")
"""What the client asks for by itself, and what users of Neon's own proxy have set; `?address=` is never dialled."""


class NeonSockets:
    """Of one node."""

    def __init__(self, answering: Answering, services: PostgresServices) -> None:
        self._answering = answering
        self._services = services

    def routes(self) -> list[BaseRoute]:
        """For the HTTP listener."""
        return [WebSocketRoute(path, self._serve) for path in _PATHS]

    async def _serve(self, websocket: WebSocket) -> None:
        principals = self._answering.config().principals.values()
        if self._services.draining or not any(principal.websocket for principal in principals):
            await websocket.close()  # before it is accepted: 403
            return
        await websocket.accept()
        place = _Place(self._answering)
        client = websocket.client
        channel = WebSocketChannel(self._services, "websocket" if client is None else client.host, place.admit)
        transport = channel.join(getattr(websocket.state, TRANSPORT, None))
        tasks = {
            asyncio.ensure_future(_read(websocket, channel, transport)),
            asyncio.ensure_future(_write(websocket, transport)),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            channel.connection_lost(None)
            place.leave()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, _ENDS):
                asyncio.get_running_loop().call_exception_handler({"message": "WebSocket", "exception": error})
        with suppress(*_ENDS):  # the caller may have ended it
            await websocket.close()


async def _read(websocket: WebSocket, channel: WebSocketChannel, transport: FrameTransport) -> None:
    while True:
        await transport.readable.wait()
        message = await websocket.receive()
        data = message.get("bytes")
        if message["type"] != "websocket.receive" or data is None:  # its end; or text, which has no meaning here
            return
        channel.data_received(data)


async def _write(websocket: WebSocket, transport: FrameTransport) -> None:
    while True:
        await transport.changed.wait()
        data = transport.take()
        if data:
            await websocket.send_bytes(data)
            transport.sent(len(data))
        if transport.is_closing() and not transport.get_write_buffer_size():
            return


class _Place:
    """One caller's among its principal's requests, from its login to its end."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._name: str | None = None

    def admit(self, database: str, user: str) -> ErrorFields | None:
        """See `Admit`."""
        config = self._answering.config()
        name = principal_of(config, database, user)
        if name is None or not config.principals[name].websocket:
            return NOT_ADMITTED
        try:
            self._answering.principals.enter(name, config.principals[name])
        except Failure as failure:
            return ErrorFields(b"FATAL", b"53300", failure.message.encode())
        self._name = name
        return None

    def leave(self) -> None:
        """It is over."""
        if self._name is not None:
            self._answering.principals.leave(self._name)
            self._name = None
