"""A plain socket to a server, as bare as possible: what the server sends under given capabilities, byte by byte."""

import socket
from types import TracebackType

from outlive.wire.mysql.constants import (
    CLIENT_CONNECT_WITH_DB,
    CLIENT_DEPRECATE_EOF,
    CLIENT_LOCAL_FILES,
    CLIENT_LONG_FLAG,
    CLIENT_LONG_PASSWORD,
    CLIENT_MULTI_RESULTS,
    CLIENT_MULTI_STATEMENTS,
    CLIENT_PLUGIN_AUTH,
    CLIENT_PROTOCOL_41,
    CLIENT_PS_MULTI_RESULTS,
    CLIENT_SECURE_CONNECTION,
    CLIENT_SESSION_TRACK,
    CLIENT_TRANSACTIONS,
)
from outlive.wire.mysql.handshake import Greeting, HandshakeResponse
from outlive.wire.mysql.packets import PacketReader, packet
from outlive.wire.mysql.reply import REPLY_QUERY, ReplyReader

BASE = (
    CLIENT_LONG_PASSWORD
    | CLIENT_LONG_FLAG
    | CLIENT_CONNECT_WITH_DB
    | CLIENT_PROTOCOL_41
    | CLIENT_TRANSACTIONS
    | CLIENT_SECURE_CONNECTION
    | CLIENT_PLUGIN_AUTH
    | CLIENT_MULTI_STATEMENTS
    | CLIENT_MULTI_RESULTS
    | CLIENT_PS_MULTI_RESULTS
    | CLIENT_LOCAL_FILES
)
MODERN = BASE | CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK


class RawConnection:
    """root without a password; `capabilities` go into the login as they are."""

    def __init__(self, host: str, port: int, capabilities: int) -> None:
        self.capabilities = capabilities
        self._socket = socket.create_connection((host, port), 20)
        reader = PacketReader(1 << 16)
        self.greeting = Greeting.parse(self._next(reader))
        response = HandshakeResponse(capabilities, 1 << 24, 45, b"root", b"", b"test", b"mysql_native_password")
        if b"caching" in self.greeting.plugin:
            response.plugin = b"caching_sha2_password"
        self._socket.sendall(packet(1, response.encode()))
        reader.sequence = 2
        while (payload := self._next(reader))[0] != 0:
            if payload[0] == 0xFF:
                raise ConnectionRefusedError(payload)
            if payload[0] == 0xFE:  # Another plugin: an empty password answers them all.
                self._socket.sendall(packet(reader.sequence, b""))
                reader.sequence += 1

    def _next(self, reader: PacketReader) -> bytes:
        while (payload := reader.next()) is None:
            reader.feed(self.receive())
        return payload

    def receive(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError
        return data

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def command(
        self, payload: bytes, reader: ReplyReader, kind: int = REPLY_QUERY, **options: int
    ) -> tuple[bytes, bytes]:
        """What the server sent and what `reader` made of it."""
        sent = packet(0, payload)
        self._socket.sendall(sent)
        reader.start(kind, **options)
        reader.file_expected = True
        return self.follow(reader)

    def follow(self, reader: ReplyReader) -> tuple[bytes, bytes]:
        raw = translated = b""
        while not reader.done and not reader.local_infile:
            data = self.receive()
            raw += data
            translated += reader.feed(data)
        return raw, translated

    def classic_reply(self, payload: bytes, ends: int) -> bytes:
        """The reply on a connection without CLIENT_DEPRECATE_EOF, read until `ends` bytes of it are here."""
        self._socket.sendall(packet(0, payload))
        data = b""
        while len(data) < ends:
            data += self.receive()
        return data

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
