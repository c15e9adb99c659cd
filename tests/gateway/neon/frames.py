"""WebSocket frames written by hand, for what no library would send. Source of their form: RFC 6455."""

import base64
import os
import socket

from tests.servers import OutliveProcess
from tests.servers.database import APP

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9
MASK = b"\x5a\x01\xfe\x77"


def frame(opcode: int, payload: bytes, *, last: bool = True, masked: bool = True, length: int | None = None) -> bytes:
    """`length` is another one than the payload has."""
    size = len(payload) if length is None else length
    bit = 0x80 if masked else 0
    if size < 126:
        head = bytes((bit | size,))
    elif size < 65536:
        head = bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        head = bytes((bit | 127,)) + size.to_bytes(8, "big")
    if masked:
        key = MASK * (len(payload) // 4 + 1)
        payload = MASK + bytes(byte ^ with_ for byte, with_ in zip(payload, key, strict=False))
    return bytes(((0x80 if last else 0) | opcode,)) + head + payload


def message(kind: bytes, payload: bytes) -> bytes:
    """Of PostgreSQL's protocol."""
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


def startup(database: str = "shop") -> bytes:
    return message(b"", b"\0\3\0\0user\0app\0database\0" + database.encode() + b"\0\0")


LOGIN = startup() + message(b"p", APP.password.encode() + b"\0")


class Frames:
    """A WebSocket of a node, over a socket of its own or the one that is given."""

    def __init__(self, node: OutliveProcess, path: str = "/v2", *, over: socket.socket | None = None) -> None:
        self.socket = over or socket.create_connection((node.http_host, node.http_port), 10)
        self.socket.settimeout(20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: db.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            more = self.socket.recv(1)
            assert more, self.head
            self.head += more

    def __enter__(self) -> "Frames":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, payload: bytes, opcode: int = BINARY) -> None:
        self.socket.sendall(frame(opcode, payload))

    def log_in(self) -> "Frames":
        self.send(LOGIN)
        assert b"Z\0\0\0\5I" in self.until(b"Z\0\0\0\5I")
        return self

    def query(self, sql: str) -> bytes:
        self.send(message(b"Q", sql.encode() + b"\0"))
        return self.until(b"Z\0\0\0\5")

    def until(self, end: bytes) -> bytes:
        """What comes of payloads up to this, or to the end of the connection."""
        found = b""
        while end not in found:
            got = self.next()
            if got is None:
                break
            if got[0] == BINARY:
                found += got[1]
        return found

    def next(self) -> tuple[int, bytes] | None:
        """The next frame: its opcode and payload; None at the end."""
        head = self._exactly(2)
        if head is None:
            return None
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(self._exactly(2 if size == 126 else 8) or b"", "big")
        payload = self._exactly(size)
        return None if payload is None else (head[0] & 0x0F, payload)

    def _exactly(self, size: int) -> bytes | None:
        found = b""
        while len(found) < size:
            try:
                more = self.socket.recv(size - len(found))
            except ConnectionResetError:
                return None
            if not more:
                return None
            found += more
        return found
