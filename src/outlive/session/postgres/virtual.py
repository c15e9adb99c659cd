"""Settings that Outlive keeps to itself, and statements it answers alone.

A server connection ends by itself when its node vanished: idle_session_timeout and the TCP settings see to that, so a
client must not change them there. Its own values live in settings of Outlive's own (`outlive.idle_session_timeout`):
SET, RESET and transactions work on them as on the real ones, and SHOW shows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.postgres.analysis import DEALLOCATE_ALL, PREPARED, Analysis, Assignment, Part
from outlive.session.postgres.replay import literal
from outlive.session.postgres.vocabulary import VIRTUAL_SETTINGS
from outlive.wire.postgres.constants import FAILED_TRANSACTION
from outlive.wire.postgres.messages import command_complete, data_row, ready_for_query, row_description

if TYPE_CHECKING:
    from outlive.session.postgres.client_session import ClientSession

_PREFIX: Final = b"outlive."
_DEFAULT: Final = b"0"
"""Of all of them: off, or the system's own."""
_TEXT_OID: Final = 25


def real_name(name: bytes) -> bytes:
    """Under what name a setting goes to the server."""
    return _PREFIX + name if name in VIRTUAL_SETTINGS else name


def value_of(session: ClientSession, name: bytes) -> bytes:
    """What SHOW of a virtual setting shows."""
    for changed, value in reversed(session.tentative):
        if changed == real_name(name):
            return _DEFAULT if value is None else value
    return session.settings.values.get(real_name(name), _DEFAULT)


def answered(session: ClientSession, text: bytes, analysis: Analysis) -> bytes:
    """The whole reply to a Query that Outlive answers alone, or b"". In a failed transaction the server's error is."""
    if session.status == FAILED_TRANSACTION or analysis.count != 1:
        return b""
    part = analysis.parts[0]
    if part.show in VIRTUAL_SETTINGS and part.show is not None:
        reply = row_description(((part.show, _TEXT_OID),)) + data_row((value_of(session, part.show),))
        return reply + command_complete(b"SHOW") + ready_for_query(session.status)
    if part.verb == b"DEALLOCATE":
        return _deallocated(session, part)
    return b""


def _deallocated(session: ClientSession, part: Part) -> bytes:
    """Of statements that the protocol's Parse made: on the server they have other names, and are other clients' too."""
    if part.discard == DEALLOCATE_ALL and not session.held & PREPARED:
        session.forget_names()
        return command_complete(b"DEALLOCATE ALL") + ready_for_query(session.status)
    if part.name is not None and session.forget_name(part.name):
        return command_complete(b"DEALLOCATE") + ready_for_query(session.status)
    return b""


def rewritten(session: ClientSession, text: bytes, analysis: Analysis) -> bytes:
    """The text as it goes to the server; the very object where nothing changes."""
    pieces: list[tuple[int, int, bytes]] = [
        (found.start, found.end, b"(SELECT %b::text AS current_setting)" % literal(value_of(session, found.name)))
        for found in analysis.substitutions
    ]
    pieces += [(found.start, found.end, literal(real_name(found.name))) for found in analysis.renames]
    for part in analysis.parts:
        if part.verb != b"SELECT" and any(found.name in VIRTUAL_SETTINGS for found in part.assignments):
            pieces.append((part.start, part.end, b"; ".join(_assignment(found) for found in part.assignments)))
        elif part.show in VIRTUAL_SETTINGS and part.show is not None:
            shown = literal(value_of(session, part.show))
            pieces.append((part.start, part.end, b'SELECT %b::text AS "%b"' % (shown, part.show)))
    if not pieces:
        return text
    pieces.sort()
    out: list[bytes] = []
    position = 0
    for start, end, replacement in pieces:
        out += (text[position:start], replacement)
        position = end
    return b"".join((*out, text[position:]))


def _assignment(assignment: Assignment) -> bytes:
    scope = b"LOCAL " if assignment.local else b""
    name = real_name(assignment.name)
    if assignment.value is None:
        return b"SET %b%b TO DEFAULT" % (scope, name)
    return b"SET %b%b TO %b" % (scope, name, literal(assignment.value))


def must_not_run(analysis: Analysis) -> bool:
    """Whether a text that is too long to be held would have to be rewritten."""
    return bool(analysis.substitutions) or any(
        assignment.name in VIRTUAL_SETTINGS for part in analysis.parts for assignment in part.assignments
    )
