"""COM_QUERY and COM_STMT_PREPARE: what the text of a statement asks of the session before it goes to a server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from outlive.session.mysql import analysis as lexed
from outlive.session.mysql import local_answers, set_effects, virtual
from outlive.session.mysql.actions import ANSWER, FORWARD, KILL
from outlive.session.mysql.analysis import Analysis, Assignment, Kill, Trivial
from outlive.session.mysql.variables import VIRTUAL
from outlive.wire.mysql.constants import ER_NOT_SUPPORTED_YET
from outlive.wire.mysql.packets import packet as frame

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

_COUNTS_OF_WARNINGS: Final = ("warning_count", "error_count")
VIRTUAL_BYTES: Final = 16 * 1024
"""Of the value of a virtual variable, which each client keeps: the names of all system variables fit in."""
ROW_COUNT_VARIABLE: Final = b"@`outlive row_count`"
FOUND_ROWS_VARIABLE: Final = b"@`outlive found_rows`"
"""In a prepared text the counts' functions become these variables, set before each execution. The names hold a
space, so that no client meets them by accident."""
_INTEGER: Final = b"IFNULL(CAST(%s AS SIGNED),0)"
"""Gives such a variable the functions' own type, BIGINT NOT NULL, also before it is set."""


def special(session: ClientSession, packet: bytes, start: int, analysis: Analysis) -> int:
    """A COM_QUERY whose text (from `start` in the packet) is not plain."""
    if analysis.kill is not None:
        return _kill(session, analysis, packet[start:])
    text = packet[start:]
    if analysis.trivial is not None and _answer(session, analysis, text):
        return ANSWER
    if analysis.needs & lexed.WARNINGS and not _warnings_at_hand(session, analysis):
        # The diagnostics area cannot be made again on another connection, nor on this one after somebody else.
        return refuse(session, "GET DIAGNOSTICS outside a transaction, nor SHOW WARNINGS before another statement")
    if analysis.verb == b"SET":
        session.set_name = set_effects.name_of(session, text, analysis)
        if session.set_name is not None and set_effects.answer(session, session.set_name):
            session.set_name = None
            return ANSWER
    changed = text
    assigned = _virtual_assignments(analysis)
    if assigned:
        if analysis.statements > 1 or analysis.substitutions:
            return refuse(session, "SET of a session_track variable or of wait_timeout beside another statement")
        if any(len(item.value) > VIRTUAL_BYTES for item in assigned):
            return refuse(session, f"a value of more than {VIRTUAL_BYTES} bytes for a session_track variable")
        changed = _without_virtual(text, analysis)
        if not changed:
            return _set_virtual_only(session, analysis)
    elif analysis.substitutions:
        changed = substituted(session, text, analysis, prepared=False)
    if changed is not text:
        session.packet = frame(0, packet[4:start] + changed)
    return FORWARD


def refuse(session: ClientSession, what: str) -> int:
    """ER_NOT_SUPPORTED_YET, as the servers refuse what they cannot do."""
    session.answer = local_answers.error(ER_NOT_SUPPORTED_YET, b"42000", f"Outlive does not support {what}")
    return ANSWER


_OWN_ID: Final = re.compile(
    rb"(?i)KILL\s+(?:HARD\s+|SOFT\s+)?(?:CONNECTION\s+|QUERY\s+)?CONNECTION_ID\s*\(\s*\)\s*;?\s*\Z"
)


def _kill(session: ClientSession, analysis: Analysis, text: bytes) -> int:
    kill = analysis.kill
    if kill is not None and kill.id is None and _OWN_ID.match(text.strip()):
        kill = Kill(kill.kind, session.connection_id)
    if kill is None or kill.id is None or kill.kind not in ("query", "connection") or analysis.statements > 1:
        return refuse(session, "this form of KILL; it takes one connection id")
    session.kill = kill
    return KILL


def _warnings_at_hand(session: ClientSession, analysis: Analysis) -> bool:
    if session.holds_connection or any(item.what in _COUNTS_OF_WARNINGS for item in analysis.substitutions):
        return True
    return session.captured_warnings is None and analysis.verb != b"GET"


def _answer(session: ClientSession, analysis: Analysis, text: bytes) -> bool:
    """Answers a question that the session can answer; False where a server must."""
    trivial = analysis.trivial
    assert trivial is not None
    what = trivial.what
    if what == "row_count":
        session.answer = local_answers.row_count(session, trivial.label)
    elif what == "found_rows":
        session.answer = local_answers.found_rows(session, trivial.label)
        session.ran_without_tables()
        warned = local_answers.warnings_of_found_rows(session)
        if warned:
            session.captured_warnings = warned
            session.raised = len(warned)
        return True
    elif what == "connection_id":
        session.answer = local_answers.connection_id(
            session, text[analysis.substitutions[0].start :].startswith(b"@@"), trivial.label
        )
    elif what.startswith("show_") or what in ("warning_count", "error_count"):
        return _answer_diagnostics(session, trivial)
    else:
        return False
    session.ran_without_tables()
    return True


def answer_prepared(session: ClientSession, analysis: Analysis) -> bool:
    """Answers an execution that asks for warnings which are not on the connection any more."""
    if not session.captured_warnings or not analysis.needs & lexed.WARNINGS:
        return False  # they are on the connection, or there are none, there neither
    if analysis.trivial is not None:
        return _answer_diagnostics(session, analysis.trivial, binary=True)
    if not session.holds_connection:
        refuse(session, "GET DIAGNOSTICS outside a transaction, nor counts of warnings beside other columns")
        return True
    return False


def _answer_diagnostics(session: ClientSession, trivial: Trivial, *, binary: bool = False) -> bool:
    rows = session.captured_warnings
    if rows is None:
        return False  # they are still on the connection
    session.raised = 0
    what_is_shown = trivial.what.startswith("show_")
    if trivial.what in ("show_errors", "show_count_errors", "error_count"):
        rows = [row for row in rows if row[0] == b"Error"]
    if trivial.what in ("show_warnings", "show_errors"):
        if trivial.limit is not None:
            offset, count = trivial.limit
            rows = rows[offset : offset + count]
        session.answer = local_answers.warnings(session, rows, binary=binary)
    else:
        count = _warning_count(session, rows) if "warning" in trivial.what else len(rows)
        session.answer = local_answers.variable(session, trivial.label, count, binary=binary)
        if not (what_is_shown or session.facts.mariadb):
            session.captured_warnings = []
    return True


def prepared_text(session: ClientSession, text: bytes, analysis: Analysis) -> bytes | None:
    """The text to prepare at a server; None after a refusal, which is then the session's answer."""
    if analysis.kill is not None:
        refuse(session, "KILL as a prepared statement")
        return None
    assigned = _virtual_assignments(analysis)
    if not assigned:
        return substituted(session, text, analysis, prepared=True) if analysis.substitutions else text
    if analysis.substitutions or not all(item.is_literal and item.value != b"?" for item in assigned):
        refuse(session, "an expression as the value of a session_track variable or of wait_timeout")
        return None
    if any(len(item.value) > VIRTUAL_BYTES for item in assigned):
        refuse(session, f"a value of more than {VIRTUAL_BYTES} bytes for a session_track variable")
        return None
    return _without_virtual(text, analysis) or b"DO 0"


def _virtual_assignments(analysis: Analysis) -> list[Assignment]:
    return [item for item in analysis.assignments if item.scope == "session" and item.name in VIRTUAL]


def _without_virtual(text: bytes, analysis: Analysis) -> bytes:
    """The SET statement without the assignments of virtual variables; empty where no other is left."""
    kept = [
        text[item.start : item.end]
        for item in analysis.assignments
        if not (item.scope == "session" and item.name in VIRTUAL)
    ]
    return b"SET " + b", ".join(kept) if kept else b""


def _set_virtual_only(session: ClientSession, analysis: Analysis) -> int:
    for item in analysis.assignments:
        if not item.is_literal:
            return refuse(session, "an expression as the value of a session_track variable or of wait_timeout")
        session.set_virtual(item.name, item.value)
    session.answer = local_answers.ok(session)
    session.ran_without_tables()
    return ANSWER


def substituted(session: ClientSession, text: bytes, analysis: Analysis, *, prepared: bool) -> bytes:
    """The text with what only this session knows written in; labels keep the columns' names."""
    pieces: list[bytes] = []
    position = 0
    for item in analysis.substitutions:
        pieces.append(text[position : item.start])
        position = item.end
        if item.what != "label":
            literal, original = _literal(session, item.what, prepared), text[item.start : item.end]
            pieces.append(_typed(item.what, literal, original, mariadb=session.facts.mariadb))
        if item.label is not None:
            pieces.append(b" AS `" + item.label.replace(b"`", b"``") + b"`")
    pieces.append(text[position:])
    return b"".join(pieces)


def _warning_count(session: ClientSession, rows: list[tuple[bytes | None, ...]]) -> int:
    """There may have been more than max_error_count, which are all that is shown."""
    return max(session.warning_count, len(rows)) if rows else 0


def _typed(what: str, literal: bytes, original: bytes, *, mariadb: bool) -> bytes:
    """The literal with the column type of what it stands for, which drivers show:
    a bare one has the type of its digits.

    A type that two values share is wide enough for both, and nullable if both are (measured on both servers).
    """
    if not literal or literal.startswith(b"@"):
        return literal or original
    if what in ("row_count", "found_rows"):
        return b"IFNULL(" + literal + b"," + original + b")"
    if what == "connection_id" and not original.startswith(b"@@"):
        return b"IFNULL(CAST(" + literal + b" AS UNSIGNED)," + original + b")"
    if literal.isdigit() and what not in virtual.BOOLEANS:
        literal = b"CAST(" + literal + b" AS UNSIGNED)"
    if literal.startswith(b"'") and mariadb:
        original = b"NULL"  # there a text is as long as it is
    return b"IF(1," + literal + b"," + original + b")"


def _literal(session: ClientSession, what: str, prepared: bool) -> bytes:
    if what == "row_count":
        return _INTEGER % ROW_COUNT_VARIABLE if prepared else b"%d" % session.affected_rows
    if what == "found_rows":
        return _INTEGER % FOUND_ROWS_VARIABLE if prepared else b"%d" % session.found_rows
    if what == "connection_id":
        return b"%d" % session.connection_id
    if what in ("warning_count", "error_count"):
        rows = session.captured_warnings
        if rows is None or prepared:
            return b""  # still on the connection: the function itself is right
        if what == "warning_count":
            return b"%d" % _warning_count(session, rows)
        return b"%d" % len([row for row in rows if row[0] == b"Error"])
    return virtual.literal_of(session, what.encode())


def counts_sql(session: ClientSession) -> bytes:
    """Sets what a prepared text reads in place of ROW_COUNT() and FOUND_ROWS()."""
    return b"SET %s=%d,%s=%d" % (ROW_COUNT_VARIABLE, session.affected_rows, FOUND_ROWS_VARIABLE, session.found_rows)


NEEDS_COUNTS: Final = lexed.ROW_COUNT | lexed.FOUND_ROWS
