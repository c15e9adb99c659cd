"""COM_QUERY and COM_STMT_PREPARE: what the text of a statement asks of the session before it goes to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql import analysis as lexed
from outlive.session.mysql import local_answers, set_effects, virtual
from outlive.session.mysql.actions import ANSWER, FORWARD, KILL
from outlive.session.mysql.analysis import Analysis, Trivial
from outlive.session.mysql.variables import VIRTUAL
from outlive.wire.mysql.constants import ER_NOT_SUPPORTED_YET
from outlive.wire.mysql.packets import packet as frame

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

ROW_COUNT_VARIABLE: Final = b"@`outlive row_count`"
FOUND_ROWS_VARIABLE: Final = b"@`outlive found_rows`"
"""In a prepared text the counts' functions become these variables, set before each execution. The names hold a
space, so
that no client meets them by accident."""


def special(session: ClientSession, packet: bytes, start: int, analysis: Analysis) -> int:
    """A COM_QUERY whose text (from `start` in the packet) is not plain."""
    if analysis.kill is not None:
        return _kill(session, analysis)
    if analysis.trivial is not None and _answer(session, analysis.trivial):
        return ANSWER
    text = packet[start:]
    if analysis.verb == b"SET":
        session.set_name = set_effects.name_of(session, text, analysis)
        if session.set_name is not None and set_effects.answer(session, session.set_name):
            session.set_name = None
            return ANSWER
    changed = text
    if any(item.scope == "session" and item.name in VIRTUAL for item in analysis.assignments):
        if analysis.statements > 1 or analysis.substitutions:
            return refuse(session, "SET of a session_track variable or of wait_timeout beside another statement")
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


def _kill(session: ClientSession, analysis: Analysis) -> int:
    kill = analysis.kill
    if kill is None or kill.id is None or kill.kind not in ("query", "connection") or analysis.statements > 1:
        return refuse(session, "this form of KILL; it takes one connection id")
    session.kill = kill
    return KILL


def _answer(session: ClientSession, trivial: Trivial) -> bool:
    """Answers a question that the session can answer; False where a server must."""
    what = trivial.what
    if what == "row_count":
        session.answer = local_answers.number(session, trivial.label, session.affected_rows)
    elif what == "found_rows":
        session.answer = local_answers.number(
            session, trivial.label, session.found_rows, unsigned=not session.facts.mariadb
        )
    elif what == "connection_id":
        session.answer = local_answers.number(session, trivial.label, session.connection_id, unsigned=True)
    elif what.startswith("show_") or what in ("warning_count", "error_count"):
        return _answer_diagnostics(session, trivial)
    else:
        return False
    session.captured_warnings = []
    return True


def _answer_diagnostics(session: ClientSession, trivial: Trivial) -> bool:
    rows = session.captured_warnings
    if rows is None:
        return False  # they are still on the connection
    if trivial.what in ("show_errors", "show_count_errors", "error_count"):
        rows = [row for row in rows if row[0] == b"Error"]
    if trivial.what in ("show_warnings", "show_errors"):
        if trivial.limit is not None:
            offset, count = trivial.limit
            rows = rows[offset : offset + count]
        session.answer = local_answers.warnings(session, rows)
    else:
        session.answer = local_answers.number(session, trivial.label, len(rows), unsigned=True)
    return True


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
    session.captured_warnings = []
    return ANSWER


def substituted(session: ClientSession, text: bytes, analysis: Analysis, *, prepared: bool) -> bytes:
    """The text with what only this session knows written in; labels keep the columns' names."""
    pieces: list[bytes] = []
    position = 0
    for item in analysis.substitutions:
        pieces.append(text[position : item.start])
        position = item.end
        if item.what != "label":
            pieces.append(_literal(session, item.what, prepared) or text[item.start : item.end])
        if item.label is not None:
            pieces.append(b" AS `" + item.label.replace(b"`", b"``") + b"`")
    pieces.append(text[position:])
    return b"".join(pieces)


def _literal(session: ClientSession, what: str, prepared: bool) -> bytes:
    if what == "row_count":
        return ROW_COUNT_VARIABLE if prepared else b"%d" % session.affected_rows
    if what == "found_rows":
        return FOUND_ROWS_VARIABLE if prepared else b"%d" % session.found_rows
    if what == "connection_id":
        return b"%d" % session.connection_id
    if what in ("warning_count", "error_count"):
        rows = session.captured_warnings
        if rows is None:
            return b""  # still on the connection: the function itself is right
        return b"%d" % len(rows if what == "warning_count" else [row for row in rows if row[0] == b"Error"])
    return virtual.literal_of(session, what.encode())


def counts_sql(session: ClientSession) -> bytes:
    """Sets what a prepared text reads in place of ROW_COUNT() and FOUND_ROWS()."""
    return b"SET %s=%d,%s=%d" % (ROW_COUNT_VARIABLE, session.affected_rows, FOUND_ROWS_VARIABLE, session.found_rows)


NEEDS_COUNTS: Final = lexed.ROW_COUNT | lexed.FOUND_ROWS
