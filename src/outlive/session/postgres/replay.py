"""What a session has set, as interned values, and the SQL that takes one session to another.

A `Settings` holds only what differs from a fresh login, so clients that set nothing share one object, and the hot path
compares settings by identity. Values are texts as `set_config` takes them, pg_settings shows them and a startup packet
has them: one spelling each, lists of names with their quotes included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from weakref import WeakValueDictionary

from outlive.session.postgres.values import quoted_text
from outlive.session.postgres.vocabulary import NAME_LISTS

ROLE: Final = b"role"
SESSION_AUTHORIZATION: Final = b"session_authorization"

_IDENTITY: Final = (SESSION_AUTHORIZATION, ROLE)
"""Who the session is. In this order when they are set: a new session_authorization ends a role."""

PARSING_NAMES: Final = frozenset(
    (
        b"search_path",
        b"client_encoding",
        b"standard_conforming_strings",
        b"backslash_quote",
        b"role",
        b"session_authorization",
        # How constants are read, and what is computed of them beforehand, is settled when a statement is prepared.
        b"datestyle",
        b"timezone",
        b"timezone_abbreviations",
        b"intervalstyle",
        b"array_nulls",
        b"xmloption",
        b"transform_null_equals",
        b"bytea_output",
        b"extra_float_digits",
        b"lc_monetary",
        b"lc_numeric",
    )
)
"""What a statement that was prepared depends on."""

_SIMPLE_NAME: Final = re.compile(rb"[a-z_][a-z0-9_]{0,62}(?:\.[a-z_][a-z0-9_]{0,62})*\Z")


class Settings:
    """An immutable, interned set of session settings: equal settings are the same object."""

    __slots__ = ("__weakref__", "context", "size_bytes", "values")

    def __init__(self, values: dict[bytes, bytes]) -> None:
        self.values: Mapping[bytes, bytes] = values
        self.size_bytes = sum(len(name) + len(value) for name, value in values.items())
        self.context = _context(values)

    def __repr__(self) -> str:
        # Values are the client's data: names only.
        return f"Settings({', '.join(name.decode('latin-1') for name in sorted(self.values))})"


class ParseContext:
    """What a statement's preparation depends on, interned: compared by identity."""

    __slots__ = ("__weakref__",)


_contexts: WeakValueDictionary[frozenset[tuple[bytes, bytes]], ParseContext] = WeakValueDictionary()
_interned: WeakValueDictionary[frozenset[tuple[bytes, bytes]], Settings] = WeakValueDictionary()


def _context(values: Mapping[bytes, bytes]) -> ParseContext:
    identity = frozenset((name, value) for name, value in values.items() if name in PARSING_NAMES)
    found = _contexts.get(identity)
    if found is None:
        found = _contexts[identity] = ParseContext()
    return found


def parse_context(settings: Settings) -> ParseContext:
    """What preparing a statement under these settings depends on."""
    return settings.context


def intern(values: Mapping[bytes, bytes]) -> Settings:
    """The one `Settings` with these values, names in lower case."""
    identity = frozenset(values.items())
    found = _interned.get(identity)
    if found is None:
        found = _interned[identity] = Settings(dict(values))
    return found


EMPTY: Final = intern({})


def updated(settings: Settings, changes: Iterable[tuple[bytes, bytes | None]]) -> Settings:
    """`settings` after `changes`; None is the value of a fresh login."""
    values = dict(settings.values)
    for name, value in changes:
        if value is None:
            values.pop(name, None)
        else:
            values[name] = value
    return intern(values)


def literal(value: bytes) -> bytes:
    """A string constant that means `value`, whatever standard_conforming_strings is. Not for the encodings in
    analysis.UNSAFE_ENCODINGS.
    """
    return quoted_text(value)


def set_sql(name: bytes, value: bytes | None) -> bytes:
    """The statement that sets `name`, or sets it back to what the login had. In ASCII, whatever the name and value.

    `value` is in UTF-8.
    """
    if _SIMPLE_NAME.match(name):
        if value is None:
            return b"RESET " + _identifier(name)
        if value.isascii() and name not in NAME_LISTS:
            return b"SET " + _identifier(name) + b" TO " + literal(value)
    # set_config takes a list as one text, and any name at its full length; NULL is the default. The value itself is not
    # shown: client_encoding may not have its characters.
    shown = b"NULL" if value is None else _expression(value)
    return b"SELECT pg_catalog.set_config(%b,%b,false) IS NULL" % (_expression(name), shown)


def _identifier(name: bytes) -> bytes:
    """In quotes, for a part of it may be a keyword."""
    return b".".join(b'"%b"' % part for part in name.split(b"."))


def _expression(value: bytes) -> bytes:
    if value.isascii():
        return literal(value)
    # The client_encoding in force may be any.
    return b"pg_catalog.convert_from(pg_catalog.decode('%b','hex'),'UTF8')" % value.hex().encode()


_DIFFERENCES_MAX: Final = 512
_CACHED_TEXT_BYTES: Final = 4096
_differences: dict[tuple[Settings, Settings], tuple[bytes, ...]] = {}


def difference(source: Settings, target: Settings) -> tuple[bytes, ...]:
    """The texts of the Queries, one at most, that take a session outside a transaction from `source` to `target`.

    All of it happens or, if one of its statements fails, nothing: a Query of several is one transaction.
    """
    key = (source, target)
    found = _differences.get(key)
    if found is None:
        found = _difference(source.values, target.values)
        if sum(map(len, found)) <= _CACHED_TEXT_BYTES:
            if len(_differences) >= _DIFFERENCES_MAX:
                _differences.clear()
            _differences[key] = found
    return found


def _difference(have: Mapping[bytes, bytes], want: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    changed = sorted(name for name in have.keys() | want.keys() if have.get(name) != want.get(name))
    if not changed:
        return ()
    # What takes privileges was set by the user that logged in, before it took a role, as a rule.
    statements = [_RESETS[name] for name in reversed(_IDENTITY) if name in have]
    statements += [set_sql(name, want.get(name)) for name in changed if name not in _IDENTITY]
    statements += [set_sql(name, want[name]) for name in _IDENTITY if name in want]
    return (b";".join(statements),)


_RESETS: Final = {ROLE: b"RESET ROLE", SESSION_AUTHORIZATION: b"RESET SESSION AUTHORIZATION"}
