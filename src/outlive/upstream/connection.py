"""One connection to a server: its socket, TLS, whoever holds it, and its end. What is said on it is its protocol's."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable
from errno import ECONNRESET, ENOTCONN, EPIPE
from socket import SO_ERROR, SOL_SOCKET
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from outlive.net.tls import TLS, TLSError
from outlive.pool.slot import Slot

if TYPE_CHECKING:
    from outlive.upstream.lease import Lessee
    from outlive.upstream.server import Server


_SERVERS_END: Final = (ECONNRESET, EPIPE, ENOTCONN)
"""Errors of a socket that the server has closed. Not ETIMEDOUT and the like: then it may still have the connection."""


class ServerConnection(Slot, asyncio.Protocol, ABC):
    """A slot of the pool with its socket."""

    __slots__ = (
        "_asked_at",
        "_closing_since",
        "_steps",
        "doubtful",
        "lessee",
        "logging_in",
        "lost",
        "pinged_at",
        "read_only",
        "refusal",
        "saw_end",
        "send",
        "server",
        "tls",
        "transport",
        "writable",
    )

    goodbye: ClassVar[bytes]
    """What tells the server that the connection ends."""

    def __init__(self, server: Server, key: Hashable) -> None:
        Slot.__init__(self, key)
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.send: Callable[[bytes], None] = self._send_nowhere
        self.tls: TLS | None = None
        self.lessee: Lessee | None = None
        self.doubtful = False
        """A KILL or cancel of what ran here was sent, and may hit what runs next."""
        self.logging_in = False
        """A dial or a change of user is under way, which tells the pool how it ended."""
        self.pinged_at = 0.0
        self.read_only = False
        self.refusal: Any = None
        self.saw_end = False
        self.lost = False
        self.writable = True
        self._steps: deque[Any] = deque()
        """Outlive's own commands that are unanswered."""
        self._closing_since: float | None = None
        self._asked_at = 0.0

    @abstractmethod
    def own_data(self, data: bytes) -> None:
        """Bytes of a login, of the reply to a command of Outlive's own, or without any reason."""

    @property
    @abstractmethod
    def thread_id(self) -> int:
        """The connection's id at the server."""

    @abstractmethod
    def secured(self) -> None:
        """TLS is established."""

    @abstractmethod
    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """Whether an own command that nothing at the server can hold up has had no answer for `limit_s`."""

    def forget_own(self) -> None:
        """The connection ends: nobody waits for the answers to Outlive's own commands any more."""
        self._steps.clear()

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send = self.transport.write

    def data_received(self, data: bytes) -> None:
        if self._closing_since is not None:
            return
        if self.tls is not None:
            data = self._decrypt(data)
            if not data:
                return
        self.server.metrics.bytes_from_server += len(data)
        if self.lessee is not None and not self._steps:
            self.lessee.server_data(data)
        else:
            self.own_data(data)

    def eof_received(self) -> bool:
        # At once: connection_lost comes a turn of the loop later, and a statement that came in the same turn as this
        # end would be lent the connection and be lost with it.
        self.saw_end = True
        self._ended()
        return False  # the transport closes

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, OSError) and error.errno in _SERVERS_END:
            self.saw_end = True
        if not self.lost:
            self._ended()

    def _ended(self) -> None:
        self.lost = True
        self.send = self._send_nowhere
        self._steps.clear()
        self.server.connection_lost(self)

    def pause_writing(self) -> None:
        self.writable = False
        if self.lessee is not None:
            self.lessee.server_paused(True)

    def resume_writing(self) -> None:
        self.writable = True
        if self.lessee is not None:
            self.lessee.server_paused(False)

    # -- TLS ---------------------------------------------------------------------------------------

    def start_tls(self) -> None:
        """Raises TLSError where the host's name cannot be one."""
        assert self.transport is not None
        context, name = self.server.tls_parameters()
        self.tls = TLS(context, server_side=False, server_hostname=name)
        self.send = self._send_encrypted
        self.transport.write(self.tls.outgoing())

    def _decrypt(self, data: bytes) -> bytes:
        tls, transport = self.tls, self.transport
        assert tls is not None
        assert transport is not None
        fresh = not tls.established
        try:
            plain = tls.receive(data)
        except TLSError as error:
            self.fail(f"TLS: {error}")
            return b""
        finally:
            answer = tls.outgoing()
            if answer and not self.lost:
                transport.write(answer)
        if fresh and tls.established:
            self.secured()
        return plain

    def _send_encrypted(self, data: bytes) -> None:
        assert self.tls is not None
        assert self.transport is not None
        try:
            self.tls.send(data)
        except TLSError as error:
            self.fail(f"TLS: {error}")
            return
        self.transport.write(self.tls.outgoing())

    def _send_nowhere(self, data: bytes) -> None:
        """Before the connection and after its end there is nobody to write to; the loss is told by connection_lost."""

    # -- Outlive's own commands --------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether own commands are unanswered."""
        return bool(self._steps)

    # -- the end -----------------------------------------------------------------------------------

    def fail(self, why: str) -> None:
        """The connection cannot go on (protocol, TLS, doubt). What the server still says is not read any more."""
        if self._closing_since is None:
            if not self.logging_in:  # whose failure is logged where it is told
                self.server.log_failure(self, why)
            self.server.retire_now(self, why)

    def quit(self, now: float, *, polite: bool = True) -> None:
        """Says goodbye, or only ends our side where a message may be half sent; then the server's EOF is awaited.

        The slot is free when the server closed, and not before: closing and dialling anew at the limit is refused else.
        """
        if self._closing_since is not None:
            return
        self._closing_since = now
        self.lessee = None
        self.forget_own()
        transport = self.transport
        if transport is None or self.lost:
            return
        transport.resume_reading()
        if polite:
            self.send(self.goodbye)
        self.send = self._send_nowhere
        try:
            transport.write_eof()
        except OSError:
            # The server had closed already, and answered the goodbye with RST: no end will be read any more.
            self.saw_end |= transport.get_extra_info("socket").getsockopt(SOL_SOCKET, SO_ERROR) in _SERVERS_END
            transport.abort()

    def abort(self) -> None:
        """RST towards the server."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def closing_since(self) -> float | None:
        """When `quit` was called."""
        return self._closing_since
