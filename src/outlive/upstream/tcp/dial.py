"""Dialling a server whose protocol is not known: name and TCP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from outlive.net.sockets import SocketLike, watch_peer
from outlive.upstream.dial import Dialer
from outlive.upstream.failure import Failure

if TYPE_CHECKING:
    from outlive.upstream.tcp.connection import TCPConnection


class TCPDialer(Dialer):
    """Opens the connections of one server, each watched for its server's end from then on."""

    vanished_after_s = 3
    """See `Database`."""

    async def dial(self, connection: TCPConnection) -> Failure | None:
        """See `Dialer`."""
        return await self.guarded(self._dial(connection), "connection")

    async def _dial(self, connection: TCPConnection) -> None:
        async with asyncio.timeout(self.connect_timeout_s):
            await self.connect(connection)

    def probe(self, sock: SocketLike) -> None:
        """See `Dialer`: from the first moment on, since there are no pings."""
        watch_peer(sock, limit_s=self.vanished_after_s)
