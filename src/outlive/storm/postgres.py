"""PostgreSQL: functions with psycopg, and what pg_stat_activity counts."""

import socket

import psycopg
from psycopg import sql

from outlive.storm.plan import Target
from outlive.storm.protocol import ITEMS, Backend, Connection, Driver, Observer, WrongAnswerError

_TOO_MANY_CONNECTIONS = "53300"
# libpq gives no SQLSTATE for errors at the login. These are PostgreSQL's words for that one, and Outlive's.
_WORDS = ("too many clients", "remaining connection slots", "too many connections")

_TABLES = (
    "DROP TABLE IF EXISTS orders, stock",
    "CREATE TABLE orders (function int, turn int, PRIMARY KEY (function, turn))",
    "CREATE TABLE stock (item int PRIMARY KEY, amount int)",
    f"INSERT INTO stock SELECT item, 1000 FROM generate_series(0, {ITEMS - 1}) item",
)
# `xact_start` is there for as long as a transaction is open. A connection counts from its first moment, also before
# its login is through.
_ACTIVITY = """
SELECT host(client_addr), client_port, xact_start IS NOT NULL FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class _Connection:
    def __init__(self, connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> None:
        self._connection = connection
        with socket.socket(fileno=connection.pgconn.socket) as own:
            name = own.getsockname()
            own.detach()  # it is libpq's
        self.endpoint = (str(name[0]), int(name[1]))

    async def request(self, function: int, turn: int) -> None:
        async with self._connection.transaction():
            await self._connection.execute("INSERT INTO orders VALUES (%s, %s)", (function, turn))
            cursor = await self._connection.execute(
                "SELECT %s::int, count(*) FROM orders WHERE function = %s AND turn = %s", (function, function, turn)
            )
            answer = await cursor.fetchone()
        if answer != (function, 1):
            raise WrongAnswerError

    async def leave_open(self, function: int) -> None:
        await self._connection.execute("BEGIN")
        await self._connection.execute("UPDATE stock SET amount = amount - 1 WHERE item = %s", (function % ITEMS,))


class _Driver:
    async def connect(self, target: Target) -> Connection:
        connection = await psycopg.AsyncConnection.connect(
            host=target.host,
            port=target.port,
            user=target.user,
            password=target.password,
            dbname=target.database,
            sslmode="disable",  # nothing leaves this machine
            autocommit=True,
        )
        return _Connection(connection)

    def is_full(self, error: BaseException) -> bool:
        return self.code(error) == _TOO_MANY_CONNECTIONS

    def code(self, error: BaseException) -> str:
        if isinstance(error, psycopg.Error) and error.sqlstate is not None:
            return error.sqlstate
        return _TOO_MANY_CONNECTIONS if any(words in str(error) for words in _WORDS) else type(error).__name__


class _Observer:
    def __init__(self, target: Target, owner: str) -> None:
        self._owner = owner
        self._connection = psycopg.connect(
            host=target.host,
            port=target.port,
            user=target.user,
            password=target.password,
            dbname=target.database,
            sslmode="disable",
            autocommit=True,
            application_name="outlive observer",
        )

    @property
    def version(self) -> str:
        return f"PostgreSQL {(self._connection.info.parameter_status('server_version') or '').split()[0]}"

    def prepare(self) -> None:
        self._connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(self._owner)))
        for statement in _TABLES:
            self._connection.execute(statement)
        self._connection.execute("RESET ROLE")

    def limit(self) -> int:
        row = self._connection.execute("SELECT current_setting('max_connections')::int").fetchone()
        assert row is not None
        return int(row[0])

    def look(self) -> list[Backend]:
        rows = self._connection.execute(_ACTIVITY).fetchall()
        return [Backend(address or "", port or 0, in_transaction) for address, port, in_transaction in rows]

    def close(self) -> None:
        self._connection.close()


def driver() -> Driver:
    """psycopg, asynchronous."""
    return _Driver()


def observer(target: Target, owner: str) -> Observer:
    """A superuser: of PostgreSQL's connections some are reserved for it (superuser_reserved_connections)."""
    return _Observer(target, owner)
