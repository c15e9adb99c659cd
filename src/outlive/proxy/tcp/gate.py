"""What stands before a TCP client: a PROXY header, where one is required. There is no login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.gate import Gate
from outlive.proxy.tcp.client import TCPClient

if TYPE_CHECKING:
    from outlive.proxy.tcp.channel import TCPChannel
    from outlive.proxy.tcp.services import TCPServices


class TCPGate(Gate):
    """See `Gate`."""

    __slots__ = ()

    _channel: TCPChannel
    _services: TCPServices

    def greet(self) -> None:
        """See `Gate`: the client is in, and takes its place in the queue."""
        channel = self._channel
        route = self._services.routes.by_name.get(channel.entry)
        if route is None:  # a reload took the entry away
            self.end()
            return
        header = self._header
        if header is not None and header.source is not None:
            channel.source, channel.destination = header.source, header.destination
        channel.gate = None
        client = channel.client = TCPClient(channel, route, self._services)
        self._services.logged_in(channel, again=True)
        client.begin()

    def receive(self, data: bytes) -> None:
        """See `Gate`: bytes behind the PROXY header, whose client is in meanwhile."""
        self._channel.deliver(data)

    def end(self) -> None:
        """See `Gate`."""
        self._channel.reset()

    @property
    def is_over(self) -> bool:
        """See `Gate`."""
        return self._channel.client is not None

    def timed_out(self, seconds: float) -> None:
        """See `Gate`."""
        self._services.metrics.refused.add("proxy_protocol")
        self.end()

    def client_lost(self) -> None:
        """See `Gate`."""
