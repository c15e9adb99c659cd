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

WARNING_COLUMNS: Final = (
    Column(b"Level", MYSQL_TYPE_VAR_STRING, _NOT_NULL, 28),
    Column(b"Code", MYSQL_TYPE_LONG, _NOT_NULL | _UNSIGNED, 4),
    Column(b"Message", MYSQL_TYPE_VAR_STRING, _NOT_NULL, 2048),
)


def ok(session: ClientSession) -> bytes:
    """OK with the session's status."""
    session.affected_rows = 0
    return packet(1, encode_ok(OK(status=session.local_status()), session.capabilities))


def eof(session: ClientSession) -> bytes:
    """What COM_SET_OPTION answers: an EOF, or the OK in its place."""
    status = session.local_status()
    if session.capabilities & CLIENT_DEPRECATE_EOF:
        return packet(1, encode_ok(OK(status=status), session.capabilities, _EOF_HEADER))
    return packet(1, encode_eof(status))


def error(code: int, sqlstate: bytes, message: str) -> bytes:
    """An ERR that ends the command and leaves the session as it was."""
    return packet(1, ERR(code, sqlstate, message.encode()).encode())


def number(session: ClientSession, label: bytes, value: int, *, unsigned: bool = False) -> bytes:
    """One row with one integer. As after any SELECT, ROW_COUNT() is -1 and FOUND_ROWS() 1 from here on."""
    session.affected_rows, session.found_rows = -1, 1
    column = Column(label, MYSQL_TYPE_LONGLONG, _NOT_NULL | (_UNSIGNED if unsigned else 0), 21)
    return text_result((column,), ((b"%d" % value,),), capabilities=session.capabilities, status=session.local_status())


def warnings(session: ClientSession, rows: list[tuple[bytes | None, ...]]) -> bytes:
    """The rows of SHOW WARNINGS or SHOW ERRORS as captured. Neither clears what it shows."""
    return text_result(WARNING_COLUMNS, rows, capabilities=session.capabilities, status=session.local_status())
