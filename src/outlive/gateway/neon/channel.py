"""A PostgreSQL client whose bytes come in the frames of a WebSocket, in place of a socket of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.postgres.channel import PostgresChannel
from outlive.proxy.postgres.gate import PostgresGate
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import ENCRYPTION_REFUSED, INVALID_AUTHORIZATION
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.proxy.postgres.services import PostgresServices

_HIGH_BYTES: Final = 64 * 1024
"""How much waits for the caller before reading from its server connection pauses: as asyncio's transports have it."""
Admit = Callable[[str, str], "ErrorFields | None"]
"""Asked with database and user whether they may: None, or why not."""


class FrameTransport(asyncio.Transport):
    """What `Channel` needs of a transport. `changed` is set when there is something to send, or nothing any more;
    `readable` is cleared while nothing may be read. `under` is what the frames go over.
    """

    def __init__(self, channel: WebSocketChannel, under: asyncio.Transport | None) -> None:
        asyncio.Transport.__init__(self)
        self._channel = channel
        self._under = under
        self._pieces: list[bytes] = []
        self._unsent = 0
        self._paused = False
        self._closing = False
        self.changed = asyncio.Event()
        self.readable = asyncio.Event()
        self.readable.set()

    def write(self, data: Any) -> None:
        """See `asyncio.Transport`."""
        if self._closing or not data:
            return
        self._pieces.append(bytes(data))
        self._unsent += len(data)
        self.changed.set()
        if self._unsent > _HIGH_BYTES and not self._paused:
            self._paused = True
            self._channel.pause_writing()

    def take(self) -> bytes:
        """What is to be sent. It counts as unsent until `sent`."""
        self.changed.clear()
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def sent(self, size: int) -> None:
        """So much has gone."""
        self._unsent -= size
        if self._paused and self._unsent <= _HIGH_BYTES // 4:
            self._paused = False
            self._channel.resume_writing()

    def get_write_buffer_size(self) -> int:
        """See `asyncio.Transport`."""
        return self._unsent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.Transport`. The socket is watched for a caller that vanishes, as on the port."""
        return default if self._under is None else self._under.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """See `asyncio.Transport`."""
        self.readable.clear()

    def resume_reading(self) -> None:
        """See `asyncio.Transport`."""
        self.readable.set()

    def is_closing(self) -> bool:
        """See `asyncio.Transport`."""
        return self._closing

    def close(self) -> None:
        """See `asyncio.Transport`: what was written still goes out."""
        self._closing = True
        self.changed.set()

    def abort(self) -> None:
        """See `asyncio.Transport`."""
        self._pieces.clear()
        self.close()
        if self._under is not None:  # or else a frame that nobody takes would be waited for
            self._under.abort()


class WebSocketGate(PostgresGate):
    """As `PostgresGate`, for a caller whose connection the HTTP port has accepted. It asks for the clear password,
    which Neon's client sends without being asked; TLS, where there is any, ends outside of the WebSocket.
    """

    __slots__ = ()

    _channel: WebSocketChannel
    clear_password = True

    @property
    def is_secure(self) -> bool:
        """See `PostgresGate`. As far as this node knows."""
        return True

    def admits(self, user: bytes) -> ErrorFields | None:
        """See `PostgresGate`."""
        asked = self._wanted
        if asked is None or self._is_console:
            return NOT_ADMITTED
        return self._channel.admit(asked.database.decode("utf-8", "replace"), user.decode("utf-8", "replace"))

    def _answer_ssl_request(self) -> bool:
        self._ssl_answered = True
        self._channel.send(ENCRYPTION_REFUSED)
        return False

    def _start_tls(self, received: bytes) -> None:
        raise ProtocolError("TLS within a WebSocket")


class WebSocketChannel(PostgresChannel):
    """See the module."""

    __slots__ = ("admit",)

    transport: FrameTransport | None

    def __init__(self, services: PostgresServices, peer: str, admit: Admit) -> None:
        PostgresChannel.__init__(self, services)
        self.peer = peer
        self.admit = admit

    def join(self, under: asyncio.Transport | None) -> FrameTransport:
        """Joins the clients of the wire: its login begins. `under` is what the frames go over."""
        services = self.services
        transport = self.transport = FrameTransport(self, under)
        self.send = transport.write
        services.metrics.accepted += 1
        services.enlist(self)
        gate = self.gate = WebSocketGate(self, services)
        gate.crowded = services.metrics.clients > services.max_clients
        services.gates[self] = gate.since
        gate.greet()
        return transport

    def close(self) -> None:
        """See `Channel`."""
        if self.closing:
            return
        self.closing = True
        client, self.client = self.client, None
        if client is not None:
            client.client_lost()
        if self.transport is not None:
            if self.transport.get_write_buffer_size():
                self.services.closing[self] = self.services.now
            self.transport.close()


NOT_ADMITTED: Final = ErrorFields(
    b"FATAL",
    INVALID_AUTHORIZATION,
    b"this user may not come by WebSocket",
    hint=b"A principal of the configuration that has the user in database_users needs websocket = true.",
)
