"""MULTI: in one piece over a shared line where all of it came at once, else on a connection of the client's own."""

from __future__ import annotations

from typing import Final

from outlive.config.redis_commands import BLOCKING, ORDINARY, kind_of_name
from outlive.wire.redis.commands import CommandScanner

_ENDS: Final = (b"EXEC", b"DISCARD")
_COUNTING_REPLICAS: Final = (b"WAIT", b"WAITAOF")


def whole_transaction(data: bytes, at: int) -> tuple[int, int]:
    """Where the EXEC of a MULTI ends whose commands begin at `at`, and how many commands follow the MULTI; or 0, 0.

    What is inside may be of any kind that changes nothing but data; what blocks does not block there.
    """
    scanner = CommandScanner()
    count = 0
    while at < len(data):
        end = scanner.scan(data, at)
        if end < 0 or scanner.name is None:
            return 0, 0
        count += 1
        name = scanner.name.upper()
        if name in _ENDS:
            return (end, count) if scanner.arguments == 1 else (0, 0)
        if not may_be_shared(name):
            return 0, 0
        at = end
    return 0, 0


def may_be_shared(name: bytes) -> bool:
    """Whether a transaction with this command can go over a shared line in one piece."""
    return kind_of_name(name) in (ORDINARY, BLOCKING) and name.upper() not in _COUNTING_REPLICAS
