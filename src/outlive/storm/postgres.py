"""PostgreSQL: functions with psycopg, and what pg_stat_activity counts."""

import socket
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from outlive.storm.errors import ScenarioError
from outlive.storm.plan import Target
from outlive.storm.protocol import Backend, Connection, Driver, Observer, WrongAnswerError
from outlive.storm.statements import ITEMS, statements_of, values

_TOO_MANY_CONNECTIONS = "53300"
# libpq gives no SQLSTATE for errors at the login. These are PostgreSQL's words for that one, and Outlive's.
_WORDS = ("too many clients", "remaining connection slots", "too many connections")

_DROP = "DROP TABLE IF EXISTS {0}orders, {0}stock"
_TABLES = (
    _DROP,
    "CREATE TABLE {0}orders (function int, turn int, PRIMARY KEY (function, turn))",
    "CREATE TABLE {0}stock (item int PRIMARY KEY, amount int)",
    f"INSERT INTO {{0}}stock SELECT item, 1000 FROM generate_series(0, {ITEMS - 1}) item",
)
_SSLMODES = {"disabled": "disable", "required": "require", "verify-ca": "verify-ca", "verify-identity": "verify-full"}
# `xact_start` is there for as long as a transaction is open. A connection counts from its first moment, also before
# its login is through.
_ACTIVITY = """
SELECT host(client_addr), client_port, xact_start IS NOT NULL, pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class _Connection:
    ended = False

    def __init__(self, connection: "psycopg.AsyncConnection[tuple[object, ...]]", tables: str) -> None:
        self._connection = connection
        self._statements = statements_of("postgresql", tables, lambda name: f"%({name})s")
        self.number = connection.info.backend_pid
        with socket.socket(fileno=connection.pgconn.socket) as own:
            name = own.getsockname()
            own.detach()  # it is libpq's
        self.endpoint = (str(name[0]), int(name[1]))

    async def request(self, function: int, turn: int, database_s: float = 0.0) -> None:
        given = values(function, turn, database_s)
        async with self._connection.transaction():
            await self._connection.execute(sql.SQL(self._statements.insert), given)
            cursor = await self._connection.execute(sql.SQL(self._statements.select), given)
            answer = await cursor.fetchone()
        if answer is None or answer[:2] != (function, 1):
            raise WrongAnswerError

    async def leave_open(self, function: int) -> None:
        await self._connection.execute("BEGIN")
        await self._connection.execute(sql.SQL(self._statements.update), values(function))

    async def close(self) -> None:
        await self._connection.close()


class _Driver:
    async def connect(self, target: Target) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            **_login(target),
            autocommit=True,
            # A pooler by transactions may not know a connection's prepared statements.
            prepare_threshold=None,
            application_name="function",
        )
        return _Connection(connection, target.tables)

    def is_full(self, error: BaseException) -> bool:
        return self.code(error) == _TOO_MANY_CONNECTIONS

    def code(self, error: BaseException) -> str:
        if isinstance(error, psycopg.Error) and error.sqlstate is not None:
            return error.sqlstate
        return _TOO_MANY_CONNECTIONS if any(words in str(error) for words in _WORDS) else type(error).__name__


class _Observer:
    def __init__(self, target: Target, owner: str) -> None:
        self._owner = owner
        self._tables = target.tables
        try:
            self._connection = psycopg.connect(
                **_login(target), autocommit=True, connect_timeout=10, application_name="outlive observer"
            )
            # A table that a dead function's transaction uses must not be waited for for ever.
            self._connection.execute("SET lock_timeout = '20s'")
        except psycopg.Error as error:
            raise ScenarioError(f"The database does not let the observer in: {_sentence(error)}") from None

    @property
    def version(self) -> str:
        return f"PostgreSQL {(self._connection.info.parameter_status('server_version') or '').split()[0]}"

    @property
    def number(self) -> int:
        return self._connection.info.backend_pid

    def prepare(self) -> None:
        if self._owner:
            self._connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._owner)))
        try:
            for statement in _TABLES:
                self._connection.execute(sql.SQL(statement.format(self._tables)))
        except psycopg.Error as error:
            raise ScenarioError(f"The tables of the storm cannot be made: {_sentence(error)}") from None
        if self._owner:
            self._connection.execute("RESET ROLE")

    def remove(self) -> None:
        self._connection.execute(sql.SQL(_DROP.format(self._tables)))

    def limit(self) -> int:
        return self._setting("max_connections")

    def reserved(self) -> int:
        return self._setting("superuser_reserved_connections") + self._setting("reserved_connections")

    def _setting(self, name: str) -> int:
        row = self._connection.execute("SELECT coalesce(current_setting(%s, true), '0')::int", (name,)).fetchone()
        assert row is not None
        return int(row[0])

    def ping(self) -> None:
        self._connection.execute("SELECT 1")

    def look(self) -> list[Backend]:
        rows = self._connection.execute(_ACTIVITY).fetchall()
        return [Backend(address or "", port or 0, bool(open_), pid) for address, port, open_, pid in rows]

    def end(self, numbers: Iterable[int]) -> None:
        # Of other users' connections this user may not end any, and the function says so by an error.
        self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s) AND pid <> pg_backend_pid() "
            "AND usename = current_user",
            (list(numbers),),
        )

    def close(self) -> None:
        self._connection.close()


def _login(target: Target) -> dict[str, Any]:
    files = {"sslrootcert": target.tls_ca, "sslcert": target.tls_cert, "sslkey": target.tls_key}
    return {
        "host": target.host,
        "port": target.port,
        "user": target.user,
        "password": target.password,
        "dbname": target.database,
        "sslmode": _SSLMODES[target.tls],
        **{name: file for name, file in files.items() if file is not None},
    }


def _sentence(error: psycopg.Error) -> str:
    """The server's or libpq's words in one line; neither quotes a password."""
    return " ".join(str(error).split())


def driver() -> Driver:
    """psycopg, asynchronous."""
    return _Driver()


def observer(target: Target, owner: str) -> Observer:
    """At its best a superuser: of PostgreSQL's connections some are reserved for it (superuser_reserved_connections).
    Any other user's connection has to be there before the database is full.
    """
    return _Observer(target, owner)
