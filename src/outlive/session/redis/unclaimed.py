"""What a command that blocked took for a client that had died by then, and how it is put back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_POPS: Final = {b"BLPOP": b"LPUSH", b"BRPOP": b"RPUSH"}
_SORTED_POPS: Final = (b"BZPOPMIN", b"BZPOPMAX")


def takes_away(arguments: Sequence[bytes]) -> bool:
    """Whether what the command gives is nowhere else any more. BLMOVE leaves it in the other list, XREADGROUP in the
    group's pending entries, XREAD where it was.
    """
    return arguments[0].upper() in (*_POPS, *_SORTED_POPS, b"BLMPOP", b"BZMPOP")


def put_back(arguments: Sequence[bytes], reply: Any) -> list[bytes]:
    """The command that puts back what `reply` says was taken: to the same end of the list, or with the same score
    unless it has a new one by now. Empty where nothing was.
    """
    name = arguments[0].upper()
    if not isinstance(reply, list) or len(reply) < 2:
        return []
    key = reply[0]
    if name in _POPS:
        return [_POPS[name], key, reply[1]]
    if name == b"BLMPOP":
        end = b"RPUSH" if _takes_from_right(arguments) else b"LPUSH"
        return [end, key, *reversed(reply[1])]
    if name in _SORTED_POPS and len(reply) == 3:
        return [b"ZADD", key, b"NX", _score(reply[2]), reply[1]]
    if name == b"BZMPOP":
        pairs = [word for member, score in reply[1] for word in (_score(score), member)]
        return [b"ZADD", key, b"NX", *pairs]
    return []


def _takes_from_right(arguments: Sequence[bytes]) -> bool:
    """BLMPOP timeout numkeys key [key ...] LEFT | RIGHT."""
    return arguments[3 + int(arguments[2])].upper() == b"RIGHT"


def _score(value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()
