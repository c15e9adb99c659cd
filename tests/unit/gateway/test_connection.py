"""A response's head goes out with the beginning of its body."""

from typing import Any

from outlive.gateway.connection import _OneWrite


class Written:
    """A transport that notes each call of the kernel's."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append(b"<close>")

    def is_closing(self) -> bool:
        return b"<close>" in self.calls


def written(*pieces: bytes, close: bool = False) -> list[bytes]:
    under: Any = Written()
    response = _OneWrite(under)
    for piece in pieces:
        response.write(piece)
    if close:
        response.close()
    return list(under.calls)


def test_one_write() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert written(head, b"body") == [head + b"body"]
    assert written(head, b"") == [head]
    assert written(head, b"a", b"", b"HTTP/1.1 200 in the body", b"b") == [
        head + b"a", b"HTTP/1.1 200 in the body", b"b",
    ]  # fmt: skip
    assert written(b"HTTP/1.1 100 Continue\r\n\r\n", head, b"body") == [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        head + b"body",
    ]
    assert written(head, close=True) == [head, b"<close>"]
    assert written(head, b"a", close=True) == [head + b"a", b"<close>"]
    assert written(close=True) == [b"<close>"]
