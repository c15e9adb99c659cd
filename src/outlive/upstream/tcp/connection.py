"""A connection to a server whose protocol is not known: it serves one client, from its dial to its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from outlive.net.sockets import reset_at_close
from outlive.upstream.connection import ServerConnection

if TYPE_CHECKING:
    from outlive.upstream.tcp.server import TCPServer

EARLY_BYTES: Final = 65_536
"""A server that says so much before its client has the connection, a turn of the loop later, is not read from."""


class TCPConnection(ServerConnection):
    """See `ServerConnection`. Its lessee also has `server_finished`: FIN came, and the server may still read."""

    __slots__ = ("_early",)

    goodbye = b""
    server: TCPServer
    lessee: Any

    def __init__(self, server: TCPServer, key: Any) -> None:
        ServerConnection.__init__(self, server, key)
        self._early = b""

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ServerConnection`: the hot path, which knows no TLS and no commands of its own."""
        lessee = self.lessee
        if lessee is None:
            self.own_data(data)
            return
        self.server.metrics.bytes_from_server += len(data)
        lessee.server_data(data)

    def eof_received(self) -> bool:
        """The server has no more to say. What its client still sends goes on to it."""
        if self.lessee is None:
            return ServerConnection.eof_received(self)
        self.saw_end = True
        self.lessee.server_finished()
        return True  # `quit` closes

    # -- see ServerConnection ----------------------------------------------------------------------

    def own_data(self, data: bytes) -> None:
        """A greeting that came before the client was told of its connection; or the rest, which nobody reads."""
        if self._closing_since is not None or self.transport is None:
            return
        self.server.metrics.bytes_from_server += len(data)
        self._early += data
        if len(self._early) >= EARLY_BYTES:
            self.transport.pause_reading()

    def take_early(self) -> bytes:
        """What the server said so far; from here on it is the lessee's."""
        early, self._early = self._early, b""
        if len(early) >= EARLY_BYTES and self.transport is not None:
            self.transport.resume_reading()
        return early

    def finish(self) -> None:
        """FIN, behind what was sent: the client has no more to say."""
        if self.transport is not None and not self.lost:
            self.transport.write_eof()

    def quit(self, now: float, *, polite: bool = True) -> None:
        """See `ServerConnection`. There is no goodbye but FIN; where the server's was seen, nothing is awaited."""
        if not self.saw_end or self.lost or self.transport is None:
            ServerConnection.quit(self, now, polite=False)
        elif self._closing_since is None:
            self._closing_since = now
            self.lessee = None
            self.send = self._send_nowhere
            self.transport.close()

    def abort(self) -> None:
        """RST: also a server that never looks at its socket has lost the connection."""
        if self.transport is not None and not self.lost:
            with contextlib.suppress(OSError):
                reset_at_close(self.transport.get_extra_info("socket"))
            self.transport.abort()

    @property
    def unsent_bytes(self) -> int:
        """What the server has not taken yet."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    @property
    def thread_id(self) -> int:
        """See `ServerConnection`: none."""
        return 0

    def secured(self) -> None:
        """See `ServerConnection`: TLS passes through."""

    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """See `ServerConnection`: nothing is ever asked."""
        return False
