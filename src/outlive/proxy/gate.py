"""What stands before a client, as far as no protocol matters: the PROXY header, and a limit on what a login may say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from outlive.net.proxy_protocol import ProxyHeader, ProxyHeaderReader, ProxyProtocolError

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.services import Services

_ENCRYPTED_FACTOR: Final = 4
"""A login by TLS with a client's certificate chain takes 8 KiB; four times what may be in plain is room for any."""


class Gate(ABC):
    """One login of one client. Nothing of it reaches a server before it succeeded."""

    __slots__ = ("_channel", "_encrypted_bytes", "_header", "_proxy", "_services", "crowded", "since")

    def __init__(self, channel: Channel, services: Services) -> None:
        self._channel: Any = channel
        self._services: Any = services
        self._encrypted_bytes = 0
        self._proxy: ProxyHeaderReader | None = None
        self._header: ProxyHeader | None = None
        self.crowded = False
        """There are max_clients already, each of them at work."""
        self.since = services.time()

    @abstractmethod
    def greet(self) -> None:
        """The login begins."""

    @abstractmethod
    def receive(self, data: bytes) -> None:
        """Bytes of the client, decrypted, behind a PROXY header."""

    @abstractmethod
    def end(self) -> None:
        """Closes the client, whose login is over."""

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether the login has ended, either way."""

    @abstractmethod
    def timed_out(self, seconds: float) -> None:
        """login_timeout_s passed."""

    @abstractmethod
    def client_lost(self) -> None:
        """The client is gone."""

    def open(self) -> None:
        """A client has connected."""
        if self._services.requires_proxy_header:
            self._proxy = ProxyHeaderReader()
        else:
            self.greet()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, decrypted."""
        if self._proxy is not None:
            try:
                data = self._read_proxy_header(self._proxy, data)
            except ProxyProtocolError as error:
                self._services.proxy_refused(self._channel, str(error))
                self.end()
                return
            if not data:
                return
        self.receive(data)

    def _read_proxy_header(self, proxy: ProxyHeaderReader, data: bytes) -> bytes:
        if not self._services.trusts(self._channel.peer):
            raise ProxyProtocolError("a PROXY header from an address that is not trusted")
        header = proxy.feed(data)
        if header is None:
            return b""
        rest = proxy.rest()
        self._proxy = None
        if header.source is not None:
            self._channel.peer = header.source[0]
        self._header = header
        self.greet()
        return rest

    def is_flooded(self, size: int) -> bool:
        """Counts what comes by TLS: a login in records of one byte,
        or handshake messages without end, has a limit too."""
        self._encrypted_bytes += size
        if self.is_over or self._encrypted_bytes <= _ENCRYPTED_FACTOR * self._services.login_buffer_bytes:
            return False
        self._services.metrics.logins_refused.add("tls")
        self.end()
        return True
