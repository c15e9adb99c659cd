"""What a session has set, as interned values, and the SQL that takes one session to another.

A `Settings` holds only what differs from the server's baseline (the variables as a fresh login finds them), so two
clients that set nothing share one object and the hot path compares settings by identity. Three kinds of name live
side by side: system variables (`sql_mode`), user variables (`@x`, whose value is the literal as the client wrote it),
and two that are not variables at all: the current schema and the multi-statement option.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from weakref import WeakValueDictionary

SCHEMA: Final = b"=schema"
"""The current schema; b"" where none is selected. Replayed by COM_INIT_DB."""
MULTI_STATEMENTS: Final = b"=multi_statements"
"""b"1" or b"0"; replayed by COM_SET_OPTION and never wider than the client negotiated (it would open injection)."""

CHARSET_NAMES: Final = (
    b"character_set_client",
    b"character_set_connection",
    b"character_set_results",
    b"collation_connection",
)
PARSING_NAMES: Final = frozenset((*CHARSET_NAMES, b"sql_mode"))
"""What decides how the bytes of a literal are read."""

_NUMBER = re.compile(rb"-?[0-9]{1,30}(?:\.[0-9]{1,30})?\Z")


class Settings:
    """An immutable, interned set of session settings: equal settings are the same object."""

    __slots__ = ("__weakref__", "values")

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values: Mapping[bytes, bytes] = values

    def __repr__(self) -> str:
        # Values of user variables are the client's data: names only.
        return f"Settings({', '.join(name.decode('latin-1') for name in sorted(self.values))})"


_interned: WeakValueDictionary[frozenset[tuple[bytes, bytes]], Settings] = WeakValueDictionary()


def intern(values: Mapping[bytes, bytes]) -> Settings:
    """The one `Settings` with these values."""
    identity = frozenset(values.items())
    found = _interned.get(identity)
    if found is None:
        found = _interned[identity] = Settings(dict(values))
    return found


EMPTY: Final = intern({})


def updated(settings: Settings, changes: Iterable[tuple[bytes, bytes]], baseline: Mapping[bytes, bytes]) -> Settings:
    """`settings` after `changes`; a value that is the baseline's own is dropped,
    so that it equals never having set it."""
    values = dict(settings.values)
    for name, value in changes:
        if baseline.get(name) == value:
            values.pop(name, None)
        else:
            values[name] = value
    return intern(values)


def without_user_variables(settings: Settings) -> Settings:
    """The settings without `@` variables: what COM_RESET_CONNECTION leaves of them."""
    return intern({name: value for name, value in settings.values.items() if not name.startswith(b"@")})


def has_literals(settings: Settings) -> bool:
    """Whether a user variable holds a string whose reading depends on charset and sql_mode."""
    return any(
        name.startswith(b"@") and not _NUMBER.match(value) and value.upper() != b"NULL"
        for name, value in settings.values.items()
    )


def value_sql(value: bytes) -> bytes:
    """A system variable's reported text as SQL. Numbers go bare: the server refuses a quoted one (error 1232).

    The empty text is the empty string but for the charsets (see `difference_sql`).
    """
    if _NUMBER.match(value):
        return value
    if b"'" in value or b"\\" in value:
        return b"_utf8mb4 X'" + value.hex().encode() + b"'"  # right whatever NO_BACKSLASH_ESCAPES says
    return b"'" + value + b"'"


def quote_name(name: bytes) -> bytes:
    """A user variable's name for use after `@`, in backticks."""
    return b"`" + name.replace(b"`", b"``") + b"`"


_NO_SCHEMA: Final = b""


class Difference:
    """How to take a server connection from one `Settings` to another.

    `schema`: the schema for COM_INIT_DB, or None. `multi_statements`: the option to set, or None.
    `statements`: SET statements, in order. `unreachable`: no sequence of commands does it (a schema cannot be
    deselected); the connection needs a change of user or a new login. `forgets`: a user variable has to go, and only a
    reset does that: one that was set to NULL keeps its type, and is still listed.
    """

    __slots__ = ("forgets", "multi_statements", "schema", "statements", "unreachable")

    def __init__(self, source: Settings, target: Settings, baseline: Mapping[bytes, bytes]) -> None:
        have, want = source.values, target.values
        changed: dict[bytes, bytes] = {}
        for name in have.keys() | want.keys():
            value = want.get(name, baseline.get(name, b"NULL" if name.startswith(b"@") else b""))
            if have.get(name, baseline.get(name, _NO_SCHEMA if name == SCHEMA else None)) != value:
                changed[name] = value
        schema = changed.pop(SCHEMA, None)
        self.unreachable = schema == b""
        gone = [name for name, value in changed.items() if name.startswith(b"@") and value.upper() == b"NULL"]
        self.forgets = any(name in have for name in gone) or any(
            name.startswith(b"@") and name not in want for name in have
        )
        self.schema = schema or None
        option = changed.pop(MULTI_STATEMENTS, None)
        self.multi_statements = None if option is None else option == b"1"
        self.statements = tuple(_set_statements(changed, want, baseline))


def _set_statements(
    changed: dict[bytes, bytes], want: Mapping[bytes, bytes], baseline: Mapping[bytes, bytes]
) -> Iterable[bytes]:
    user = sorted(name for name in changed if name.startswith(b"@"))
    system = sorted(name for name in changed if not name.startswith(b"@") and name not in CHARSET_NAMES)
    items = [name + b"=" + value_sql(changed[name]) for name in system]
    charset = [name for name in CHARSET_NAMES if name in changed]
    names = [want.get(name, baseline.get(name, b"")) for name in CHARSET_NAMES]
    if charset and names[0] and names[0] == names[1] == names[2] and names[3].startswith(names[0]):
        # As nearly all clients set them; and only so do the results' columns say the collation that was named.
        charset.clear()
        items.append(b"NAMES " + value_sql(names[0]) + b" COLLATE " + value_sql(names[3]))
    # A collation that NAMES gave to client and results goes only when they are set anew, and setting the connection's
    # charset puts its default collation in place of the session's: all of them, then, and the collation last.
    for name in CHARSET_NAMES if charset else ():
        value = want.get(name, baseline.get(name, b""))
        items.append(name + b"=" + (value_sql(value) if value else b"NULL"))
    if items:
        yield b"SET " + b",".join(items)
    if user:  # in a statement of their own: their literals are read under the charset set above
        yield b"SET " + b",".join(b"@" + quote_name(name[1:]) + b"=" + changed[name] for name in user)


_DIFFERENCES_MAX: Final = 512
_differences: dict[tuple[Settings, Settings, int], Difference] = {}


def difference(source: Settings, target: Settings, baseline: Mapping[bytes, bytes]) -> Difference:
    """The (cached) way from `source` to `target` on a server with this baseline."""
    key = (source, target, id(baseline))
    found = _differences.get(key)
    if found is None:
        if len(_differences) >= _DIFFERENCES_MAX:
            _differences.clear()
        found = _differences[key] = Difference(source, target, baseline)
    return found
