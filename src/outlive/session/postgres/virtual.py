"""Settings that Outlive keeps to itself, and statements it answers alone.

A server connection ends by itself when its node vanished: idle_session_timeout and the TCP settings see to that, so a
client must not change them there. Its own values live in settings of Outlive's own (`outlive.idle_session_timeout`):
SET, RESET and transactions work on them as on the real ones, and SHOW shows them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from outlive.session.postgres.analysis import DEALLOCATE_ALL, PREPARED, Analysis, Part
from outlive.session.postgres.durations import DEFAULTS, shown
from outlive.session.postgres.replay import literal
from outlive.session.postgres.vocabulary import VIRTUAL_SETTINGS
from outlive.wire.postgres.constants import FAILED_TRANSACTION, IDLE, NAME_BYTES
from outlive.wire.postgres.messages import command_complete, data_row, ready_for_query, row_description

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outlive.session.postgres.client_session import ClientSession
    from outlive.session.postgres.prepared import Statement

_PREFIX: Final = b"outlive."
_TEXT_OID: Final = 25
_NAMING: Final = frozenset((b"PREPARE", b"EXECUTE", b"DEALLOCATE"))
_NAMED: Final = re.compile(
    rb"(?:PREPARE|EXECUTE|DEALLOCATE(?:\s+PREPARE)?)\s+(\"(?:[^\"]|\"\")*\"|[^\s(;\"]+)", re.IGNORECASE
)


def is_virtual(name: bytes) -> bool:
    """Whether it is one of Outlive's own settings, in which a client's values are kept."""
    return name.startswith(_PREFIX) and name[len(_PREFIX) :] in VIRTUAL_SETTINGS


def real_name(name: bytes) -> bytes:
    """Under what name a setting goes to the server."""
    return _PREFIX + name if name in VIRTUAL_SETTINGS else name


def kept(name: bytes, value: bytes) -> bytes:
    """The value of a setting that was read from the server, as it is shown where Outlive shows it."""
    if not is_virtual(name):
        return value
    return shown(name[len(_PREFIX) :], value) or value


def _value_of(session: ClientSession, name: bytes) -> bytes:
    value = session.settings.values.get(real_name(name), b"")
    return (shown(name, value) or value) if value else DEFAULTS[name]


def _expression(name: bytes) -> bytes:
    """SQL for the value as it is when that is run: transactions and savepoints have their say in it."""
    return b"COALESCE(NULLIF(pg_catalog.current_setting(%b,true),''),%b)" % (
        literal(real_name(name)),
        literal(DEFAULTS[name]),
    )


def answered(session: ClientSession, text: bytes, analysis: Analysis) -> bytes:
    """The whole reply to a Query that Outlive answers alone, or b"". In a failed transaction the server's error is."""
    if session.status == FAILED_TRANSACTION or analysis.count != 1:
        return b""
    part = analysis.parts[0]
    if part.show in VIRTUAL_SETTINGS and part.show is not None and session.status == IDLE:
        reply = row_description(((part.show, _TEXT_OID),)) + data_row((_value_of(session, part.show),))
        return reply + command_complete(b"SHOW") + ready_for_query(session.status)
    if part.verb == b"DEALLOCATE":
        return _deallocated(session, part)
    return b""


def _deallocated(session: ClientSession, part: Part) -> bytes:
    """Of statements that the protocol's Parse made: on the server they have other names, and are other clients' too."""
    if part.discard == DEALLOCATE_ALL and not session.held & PREPARED:
        session.forget_names()
        return command_complete(b"DEALLOCATE ALL") + ready_for_query(session.status)
    if part.name is not None and session.forget_name(part.name[:NAME_BYTES]):
        return command_complete(b"DEALLOCATE") + ready_for_query(session.status)
    return b""


def rewritten(session: ClientSession, text: bytes, analysis: Analysis, *, names: bool = True) -> bytes:
    """The text as it goes to the server; the very object where nothing changes. `names`: of statements as well."""
    pieces: list[tuple[int, int, bytes]] = [
        (found.start, found.end, b"(SELECT %b AS current_setting)" % _expression(found.name))
        for found in analysis.substitutions
    ]
    pieces += [(found.start, found.end, literal(real_name(found.name))) for found in analysis.renames]
    for part in analysis.parts:
        if part.verb != b"SELECT" and any(found.name in VIRTUAL_SETTINGS for found in part.assignments):
            assignment = _assignment(part)
            if assignment:
                pieces.append((part.start, part.end, assignment))
            else:  # the server's own error; and if it is none, that is found out
                session.unsure = True
        elif part.show in VIRTUAL_SETTINGS and part.show is not None:
            pieces.append((part.start, part.end, b'SELECT %b AS "%b"' % (_expression(part.show), part.show)))
        elif names and part.verb in _NAMING:
            renamed = _renamed(session, text, part)
            if renamed is not None:
                pieces.append(renamed)
    if not pieces:
        return text
    pieces.sort()
    out: list[bytes] = []
    position = 0
    for start, end, replacement in pieces:
        out += (text[position:start], replacement)
        position = end
    return b"".join((*out, text[position:]))


def named(session: ClientSession, part: Part) -> Statement | None:
    """The statement of the protocol's Parse that a PREPARE, EXECUTE or DEALLOCATE names."""
    if part.name is None or part.verb not in _NAMING:
        return None
    return session.names.get(part.name[:NAME_BYTES])


def names_statements(analysis: Analysis) -> bool:
    """Whether the text names statements."""
    return any(part.verb in _NAMING and part.name is not None for part in analysis.parts)


def targets(session: ClientSession, analysis: Analysis) -> tuple[Statement | None, ...]:
    """Those that it names, as they are now."""
    return tuple(named(session, part) for part in analysis.parts if part.verb in _NAMING and part.name is not None)


def note_named(session: ClientSession, analysis: Analysis, ordinal: int, found: Sequence[Statement | None]) -> None:
    """A text is executed that names `found`: what EXECUTE does is what such a statement does; DEALLOCATE ends it.

    `ordinal` is the message's; in a Query, of one message, that of each part counts.
    """
    naming = [
        (number, part) for number, part in enumerate(analysis.parts) if part.verb in _NAMING and part.name is not None
    ]
    for (number, part), statement in zip(naming, found, strict=True):
        if statement is None or part.name is None:
            continue
        if part.verb == b"EXECUTE":
            session.held |= statement.analysis.holds
            session.rereads.update(map(real_name, statement.analysis.rereads))
        elif part.verb == b"DEALLOCATE":
            session.unit.deallocate(ordinal + number, part.name[:NAME_BYTES], statement)


def _renamed(session: ClientSession, text: bytes, part: Part) -> tuple[int, int, bytes] | None:
    statement = named(session, part)
    found = _NAMED.match(text, part.start, part.end) if statement is not None else None
    return None if found is None or statement is None else (*found.span(1), statement.name)


def _assignment(part: Part) -> bytes:
    """SET or RESET of one virtual setting, under its other name; b"" where the server would refuse the value."""
    (found,) = part.assignments
    name = real_name(found.name)
    scope = b"LOCAL " if found.local else b""
    if found.value is None:
        return b"RESET " + name if part.verb == b"RESET" else b"SET %b%b TO DEFAULT" % (scope, name)
    value = shown(found.name, found.value)
    return b"" if value is None else b"SET %b%b TO %b" % (scope, name, literal(value))


def must_not_run(analysis: Analysis) -> bool:
    """Whether a text that is too long to be held would have to be rewritten."""
    return bool(analysis.substitutions) or any(
        assignment.name in VIRTUAL_SETTINGS for part in analysis.parts for assignment in part.assignments
    )
