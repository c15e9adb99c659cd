"""What a reply tells about a session, beyond the common case: changed state, warnings, ids, errors, holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql import analysis as lexed
from outlive.session.mysql import insert_id, set_effects, steps
from outlive.session.mysql.analysis import Analysis
from outlive.session.mysql.holds import CURSOR, LONG_DATA, SESSION_VARIABLE, UNEXPLAINED
from outlive.session.mysql.prepared import ClientStatement
from outlive.session.mysql.server_state import (
    RESIDUE_CAPTURED,
    RESIDUE_CHARACTERISTICS,
    RESIDUE_DIAGNOSTICS,
    RESIDUE_INSERT_ID,
    RESIDUE_UNKNOWN_ID,
    RESIDUE_UNREPORTED,
    ROLE_UNKNOWN,
    ServerState,
)
from outlive.session.mysql.settings import MULTI_STATEMENTS, PARSING_NAMES, SCHEMA, Settings, has_literals, updated
from outlive.session.mysql.steps import Step, ask_step, ping_step
from outlive.session.mysql.variables import EXPLAINED, VIRTUAL
from outlive.wire.mysql.constants import (
    ER_BAD_FIELD_ERROR,
    ER_MAX_PREPARED_STMT_COUNT_REACHED,
    ER_NO_SUCH_TABLE,
    ER_PARSE_ERROR,
    SERVER_STATUS_AUTOCOMMIT,
    SERVER_STATUS_CURSOR_EXISTS,
    SERVER_STATUS_IN_TRANS,
    SERVER_STATUS_LAST_ROW_SENT,
)
from outlive.wire.mysql.reply import REPLY_FETCH, REPLY_OK, REPLY_PREPARE, REPLY_STATISTICS, ReplyReader
from outlive.wire.mysql.session_track import SessionChanges, parse_changes

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.wire.mysql.small_reply import SmallReply

_OPAQUE_VERBS: Final = frozenset(
    (b"CALL", b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b"REPLACE", b"DO", b"BEGIN", b"EXECUTE", b"WITH")
)
"""Statements that may run stored code, where one reported change of state may stand
for others that are not reported."""


_BEFORE_THE_BEGINNING: Final = frozenset((ER_PARSE_ERROR, ER_BAD_FIELD_ERROR, ER_NO_SUCH_TABLE))
_CALLERS: Final = frozenset((b"SELECT", b"WITH", b"DO"))
_GENERATES_NO_ID: Final = frozenset((b"SELECT", b"SET", b"SHOW", b"USE", b"BEGIN", b"START", b"COMMIT", b"ROLLBACK"))
_WITHOUT_TABLES: Final = frozenset(
    (b"SET", b"BEGIN", b"START", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"RELEASE", b"USE")
)

_CLEARS_WARNINGS: Final = b"DO (SELECT COUNT(*) FROM (SELECT 1) x)"
"""MariaDB keeps warnings over whatever uses no table (measured). Without autocommit it begins no transaction."""
_WITHOUT_STATUS: Final = (REPLY_PREPARE, REPLY_STATISTICS)
"""These replies say nothing of the session: what the reader has is of an earlier one."""


def finish(session: ClientSession, reader: ReplyReader, state: ServerState) -> list[Step]:
    """See `ClientSession.finish`."""
    analysis = session.analysis
    after: list[Step] = []
    _record_counts(session, reader)
    _record_diagnostics(session, reader, state)
    if reader.error:
        if not _surely_did_nothing(session, analysis, reader.error):
            # An ERR carries neither status nor reports, and the statement may have begun or ended a transaction (a
            # deadlock, a CALL), or changed settings in stored code: the next OK tells, whoever's it would be.
            after.append(ping_step(steps.ASK_STATUS, session))
        if _reports_nothing(session, analysis):
            state.residue |= RESIDUE_UNREPORTED
    elif session.reply_kind not in _WITHOUT_STATUS:
        session.status = reader.status
    _record_insert_id(session, reader, state)
    _record_statement(session, reader, state)
    collation = False
    before = state.settings
    for raw in reader.changes:
        collation |= _apply_changes(session, parse_changes(raw), state)
    if session.state_change and _explain(session, analysis):
        session.holds.add(UNEXPLAINED, None)
        state.role = ROLE_UNKNOWN
    if not analysis.plain:
        if not _never_ran(analysis, reader.error):
            _apply_holds(session, analysis, state, bool(reader.error))
        if not reader.error:
            _apply_virtual(session, analysis, state)
            _apply_user_variables(session, analysis, state)
    after += _questions(session, analysis, state, before, collation, bool(reader.error))
    if session.set_name is not None:
        _learn(session, reader, collation)
    return after


def _learn(session: ClientSession, reader: ReplyReader, collation: bool) -> None:
    """A SET of literals was answered: its effect is what was reported, and the collation where that must be asked."""
    if reader.error or reader.warnings or len(reader.changes) != 1 or session.holds_connection:
        session.set_name = None
        return
    changes = parse_changes(reader.changes[0])
    if changes.schema is not None or changes.characteristics or not changes.variables:
        session.set_name = None
    elif collation:
        session.set_reported = (changes.variables, reader.changes[0])
    else:
        set_effects.learn(session, changes.variables, reader.changes[0])


def _never_ran(analysis: Analysis, error: int) -> bool:
    """A text that the server could not read did nothing; unless it is stored or dynamic code that cannot be read."""
    return error == ER_PARSE_ERROR and analysis.statements == 1 and analysis.verb not in _OPAQUE_VERBS


def _surely_did_nothing(session: ClientSession, analysis: Analysis, error: int) -> bool:
    """The usual mistakes, which show before a plain statement begins; not inside of what it calls."""
    return (
        error in _BEFORE_THE_BEGINNING
        and analysis.plain
        and not (analysis.verb in _CALLERS and not analysis.read)
        and not session.characteristics
        and session.status & (SERVER_STATUS_AUTOCOMMIT | SERVER_STATUS_IN_TRANS) == SERVER_STATUS_AUTOCOMMIT
    )


def _reports_nothing(session: ClientSession, analysis: Analysis) -> bool:
    """MariaDB tells of what stored code did before it failed only with the next change of state (measured)."""
    calls = analysis.call or (analysis.verb in _CALLERS and not analysis.read)
    return calls and session.facts.mariadb and session.reply_kind != REPLY_PREPARE


def _record_counts(session: ClientSession, reader: ReplyReader) -> None:
    if reader.error:
        session.affected_rows = -1
    elif session.reply_kind == REPLY_PREPARE:
        return
    elif reader.rows >= 0:
        session.affected_rows = -1
        if not _shows_diagnostics(session.analysis):
            session.found_rows = reader.rows
    else:
        session.affected_rows = reader.affected_rows


def _shows_diagnostics(analysis: Analysis) -> bool:
    """SHOW WARNINGS or ERRORS, which leave FOUND_ROWS() alone (measured on both servers)."""
    return analysis.verb == b"SHOW" and bool(analysis.needs & lexed.WARNINGS)


def _record_diagnostics(session: ClientSession, reader: ReplyReader, state: ServerState) -> None:
    """Warnings stay on the connection (None says so) and are captured only when another client needs it."""
    if session.reply_kind == REPLY_STATISTICS:
        return
    if reader.error or session.analysis.verb != b"USE" or session.reply_kind != REPLY_OK:  # not after COM_INIT_DB
        session.raised = reader.warnings or (1 if reader.error else 0)
    if reader.error or reader.warnings:
        session.captured_warnings, session.warnings_on = None, state
        session.warning_count = reader.warnings or 1
        state.residue |= RESIDUE_DIAGNOSTICS
    elif not _keeps_diagnostics(session, state):
        session.captured_warnings = []
        state.residue &= ~RESIDUE_DIAGNOSTICS


def _keeps_diagnostics(session: ClientSession, state: ServerState) -> bool:
    """Whether a statement that succeeds without a warning leaves those of an earlier one (measured on both servers)."""
    analysis = session.analysis
    if session.reply_kind == REPLY_OK and analysis.verb == b"USE":
        return True  # COM_INIT_DB
    if not session.facts.mariadb:
        return bool(analysis.needs & lexed.WARNINGS) and analysis.verb in (b"SHOW", b"GET")
    if session.warnings_live_on(state):
        return True  # MariaDB keeps them over statements without a table: the connection knows
    if session.tableless and (session.reply_kind == REPLY_PREPARE or analysis.verb in (b"SELECT", b"DO")):
        return True
    return bool(analysis.needs & lexed.WARNINGS) or analysis.verb in _WITHOUT_TABLES


def may_generate_id(analysis: Analysis) -> bool:
    """Whether the statement may leave an id, as far as its verb tells."""
    return analysis.verb not in _GENERATES_NO_ID or analysis.statements > 1


def _record_insert_id(session: ClientSession, reader: ReplyReader, state: ServerState) -> None:
    analysis = session.analysis
    if not reader.error and session.reply_kind == REPLY_PREPARE:
        return
    if reader.insert_id or analysis.statements > 1 or analysis.call or analysis.after & lexed.ASK_LAST_INSERT_ID:
        # An explicit value in the AUTO_INCREMENT column is reported too and leaves LAST_INSERT_ID() as it was, and of
        # several statements only the last one reports: the connection alone knows, until it is asked.
        insert_id.leave(session, state, reader.insert_id)
    elif reader.error and may_generate_id(analysis) and not _never_ran(analysis, reader.error):
        # An INSERT that failed in its second row has left the id of its first.
        insert_id.leave(session, state, 0)


def _record_statement(session: ClientSession, reader: ReplyReader, state: ServerState) -> None:
    """COM_STMT_*: what was prepared, which cursor is open."""
    kind = session.reply_kind
    handle = session.statement
    if handle is None:
        return
    if kind == REPLY_PREPARE:
        if not reader.error:
            handle.statement.parameters = reader.parameters
            state.add_prepared(handle.statement, reader.statement_id.to_bytes(4, "little"))
            session.statements[handle.id_bytes] = handle
            session.statements_bytes += len(handle.statement.sql)
            session.last_prepared = handle
        elif reader.error == ER_MAX_PREPARED_STMT_COUNT_REACHED:
            state.close_prepared()
        return
    if handle.long_data and kind != REPLY_FETCH:
        handle.long_data = False
        session.holds.drop(LONG_DATA, handle.id_bytes)
    opened = not reader.error and bool(reader.status & SERVER_STATUS_CURSOR_EXISTS)
    ended = bool(reader.status & SERVER_STATUS_LAST_ROW_SENT) or bool(reader.error)
    if opened and not ended and not handle.cursor_open:
        handle.cursor_open = True
        session.holds.add(CURSOR, handle.id_bytes)
        if session.used is not None:
            state.keep_for(handle, session.used)
    elif handle.cursor_open and (ended or (kind != REPLY_FETCH and not opened)):
        close_cursor(session, handle)
    if not (handle.cursor_open or handle.long_data):
        state.put_back(handle)


def close_cursor(session: ClientSession, handle: ClientStatement) -> None:
    """The statement's cursor is gone."""
    if handle.cursor_open:
        handle.cursor_open = False
        session.holds.drop(CURSOR, handle.id_bytes)


def _apply_changes(session: ClientSession, changes: SessionChanges, state: ServerState) -> bool:
    """Takes over one OK's session-state information; True where the connection collation became unknown."""
    tracked = session.facts.baseline  # while SHOW VARIABLES runs, the client's own list is in force
    updates = [(name, value) for name, value in changes.variables if name in tracked]
    if changes.schema is not None:
        updates.append((SCHEMA, changes.schema))
    if changes.transaction_state is not None:
        # Of it only the locked tables say more than the status word.
        session.transaction_state = changes.transaction_state if changes.transaction_state.endswith(b"L") else b""
    if changes.characteristics is not None:
        text = changes.characteristics if changes.characteristics.startswith(b"SET") else b""
        session.characteristics = state.characteristics = text
        state.residue = state.residue | RESIDUE_CHARACTERISTICS if text else state.residue & ~RESIDUE_CHARACTERISTICS
    if changes.state_changed and not _visits_schema(session, updates):
        session.state_change = session.state_change | (STATE_CHANGE_EXPLAINED if updates else STATE_CHANGE_BARE)
    if not updates:
        return False
    names = {name for name, _ in updates}
    if names & PARSING_NAMES and has_literals(session.settings):
        session.holds.add("user_variable")  # its literal would now be read in another charset or mode
    _set(session, state, updates)
    return b"character_set_connection" in names and b"collation_connection" not in names


def _apply_late_changes(session: ClientSession, raw: bytes, state: ServerState) -> None:
    """What a statement had changed before it failed."""
    collation_unknown = _apply_changes(session, parse_changes(raw), state)
    if collation_unknown or (session.state_change and _explain(session, session.analysis)):
        session.holds.add(UNEXPLAINED, None)
        state.role = ROLE_UNKNOWN


def _visits_schema(session: ClientSession, updates: list[tuple[bytes, bytes]]) -> bool:
    """Both servers run a prepared statement in the schema it was prepared in, and say so though they come back."""
    values = session.settings.values
    handle = session.statement
    return (
        handle is not None
        and updates == [(SCHEMA, values.get(SCHEMA, b""))]
        and (SCHEMA, values.get(SCHEMA, b"")) not in handle.statement.context
    )


STATE_CHANGE_BARE: Final = 1
STATE_CHANGE_EXPLAINED: Final = 2


def _set(session: ClientSession, state: ServerState, updates: list[tuple[bytes, bytes]]) -> None:
    session.settings = state.settings = updated(session.settings, updates, session.facts.baseline)
    session.refresh_mode()


def _explain(session: ClientSession, analysis: Analysis) -> bool:
    """A change of state that trackers and lexer do not fully explain pins; True where nothing is known of it."""
    change, session.state_change = session.state_change, 0
    tracked = session.facts.baseline
    for item in analysis.assignments:
        if (
            item.scope == "session"
            and item.name not in tracked
            and item.name not in VIRTUAL
            and item.name not in EXPLAINED
        ):
            session.holds.add(SESSION_VARIABLE, None)
    if analysis.verb in _OPAQUE_VERBS or analysis.statements > 1:
        return not analysis.user_variables
    return bool(change & STATE_CHANGE_BARE) and not (
        analysis.holds or analysis.user_variables or analysis.assignments or analysis.set_role or analysis.charset
    )


def _apply_holds(session: ClientSession, analysis: Analysis, state: ServerState, failed: bool) -> None:
    holds = session.holds
    for reason, written, change in analysis.holds:
        name = written
        if reason == "temporary_table" and written is not None and b"." not in written:
            name = session.settings.values.get(SCHEMA, b"") + b"." + written
        if change == lexed.HOLD:
            holds.add(reason, name)
        elif failed:
            continue
        elif change == lexed.RELEASE:
            holds.drop(reason, name)
        elif change == lexed.CLEAR:
            holds.drop_all(reason) if name is None else holds.drop_name(reason, name)
        else:
            holds.lose_names(reason)
    if analysis.set_role is not None and not failed:
        session.role = state.role = analysis.set_role


def _apply_virtual(session: ClientSession, analysis: Analysis, state: ServerState) -> None:
    for item in analysis.assignments:
        if item.scope == "session" and item.name in VIRTUAL:
            session.set_virtual(item.name, item.value)
        if item.scope == "session" and item.name in (b"last_insert_id", b"identity"):
            insert_id.leave(session, state, 0, changed=True)


def _apply_user_variables(session: ClientSession, analysis: Analysis, state: ServerState) -> None:
    if not analysis.user_variables:
        return
    updates = [(b"@" + name, literal) for name, literal in analysis.user_variables]
    kept = sum(len(name) + len(value) for name, value in session.settings.values.items() if name.startswith(b"@"))
    if kept + sum(len(name) + len(value) for name, value in updates) > session.limits.variables_bytes:
        session.holds.add("user_variable")  # the connection keeps them all
    else:
        _set(session, state, updates)


def _questions(
    session: ClientSession, analysis: Analysis, state: ServerState, before: Settings, collation: bool, failed: bool
) -> list[Step]:
    """What only the connection knows and the session needs kept. Diagnostics first: the other questions clear them."""
    found: list[Step] = []
    if session.shows_virtual:
        found.append(steps.query_step(session.facts.tracker_sql()))
    if analysis.after & lexed.ASK_FOUND_ROWS and not failed:
        found.append(ask_step(b"SELECT FOUND_ROWS()", steps.ASK_FOUND_ROWS, session))
    untold = session.facts.mariadb and (analysis.call or analysis.after & lexed.ASK_UNTOLD)  # also inside a procedure
    untold |= failed and _reports_nothing(session, analysis)
    if untold or (analysis.after & lexed.ASK_SETTINGS and state.settings is not before):
        found.append(ask_step(session.facts.snapshot_sql(), steps.ASK_SETTINGS, session))
    if collation:
        found.append(ask_step(b"SELECT @@collation_connection", steps.ASK_COLLATION, session))
    if found and state.residue & RESIDUE_DIAGNOSTICS:
        found.insert(0, capture_warnings(session))
    return found


def capture_warnings(session: ClientSession) -> Step:
    """SHOW WARNINGS clears nothing; the next statement does."""
    return ask_step(b"SHOW WARNINGS", steps.CAPTURE_WARNINGS, session)


def residue_steps(state: ServerState) -> list[Step]:
    """Takes away what the connection's last client left and only it may see; captured for it where it still lives."""
    found: list[Step] = []
    owner = state.owner
    if owner is not None and state.residue & RESIDUE_DIAGNOSTICS:
        found.append(capture_warnings(owner))
    if owner is not None and state.residue & RESIDUE_INSERT_ID:
        found.append(ask_step(b"SELECT LAST_INSERT_ID()", steps.CAPTURE_INSERT_ID, owner))
    if state.residue & (RESIDUE_DIAGNOSTICS | RESIDUE_CAPTURED):
        found.append(steps.query_step(_CLEARS_WARNINGS, steps.UNDO_DIAGNOSTICS))
    if state.residue & RESIDUE_CHARACTERISTICS:
        # A bare ROLLBACK ends the wait of SET TRANSACTION for the next transaction (measured on both servers).
        found.append(steps.query_step(b"ROLLBACK", steps.UNDO_CHARACTERISTICS))
    return found


def step_done(step: Step, reply: SmallReply, state: ServerState) -> None:
    """Takes over the answer to a step that succeeded."""
    session, purpose = step.session, step.purpose
    if purpose == steps.PREPARE:
        assert step.statement is not None
        step.statement.parameters = reply.parameters
        state.add_prepared(step.statement, reply.statement_id)
    elif purpose == steps.UNDO_CHARACTERISTICS:
        state.characteristics = b""
        state.residue &= ~RESIDUE_CHARACTERISTICS
    elif purpose == steps.UNDO_DIAGNOSTICS:
        state.residue &= ~RESIDUE_CAPTURED
    elif purpose == steps.ENTER_SCHEMA:
        # At once, and not only when all steps have succeeded: a reset keeps the schema (both servers, measured).
        state.settings = updated(state.settings, ((SCHEMA, step.bytes[5:]),), {})
    elif purpose == steps.REPLAY_INSERT_ID:
        state.last_insert_id = step.argument
        state.residue &= ~RESIDUE_UNKNOWN_ID
    elif purpose == steps.ASK_STATUS and reply.ok is not None and session is not None:
        session.status = reply.ok.status
        if reply.ok.changes:
            _apply_late_changes(session, reply.ok.changes, state)
    elif session is not None:
        _captured(session, purpose, reply, state)


def _captured(session: ClientSession, purpose: int, reply: SmallReply, state: ServerState) -> None:
    if purpose == steps.CAPTURE_WARNINGS:
        state.residue = state.residue & ~RESIDUE_DIAGNOSTICS | RESIDUE_CAPTURED
        # The session may have gone on with another connection since, and then this is its past.
        if session.captured_warnings is None and session.warnings_on is state:
            session.captured_warnings = reply.rows
            session.captured()
    elif purpose == steps.CAPTURE_INSERT_ID:
        state.last_insert_id = reply.number()
        state.residue &= ~RESIDUE_INSERT_ID
        insert_id.read(session, state, state.last_insert_id)
        session.captured()
    elif purpose == steps.ASK_FOUND_ROWS:
        session.found_rows = reply.number()
    elif purpose == steps.ASK_SETTINGS:
        kept = {
            name: value
            for name, value in session.settings.values.items()
            if name in (SCHEMA, MULTI_STATEMENTS) or name.startswith(b"@")
        }
        found = session.facts.read_snapshot(reply.rows[0] if reply.rows else ())
        session.settings = state.settings = updated(found, kept.items(), session.facts.baseline)
        session.refresh_mode()
    elif purpose == steps.ASK_COLLATION:
        collation = (b"collation_connection", reply.value())
        _set(session, state, [collation])
        if session.set_reported is not None:
            (changes, raw), session.set_reported = session.set_reported, None
            set_effects.learn(session, [*changes, collation], raw)
