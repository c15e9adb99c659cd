"""The keys of a MySQL server's pool."""

from __future__ import annotations

from typing import Final, NamedTuple

from outlive.wire.mysql import constants as wire

# Capabilities that change what the server does and that no command can change later: they are part of the key.
# FOUND_ROWS decides what an UPDATE counts; QUERY_ATTRIBUTES decides the form of COM_QUERY and COM_STMT_EXECUTE.
KEYED: Final = (
    wire.CLIENT_FOUND_ROWS
    | wire.CLIENT_LOCAL_FILES
    | wire.CLIENT_INTERACTIVE
    | wire.CLIENT_NO_SCHEMA
    | wire.CLIENT_MULTI_RESULTS
    | wire.CLIENT_PS_MULTI_RESULTS
    | wire.CLIENT_QUERY_ATTRIBUTES
    | wire.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS
)

# What every server connection has, whatever its clients asked for (docs/decisions/0006).
ALWAYS: Final = (
    wire.CLIENT_LONG_PASSWORD
    | wire.CLIENT_LONG_FLAG
    | wire.CLIENT_PROTOCOL_41
    | wire.CLIENT_TRANSACTIONS
    | wire.CLIENT_SECURE_CONNECTION
    | wire.CLIENT_MULTI_STATEMENTS
    | wire.CLIENT_PLUGIN_AUTH
    | wire.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
    | wire.CLIENT_CONNECT_ATTRS
    | wire.CLIENT_SESSION_TRACK
    | wire.CLIENT_DEPRECATE_EOF
)

NEEDED: Final = (
    wire.CLIENT_PROTOCOL_41 | wire.CLIENT_SESSION_TRACK | wire.CLIENT_DEPRECATE_EOF | wire.CLIENT_PLUGIN_AUTH
)
"""Without these a server (MySQL before 5.7, MariaDB before 10.2) cannot be served by Outlive."""


GREETING_ONLY: Final = -1
"""`Key.attempt` of a connection that is opened for the server's greeting, and logs nobody in."""


class Key(NamedTuple):
    """Who a server connection is logged in as. `role`: the text of a SET ROLE, which no reset takes back.

    `attempt` sets a connection apart that only tries a password (passthrough); 0 for all others. `reads`: for a route
    to replicas, where a server that is read-only is as good as any.
    """

    user: str
    capabilities: int
    role: bytes | None = None
    attempt: int = 0
    reads: bool = False

    def __str__(self) -> str:
        return self.user


_keys: dict[Key, Key] = {}
_KEYS_MAX: Final = 100_000


def key_of(user: str, capabilities: int, role: bytes | None = None, *, reads: bool = False) -> Key:
    """The one Key with these values: the pool's fast way compares keys by identity."""
    key = Key(user, capabilities & KEYED, role, 0, reads)
    if len(_keys) >= _KEYS_MAX:
        _keys.clear()
    return _keys.setdefault(key, key)


def as_key(key: object) -> Key:
    """The pool is neutral and says Hashable; all keys of a MySQL server's pool are these."""
    assert isinstance(key, Key)
    return key
