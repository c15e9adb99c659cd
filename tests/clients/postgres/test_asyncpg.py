"""asyncpg: its cache of prepared statements, transactions, cursors, COPY, notifications, timeouts, and its pool."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from .dbapi import TEXT
from .target import Target

Compare = Callable[..., list[Any]]


def _options(target: Target) -> dict[str, Any]:
    account = target.account
    return {
        "host": target.host,
        "port": target.port,
        "user": account.user,
        "password": account.password,
        "database": target.database,
        "timeout": 20,
    }


@pytest.fixture
def compare_async(compare: Compare) -> Callable[[Callable[[Target], Awaitable[list[Any]]]], None]:
    def run(scenario: Callable[[Target], Awaitable[list[Any]]]) -> None:
        async def whole(target: Target) -> list[Any]:
            return await scenario(target)

        compare(lambda target: asyncio.run(whole(target)))

    return run


CompareAsync = Callable[[Callable[[Target], Awaitable[list[Any]]]], None]


async def _attempt(seen: list[Any], awaitable: Awaitable[Any]) -> None:
    try:
        seen.append(await awaitable)
    except asyncpg.PostgresError as error:
        seen.append((type(error).__name__, error.sqlstate, str(error), error.as_dict().get("position")))


def test_a_connection(compare_async: CompareAsync) -> None:
    async def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = await asyncpg.connect(
            **_options(target), server_settings={"application_name": "asyncpg", "jit": "off"}
        )
        settings = connection.get_settings()
        seen.append(
            [getattr(settings, name, None) for name in ("application_name", "TimeZone", "DateStyle", "client_encoding")]
        )
        await connection.execute("DROP TABLE IF EXISTS async_items")
        await connection.execute(
            "CREATE TABLE async_items (id serial PRIMARY KEY, t text UNIQUE, n numeric, a int[], j jsonb)"
        )
        insert = "INSERT INTO async_items (t, n, a, j) VALUES ($1, $2, $3, $4) RETURNING id"
        for n in range(30):
            await _attempt(seen, connection.fetchval(insert, f"{n} {TEXT}", n, [n, None], "{}"))
        await _attempt(
            seen,
            connection.execute("INSERT INTO async_items (t) SELECT 'x' || i FROM generate_series(1, 10) i; SELECT 1"),
        )
        for statement, *arguments in (
            ("SELECT count(*), sum(n) FROM async_items WHERE id > $1", 3),
            ("SELECT * FROM async_items WHERE t = $1", f"3 {TEXT}"),
            ("SELECT no_such_column FROM async_items",),
            ("INSERT INTO async_items (t) VALUES ($1)", "x1"),
            ("SELECT 1/$1::int", 0),
            ("SELECT current_setting('application_name'), current_setting('jit')",),
            ("SELECT $1::int8[], $2::timestamptz::text, $3::bytea", [1, 2], None, b"\0\xff"),
            ("SELECT 'one' AS a, 'two' AS a, NULL",),
        ):
            await _attempt(seen, connection.fetch(statement, *arguments))
        prepared = await connection.prepare("SELECT t FROM async_items WHERE id < $1 ORDER BY id")
        seen += [[(p.name, p.kind) for p in prepared.get_parameters()], [a.name for a in prepared.get_attributes()]]
        for limit in range(6):
            seen.append(await prepared.fetch(limit))
        await connection.executemany("INSERT INTO async_items (t) VALUES ($1)", [(f"many {n}",) for n in range(2000)])
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.executemany("INSERT INTO async_items (t) VALUES ($1)", [("unique",), ("many 1",)])
        seen.append(await connection.fetchval("SELECT count(*) FROM async_items"))
        seen.append(
            await connection.fetchmany(insert, [("fetched", 1, [], "1"), ("too", 2, [], "2")])
            if hasattr(connection, "fetchmany")
            else None
        )
        await connection.execute("DROP TABLE async_items")
        await connection.close()
        return seen

    compare_async(scenario)


def test_transactions_and_cursors(compare_async: CompareAsync) -> None:
    async def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = await asyncpg.connect(**_options(target))
        await connection.execute("DROP TABLE IF EXISTS async_rows; CREATE TABLE async_rows (n int)")
        async with connection.transaction(isolation="serializable"):
            await connection.execute("INSERT INTO async_rows SELECT generate_series(1, 300)")
            with pytest.raises(asyncpg.DivisionByZeroError):
                async with connection.transaction():
                    await connection.execute("DELETE FROM async_rows")
                    await connection.fetch("SELECT 1/0")
            seen.append(await connection.fetchval("SELECT count(*) FROM async_rows"))
            total = 0
            async for row in connection.cursor("SELECT n FROM async_rows ORDER BY n", prefetch=17):
                total += row["n"]
            cursor = await connection.cursor("SELECT n FROM async_rows WHERE n > $1 ORDER BY n", 100)
            seen += [total, await cursor.fetch(5), await cursor.forward(50), await cursor.fetchrow()]
            prepared = await connection.prepare("SELECT n FROM async_rows WHERE n < $1 ORDER BY n")
            seen.append([row["n"] async for row in prepared.cursor(9, prefetch=3)])
        with pytest.raises(asyncpg.NoActiveSQLTransactionError):
            await connection.execute("SAVEPOINT nowhere")
        with pytest.raises(asyncpg.NoActiveSQLTransactionError):
            await connection.cursor("SELECT 1")
        transaction = connection.transaction(readonly=True)
        await transaction.start()
        await _attempt(seen, connection.execute("DELETE FROM async_rows"))
        await _attempt(seen, connection.execute("SELECT 1"))
        await transaction.rollback()
        await _attempt(seen, connection.fetchval("SELECT count(*) FROM async_rows"))
        await connection.execute("DROP TABLE async_rows")
        await connection.close()
        return seen

    compare_async(scenario)


def test_copy(compare_async: CompareAsync) -> None:
    async def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = await asyncpg.connect(**_options(target))
        await connection.execute("DROP TABLE IF EXISTS async_copied; CREATE TABLE async_copied (n int, t text)")
        records = [(n, f"row {n} {TEXT}") for n in range(20_000)]
        seen.append(await connection.copy_records_to_table("async_copied", records=records))
        seen.append(await connection.copy_to_table("async_copied", source=io.BytesIO(b"1\tx\n2\ty\n"), format="text"))
        await _attempt(
            seen, connection.copy_to_table("async_copied", source=io.BytesIO(b"1\tx\nz\ty\n"), format="text")
        )
        out = io.BytesIO()
        seen.append(
            await connection.copy_from_query("SELECT * FROM async_copied WHERE n > $1 ORDER BY n, t", 10, output=out)
        )
        seen.append(len(out.getvalue()))
        await _attempt(
            seen, connection.copy_from_query("SELECT 1/(5 - n) FROM async_copied ORDER BY n", output=io.BytesIO())
        )
        seen.append(await connection.fetchval("SELECT count(*) FROM async_copied"))
        await connection.execute("DROP TABLE async_copied")
        await connection.close()
        return seen

    compare_async(scenario)


def test_changing_tables(compare_async: CompareAsync) -> None:
    """asyncpg caches statements and parses anew where the server says that a plan went stale."""

    async def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = await asyncpg.connect(**_options(target))
        await connection.execute("DROP TABLE IF EXISTS async_changing; CREATE TABLE async_changing (a int)")
        await connection.execute("INSERT INTO async_changing VALUES (1)")
        for change in ("ADD b text DEFAULT 'b'", "ALTER a TYPE text", "DROP b", "RENAME a TO c"):
            for _ in range(3):
                await _attempt(seen, connection.fetch("SELECT * FROM async_changing"))
            await connection.execute(f"ALTER TABLE async_changing {change}")
            async with connection.transaction():
                await _attempt(seen, connection.fetch("SELECT * FROM async_changing"))
        await _attempt(seen, connection.fetch("SELECT a FROM async_changing"))
        await connection.execute("DROP TABLE async_changing")
        await _attempt(seen, connection.fetch("SELECT * FROM async_changing"))
        await connection.execute("DROP TYPE IF EXISTS mood; CREATE TYPE mood AS ENUM ('sad', 'ok')")
        await _attempt(seen, connection.fetch("SELECT 'ok'::mood, ARRAY['sad']::mood[]"))
        await connection.execute("DROP TYPE mood; CREATE TYPE mood AS ENUM ('good', 'ok')")
        await connection.reload_schema_state()
        await _attempt(seen, connection.fetch("SELECT 'ok'::mood, ARRAY['good']::mood[]"))
        await connection.execute("DROP TYPE mood")
        await connection.close()
        return seen

    compare_async(scenario)


def test_timeouts_and_notifications(compare_async: CompareAsync) -> None:
    async def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = await asyncpg.connect(**_options(target))
        with pytest.raises(TimeoutError):
            await connection.fetch("SELECT pg_sleep(20)", timeout=0.3)
        await _attempt(seen, connection.fetch("SELECT 'alive'"))
        sleeping = asyncio.create_task(connection.fetch("SELECT pg_sleep(20)"))
        await asyncio.sleep(0.3)
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        await _attempt(seen, connection.fetch("SELECT 'alive again'"))
        heard: asyncio.Queue[Any] = asyncio.Queue()
        await connection.add_listener("async", lambda _, pid, channel, payload: heard.put_nowait((channel, payload)))
        await connection.execute("NOTIFY async, 'one'; NOTIFY async, 'two'")
        seen += [await asyncio.wait_for(heard.get(), 5), await asyncio.wait_for(heard.get(), 5)]
        notices: list[str] = []
        connection.add_log_listener(lambda _, message: notices.append(str(message)))
        await connection.execute("DO $$ BEGIN RAISE NOTICE 'noted'; END $$")
        await connection.reset()
        seen += [notices, await connection.fetchval("SELECT count(*) FROM pg_listening_channels()")]
        await connection.close()
        return seen

    compare_async(scenario)


def test_its_pool(compare_async: CompareAsync) -> None:
    """A hundred tasks on twenty of its connections; each is reset when it is given back."""

    async def scenario(target: Target) -> list[Any]:
        async def one(number: int) -> Any:
            async with pool.acquire() as connection:
                before = await connection.fetchval("SELECT current_setting('app.mine', true)")
                await connection.execute(f"SET app.mine = '{number}'")
                async with connection.transaction():
                    await connection.execute("SELECT 1")
                mine = await connection.fetchval("SELECT current_setting('app.mine') || $1::text", "!")
                return before in (None, ""), mine == f"{number}!"

        async with asyncpg.create_pool(
            **_options(target), min_size=5, max_size=20, max_queries=50, server_settings={"application_name": "pooled"}
        ) as pool:
            found = await asyncio.gather(*(one(number) for number in range(150)))
            name = await pool.fetchval("SELECT current_setting('application_name')")
        return [found.count((True, True)), name]

    compare_async(scenario)
