"""Replies as Python values, for callers inside of Outlive that want to see them.

Source: "Redis serialization protocol specification", both versions.
"""

from __future__ import annotations

from typing import Any, Final

from outlive.wire import ProtocolError
from outlive.wire.redis.values import RedisError

Reply = Any
"""None, bytes (`Status` where it is a simple string), int, float, bool, a list of replies, a dict of them, or a
RedisError, which is never raised here: it may be one of many.
"""

_DEPTH_MAX: Final = 512
_SEQUENCES: Final = b"*~>"
_STRINGS: Final = b"$=!"


class Status(bytes):
    """A simple string: OK, QUEUED, PONG."""


def decoded(data: bytes) -> Reply:
    """One whole reply. Raises ProtocolError."""
    found, at = _decode(data, 0, 0)
    if at != len(data):
        raise ProtocolError("more than one reply")
    return found


def _decode(data: bytes, at: int, depth: int) -> tuple[Reply, int]:
    end = data.find(b"\r\n", at)
    if end < 0 or depth > _DEPTH_MAX:
        raise ProtocolError("a reply that cannot be read")
    kind, text, at = data[at], data[at + 1 : end], end + 2
    if kind in _STRINGS:
        return _string(data, kind, int(text), at)
    if kind in _SEQUENCES:
        return _sequence(data, int(text), at, depth)
    if kind in b"%|":
        items, at = _sequence(data, 2 * int(text), at, depth)
        if kind == 124:  # what it says is about the reply that follows, and no part of it
            return _decode(data, at, depth + 1)
        return {_name(name): value for name, value in zip(items[::2], items[1::2], strict=True)}, at
    return _simple(kind, text), at


def _string(data: bytes, kind: int, length: int, at: int) -> tuple[Reply, int]:
    if length < 0:
        return None, at
    text = data[at : at + length]
    behind = at + length + 2
    if kind == 33:  # !
        return RedisError(text), behind
    return (text[4:] if kind == 61 else text), behind  # = has its format before a colon


def _sequence(data: bytes, count: int, at: int, depth: int) -> tuple[Reply, int]:
    if count < 0:
        return None, at
    items: list[Reply] = []
    for _ in range(count):
        item, at = _decode(data, at, depth + 1)
        items.append(item)
    return items, at


def _simple(kind: int, text: bytes) -> Reply:
    if kind == 43:  # +
        return Status(text)
    if kind == 45:  # -
        return RedisError(text)
    if kind in b":(":
        return int(text)
    if kind == 44:  # ,
        return float(text)
    if kind == 35:  # #
        return text == b"t"
    if kind == 95:  # _
        return None
    raise ProtocolError("a reply of an unknown type")


def _name(value: Reply) -> Reply:
    return tuple(value) if isinstance(value, list) else value
