"""The few values that Outlive itself writes or reads: answers of its own, and the replies to commands of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from outlive.wire import ProtocolError

OK: Final = b"+OK\r\n"
QUEUED: Final = b"+QUEUED\r\n"

_DEPTH_MAX: Final = 32

Value = bytes | int | list["Value"] | dict[bytes, "Value"] | None


class RedisError(Exception):
    """An error reply: its text, with the code as the first word."""

    def __init__(self, text: bytes) -> None:
        super().__init__(text.decode("utf-8", "replace")[:200])
        self.text = text

    @property
    def code(self) -> bytes:
        """WRONGPASS, LOADING, ERR."""
        return self.text.split(b" ", 1)[0]


def command(*arguments: bytes) -> bytes:
    """A command as clients send it."""
    parts = [b"*%d\r\n" % len(arguments)]
    parts += [b"$%d\r\n%b\r\n" % (len(argument), argument) for argument in arguments]
    return b"".join(parts)


def bulk(text: bytes) -> bytes:
    """A bulk string."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def integer(number: int) -> bytes:
    """An integer."""
    return b":%d\r\n" % number


def error(text: str) -> bytes:
    """An error: its first word is its code. What would end the line is not let through."""
    return b"-" + text.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogateescape") + b"\r\n"


def null(protocol: int, *, array: bool = False) -> bytes:
    """Nothing, as this version of the protocol says it."""
    if protocol >= 3:
        return b"_\r\n"
    return b"*-1\r\n" if array else b"$-1\r\n"


def pairs(items: Sequence[tuple[bytes, bytes]], protocol: int) -> bytes:
    """A map of encoded values by name; of RESP2 an array of twice as many."""
    head = b"%%%d\r\n" % len(items) if protocol >= 3 else b"*%d\r\n" % (2 * len(items))
    return head + b"".join(bulk(name) + value for name, value in items)


def verbatim(text: bytes, protocol: int) -> bytes:
    """Text for people: CLIENT LIST's."""
    return b"=%d\r\ntxt:%b\r\n" % (len(text) + 4, text) if protocol >= 3 else bulk(text)


def decode(data: bytes, at: int = 0, depth: int = 0) -> tuple[Value, int]:
    """One whole value and the offset behind it; errors inside of others are text. Raises ProtocolError, and RedisError
    for a reply that is an error.
    """
    end = data.find(b"\r\n", at)
    if end < 0 or depth > _DEPTH_MAX:
        raise ProtocolError("a reply that cannot be read")
    kind, text, at = data[at : at + 1], data[at + 1 : end], end + 2
    if kind == b"-":
        if depth:
            return text, at
        raise RedisError(text)
    if kind == b":":
        return int(text), at
    if kind in (b"$", b"="):
        length = int(text)
        if length < 0:
            return None, at
        return data[at : at + length], at + length + 2
    if kind in (b"*", b"~", b">"):
        count = int(text)
        items: list[Value] = []
        for _ in range(count):
            item, at = decode(data, at, depth + 1)
            items.append(item)
        return (None if count < 0 else items), at
    if kind == b"%":
        found: dict[bytes, Value] = {}
        for _ in range(int(text)):
            name, at = decode(data, at, depth + 1)
            found[name if isinstance(name, bytes) else b""], at = decode(data, at, depth + 1)
        return found, at
    return (None if kind == b"_" else text), at


def as_map(value: Value) -> dict[bytes, Value]:
    """A map as either version of the protocol has it."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        return {name: found for name, found in zip(value[::2], value[1::2], strict=False) if isinstance(name, bytes)}
    return {}
