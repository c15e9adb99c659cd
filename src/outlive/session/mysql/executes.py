"""COM_STMT_*: statements of a client's own ids on whichever server connection is leased.

A statement is prepared where it is needed, and its server-side ids are the connections' affair: towards the client it
keeps the id it was given. PREPARE itself always goes to a server, so that errors and metadata are the database's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql import local_answers, queries
from outlive.session.mysql.actions import ANSWER, FORWARD, RELAY, SILENT, STREAM
from outlive.session.mysql.analysis import PLAIN_READ, WARNINGS
from outlive.session.mysql.holds import LONG_DATA
from outlive.session.mysql.outcome import close_cursor
from outlive.session.mysql.prepared import ClientStatement, intern_statement
from outlive.session.mysql.server_state import ServerState, ServerStatement, merged
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_QUERY_ATTRIBUTES,
    COM_STMT_EXECUTE,
    COM_STMT_SEND_LONG_DATA,
    ER_MAX_PREPARED_STMT_COUNT_REACHED,
    ER_STMT_HAS_NO_OPEN_CURSOR,
    ER_UNKNOWN_STMT_HANDLER,
)
from outlive.wire.mysql.packets import packet as frame
from outlive.wire.mysql.packets import read_lenenc_number
from outlive.wire.mysql.reply import REPLY_FETCH, REPLY_OK, REPLY_PREPARE, REPLY_QUERY
from outlive.wire.mysql.statements import parse_execute, rebind

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

LAST_PREPARED: Final = b"\xff\xff\xff\xff"
"""MariaDB: the statement prepared last, so that PREPARE and EXECUTE can be sent in one go."""
NO_REPLY: Final = -1
"""The `reply_kind` of a command that is not answered."""
_ID: Final = slice(5, 9)
_COMMAND: Final = 4
_NULL_BITMAP: Final = 14
"""Where the NULL bitmap of an execution begins, the packet's header included; behind it comes new_params_bound."""


def prepare(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_PREPARE."""
    text = packet[5:]
    analysis = session.analyse(text)
    # MariaDB: after a PREPARE that failed there is none, so that an EXECUTE sent behind it fails.
    session.last_prepared = None
    limits = session.limits
    if len(session.statements) >= limits.statements or session.statements_bytes + len(text) > limits.statements_bytes:
        session.answer = local_answers.error(
            ER_MAX_PREPARED_STMT_COUNT_REACHED,
            b"42000",
            f"Can't create more prepared statements: in Outlive a client has at most {limits.statements}, of"
            f" {limits.statements_bytes} bytes together (current value: {len(session.statements)})",
        )
        return ANSWER
    session.tableless = session.names_no_table(text) or bool(analysis.needs & WARNINGS)
    prepared = queries.prepared_text(session, text, analysis)
    if prepared is None:
        return ANSWER
    if prepared is not text:
        session.packet = frame(0, packet[4:5] + prepared)
    number = session.next_statement_id
    session.next_statement_id = number + 1 & 0x7FFFFFFF or 1
    statement = intern_statement(prepared, session.settings)
    session.statement = ClientStatement(statement, number.to_bytes(4, "little"), analysis)
    session.analysis = PLAIN_READ  # preparing does nothing of what the statement will do
    session.reply_kind = REPLY_PREPARE
    return FORWARD


def _handle(session: ClientSession, packet: bytes) -> ClientStatement | None:
    if len(packet) < 9:
        raise ProtocolError("a prepared statement's command without its id")
    name = packet[_ID]
    if name == LAST_PREPARED and session.facts.mariadb:
        return session.last_prepared
    return session.statements.get(name)


def _unknown(session: ClientSession, packet: bytes, mariadb_function: str) -> int:
    function = session.function("mysql_stmt_precheck", mariadb_function)
    number = int.from_bytes(packet[_ID], "little")
    session.answer = local_answers.error(
        ER_UNKNOWN_STMT_HANDLER, b"HY000", f"Unknown prepared statement handler ({number}) given to {function}"
    )
    return ANSWER


def execute(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_EXECUTE."""
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, "mysqld_stmt_execute")
    if handle.statement.parameters and not _binds_as_before(session, handle, packet):
        _read_types(session, handle, packet)
    analysis = session.analysis = handle.analysis
    session.reply_kind = REPLY_QUERY
    if not analysis.plain and queries.answer_prepared(session, analysis):
        return ANSWER
    session.statement = handle
    return RELAY if analysis.plain and not session.characteristics else FORWARD


def _binds_as_before(session: ClientSession, handle: ClientStatement, packet: bytes) -> bool:
    """The common case, in which nothing is to be remembered: no types, or the very ones that were bound before."""
    session.execution = None
    if handle.types is None or session.capabilities & CLIENT_QUERY_ATTRIBUTES:
        return False
    count = handle.statement.parameters
    at = _NULL_BITMAP + (count + 7 >> 3)
    if len(packet) <= at:
        return False
    return not packet[at] or packet[at + 1 : at + 1 + 2 * count] == handle.types


def _read_types(session: ClientSession, handle: ClientStatement, packet: bytes) -> None:
    """Remembers the types that are bound to the parameters, or sees to it that some were. Raises ProtocolError."""
    count = handle.statement.parameters
    attributes = bool(session.capabilities & CLIENT_QUERY_ATTRIBUTES)
    execution = session.execution = parse_execute(packet[4:], count, attributes)
    if execution.types_bound:
        types, kinds = (
            _without_attributes(execution.types, count) if attributes else (execution.types, execution.types[::2])
        )
        if types != handle.types:
            handle.types = types
            handle.signature = kinds if handle.signature is None else merged(handle.signature, kinds)
    elif handle.types is None:
        raise ProtocolError("an execution without types that were never bound")


def _without_attributes(types: bytes, count: int) -> tuple[bytes, bytes]:
    """The types of the parameters proper, with their names, and their kinds; query attributes come behind them."""
    kinds, position = bytearray(), 0
    for _ in range(count):
        kinds.append(types[position])
        length, position = read_lenenc_number(types, position + 2)
        position += length
    return types[:position], bytes(kinds)


def fetch(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_FETCH: more rows of an open cursor, which holds the connection."""
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, "mysqld_stmt_fetch")
    if not handle.cursor_open:
        number = int.from_bytes(packet[_ID], "little")
        session.answer = local_answers.error(
            ER_STMT_HAS_NO_OPEN_CURSOR,
            b"HY000",
            f"The statement ({number}) has no open cursor{session.function('.', '')}",
        )
        return ANSWER
    session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, REPLY_FETCH
    return FORWARD


def reset(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_RESET: ends a cursor and forgets long data;
    where there is neither, nothing is to be done at a server."""
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, "mysqld_stmt_reset")
    if handle.cursor_open or handle.long_data:
        session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, REPLY_OK
        return FORWARD
    session.raised = 0
    session.answer = local_answers.ok(session)
    return ANSWER


def close(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_CLOSE, which has no answer. The statement stays prepared at the servers, for the next who wants it."""
    handle = _handle(session, packet)
    if handle is None:
        return SILENT
    if session.statements.pop(handle.id_bytes, None) is not None:
        session.statements_bytes -= len(handle.statement.sql)
    if session.last_prepared is handle:
        session.last_prepared = None
    if not (handle.cursor_open or handle.long_data):
        return SILENT
    session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, NO_REPLY
    return STREAM


def send_long_data(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_SEND_LONG_DATA, which has no answer: streamed to a connection that is then held until the execution."""
    handle = _handle(session, packet)
    if handle is None:
        return SILENT  # the servers, too, say nothing here
    session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, NO_REPLY
    if not handle.long_data:
        handle.long_data = True
        session.holds.add(LONG_DATA, handle.id_bytes)
    return STREAM


def bind(session: ClientSession, packet: bytes, state: ServerState) -> bytes:
    """The command with the server's id for the client's, and with the parameter types this server connection lacks.

    `packet` may be the beginning of a longer one: then its header stays, although types were put in.
    """
    handle = session.statement
    assert handle is not None
    prepared = state.found(handle)
    assert prepared is not None
    if packet[_COMMAND] == COM_STMT_EXECUTE:
        return bind_to(session, packet, handle, prepared)
    session.used = prepared
    if packet[_COMMAND] == COM_STMT_SEND_LONG_DATA:
        state.keep_for(handle, prepared)
    return packet[:5] + prepared.id_bytes + packet[9:]


def bind_to(session: ClientSession, packet: bytes, handle: ClientStatement, prepared: ServerStatement) -> bytes:
    """`bind` for an execution of what is known to be prepared as this."""
    session.used = prepared
    types = handle.types
    if types is not None and prepared.types != types:
        assert handle.signature is not None
        prepared.bind(types, handle.signature)
        count = handle.statement.parameters
        execution = session.execution or parse_execute(
            packet[4:], count, bool(session.capabilities & CLIENT_QUERY_ATTRIBUTES)
        )
        if not execution.types_bound and execution.parameters == count:
            return _framed(packet, rebind(packet[4:5] + prepared.id_bytes + packet[9:], execution, types))
    elif types is not None and prepared.signature != handle.signature:
        assert handle.signature is not None
        prepared.bind(types, handle.signature)
    return packet[:5] + prepared.id_bytes + packet[9:]


def _framed(packet: bytes, body: bytes) -> bytes:
    whole = len(packet) - 4 == packet[0] | packet[1] << 8 | packet[2] << 16
    return frame(0, body) if whole else packet[:4] + body


def forget(session: ClientSession, handle: ClientStatement, state: ServerState) -> None:
    """COM_STMT_CLOSE of a statement with a cursor or long data went to the server, which has it no more."""
    state.private.pop(handle, None)
    close_cursor(session, handle)
    if handle.long_data:
        handle.long_data = False
        session.holds.drop(LONG_DATA, handle.id_bytes)
