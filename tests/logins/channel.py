"""Packets over a blocking socket, in the clear or through the TLS adapter."""

import socket
import ssl

from outlive.net.tls import TLS
from outlive.wire.mysql.packets import PacketReader, packet


class Channel:
    """One side of one connection; `send` and `receive` take and give payloads."""

    def __init__(self, sock: socket.socket, *, first_sequence: int = 0) -> None:
        self.sock = sock
        self.tls: TLS | None = None
        self.sequence = first_sequence
        self._reader = PacketReader(1 << 20, sequence=first_sequence)

    def start_tls(self, context: ssl.SSLContext, *, server_side: bool, host: str | None = None) -> None:
        rest = self._reader.rest()
        self._reader = PacketReader(1 << 20, sequence=self.sequence)
        self.tls = TLS(context, server_side=server_side, server_hostname=host)
        self._reader.feed(self.tls.receive(rest))
        self._flush()

    def send(self, payload: bytes) -> None:
        data = packet(self.sequence, payload)
        self.sequence = (self.sequence + 1) % 256
        self._reader.sequence = self.sequence
        if self.tls is None:
            self.sock.sendall(data)
        else:
            self.tls.send(data)
            self._flush()

    def receive(self) -> bytes:
        """The next payload; ConnectionError when the other end closed."""
        while (payload := self._reader.next()) is None:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the other end closed")
            if self.tls is not None:
                try:
                    data = self.tls.receive(data)
                finally:
                    self._flush()
            self._reader.feed(data)
        self.sequence = self._reader.sequence
        return payload

    def restart(self) -> None:
        """A new command begins."""
        self.sequence = 0
        self._reader.sequence = 0

    def _flush(self) -> None:
        assert self.tls is not None
        if data := self.tls.outgoing():
            self.sock.sendall(data)
