"""The keys of a PostgreSQL server's pool."""

from __future__ import annotations

from typing import Final, NamedTuple


class Key(NamedTuple):
    """Who a server connection is logged in as, and where: neither can be changed later.

    `attempt` sets a connection apart that only tries a password (passthrough); 0 for all others. `reads`: for a route
    to replicas, where a server in recovery is as good as any.
    """

    user: str
    database: str
    attempt: int = 0
    reads: bool = False

    def __str__(self) -> str:
        return f"{self.user}@{self.database}"


_keys: dict[Key, Key] = {}
_KEYS_MAX: Final = 100_000


def key_of(user: str, database: str, attempt: int = 0, *, reads: bool = False) -> Key:
    """The one Key with these values: the pool's fast way compares keys by identity."""
    key = Key(user, database, attempt, reads)
    if attempt:
        return key  # used once, by who made it
    if len(_keys) >= _KEYS_MAX:
        _keys.clear()
    return _keys.setdefault(key, key)


def as_key(key: object) -> Key:
    """The pool is neutral and says Hashable; all keys of a PostgreSQL server's pool are these."""
    assert isinstance(key, Key)
    return key
