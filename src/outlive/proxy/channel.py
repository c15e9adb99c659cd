"""One client's socket: bytes in and out, TLS, and who takes them (the gate before the login, the client after it)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from ssl import SSLContext
from typing import TYPE_CHECKING, cast

from outlive.net.sockets import end_writing
from outlive.net.tls import TLS, TLSError

if TYPE_CHECKING:
    from outlive.net.sockets import SocketLike
    from outlive.proxy.client import ProxiedClient
    from outlive.proxy.gate import Gate
    from outlive.proxy.services import Services


class Channel(asyncio.Protocol):
    """A client connection from its accept to its end."""

    __slots__ = (
        "_reading_paused",
        "client",
        "closing",
        "connection_id",
        "gate",
        "peer",
        "send",
        "services",
        "tls",
        "transport",
    )

    def __init__(self, services: Services) -> None:
        self.services = services
        self.transport: asyncio.Transport | None = None
        self.tls: TLS | None = None
        self.gate: Gate | None = None
        self.client: ProxiedClient | None = None
        self.connection_id = 0
        self.peer = ""
        self.closing = False
        self._reading_paused = False
        self.send: Callable[[bytes], None] = self._send_nowhere

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send = self.transport.write
        self.services.accepted(self)

    def data_received(self, data: bytes) -> None:
        self.services.metrics.bytes_from_clients += len(data)
        if self.tls is not None:
            if self.gate is not None and self.gate.is_flooded(len(data)):
                return
            data = self._decrypt(data)
            if not data:
                return
        client = self.client
        if client is not None:
            client.data_received(data)
        elif self.gate is not None and not self.closing:
            self.gate.data_received(data)

    def eof_received(self) -> bool:
        self.close()  # at once: connection_lost waits until the client took what was sent, which it may never do
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.send = self._send_nowhere
        self.closing = True
        client, self.client = self.client, None
        gate, self.gate = self.gate, None
        self.tls = None
        self.services.closing.pop(self, None)
        self.services.lost(self)
        if gate is not None:
            gate.client_lost()
        if client is not None:
            client.client_lost()

    def pause_writing(self) -> None:
        if self.client is not None:
            self.client.client_paused(True)

    def resume_writing(self) -> None:
        if self.client is not None:
            self.client.client_paused(False)

    # -- TLS ---------------------------------------------------------------------------------------

    def start_tls(self, context: SSLContext, received: bytes) -> None:
        """From here on TLS; `received` are bytes behind the SSLRequest, which belong to it."""
        self.tls = TLS(context, server_side=True)
        self.send = self._send_encrypted
        if received:
            plain = self._decrypt(received)
            if plain and self.gate is not None:
                self.gate.data_received(plain)

    def _decrypt(self, data: bytes) -> bytes:
        tls, transport = self.tls, self.transport
        assert tls is not None
        assert transport is not None
        try:
            plain = tls.receive(data)
        except TLSError:
            transport.write(tls.outgoing())
            if self.gate is not None:
                self.services.metrics.logins_refused.add("tls")
            self.close()
            return b""
        answer = tls.outgoing()
        if answer:
            transport.write(answer)
        if tls.closed and not plain:
            self.close()
        return plain

    def _send_encrypted(self, data: bytes) -> None:
        tls, transport = self.tls, self.transport
        if tls is None or transport is None:
            return
        try:
            tls.send(data)
        except TLSError:
            self.close()
            return
        transport.write(tls.outgoing())

    def _send_nowhere(self, data: bytes) -> None:
        """After the end."""

    # -- flow and end ------------------------------------------------------------------------------

    def pause_reading(self, paused: bool) -> None:
        """Whether the client's bytes are left in the kernel."""
        if paused != self._reading_paused and self.transport is not None and not self.closing:
            self._reading_paused = paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    @property
    def socket(self) -> SocketLike | None:
        """For socket options; None after the end."""
        return None if self.transport is None or self.closing else self.transport.get_extra_info("socket")

    def deliver(self, data: bytes) -> None:
        """Bytes that the client sent before it was known who takes them."""
        if self.client is not None:
            self.client.data_received(data)
        elif self.gate is not None and not self.closing:
            self.gate.data_received(data)

    def close(self) -> None:
        """What was sent still goes out; nothing more is read."""
        if self.closing:
            return
        self.closing = True
        client, self.client = self.client, None
        if client is not None:
            client.client_lost()
        if self.transport is not None:
            if self.tls is not None:
                self.tls.close()
                self.transport.write(self.tls.outgoing())
            if self.transport.get_write_buffer_size():
                self.services.closing[self] = self.services.now
            else:
                self._end_writing()
            self.transport.close()

    def _end_writing(self) -> None:
        if self.transport is not None:
            with contextlib.suppress(OSError):  # gone already
                end_writing(self.transport.get_extra_info("socket"))

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    @property
    def reading_paused(self) -> bool:
        """Whether the client's end would go unnoticed, because nothing is read."""
        return self._reading_paused

    def abort(self) -> None:
        """Ends a client that takes nothing any more."""
        self.close()
        if self.transport is not None:
            self.transport.abort()
