"""A TCP client's socket: each direction may end by itself, and an end that is none is told by RST."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from outlive.net.sockets import reset_at_close
from outlive.proxy.channel import Channel

if TYPE_CHECKING:
    from outlive.proxy.tcp.client import TCPClient
    from outlive.proxy.tcp.services import TCPServices


class TCPChannel(Channel):
    """See `Channel`. `entry` is whose listener the client came to, `source` and `destination` who it is and where it
    connected, as a load balancer's word or the socket has it.
    """

    __slots__ = ("_resets", "destination", "entry", "source")

    services: TCPServices
    client: TCPClient | None

    def __init__(self, services: TCPServices, entry: str) -> None:
        Channel.__init__(self, services)
        self.entry = entry
        self.source: tuple[str, int] | None = None
        self.destination: tuple[str, int] | None = None
        self._resets = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `Channel`."""
        self.source = transport.get_extra_info("peername")[:2]
        self.destination = transport.get_extra_info("sockname")[:2]
        Channel.connection_made(self, transport)

    def eof_received(self) -> bool:
        """The client has no more to say; it may still read."""
        if self.client is not None and self.client.client_finished():
            return True
        return Channel.eof_received(self)

    def finish(self) -> None:
        """FIN, behind what was sent: the server has no more to say."""
        if self.transport is not None and not self.closing:
            self.transport.write_eof()

    def reset(self) -> None:
        """What was sent still goes out, then RST: the client must not take it for all there is."""
        sock = self.socket
        if sock is not None:
            self._resets = True
            with contextlib.suppress(OSError):  # gone: connection_lost follows
                reset_at_close(sock)
        self.close()

    def _end_writing(self) -> None:
        if not self._resets:
            Channel._end_writing(self)
