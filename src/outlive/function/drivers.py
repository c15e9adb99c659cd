"""What the drivers call things. None is imported: a connection is known by what it can do, an error by its code.

PyMySQL, mysqlclient, asyncmy, aiomysql, psycopg, psycopg2, asyncpg, pg8000, redis-py, and whatever has `rollback`,
`ping` or `close`. What an asyncio driver returns is for the caller to await.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any

# ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED; PostgreSQL's too_many_connections.
_FULL = (1040, 1203, 1226, "53300")
# libpq has no SQLSTATE for a failed login, asyncmy wraps what comes instead of a greeting, Redis has words only.
_FULL_WORDS = (
    "too many connections",
    "too many clients",
    "connection slots are reserved",
    "no more connections allowed",
    "max number of clients reached",
)


def is_full(error: BaseException) -> bool:
    """It was refused because there are too many connections already."""
    first = error.args[0] if error.args else None
    codes = [first.get("C") if isinstance(first, dict) else first]  # pg8000 has the fields of the message
    codes += [getattr(error, name, None) for name in ("sqlstate", "pgcode", "errno")]
    text = str(error).lower()
    return any(code in _FULL for code in codes) or any(words in text for words in _FULL_WORDS)


def is_of(error: BaseException | None, connection: object) -> bool:
    """It comes from the connection's driver or a socket, and not from the caller's own code."""
    known = (OSError, getattr(connection, "Error", OSError))
    return isinstance(error, known) or type(error).__module__.partition(".")[0] in _packages(connection)


def _packages(connection: object) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(connection).__mro__} - {"builtins", "typing"}


def is_closed(connection: Any) -> bool:
    """The driver knows that it is. False of drivers that cannot tell."""
    if callable(getattr(connection, "is_closed", None)):  # asyncpg
        return bool(connection.is_closed())
    for name, when in (("closed", True), ("open", False), ("connected", False)):
        value = getattr(connection, name, None)
        if isinstance(value, int):  # a bool, or the number of psycopg2 and mysqlclient
            return bool(value) is when
    return False


def opened(connection: Any) -> object:
    """redis-py connects at the first command: so that a refusal comes now, as one of connecting."""
    return connection.ping() if "redis" in _packages(connection) else None


def rollback(connection: Any) -> object:
    """End the transaction, if there is one. ConnectionError where only closing it does."""
    if hasattr(connection, "is_in_transaction"):  # asyncpg: its objects of transactions would not notice
        if connection.is_in_transaction():
            raise ConnectionError("left in a transaction")
        return None
    # Always: MySQL's error packets do not tell whether a transaction was begun, so a driver cannot know.
    return connection.rollback() if hasattr(connection, "rollback") else None


def ping(connection: Any) -> object:
    """One round trip; an error says that the connection is lost."""
    if hasattr(connection, "ping"):
        # By default some versions of these would connect anew, behind the back of who counts connections.
        may_reconnect = _packages(connection) & {"pymysql", "asyncmy", "aiomysql"}
        return connection.ping(reconnect=False) if may_reconnect else connection.ping()
    asked = None
    if hasattr(connection, "execute"):  # psycopg, asyncpg
        asked = connection.execute("SELECT 1")
        if hasattr(type(asked), "__await__"):
            return _then_rollback(asked, connection)
    elif hasattr(connection, "cursor"):
        connection.cursor().execute("SELECT 1")
    return rollback(connection)


async def _then_rollback(asked: Awaitable[object], connection: Any) -> None:
    await asked
    end: Any = rollback(connection)
    if hasattr(type(end), "__await__"):
        await end


def close(connection: Any, *, in_doubt: bool = False) -> object:
    """Say goodbye and close. `in_doubt`, where a reply may be on its way, without waiting for one."""
    for name in ("terminate",) if in_doubt else ("ensure_closed", "aclose"):
        if hasattr(connection, name):
            return getattr(connection, name)()
    return connection.close() if hasattr(connection, "close") else None


def abandon(connection: Any) -> None:
    """Let go of what another process still uses, without a word to the server.

    mysqlclient sends COM_QUIT when the object is collected, which would end the other's session: what is written to
    this process's copy of the socket from now on goes nowhere.
    """
    number = _fileno(connection)
    if number is not None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, number, inheritable=False)
        os.close(nowhere)


def has_input(connection: Any) -> bool:
    """Something came that nobody asked for: most likely the server's farewell."""
    number = _fileno(connection)
    if number is None:
        return False
    import select

    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))


def limit_silence(connection: Any, milliseconds: int) -> int:
    """A peer that acknowledges nothing for so long is lost (TCP_USER_TIMEOUT, tcp(7)). Returns what it was.

    Without it, a blocking ping of one that vanished takes a quarter of an hour.
    """
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
    """The number of its socket, where the driver tells."""
    try:
        number = (getattr(connection, "_sock", None) or connection).fileno()  # PyMySQL has no method for it
    except Exception:
        return None
    return number if isinstance(number, int) and number >= 0 else None
