"""The extended protocol's messages on their way to a server connection: statements under its names there.

What the connection has is not sent again, and the client gets its ParseComplete from here; what it lacks is parsed
first, and the client does not see that. Both are edits of the reply, by the number of the message they belong to
(`wire.postgres.reply`). An error undoes what came behind it: see `Unit.undo`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from outlive.session.postgres import prepared, virtual
from outlive.session.postgres.analysis import (
    COMMIT,
    PREPARE_TRANSACTION,
    PREPARED,
    ROLLBACK,
    ROLLBACK_TO,
    SEQUENCE_ASKED,
    Analysis,
)
from outlive.session.postgres.prepared import Statement
from outlive.session.postgres.replay import parse_context
from outlive.wire.postgres.constants import (
    BIND,
    CLOSE,
    DESCRIBE,
    EXECUTE,
    FAILED_TRANSACTION,
    NAME_BYTES,
    PARSE,
    PORTAL,
    STATEMENT,
)
from outlive.wire.postgres.frontend import (
    bind_names,
    execute_portal,
    parse_names,
    rename_bind,
    rename_first_bind,
    rename_target,
    target,
)
from outlive.wire.postgres.messages import CLOSE_COMPLETE, PARSE_COMPLETE, bind, close, execute, parse

if TYPE_CHECKING:
    from outlive.session.postgres.client_session import ClientSession
    from outlive.session.postgres.server_state import ServerState
    from outlive.wire.postgres.reply import ReplyReader

_LEAVES_FAILED: Final = frozenset((COMMIT, ROLLBACK, ROLLBACK_TO, PREPARE_TRANSACTION))
"""What a failed transaction takes; of anything else even the Parse is refused there (25P02)."""
_PLAIN: Final = Analysis(True, False, b"")
_DISCARD_SEQUENCES: Final = Statement(prepared.PREFIX + b"discard_sequences", b"DISCARD SEQUENCES", b"\0\0", _PLAIN)
_USUAL: Final = frozenset((b"PBDES", b"BDES", b"BES"))
_UNNAMED_BOUND: Final = b"\0\0"
"""The names of a Bind of the unnamed statement to the unnamed portal."""


class TooManyStatements(Exception):
    """The client has prepared more than its limits allow."""


def translate(
    session: ClientSession, state: ServerState, reader: ReplyReader, data: bytes, kinds: bytes, bounds: Sequence[int]
) -> bytes:
    """What goes to the server for these whole messages. `session.answer` goes to the client at once.

    Raises ProtocolError, and TooManyStatements.
    """
    unit = session.unit
    if kinds in _USUAL:
        whole = _usual(session, state, data, kinds, bounds)
        if whole is not None:
            return whole
    out: list[bytes] = []
    if state.unwanted and unit.messages == 0 and not session.in_transaction:
        for name in state.take_unwanted():
            reader.swallow(unit.messages)
            unit.messages += 1
            out.append(close(STATEMENT, name))
    for number, kind in enumerate(kinds):
        start, end = bounds[number], bounds[number + 1]
        handler = _HANDLERS.get(kind)
        if handler is None:
            out.append(data[start:end])
        else:
            handler(session, state, reader, data, start, end, out)
    return b"".join(out)


def _usual(
    session: ClientSession, state: ServerState, data: bytes, kinds: bytes, bounds: Sequence[int]
) -> bytes | None:
    """The units of nearly every driver, where nothing has to be put in or taken out; None for others.

    The unnamed portal of an unnamed statement that comes with it, or of a named one that this connection has.
    """
    unit = session.unit
    if state.unwanted:
        return None
    if kinds[0] == PARSE:
        second = bounds[1]
        if data[bounds[0] + 5] or data[second + 5 : second + 7] != _UNNAMED_BOUND:
            return None
        _, sql, types = parse_names(data, bounds[0], second)
        analysis = session.analyser.analyse(sql, session.mode) if session.blanked is None else session.analyse(sql)
        if not analysis.plain:
            return None
        if session.portals:
            session.portals.pop(b"", None)
        _keep_unnamed(session, state, Statement(b"", sql, types, analysis))
        unit.messages += 4
        if analysis.control or not analysis.read:
            _note(session, analysis, unit.messages - 1)
        return data
    portal, name, rest = bind_names(data, bounds[0], bounds[1])
    if portal:
        return None
    if session.portals:
        session.portals.pop(b"", None)
    statement = session.names.get(name[:NAME_BYTES]) if name else session.unnamed
    if statement is None or not statement.analysis.plain:
        return None
    if not name:
        if state.unnamed is not statement:
            return None
    elif state.has(statement):
        data = rename_first_bind(data, bounds[0], rest, len(name), statement.name)
        unit.bound[unit.messages] = statement
    else:
        return None
    unit.messages += len(kinds) - 1
    analysis = statement.analysis
    if analysis.control or not analysis.read:
        _note(session, analysis, unit.messages - 1)
    return data


def _note(session: ClientSession, analysis: Analysis, ordinal: int) -> None:
    unit = session.unit
    if not analysis.read:
        unit.reads = False
        if not analysis.control:
            unit.writes = True
    if analysis.control or not analysis.plain:
        unit.plain = False
        unit.executed.append((ordinal, analysis))


def _keep_unnamed(session: ClientSession, state: ServerState, statement: Statement) -> None:
    """A Parse of the unnamed statement goes out; it drops the former one even where it fails."""
    unit = session.unit
    number = unit.messages
    unit.undo.append((number, partial(_lose_unnamed, session, state, number, session.unnamed, state.unnamed)))
    session.unnamed = state.unnamed = statement


def _lose_unnamed(
    session: ClientSession, state: ServerState, number: int, former: Statement | None, there: object | None
) -> None:
    """Message `number` was to make another; skipped behind an error, it has left the former where it was."""
    failed_itself = session.unit.failed_at == number
    session.unnamed = None if failed_itself else former
    state.unnamed = None if failed_itself else there


# -- one message each ---------------------------------------------------------------------------------

Handler = Callable[["ClientSession", "ServerState", "ReplyReader", bytes, int, int, list[bytes]], None]


def _parse(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    data: bytes,
    start: int,
    end: int,
    out: list[bytes],
) -> None:
    name, sql, types = parse_names(data, start, end)
    name = name[:NAME_BYTES]
    unit = session.unit
    analysis = session.analyse(sql)
    text = sql
    source: bytes | None = None
    targets: tuple[Statement | None, ...] = ()
    if not analysis.plain:
        text = virtual.rewritten(session, sql, analysis)
        if virtual.names_statements(analysis):
            source, targets = sql, virtual.targets(session, analysis)
            _ensure_targets(session, state, reader, targets, out)
    if not name:
        statement = Statement(b"", text, types, analysis, source, targets)
        _keep_unnamed(session, state, statement)
        out.append(data[start:end] if text is sql else parse(b"", text, types))
        unit.messages += 1
        return
    known = session.names.get(name)
    if known is not None:
        # The server's own error (42P05), by preparing once more what is prepared there.
        unit.call(name, known)
        _ensure(session, state, reader, known, out)
        out.append(parse(known.name, text, types))
        unit.messages += 1
        return
    if session.tentative or session.unsure or text is not sql or source is not None:
        statement = prepared.private(text, types, analysis, source, targets)
    else:
        statement = prepared.interned(text, types, parse_context(session.settings), analysis)
    if not session.remember_name(name, statement):
        raise TooManyStatements
    refused = unit.status == FAILED_TRANSACTION and analysis.control not in _LEAVES_FAILED
    if state.has(statement) and not refused:
        session.answer += reader.insert(unit.messages, PARSE_COMPLETE)
        unit.undo.append((unit.messages - 1, partial(session.forget_name, name)))
        return
    unit.undo.append((unit.messages, partial(session.forget_name, name)))
    _prepare(session, state, statement, out)


def _prepare(session: ClientSession, state: ServerState, statement: Statement, out: list[bytes]) -> None:
    unit = session.unit
    state.add_prepared(statement)
    unit.undo.append((unit.messages, partial(state.remove_prepared, statement)))
    out.append(parse(statement.name, statement.sql, statement.types))
    unit.messages += 1


def _ensure(
    session: ClientSession, state: ServerState, reader: ReplyReader, statement: Statement, out: list[bytes]
) -> None:
    """The connection has the statement before the next message."""
    if not state.has(statement):
        if statement.targets:
            _ensure_targets(session, state, reader, statement.targets, out)
        reader.swallow(session.unit.messages)
        _prepare(session, state, statement, out)


def _ensure_unnamed(session: ClientSession, state: ServerState, reader: ReplyReader, out: list[bytes]) -> None:
    """The connection's unnamed statement is this session's; where that has none, it has none."""
    statement = session.unnamed
    if state.unnamed is statement:
        return
    unit = session.unit
    reader.swallow(unit.messages)
    unit.undo.append((unit.messages, partial(_lose_there, session, state, unit.messages, state.unnamed)))
    state.unnamed = statement
    unit.messages += 1
    if statement is None:
        out.append(close(STATEMENT, b""))
    else:
        out.append(parse(b"", statement.sql, statement.types))


def _lose_there(session: ClientSession, state: ServerState, number: int, there: object | None) -> None:
    """The client's unnamed statement is not on the connection after all."""
    state.unnamed = None if session.unit.failed_at == number else there


def _ensure_targets(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    targets: tuple[Statement | None, ...],
    out: list[bytes],
) -> None:
    """EXECUTE or DEALLOCATE as a text names statements of the protocol: they are to be there."""
    for statement in targets:
        if statement is not None and not state.has(statement):
            reader.swallow(session.unit.messages)
            _prepare(session, state, statement, out)


def _aimed(session: ClientSession, name: bytes, statement: Statement) -> Statement:
    """With the statements that its text names as they are now: the client may have given these names anew."""
    if statement.source is None:
        return statement
    analysis = statement.analysis
    targets = virtual.targets(session, analysis)
    if targets == statement.targets:
        return statement
    text = virtual.rewritten(session, statement.source, analysis)
    if name:
        found = prepared.private(text, statement.types, analysis, statement.source, targets)
        session.names[name] = found
    else:
        found = session.unnamed = Statement(b"", text, statement.types, analysis, statement.source, targets)
    return found


def _bind(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    data: bytes,
    start: int,
    end: int,
    out: list[bytes],
) -> None:
    out.append(bound(session, state, reader, data, start, end, out) + data[session.unit.bind_rest : end])


def bound(
    session: ClientSession, state: ServerState, reader: ReplyReader, data: bytes, start: int, end: int, out: list[bytes]
) -> bytes:
    """The head of a Bind under the server's name, of which the rest begins at `unit.bind_rest` in `data`.

    `end` may be where the data end, of one that has not come whole.
    """
    portal, name, _ = bind_names(data, start, end)
    unit = session.unit
    head, unit.bind_rest = b"", start
    statement: Statement | None
    if name:
        statement = session.names.get(name[:NAME_BYTES])
        if statement is not None:
            unit.call(name[:NAME_BYTES], statement)
            statement = _aimed(session, name[:NAME_BYTES], statement)
            _ensure(session, state, reader, statement, out)
            head, unit.bind_rest = rename_bind(data, start, end, statement.name)
    else:
        if session.unnamed is not None:
            _aimed(session, b"", session.unnamed)
        _ensure_unnamed(session, state, reader, out)
        statement = session.unnamed
    if statement is not None:
        session.portals[portal] = statement
        if statement.targets:
            _ensure_targets(session, state, reader, statement.targets, out)
        if name:
            unit.bound[unit.messages] = statement
    else:
        session.portals.pop(portal, None)
    unit.messages += 1
    return head


def _describe(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    data: bytes,
    start: int,
    end: int,
    out: list[bytes],
) -> None:
    kind, name = target(data, start, end)
    message = data[start:end]
    if kind == STATEMENT and name:
        statement = session.names.get(name[:NAME_BYTES])
        if statement is not None:
            statement = _aimed(session, name[:NAME_BYTES], statement)
            _ensure(session, state, reader, statement, out)
            message = rename_target(data, start, end, statement.name)
    elif kind == STATEMENT:
        _ensure_unnamed(session, state, reader, out)
    out.append(message)
    session.unit.messages += 1


def _execute(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    data: bytes,
    start: int,
    end: int,
    out: list[bytes],
) -> None:
    portal, _ = execute_portal(data, start, end)
    unit = session.unit
    statement = session.portals.get(portal)
    if statement is None:
        unit.reads = False  # a portal of which nothing is known: a cursor of DECLARE
    else:
        analysis = statement.analysis
        if analysis.flags & SEQUENCE_ASKED and not unit.writes and state.knows_strangers(session):
            _discard_sequences(session, state, reader, out)
        if statement.targets:
            _ensure_targets(session, state, reader, statement.targets, out)
            virtual.note_named(session, analysis, unit.messages, statement.targets)
        unit.note(analysis)
    out.append(data[start:end])
    unit.messages += 1


def _discard_sequences(session: ClientSession, state: ServerState, reader: ReplyReader, out: list[bytes]) -> None:
    """currval() would be another client's here; so it is the error that it is without an earlier nextval()."""
    session.asks_sequences = True
    state.discarded_sequences(session)
    _ensure(session, state, reader, _DISCARD_SEQUENCES, out)
    unit = session.unit
    for message in (bind(_DISCARD_SEQUENCES.name, _DISCARD_SEQUENCES.name), execute(_DISCARD_SEQUENCES.name)):
        reader.swallow(unit.messages)
        unit.messages += 1
        out.append(message)


def _close(
    session: ClientSession,
    state: ServerState,
    reader: ReplyReader,
    data: bytes,
    start: int,
    end: int,
    out: list[bytes],
) -> None:
    kind, name = target(data, start, end)
    unit = session.unit
    name = name[:NAME_BYTES]
    if kind == STATEMENT and name:
        statement = session.names.get(name)
        if statement is not None:
            session.forget_name(name)
            unit.call(name, statement)
            unit.undo.append((unit.messages - 1, partial(session.remember_name, name, statement)))
            session.answer += reader.insert(unit.messages, CLOSE_COMPLETE)
            return
        if session.held & PREPARED:  # it may be one that was prepared by text
            session.asks |= PREPARED
            unit.plain = False
    elif kind == STATEMENT:
        unit.undo.append((unit.messages, partial(_keep_former, session, state, session.unnamed, state.unnamed)))
        session.unnamed = state.unnamed = None
    elif kind == PORTAL:
        pass  # its name may be bound again, which is when its entry is replaced
    out.append(data[start:end])
    unit.messages += 1


def _keep_former(session: ClientSession, state: ServerState, former: Statement | None, there: object | None) -> None:
    """A Close was skipped: the client's unnamed statement is as it was, and so is the connection's, if it is that."""
    session.unnamed = former
    state.unnamed = there


_HANDLERS: Final[dict[int, Handler]] = {
    PARSE: _parse,
    BIND: _bind,
    DESCRIBE: _describe,
    EXECUTE: _execute,
    CLOSE: _close,
}
