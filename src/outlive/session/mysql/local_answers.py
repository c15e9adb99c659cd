"""Answers that need no server: what the session itself knows.

Labels and types are as both servers give them (measured), so that a driver describes the result alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    MYSQL_TYPE_LONG,
    MYSQL_TYPE_LONGLONG,
    MYSQL_TYPE_VAR_STRING,
)
from outlive.wire.mysql.ok import ERR, OK, encode_eof, encode_ok
from outlive.wire.mysql.packets import packet
from outlive.wire.mysql.results import Column, text_result

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

_EOF_HEADER: Final = 0xFE
_NOT_NULL: Final = 1
_UNSIGNED: Final = 32
_LONGLONG_LENGTH: Final = 21
_TEXT_DECIMALS: Final = 31
_TEXT_DECIMALS_MARIADB: Final = 39

_LEVEL_CHARACTERS: Final = 7
_MESSAGE_CHARACTERS: Final = 512
_FOUND_ROWS_DEPRECATED: Final = (
    b"Warning",
    b"1287",
    b"FOUND_ROWS() is deprecated and will be removed in a future release. Consider using COUNT(*) instead.",
)


def ok(session: ClientSession, *, warnings: int = 0) -> bytes:
    """OK with the session's status."""
    session.affected_rows = 0
    return packet(1, encode_ok(OK(status=session.local_status(), warnings=warnings), session.capabilities))


def eof(session: ClientSession) -> bytes:
    """What COM_SET_OPTION answers: an EOF, or the OK in its place. ROW_COUNT() is -1 after it (both servers)."""
    session.affected_rows = -1
    status = session.local_status()
    if session.capabilities & CLIENT_DEPRECATE_EOF:
        return packet(1, encode_ok(OK(status=status), session.capabilities, _EOF_HEADER))
    return packet(1, encode_eof(status))


def error(code: int, sqlstate: bytes, message: str) -> bytes:
    """An ERR that ends the command and leaves the session as it was."""
    return packet(1, ERR(code, sqlstate, message.encode()).encode())


def row_count(session: ClientSession, label: bytes) -> bytes:
    """SELECT ROW_COUNT()."""
    return _number(session, Column(label, MYSQL_TYPE_LONGLONG, _NOT_NULL, _LONGLONG_LENGTH), session.affected_rows)


def found_rows(session: ClientSession, label: bytes) -> bytes:
    """SELECT FOUND_ROWS(). The caller leaves what it warns of: see `warnings_of_found_rows`."""
    column = Column(label, MYSQL_TYPE_LONGLONG, _NOT_NULL, _LONGLONG_LENGTH)
    return _number(session, column, session.found_rows, warnings=len(warnings_of_found_rows(session)))


def warnings_of_found_rows(session: ClientSession) -> list[tuple[bytes | None, ...]]:
    """What SELECT FOUND_ROWS() warns of."""
    return [_FOUND_ROWS_DEPRECATED] if session.facts.deprecates_found_rows else []


def connection_id(session: ClientSession, as_variable: bool, label: bytes) -> bytes:
    """SELECT CONNECTION_ID(), or @@pseudo_thread_id."""
    if as_variable:
        return variable(session, label, session.connection_id)
    kind, length = (MYSQL_TYPE_LONG, 10) if session.facts.mariadb else (MYSQL_TYPE_LONGLONG, _LONGLONG_LENGTH)
    return _number(session, Column(label, kind, _NOT_NULL | _UNSIGNED, length), session.connection_id)


def variable(session: ClientSession, label: bytes, value: int, *, binary: bool = False) -> bytes:
    """A system variable, which may be NULL as far as its type goes. Also SHOW COUNT(*) WARNINGS."""
    return _number(session, Column(label, MYSQL_TYPE_LONGLONG, _UNSIGNED, _LONGLONG_LENGTH), value, binary=binary)


def _number(session: ClientSession, column: Column, value: int, warnings: int = 0, *, binary: bool = False) -> bytes:
    """One row with one integer. As after any SELECT, ROW_COUNT() is -1 and FOUND_ROWS() 1 from here on."""
    session.affected_rows, session.found_rows = -1, 1
    return text_result(
        (column,),
        ((b"%d" % value,),),
        capabilities=session.capabilities,
        status=session.local_status(),
        warnings=warnings,
        binary=binary,
    )


def warnings(session: ClientSession, rows: list[tuple[bytes | None, ...]], *, binary: bool = False) -> bytes:
    """The rows of SHOW WARNINGS or SHOW ERRORS as captured. Neither clears what it shows."""
    session.affected_rows = -1
    mariadb = session.facts.mariadb
    collation = session.facts.result_collation(session.settings)
    size, decimals = collation.bytes_per_character, _TEXT_DECIMALS_MARIADB if mariadb else _TEXT_DECIMALS
    columns = (
        Column(b"Level", MYSQL_TYPE_VAR_STRING, _NOT_NULL, _LEVEL_CHARACTERS * size, collation.id, decimals),
        Column(b"Code", MYSQL_TYPE_LONG, _NOT_NULL | _UNSIGNED, 4 if mariadb else 5),
        Column(b"Message", MYSQL_TYPE_VAR_STRING, _NOT_NULL, _MESSAGE_CHARACTERS * size, collation.id, decimals),
    )
    status = session.local_status()
    return text_result(columns, rows, capabilities=session.capabilities, status=status, binary=binary)
