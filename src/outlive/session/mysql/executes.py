"""COM_STMT_*: statements of a client's own ids on whichever server connection is leased.

A statement is prepared where it is needed, and its server-side ids are the connections' affair: towards the client it
keeps
the id it was given. PREPARE itself always goes to a server, so that errors and metadata are the database's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.mysql import local_answers, queries
from outlive.session.mysql.actions import ANSWER, FORWARD, SILENT, STREAM
from outlive.session.mysql.analysis import PLAIN_READ
from outlive.session.mysql.holds import LONG_DATA
from outlive.session.mysql.outcome import close_cursor
from outlive.session.mysql.prepared import ClientStatement, intern_statement
from outlive.session.mysql.server_state import ServerState
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_QUERY_ATTRIBUTES,
    COM_STMT_EXECUTE,
    ER_STMT_HAS_NO_OPEN_CURSOR,
    ER_UNKNOWN_STMT_HANDLER,
)
from outlive.wire.mysql.packets import packet as frame
from outlive.wire.mysql.reply import REPLY_FETCH, REPLY_OK, REPLY_PREPARE, REPLY_QUERY

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

LAST_PREPARED: Final = b"\xff\xff\xff\xff"
"""MariaDB: the statement prepared last, so that PREPARE and EXECUTE can be sent in one go."""
NO_REPLY: Final = -1
"""The `reply_kind` of a command that is not answered."""
_ID: Final = slice(5, 9)
_COMMAND: Final = 4
_FLAGS: Final = 9
_NULL_BITMAP: Final = 14
_PARAMETER_COUNT_AVAILABLE: Final = 0x08


def prepare(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_PREPARE."""
    text = packet[5:]
    analysis = session.analyse(text)
    if analysis.substitutions:
        text = queries.substituted(session, text, analysis, prepared=True)
        session.packet = frame(0, packet[4:5] + text)
    number = session.next_statement_id
    session.next_statement_id = number + 1 & 0x7FFFFFFF or 1
    statement = intern_statement(text, analysis, session.settings)
    session.statement = ClientStatement(statement, number.to_bytes(4, "little"))
    session.analysis = PLAIN_READ  # preparing does nothing of what the statement will do
    session.reply_kind = REPLY_PREPARE
    return FORWARD


def _handle(session: ClientSession, packet: bytes) -> ClientStatement | None:
    if len(packet) < 9:
        raise ProtocolError("a prepared statement's command without its id")
    name = packet[_ID]
    return session.last_prepared if name == LAST_PREPARED else session.statements.get(name)


def _unknown(session: ClientSession, packet: bytes, function: str) -> int:
    number = int.from_bytes(packet[_ID], "little")
    session.answer = local_answers.error(
        ER_UNKNOWN_STMT_HANDLER, b"HY000", f"Unknown prepared statement handler ({number}) given to {function}"
    )
    return ANSWER


def execute(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_EXECUTE."""
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, session.function("mysqld_stmt_execute", "mysql_stmt_execute"))
    session.statement = handle
    session.analysis = handle.statement.analysis
    session.reply_kind = REPLY_QUERY
    return FORWARD


def fetch(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_FETCH: more rows of an open cursor, which holds the connection."""
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, session.function("mysqld_stmt_fetch", "mysql_stmt_fetch"))
    if not handle.cursor_open:
        number = int.from_bytes(packet[_ID], "little")
        session.answer = local_answers.error(
            ER_STMT_HAS_NO_OPEN_CURSOR, b"HY000", f"The statement ({number}) has no open cursor."
        )
        return ANSWER
    session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, REPLY_FETCH
    return FORWARD


def reset(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_RESET: ends a cursor and forgets long data; where there is neither, nothing is to be done at a
    server.
    """
    handle = _handle(session, packet)
    if handle is None:
        return _unknown(session, packet, session.function("mysqld_stmt_reset", "mysql_stmt_reset"))
    if handle.cursor_open or handle.long_data:
        session.statement, session.analysis, session.reply_kind = handle, PLAIN_READ, REPLY_OK
        return FORWARD
    session.answer = local_answers.ok(session)
    return ANSWER


def close(session: ClientSession, packet: bytes) -> int:
    """COM_STMT_CLOSE, which has no answer. The statement stays prepared at the servers, for the next who wants it."""
    handle = _handle(session, packet)
    if handle is None:
        return SILENT
    session.statements.pop(handle.id_bytes, None)
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
    """The command with the server's id for the client's, and with the parameter types this server connection lacks."""
    handle = session.statement
    assert handle is not None
    prepared = state.prepared[handle.statement]
    state.prepared.move_to_end(handle.statement)
    if packet[_COMMAND] == COM_STMT_EXECUTE:
        count = handle.statement.parameters
        if session.capabilities & CLIENT_QUERY_ATTRIBUTES and packet[_FLAGS] & _PARAMETER_COUNT_AVAILABLE:
            return packet[:5] + prepared.id_bytes + packet[9:]  # such a client always sends the types (and names)
        if count:
            bound = _NULL_BITMAP + (count + 7) // 8
            if len(packet) <= bound:
                raise ProtocolError("an execution without its parameters")
            if packet[bound]:
                handle.types = prepared.types = packet[bound + 1 : bound + 1 + 2 * count]
            elif handle.types is not None and prepared.types != handle.types:
                prepared.types = handle.types
                body = packet[4:5] + prepared.id_bytes + packet[9:bound] + b"\x01" + handle.types + packet[bound + 1 :]
                return frame(0, body)
    return packet[:5] + prepared.id_bytes + packet[9:]


def forget(session: ClientSession, handle: ClientStatement, state: ServerState) -> None:
    """COM_STMT_CLOSE of a statement with a cursor or long data went to the server: it is not prepared there any
    more.
    """
    state.prepared.pop(handle.statement, None)
    close_cursor(session, handle)
    if handle.long_data:
        handle.long_data = False
        session.holds.drop(LONG_DATA, handle.id_bytes)
