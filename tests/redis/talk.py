"""A client of Redis that says bytes and hears bytes: what it heard direct and through is compared as it came."""

import socket
from typing import Any

from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import command

CLOSED = b"<closed>"


class Talker:
    """One connection."""

    def __init__(self, port: int, *, timeout_s: float = 40.0, host: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection((host, port), timeout=timeout_s)
        self._scanner = ReplyScanner()
        self._buffer = b""

    def send(self, *words: Any) -> None:
        """One command, without waiting."""
        self.socket.sendall(encode(*words))

    def hear(self, count: int = 1) -> bytes:
        """`count` whole replies (push messages before them are part of it); what came where the peer closed."""
        heard: list[bytes] = []
        while count:
            if not self._fill():
                return b"".join(heard) + CLOSED
            end, done = self._scanner.scan(self._buffer, 0, count)
            heard.append(self._buffer[:end])
            self._buffer = self._buffer[end:]
            count -= done
        return b"".join(heard)

    def messages(self, count: int, protocol: int) -> bytes:
        """`count` messages that were not asked for, when there are no more than these."""
        if protocol == 2:
            return self.hear(count)
        heard = b""
        awaited = self._scanner.pushes + count
        while self._scanner.pushes < awaited:
            if not self._fill():
                return heard + CLOSED
            end, _ = self._scanner.scan(self._buffer, 0, 1)
            heard += self._buffer[:end]
            self._buffer = self._buffer[end:]
        return heard

    def rest(self) -> bytes:
        """All that comes before the peer closes."""
        heard = self._buffer
        self._buffer = b""
        while self._fill():
            heard += self._buffer
            self._buffer = b""
        return heard

    def _fill(self) -> bool:
        if not self._buffer:
            try:
                self._buffer = self.socket.recv(1 << 20)
            except (ConnectionResetError, BrokenPipeError):
                return False
        return bool(self._buffer)

    def ask(self, *words: Any) -> bytes:
        """One command and its reply."""
        self.send(*words)
        return self.hear()

    def pipeline(self, *commands: tuple[Any, ...]) -> bytes:
        """All in one write, and all replies."""
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        return self.hear(len(commands))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Talker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def encode(*words: Any) -> bytes:
    """A command of text and numbers."""
    return command(*(word if isinstance(word, bytes) else str(word).encode() for word in words))
