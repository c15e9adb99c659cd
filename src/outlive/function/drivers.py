"""What the drivers call things. None is imported."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED; too_many_connections.
_FULL = (1040, 1203, 1226, "53300")
# libpq has no SQLSTATE for a failed login, Redis no codes.
_FULL_WORDS = (
    "too many connections",
    "too many clients",
    "connection slots are reserved",
    "no more connections allowed",
    "max number of clients reached",
)


def is_full(error: BaseException) -> bool:
    first = error.args[0] if error.args else None
    codes = [first.get("C") if isinstance(first, dict) else first]  # pg8000 has the fields of the message
    codes += [getattr(error, name, None) for name in ("sqlstate", "pgcode", "errno")]
    text = str(error).lower()
    return any(code in _FULL for code in codes) or any(words in text for words in _FULL_WORDS)


def is_of(error: BaseException | None, connection: object) -> bool:
    """From the connection's driver or a socket, not the caller's own code."""
    if error is None or type(error).__module__.partition(".")[0] in _packages(connection):
        return error is not None
    return isinstance(error, (OSError, getattr(connection, "Error", OSError)))  # aiomysql has PyMySQL's errors


def is_amid(error: BaseException | None, connection: Any) -> bool:
    """A reply may come: pg8000 overlooks a signal's error; psycopg waits for a half-read stream (PQTRANS_ACTIVE)."""
    trace = error.__traceback__ if error and "pg8000" in _packages(connection) else None
    while trace and not trace.tb_frame.f_globals["__name__"].startswith("pg8000"):
        trace = trace.tb_next
    return bool(trace) or getattr(getattr(connection, "pgconn", None), "transaction_status", 0) == 1


def _packages(connection: object) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(connection).__mro__} - {"builtins", "typing"}


def is_closed(connection: Any) -> bool:
    """False where the driver cannot tell."""
    if callable(getattr(connection, "is_closed", None)):  # asyncpg
        return bool(connection.is_closed())
    for name, when in (("closed", True), ("open", False), ("connected", False)):
        value = getattr(connection, name, None)
        if isinstance(value, int):  # a bool, or the number of psycopg2 and mysqlclient
            return bool(value) is when
    return False


def opened(connection: Any) -> object:
    """redis-py connects at its first command."""
    return connection.ping() if "redis" in _packages(connection) else None


def rollback(connection: Any) -> object:
    """ConnectionError where only closing it ends the transaction."""
    if hasattr(connection, "is_in_transaction"):  # asyncpg: its objects of transactions would not notice
        if connection.is_in_transaction():
            raise ConnectionError("left in a transaction")
        return None
    # Always: MySQL's error packets do not tell whether a transaction was begun.
    return connection.rollback() if hasattr(connection, "rollback") else None


def ping(connection: Any) -> object:
    """It may begin a transaction."""
    if hasattr(connection, "ping"):
        # Some versions would connect anew, unseen.
        may_reconnect = _packages(connection) & {"pymysql", "asyncmy", "aiomysql"}
        return connection.ping(reconnect=False) if may_reconnect else connection.ping()
    asked = connection if hasattr(connection, "execute") else getattr(connection, "cursor", lambda: None)()
    return asked.execute("SELECT 1") if asked else None


def close(connection: Any, *, in_doubt: bool = False) -> object:
    """`in_doubt`, where a reply may be on its way: without waiting for it."""
    for name in ("terminate" if in_doubt else "ensure_closed", "aclose"):
        if hasattr(connection, name):
            return getattr(connection, name)()
    return connection.close() if hasattr(connection, "close") else None


def abandon(connection: Any) -> None:
    """Let nothing that is said here (mysqlclient's COM_QUIT) reach the server: another process uses it still."""
    number = _fileno(connection)
    if number is not None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, number, inheritable=False)
        os.close(nowhere)


def has_input(connection: Any) -> bool:
    """Something came unasked: most likely the server's farewell."""
    number = _fileno(connection)
    if number is None:
        return False
    import select

    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def limit_silence(connection: Any, milliseconds: int) -> int:
    """For how long a peer may acknowledge nothing (tcp(7)). Returns what it was."""
    import socket

    try:
        with socket.socket(fileno=os.dup(_fileno(connection))) as same:  # type: ignore[arg-type]
            option = (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            before = same.getsockopt(*option)
            same.setsockopt(*option, milliseconds)
            return before
    except (AttributeError, OSError, TypeError):  # no Linux, no TCP, or its number is not known
        return 0


def _fileno(connection: Any) -> int | None:
    try:
        number = (getattr(connection, "_sock", None) or connection).fileno()  # PyMySQL has no method for it
    except Exception:
        return None
    return number if isinstance(number, int) and number >= 0 else None
