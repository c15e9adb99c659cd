"""What the clients of all `tcp://` entries of a node share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.net.sockets import SocketLike, set_no_delay
from outlive.proxy.phases import RELAYING
from outlive.proxy.services import Services
from outlive.proxy.tcp.channel import TCPChannel
from outlive.proxy.tcp.gate import TCPGate

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.tcp.client import TCPClient
    from outlive.upstream.tcp.server import TCPServer

_LOOK_EVERY_S = 0.1
"""How often who joins a queue looks for an idle connection: thousands come at once, and each look is at all leases."""


class TCPServices(Services):
    """See `Services`."""

    listener = "tcp"
    shares_connections = False
    channels: dict[int, TCPChannel]

    def new_channel(self, entry: str = "") -> TCPChannel:
        """See `Services`: of the listener of this entry."""
        return TCPChannel(self, entry)

    def new_gate(self, channel: Channel) -> TCPGate:
        """See `Services`."""
        return TCPGate(channel, self)

    def prepare(self, sock: SocketLike) -> None:
        """See `Services`. Its client is watched once it has a connection; until then its deadline is near."""
        set_no_delay(sock)

    def turn_away(self, channel: Channel) -> None:
        """See `Services`: no protocol says why."""
        assert isinstance(channel, TCPChannel)
        channel.reset()

    def server_known(self) -> None:
        """See `Services`."""

    def look_after(self) -> None:
        """See `Services`. Every lease is looked at, as the sweep does for protocols whose leases are short."""
        now = self.now
        servers: dict[TCPServer, None] = {}
        for channel in list(self.channels.values()):
            client = channel.client
            if client is not None:
                client.look_after(now)
                servers[client.server] = None
        for server in servers:
            self.make_room(server, now)

    def look_for_room(self, server: TCPServer) -> None:
        """Somebody has joined the queue."""
        now = self.time()
        if now - server.looked_at >= _LOOK_EVERY_S:
            self.make_room(server, now)

    def make_room(self, server: TCPServer, now: float) -> None:
        """The idle go, the one idle longest first, while others wait for a budget that is full."""
        server.looked_at = now
        shortage = server.shortage
        if shortage <= 0:
            return
        why = "budget" if server.pool.over_budget > 0 else "evicted"
        for client in idle_longest(server, now)[:shortage]:
            client.close(why)


def idle_longest(server: TCPServer, now: float) -> list[TCPClient]:
    """Who could go, the one idle longest first."""
    clients: list[TCPClient] = [slot.lessee for slot in server.pool.slots if slot.lessee is not None]
    return sorted(
        (client for client in clients if client.phase == RELAYING and client.is_quiet(now)),
        key=lambda client: client.active_at,
    )
