"""The one key of a TCP server's pool."""

from __future__ import annotations

from typing import Final, NamedTuple


class Key(NamedTuple):
    """Nobody is logged in, and all clients of a server stand in one queue."""

    user: str = ""

    def __str__(self) -> str:
        return ""


KEY: Final = Key()
