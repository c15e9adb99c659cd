"""MySQL and MariaDB: functions with aiomysql, and what the process list counts.

Not with asyncmy: with many connections opened and closed at a time its compiled code ends the process now and then.
"""

import asyncio
import ssl
import threading
import warnings
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

import aiomysql  # type: ignore[import-untyped]

from outlive.storm.errors import ScenarioError
from outlive.storm.plan import Target
from outlive.storm.protocol import Backend, Connection, Driver, Observer, WrongAnswerError
from outlive.storm.statements import ITEMS, statements_of, values

# ER_CON_COUNT_ERROR; ER_TOO_MANY_USER_CONNECTIONS (max_user_connections of an account); ER_USER_LIMIT_REACHED.
_FULL = frozenset({1040, 1203, 1226})

_DROP = "DROP TABLE IF EXISTS {0}orders, {0}stock"
_TABLES = (
    _DROP,
    # `function` is a reserved word of some versions.
    "CREATE TABLE {0}orders (`function` int, turn int, PRIMARY KEY (`function`, turn)) ENGINE=InnoDB",
    "CREATE TABLE {0}stock (item int PRIMARY KEY, amount int) ENGINE=InnoDB",
)
_STOCK_AT_ONCE = 1000
# One value for all numbers: a row each would cost the observer more than the database. A user without the privilege
# PROCESS sees its own connections, and the functions and proxies log in as the same user.
_PROCESSES = (
    "SELECT GROUP_CONCAT(id) FROM {}.processlist WHERE id <> CONNECTION_ID() AND user NOT IN "
    "('system user', 'event_scheduler')"
)
# MySQL's own since 8.0.22, where it is on; asking the other costs a warning there, and every thread a lock.
_TELLS_PROCESSES = (
    "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'performance_schema' AND "
    "table_name = 'processlist' AND @@performance_schema"
)
_T = TypeVar("_T")
# It passes every warning of the server on, also those of which nobody has to know.
warnings.filterwarnings("ignore", category=aiomysql.Warning)
_TRANSACTIONS = "SELECT GROUP_CONCAT(trx_mysql_thread_id) FROM information_schema.innodb_trx"


class _Connection:
    ended = False

    def __init__(self, connection: Any, tables: str) -> None:
        self._connection = connection
        # aiomysql has no parameters that the server knows of.
        self._statements = statements_of("mysql", tables, lambda name: f"%({name})s")
        self.number: int = connection.thread_id()

    @property
    def endpoint(self) -> tuple[str, int]:
        name = self._connection._writer.get_extra_info("sockname")
        return str(name[0]), int(name[1])

    async def request(self, function: int, turn: int, database_s: float = 0.0) -> None:
        given = values(function, turn, database_s)
        async with self._connection.cursor() as cursor:
            await cursor.execute("BEGIN")
            await cursor.execute(self._statements.insert, given)
            await cursor.execute(self._statements.select, given)
            answer = await cursor.fetchone()
            await cursor.execute("COMMIT")
        if answer is None or answer[:2] != (function, 1):
            raise WrongAnswerError

    async def leave_open(self, function: int) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.execute("BEGIN")
            await cursor.execute(self._statements.update, values(function))

    async def close(self) -> None:
        await self._connection.ensure_closed()


class _Driver:
    async def connect(self, target: Target) -> Connection:
        return _Connection(await _connect(target), target.tables)

    def is_full(self, error: BaseException) -> bool:
        return _number(error) in _FULL

    def code(self, error: BaseException) -> str:
        return str(_number(error) or type(error).__name__)


class _Observer:
    """Its methods may be called on any thread; one at a time gets through."""

    def __init__(self, target: Target, owner: str) -> None:
        self._tables = target.tables
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._sees_transactions = True
        try:
            self._connection = self._run(_connect(target))
            # A table that a dead function's transaction uses must not be waited for for a day.
            self._query("SET SESSION group_concat_max_len = 1048576, lock_wait_timeout = 20, sql_notes = 0")
        except (aiomysql.MySQLError, OSError) as error:
            self._loop.close()
            raise ScenarioError(f"The database does not let the observer in: {_sentence(error)}") from None
        self.number: int = self._connection.thread_id()
        schema = "performance_schema" if self._query(_TELLS_PROCESSES) else "information_schema"
        self._processes = _PROCESSES.format(schema)

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        with self._lock:
            return self._loop.run_until_complete(work)

    def _query(self, statement: str) -> Any:
        """The first value of the first row, if there is one."""
        return self._run(self._value(statement))

    async def _value(self, statement: str) -> Any:
        async with self._connection.cursor() as cursor:
            await cursor.execute(statement)
            row = await cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    @property
    def version(self) -> str:
        version = str(self._query("SELECT VERSION()"))
        return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {version.split('-', maxsplit=1)[0]}"

    def prepare(self) -> None:
        try:
            for statement in _TABLES:
                self._query(statement.format(self._tables))
            for first in range(0, ITEMS, _STOCK_AT_ONCE):
                rows = ",".join(f"({item},1000)" for item in range(first, first + _STOCK_AT_ONCE))
                self._query(f"INSERT INTO {self._tables}stock VALUES {rows}")
        except aiomysql.MySQLError as error:
            raise ScenarioError(f"The tables of the storm cannot be made: {_sentence(error)}") from None

    def remove(self) -> None:
        self._query(_DROP.format(self._tables))

    def limit(self) -> int:
        return int(self._query("SELECT @@max_connections"))

    def reserved(self) -> int:
        return 0  # the one for administrators comes on top of max_connections

    def ping(self) -> None:
        self._query("DO 0")

    def look(self) -> list[Backend]:
        busy = self._transactions()
        numbers = _numbers(self._query(self._processes))
        return [Backend("", 0, None if busy is None else number in busy, number) for number in numbers]

    def _transactions(self) -> set[int] | None:
        if self._sees_transactions:
            try:
                return set(_numbers(self._query(_TRANSACTIONS)))
            except aiomysql.MySQLError:
                self._sees_transactions = False  # needs the privilege PROCESS
        return None

    def end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            try:
                self._query(f"KILL {number}")
            except aiomysql.MySQLError:
                continue  # it has ended, or is not this user's to end

    def close(self) -> None:
        if not self._loop.is_closed():
            self._run(self._connection.ensure_closed())
            self._loop.close()


async def _connect(target: Target) -> Any:
    return await aiomysql.connect(
        host=target.host,
        port=target.port,
        user=target.user,
        password=target.password,
        db=target.database,
        autocommit=True,
        connect_timeout=10,
        ssl=_tls(target),
    )


def _tls(target: Target) -> ssl.SSLContext | None:
    if target.tls == "disabled":
        return None
    context = ssl.create_default_context(cafile=target.tls_ca)
    context.check_hostname = target.tls == "verify-identity"
    if target.tls == "required":
        context.verify_mode = ssl.CERT_NONE
    if target.tls_cert is not None:
        context.load_cert_chain(target.tls_cert, target.tls_key)
    return context


def _number(error: BaseException) -> int:
    first = error.args[0] if error.args else None
    return first if isinstance(first, int) and isinstance(error, aiomysql.MySQLError) else 0


def _numbers(text: Any) -> list[int]:
    if isinstance(text, bytes):
        text = text.decode()
    return [int(number) for number in str(text).split(",")] if text else []


def _sentence(error: BaseException) -> str:
    """The server's or driver's words in one line; neither quotes a password."""
    return " ".join(str(error.args[-1] if error.args else type(error).__name__).split())


def driver() -> Driver:
    """aiomysql."""
    return _Driver()


def observer(target: Target, owner: str) -> Observer:
    """Any user that may make tables. Its connection has to be there before the database is full. `owner` is not needed:
    tables belong to nobody.
    """
    return _Observer(target, owner)
