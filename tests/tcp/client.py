"""A client that says and reads bytes."""

import contextlib
import select
import socket
import struct

RESET = "reset"
END = "end"


class Client:
    """A connection through Outlive, or straight to a server."""

    def __init__(self, host: str, port: int, *, buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(20)
        self.socket.connect((host, port))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, end: bytes) -> bytes:
        """Up to and with `end`."""
        data = b""
        while not data.endswith(end):
            more = self.socket.recv(1 << 16)
            assert more, f"the end after {data!r}"
            data += more
        return data

    def ask(self, data: bytes, end: bytes = b"\r\n") -> bytes:
        self.send(data)
        return self.read(end)

    def rest(self) -> tuple[bytes, str]:
        """All that comes still, and how it ends: by FIN or by RST."""
        data = b""
        try:
            while more := self.socket.recv(1 << 16):
                data += more
        except ConnectionResetError:
            return data, RESET
        return data, END

    @property
    def readable(self) -> bool:
        """Whether there is anything to read, be it an end."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def finish(self) -> None:
        """FIN."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()
