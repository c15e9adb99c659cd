"""aiomysql and asyncmy: their own interfaces, many at once, and cancelled in the middle of a statement."""

import asyncio
from collections.abc import Callable
from types import ModuleType
from typing import Any

import aiomysql
import asyncmy
import pytest
from asyncmy.cursors import SSCursor

from .dbapi import EMOJI
from .target import Target


@pytest.fixture(params=[aiomysql, asyncmy], ids=["aiomysql", "asyncmy"])
def module(request: pytest.FixtureRequest) -> ModuleType:
    return request.param


def _options(target: Target, **options: Any) -> dict[str, Any]:
    account = target.account
    return {
        "host": target.host, "port": target.port, "user": account.user, "password": account.password,
        "db": target.database, "charset": "utf8mb4", **options,
    }  # fmt: skip


async def _do(connection: Any, statement: str, *parameters: Any) -> Any:
    async with connection.cursor() as cursor:
        await cursor.execute(statement, parameters or None)
        rows = await cursor.fetchall() if cursor.description else None
        return rows, cursor.rowcount, cursor.lastrowid if rows is None else None


def test_a_connection(module: ModuleType, compare: Callable[..., list[Any]]) -> None:
    async def work(target: Target) -> list[Any]:
        connection = await module.connect(**_options(target, autocommit=False))
        seen: list[Any] = []
        for statement in (
            "DROP TABLE IF EXISTS async_items",
            "CREATE TABLE async_items (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(99) UNIQUE)",
            "INSERT INTO async_items (t) VALUES ('a'), ('b')",
            "SELECT LAST_INSERT_ID(), ROW_COUNT(), @@autocommit",
            "SET @a = 5, @b = 'x'",
            "SELECT @a, @b",
            "INSERT IGNORE INTO async_items (t) VALUES ('a')",
            "SHOW WARNINGS",
        ):
            seen.append(await _do(connection, statement))
        seen.append(await _do(connection, "INSERT INTO async_items (t) VALUES (%s)", EMOJI))
        seen.append(await _do(connection, "SELECT t FROM async_items WHERE t = %s", EMOJI))
        await connection.rollback()
        seen.append(await _do(connection, "SELECT COUNT(*) FROM async_items"))
        for wrong in ("SELEC", "INSERT INTO async_items VALUES (1)", "SELECT * FROM no_such_table"):
            try:
                await _do(connection, wrong)
            except Exception as error:
                seen.append((type(error).__name__, error.args))
        await connection.ping()
        await connection.select_db("other")
        seen.append(await _do(connection, "SELECT DATABASE()"))
        async with connection.cursor(aiomysql.SSCursor if module is aiomysql else SSCursor) as cursor:
            await cursor.execute(
                "SELECT a.id FROM information_schema.collations a JOIN information_schema.collations b"
            )
            seen.append(len(await cursor.fetchall()))
        seen.append(await _do(connection, "DROP TABLE test.async_items"))
        await connection.ensure_closed()
        return seen

    compare(lambda target: asyncio.run(work(target)))


def test_many_at_once(module: ModuleType, compare: Callable[..., list[Any]]) -> None:
    async def work(target: Target) -> list[Any]:
        pool = await module.create_pool(**_options(target, minsize=5, maxsize=20, autocommit=True))

        async def one(number: int) -> Any:
            async with pool.acquire() as connection:
                await _do(connection, f"SET @mine = {number}")
                await connection.begin()
                await _do(connection, "SELECT 1")
                await connection.commit()
                ((found,),), _, _ = await _do(connection, f"SELECT CONCAT('client', {number}, '-', @mine)")
                return found

        found = await asyncio.gather(*(one(number) for number in range(100)))
        pool.close()
        await pool.wait_closed()
        return [found]

    compare(lambda target: asyncio.run(work(target)))


def test_cancelled(module: ModuleType, compare: Callable[..., list[Any]]) -> None:
    """The task is cancelled in the middle of its statement: the driver drops the connection, and the next one works."""

    async def work(target: Target) -> list[Any]:
        connection = await module.connect(**_options(target, autocommit=True))
        await connection.begin()
        await _do(connection, "SELECT 1")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_do(connection, "SELECT SLEEP(20)"), 0.3)
        connection.close()
        following = await module.connect(**_options(target, autocommit=True))
        found = await asyncio.wait_for(_do(following, "SELECT 'at once'"), 15)
        await following.ensure_closed()
        return [found]

    compare(lambda target: asyncio.run(work(target)))
