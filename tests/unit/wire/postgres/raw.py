"""A plain socket to a server, as bare as possible: what the server sends, byte by byte."""

import socket
from types import TracebackType

from outlive.wire.postgres import messages
from outlive.wire.postgres.constants import (
    BACKEND_KEY_DATA,
    NEGOTIATE_PROTOCOL_VERSION,
    PARAMETER_STATUS,
    PROTOCOL_3_0,
    READY_FOR_QUERY,
)
from outlive.wire.postgres.reader import MessageReader
from outlive.wire.postgres.reply import COPY_IN, EXTENDED, ReplyReader
from tests.servers.database import NO_PASSWORD


class RawConnection:
    """A user without a password. `negotiated` is what the server said to a version or options it does not know."""

    def __init__(
        self, host: str, port: int, version: int = PROTOCOL_3_0, options: dict[bytes, bytes] | None = None
    ) -> None:
        self._socket = socket.create_connection((host, port), 20)
        parameters = {b"user": NO_PASSWORD.user.encode(), b"database": b"test", **(options or {})}
        self._socket.sendall(messages.startup(version, parameters))
        self.parameters: dict[bytes, bytes] = {}
        self.negotiated: tuple[int, list[bytes]] | None = None
        self.pid, self.key = 0, b""
        reader = MessageReader(1 << 16)
        kind = 0
        while kind != READY_FOR_QUERY:
            while (found := reader.next()) is None:
                reader.feed(self.receive())
            kind, payload = found
            if kind == PARAMETER_STATUS:
                name, value = messages.parse_parameter_status(payload)
                self.parameters[name] = value
            elif kind == BACKEND_KEY_DATA:
                self.pid, self.key = messages.parse_backend_key_data(payload)
            elif kind == NEGOTIATE_PROTOCOL_VERSION:
                self.negotiated = messages.parse_negotiate_protocol_version(payload)

    def receive(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError
        return data

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def unit(
        self, sent: bytes, reader: ReplyReader, kind: int = EXTENDED, copy: bytes = messages.COPY_DONE + messages.SYNC
    ) -> tuple[bytes, bytes]:
        """What the server sent, and what `reader` made of it. `copy` answers a request for CopyData."""
        reader.start(kind)
        self.send(sent)
        return self.follow(reader, copy)

    def follow(self, reader: ReplyReader, copy: bytes = b"") -> tuple[bytes, bytes]:
        raw = seen = b""
        while not reader.done:
            data = self.receive()
            raw += data
            seen += reader.feed(data)
            if reader.copy == COPY_IN and copy:
                self.send(copy)
                copy = b""
        return raw, seen

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "RawConnection":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()
