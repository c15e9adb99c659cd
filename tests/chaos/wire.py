"""A client without a driver: it sends exactly the bytes it is told to, and dies as it is told to."""

import socket
import struct
from typing import Any

import pymysql
from pymysql.connections import Connection

from ..servers.database import APP, Account


def command(code: int, payload: bytes = b"", sequence: int = 0) -> bytes:
    """One packet of less than 16 MiB."""
    body = bytes([code]) + payload
    return len(body).to_bytes(3, "little") + bytes([sequence]) + body


def query(sql: str) -> bytes:
    return command(3, sql.encode())


class RawClient:
    """Logged in by PyMySQL; from then on the socket is the test's."""

    def __init__(self, host: str, port: int, account: Account = APP, **options: Any) -> None:
        self._connection: Connection[Any] = pymysql.connect(
            host=host, port=port, user=account.user, password=account.password, database="test",
            **{"autocommit": True, **options},
        )  # fmt: skip
        self.socket: socket.socket = self._connection._sock
        self.thread_id: int = self._connection.thread_id()

    def run(self, sql: str) -> Any:
        """One statement the usual way."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """RST, with whatever is unread."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """FIN without COM_QUIT (RST where something is unread)."""
        self._connection._rfile.close()
        self.socket.close()
        self._connection._sock = None

    def half_close(self) -> None:
        """FIN, and the socket stays."""
        self.socket.shutdown(socket.SHUT_WR)

    def die(self, how: str) -> None:
        """`how`: fin, rst or half."""
        {"fin": self.close, "rst": self.reset, "half": self.half_close}[how]()


def one(client: "Connection[Any]", sql: str = "SELECT 1") -> Any:
    """One statement by a driver, and its rows."""
    with client.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
