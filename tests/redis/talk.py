"""A client of Redis that says bytes and hears bytes: what it heard direct and through is compared as it came."""

import socket
from typing import Any

from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import command


class Talker:
    """One connection."""

    def __init__(self, port: int, *, timeout_s: float = 10.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._scanner = ReplyScanner()
        self._buffer = b""

    def send(self, *words: Any) -> None:
        """One command, without waiting."""
        self.socket.sendall(encode(*words))

    def hear(self, count: int = 1) -> bytes:
        """`count` whole replies (push messages before them are part of it); what came where the peer closed."""
        heard = b""
        while count:
            if not self._buffer:
                try:
                    self._buffer = self.socket.recv(1 << 20)
                except ConnectionResetError:
                    self._buffer = b""
                if not self._buffer:
                    return heard + b"<closed>"
            end, done = self._scanner.scan(self._buffer, 0, count)
            heard += self._buffer[:end]
            self._buffer = self._buffer[end:]
            count -= done
        return heard

    def ask(self, *words: Any) -> bytes:
        """One command and its reply."""
        self.send(*words)
        return self.hear()

    def pipeline(self, *commands: tuple[Any, ...]) -> bytes:
        """All in one write, and all replies."""
        self.socket.sendall(b"".join(encode(*words) for words in commands))
        return self.hear(len(commands))

    def push(self) -> bytes:
        """One message that was not asked for."""
        before = self._scanner.pushes
        heard = b""
        while self._scanner.pushes == before:
            data = self._buffer or self.socket.recv(1 << 20)
            if not data:
                return heard + b"<closed>"
            end, done = self._scanner.scan(data, 0, 1)
            heard += data[:end]
            self._buffer = data[end:]
            if done:
                return heard
        return heard

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Talker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def encode(*words: Any) -> bytes:
    """A command of text and numbers."""
    return command(*(word if isinstance(word, bytes) else str(word).encode() for word in words))
