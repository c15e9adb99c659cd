"""The keys of a Redis server's pool."""

from __future__ import annotations

from typing import Final, NamedTuple

SHORTLY: Final = 0
"""Lines, and what is lent for a transaction or for one command that the server answers at once."""
HELD: Final = 1
"""What may block, or is kept to a client's end."""
UPLOAD: Final = 2
"""What takes a large command, for as long as its client likes to send it."""


class Key(NamedTuple):
    """Who a server connection is logged in as, in which database, and with which version of the protocol.

    `use` is one of the above: of all but the first there may be so many and no more. `attempt` sets a connection apart
    that only tries a password (passthrough); 0 for all others.
    """

    user: str
    database: int
    protocol: int
    use: int = SHORTLY
    attempt: int = 0

    def __str__(self) -> str:
        return f"{self.user}/{self.database}"


_keys: dict[Key, Key] = {}
_KEYS_MAX: Final = 100_000


def key_of(user: str, database: int, protocol: int, use: int = SHORTLY) -> Key:
    """The one Key with these values: the pool's fast way compares keys by identity."""
    key = Key(user, database, protocol, use)
    if len(_keys) >= _KEYS_MAX:
        _keys.clear()
    return _keys.setdefault(key, key)


def as_key(key: object) -> Key:
    """The pool is neutral and says Hashable; all keys of a Redis server's pool are these."""
    assert isinstance(key, Key)
    return key
