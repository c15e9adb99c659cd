"""The drivers, each as its users call it, behind one face for the tests."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiomysql
import asyncmy
import asyncpg
import MySQLdb
import pg8000.dbapi
import psycopg
import psycopg2
import pymysql
import redis
import redis.asyncio
import redis.asyncio.retry
import redis.backoff
import redis.retry

from outlive.function import recycled

from ..servers.database import APP, Account


@dataclass
class Driver:
    """`connect(host, port, account)` opens a connection, or returns what is to be awaited for one."""

    name: str
    database: str
    connect: Callable[[str, int, Account], Any]
    is_async: bool = False
    servers: dict[str, Any] = field(default_factory=dict)

    @property
    def server(self) -> Any:
        return self.servers[self.database]

    def factory(self, account: Account = APP, port: int | None = None) -> Callable[[], Any]:
        return lambda: self.connect(self.server.host, port or self.server.port, account)

    def recycled(self, **options: Any) -> Any:
        return recycled(self.factory(), **options)

    def run(self, body: Coroutine[Any, Any, Any]) -> Any:
        """An asyncio driver's on a loop of its own; of the others without any: nothing in it ever has to wait."""
        if self.is_async:
            return asyncio.run(body)
        try:
            body.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("a blocking driver's test awaited something")

    @asynccontextmanager
    async def use(self, database: "recycled[Any]", within: object = None) -> AsyncIterator[Any]:
        if self.is_async:
            async with database.connection(within) as connection:
                yield connection
        else:
            with database.connection(within) as connection:
                yield connection

    async def close(self, database: "recycled[Any]") -> None:
        if self.is_async:
            await database.aclose()
        else:
            database.close()

    async def ask(self, connection: Any, statement: str) -> Any:
        """The first column of the first row; for Redis the answer to a command."""
        if self.database == "redis":
            return await _awaited(connection.execute_command(*statement.split()))
        if self.name == "asyncpg":
            return await connection.fetchval(statement)
        cursor = await _awaited(connection.cursor())
        await _awaited(cursor.execute(statement))
        row = await _awaited(cursor.fetchone()) if cursor.description else None
        await _awaited(cursor.close())
        return row and row[0]

    async def number(self, connection: Any) -> int:
        """The server's number of the connection."""
        question = {
            "mariadb": "SELECT CONNECTION_ID()",
            "postgres": "SELECT pg_backend_pid()",
            "redis": "CLIENT ID",
        }
        return int(await self.ask(connection, question[self.database]))

    # What the server knows

    def connections(self) -> list[int]:
        if self.database == "redis":
            return list(self.server.clients())
        return list(self.server.connection_ids(APP.user))

    def kill(self, number: int) -> None:
        """Returns when it has ended."""
        if self.database == "redis":
            self.server.ask("CLIENT", "KILL", "ID", number)
        elif self.database == "mariadb":
            self.server.query(f"KILL {number}")
            self.server.wait_end(number)
        else:
            self.server.query(f"SELECT pg_terminate_backend({number}, 5000)")

    def in_transaction(self) -> int:
        """How many connections are, outside of any statement too."""
        if self.database == "mariadb":
            return int(self.server.query("SELECT COUNT(*) FROM information_schema.innodb_trx")[0][0])
        asked = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{APP.user}' AND xact_start IS NOT NULL"
        return int(self.server.query(asked)[0][0])


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) and not isinstance(value, redis.asyncio.Redis) else value


def _mysql(module: Any, host: str, port: int, account: Account) -> Any:
    database = "database" if module in (pymysql, MySQLdb) else "db"
    login = {"user": account.user, "password": account.password, database: "test"}
    return module.connect(host=host, port=port, connect_timeout=10, **login)


def _postgres(connect: Callable[..., Any], host: str, port: int, account: Account, database: str = "database") -> Any:
    return connect(host=host, port=port, user=account.user, password=account.password, **{database: "test"})


# Else it runs commands again by itself, writes as well.
_ONCE = redis.retry.Retry(redis.backoff.NoBackoff(), 0)


def _redis_async(host: str, port: int, _: Account) -> Any:
    once = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
    return redis.asyncio.Redis(host=host, port=port, retry=once)


DRIVERS = [
    Driver("pymysql", "mariadb", lambda *where: _mysql(pymysql, *where)),
    Driver("mysqlclient", "mariadb", lambda *where: _mysql(MySQLdb, *where)),
    Driver("asyncmy", "mariadb", lambda *where: _mysql(asyncmy, *where), is_async=True),
    Driver("aiomysql", "mariadb", lambda *where: _mysql(aiomysql, *where), is_async=True),
    Driver("psycopg", "postgres", lambda *where: _postgres(psycopg.connect, *where, database="dbname")),
    Driver(
        "psycopg-async",
        "postgres",
        lambda *where: _postgres(psycopg.AsyncConnection.connect, *where, database="dbname"),
        is_async=True,
    ),
    Driver("psycopg2", "postgres", lambda *where: _postgres(psycopg2.connect, *where)),
    Driver("pg8000", "postgres", lambda *where: _postgres(pg8000.dbapi.connect, *where)),
    Driver("asyncpg", "postgres", lambda *where: _postgres(asyncpg.connect, *where), is_async=True),
    Driver("redis", "redis", lambda host, port, _: redis.Redis(host=host, port=port, retry=_ONCE)),
    Driver("redis-async", "redis", lambda *where: _redis_async(*where), is_async=True),
]
