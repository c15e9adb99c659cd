"""SET statements whose effect is known are answered without a server.

Drivers send the same few with each new connection (SET NAMES utf8mb4, SET AUTOCOMMIT=0), and a function that connects
for every request would lease a server connection for each of them. What a SET of literals does depends on nothing but
the server, the user, how the text is read and two settings that decide about charsets: once the server has taken it and
reported its effect, the effect is recorded in the session, and replayed with the next statement that needs a server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from outlive.session.mysql.analysis import Analysis
from outlive.session.mysql.settings import PARSING_NAMES, has_literals, updated
from outlive.wire.mysql.constants import (
    MARIADB_SERVER_STATUS_ANSI_QUOTES,
    SERVER_STATUS_AUTOCOMMIT,
    SERVER_STATUS_NO_BACKSLASH_ESCAPES,
)
from outlive.wire.mysql.ok import OK, encode_ok
from outlive.wire.mysql.packets import packet
from outlive.wire.mysql.session_track import filter_changes

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

_KNOWN_MAX: Final = 1000
_TEXT_MAX_BYTES: Final = 512
_SQL_MODE: Final = SERVER_STATUS_NO_BACKSLASH_ESCAPES | MARIADB_SERVER_STATUS_ANSI_QUOTES
_STATUS: Final = SERVER_STATUS_AUTOCOMMIT | _SQL_MODE
_DEFAULT: Final = b"DEFAULT"
_NAMES: Final = re.compile(rb"(?i)SET\s+NAMES\b")

Name = tuple[str, bytes, int, bytes | None, bytes | None]
"""User, text, how the text is read, MySQL's default_collation_for_utf8mb4, and the old_mode that says which charset
MariaDB calls utf8: what an effect depends on."""


class Effect:
    """What a SET did: the settings that changed, the OK's session-state information, the status after it."""

    __slots__ = ("changes", "raw", "status")

    def __init__(self, changes: tuple[tuple[bytes, bytes], ...], raw: bytes, status: int) -> None:
        self.changes = changes
        self.raw = raw
        self.status = status


def name_of(session: ClientSession, text: bytes, analysis: Analysis) -> Name | None:
    """Under what name the effect of this text is known; None where it is not the same each time."""
    if len(text) > _TEXT_MAX_BYTES or not text.isascii() or not _is_literal(session, analysis):
        return None
    if analysis.charset and not _NAMES.match(text):
        return None  # SET CHARACTER SET gives the connection the charset of the current schema
    values = session.settings.values
    return session.user, text, session.mode, values.get(b"default_collation_for_utf8mb4"), values.get(b"old_mode")


def _is_literal(session: ClientSession, analysis: Analysis) -> bool:
    if analysis.verb != b"SET" or analysis.statements != 1 or not (analysis.assignments or analysis.charset):
        return False
    if analysis.holds or analysis.user_variables or analysis.needs or analysis.substitutions:
        return False
    if analysis.set_role is not None or analysis.set_transaction or (analysis.charset or b"").upper() == _DEFAULT:
        return False
    tracked = session.facts.baseline
    return all(
        item.scope == "session" and item.is_literal and item.name in tracked and item.value.upper() != _DEFAULT
        for item in analysis.assignments
    )


def answer(session: ClientSession, name: Name) -> bool:
    """Answers a SET whose effect is known. Not while the session holds a connection:
    it would have to be told as well."""
    effect = session.facts.set_effects.get(name)
    if effect is None or session.holds_connection:
        return False
    if has_literals(session.settings) and any(changed in PARSING_NAMES for changed, _ in effect.changes):
        return False  # the literal of a user variable would be read anew
    session.settings = updated(session.settings, effect.changes, session.facts.baseline)
    session.refresh_mode()
    bits = _status_bits(effect.changes)
    session.status = session.status & ~bits | effect.status & bits
    session.affected_rows = 0
    session.ran_without_tables()
    ok = OK(status=session.local_status(), changes=filter_changes(effect.raw, session.policy))
    session.answer = packet(1, encode_ok(ok, session.capabilities))
    return True


def _status_bits(changes: Iterable[tuple[bytes, bytes]]) -> int:
    """The bits of the status word that follow from these variables; the others are this session's own."""
    names = {name for name, _ in changes}
    return (SERVER_STATUS_AUTOCOMMIT if b"autocommit" in names else 0) | (_SQL_MODE if b"sql_mode" in names else 0)


def learn(session: ClientSession, changes: Iterable[tuple[bytes, bytes]], raw: bytes) -> None:
    """The server has taken the SET that `session.set_name` names, and said what it changed."""
    name, session.set_name = session.set_name, None
    known = session.facts.set_effects
    if name is None:
        return
    if len(known) >= _KNOWN_MAX:
        known.clear()
    known[name] = Effect(tuple(changes), raw, session.status & _STATUS)
