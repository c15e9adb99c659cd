"""psycopg 3: the DB-API's parts, pipelines, server-side cursors, COPY, prepared statements, its pool, and asyncio."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent import futures
from typing import Any, cast

import psycopg
import pytest
from psycopg import pq, sql
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from .dbapi import PARTS, TEXT, Driver
from .rival import rival
from .target import Target

Compare = Callable[..., list[Any]]


class Psycopg(Driver):
    name = "psycopg"
    module = psycopg

    def connect(self, target: Target, **options: Any) -> Any:
        return connect(target, **options)

    def cancel(self, connection: Any) -> None:
        connection.cancel_safe()


class Binary(Psycopg):
    """Results and parameters in binary, every statement prepared at once."""

    name = "binary"

    def connect(self, target: Target, **options: Any) -> Any:
        return connect(target, prepare_threshold=0, cursor_factory=psycopg.RawCursor, **options)


class ClientCursor(Psycopg):
    """Parameters put into the text by the driver: the simple protocol."""

    name = "client side"

    def connect(self, target: Target, **options: Any) -> Any:
        return connect(target, cursor_factory=psycopg.ClientCursor, **options)


class Eager(Psycopg):
    """Every statement is prepared, and few are kept."""

    name = "eager"

    def connect(self, target: Target, **options: Any) -> Any:
        connection = connect(target, prepare_threshold=0, **options)
        connection.prepared_max = 5
        return connection


def connect(target: Target, **options: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(**{**cast("dict[str, Any]", target.conninfo), **options})


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
@pytest.mark.parametrize("driver", [Psycopg(), ClientCursor(), Eager()], ids=lambda driver: driver.name)
def test_dbapi(driver: Driver, part: Callable[[Any, Target], list[Any]], compare: Compare) -> None:
    compare(lambda target: part(driver, target))


def test_told(compare: Compare) -> None:
    """ParameterStatus, notices, notifications, and where an error stands in the text."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        with connect(target, autocommit=True, application_name="told", options="-c work_mem=6MB -c app.who=me") as one:
            one.add_notice_handler(
                lambda notice: seen.append((notice.severity, notice.sqlstate, notice.message_primary))
            )
            one.add_notify_handler(lambda notify: seen.append((notify.channel, notify.payload)))
            names = (
                "server_version", "server_encoding", "client_encoding", "is_superuser", "session_authorization", "DateStyle",
                "IntervalStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings", "application_name",
                "default_transaction_read_only", "in_hot_standby", "search_path", "scram_iterations",
            )  # fmt: skip
            for statement in (
                "SELECT current_setting('work_mem'), current_setting('app.who')", "SET timezone = 'Europe/Berlin'", "SET datestyle = 'German'",
                "SET application_name = 'renamed'", "BEGIN", "SET timezone = 'America/Lima'", "ROLLBACK", "SET search_path = rival", "RESET ALL",
                "DROP TABLE IF EXISTS never_there", "DO $$ BEGIN RAISE WARNING 'careful %', 7; END $$", "LISTEN told", "SELECT 1",
                "NOTIFY told, 'self'", "UNLISTEN told", "SELECT current_setting('work_mem'), current_setting('app.who')", "SET client_encoding = 'SQL_ASCII'", "DISCARD ALL",
            ):  # fmt: skip
                one.execute(statement)
                seen.append((statement, [one.info.parameter_status(name) for name in names]))
            for statement in (
                "SELECT 'é', no_such_column",
                "SELECT 1; SELECT 2; SELECT 1/0; SELECT 3",
                "CREATE TABLE a (b no_such_type)",
            ):
                with pytest.raises(psycopg.Error) as failed:
                    one.execute(cast("Any", statement))
                diag = failed.value.diag
                seen.append(
                    [getattr(diag, name) for name in dir(diag) if name[:2] in ("se", "sq", "me", "st", "co", "so")]
                )
        return seen

    compare(scenario)


def test_pipeline(compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        with connect(target, autocommit=True) as one:
            one.execute("DROP TABLE IF EXISTS piped")
            one.execute("CREATE TABLE piped (id int PRIMARY KEY, t text)")
            for prepare in (None, True):
                with one.pipeline() as pipeline:
                    cursors = [
                        one.execute("SELECT %s::int AS n, %s AS t", (n, f"t{n}"), prepare=prepare) for n in range(40)
                    ]
                    one.execute("INSERT INTO piped VALUES (%s, %s)", (int(prepare is None), TEXT), prepare=prepare)
                    pipeline.sync()
                seen += [cursor.fetchall() for cursor in cursors]
                with pytest.raises(psycopg.errors.DivisionByZero), one.pipeline():
                    one.execute("SELECT 1/0", prepare=prepare)
                    one.execute("SELECT 'skipped'", prepare=prepare)
                seen.append(one.execute("SELECT 'after the error', count(*) FROM piped", prepare=prepare).fetchall())
            with pytest.raises(psycopg.errors.UniqueViolation), one.pipeline():
                one.execute("INSERT INTO piped VALUES (10, 'undone with the next')")
                one.execute("INSERT INTO piped VALUES (1, 'there already')")
                one.execute("INSERT INTO piped VALUES (11, 'skipped')")
            seen.append(one.execute("SELECT id FROM piped ORDER BY id").fetchall())
            with one.pipeline(), one.transaction():
                one.execute("INSERT INTO piped VALUES (20, 'committed')")
                with contextlib.suppress(psycopg.Error), one.transaction():
                    one.execute("INSERT INTO piped VALUES (21, 'rolled back to the savepoint')")
                    one.execute("SELECT 1/0")
                one.execute("INSERT INTO piped VALUES (22, 'committed')")
            cursor = one.cursor()
            cursor.executemany(
                "INSERT INTO piped VALUES (%s, %s) RETURNING id", [(n, str(n)) for n in range(100, 160)], returning=True
            )
            found = [cursor.fetchone()]
            while cursor.nextset():
                found.append(cursor.fetchone())
            seen += [found, one.execute("SELECT id FROM piped ORDER BY id").fetchall()]
            one.execute("DROP TABLE piped")
        return seen

    compare(scenario)


def test_cursors(compare: Compare) -> None:
    """Server-side cursors, held and scrolled; rows streamed one by one and in chunks."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        with connect(target) as one:
            with one.cursor("named") as named:
                named.itersize = 70
                named.execute("SELECT generate_series(1, %s)", (500,))
                seen.append(sum(row[0] for row in named))
            with one.cursor("scrolled", scrollable=True) as scrolled:
                scrolled.execute("SELECT generate_series(1, 100)")
                seen.append(scrolled.fetchmany(10))
                scrolled.scroll(-5)
                seen.append(scrolled.fetchmany(3))
                scrolled.scroll(50, "absolute")
                seen.append(scrolled.fetchone())
            with one.cursor("held", withhold=True) as held:
                held.execute("SELECT generate_series(1, 20)")
                seen.append(held.fetchmany(3))
                one.commit()
                seen.append(held.fetchall())
            one.commit()
            cursor = one.cursor()
            seen.append(sum(row[0] for row in cursor.stream("SELECT generate_series(1, 3000)")))
            with contextlib.suppress(psycopg.NotSupportedError):
                seen.append(sum(row[0] for row in cursor.stream("SELECT generate_series(1, 3000)", size=100)))
            for row in cursor.stream("SELECT generate_series(1, 100000)"):
                if row[0] == 10:
                    break  # the driver cancels the rest, or reads it
            one.rollback()
            seen.append(one.execute("SELECT 'goes on'").fetchall())
            with one.cursor(binary=True) as binary:
                seen.append(binary.execute("SELECT 1::int8, now() > %s, %s::text", ("2020-01-01", TEXT)).fetchall())
        return seen

    compare(scenario)


def test_copy(compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        with connect(target, autocommit=True) as one:
            one.execute("DROP TABLE IF EXISTS copied")
            one.execute("CREATE TABLE copied (n int, t text)")
            cursor = one.cursor()
            with cursor.copy("COPY copied FROM STDIN") as copy:
                for n in range(20_000):
                    copy.write_row((n, f"row {n} {TEXT}"))
            seen.append(cursor.rowcount)
            with cursor.copy("COPY copied (n) FROM STDIN (FORMAT binary)") as copy:
                copy.set_types(["int4"])
                for n in range(100):
                    copy.write_row((n,))
            with pytest.raises(psycopg.Error) as broken, cursor.copy("COPY copied FROM STDIN") as copy:
                copy.write("1\tfine\nnot a number\tx\n")
            seen.append((broken.value.sqlstate, str(broken.value)))
            with pytest.raises(RuntimeError), cursor.copy("COPY copied FROM STDIN") as copy:
                copy.write("1\tgiven up\n")
                raise RuntimeError
            with pytest.raises(psycopg.Error) as broken:
                cursor.copy("COPY no_such_table FROM STDIN").__enter__()
            seen.append(str(broken.value))
            seen.append(one.execute("SELECT count(*), sum(n), sum(length(t)) FROM copied").fetchall())
            with cursor.copy("COPY (SELECT * FROM copied ORDER BY n, t) TO STDOUT") as copy:
                seen.append(sum(len(bytes(block)) for block in copy))
            with cursor.copy(sql.SQL("COPY (SELECT n FROM copied WHERE n < %s) TO STDOUT"), (5,)) as copy:
                seen.append(list(copy.rows()))
            with (
                cursor.copy("COPY (SELECT 1/(10000 - n) FROM copied ORDER BY n) TO STDOUT") as copy,
                contextlib.suppress(psycopg.Error),
            ):
                seen.append(len(list(copy)))
            seen.append(one.execute("SELECT 'goes on'").fetchall())
            one.execute("DROP TABLE copied")
        return seen

    compare(scenario)


def test_pool_and_threads(compare: Compare) -> None:
    """Twenty connections of its pool on one of the server: as many settings and prepared statements as clients."""

    def scenario(target: Target) -> list[Any]:
        def work(number: int) -> Any:
            with pool.connection() as one:
                one.execute("SELECT set_config('app.mine', %s, false)", (str(number),))
                one.commit()
                with one.transaction():
                    one.execute("SELECT 1")
                found = one.execute("SELECT current_setting('app.mine'), %s", (number,), prepare=True).fetchone()
                return found, number

        options = {**cast("dict[str, Any]", target.conninfo), "prepare_threshold": 1}
        with ConnectionPool(
            kwargs=options, min_size=8, max_size=20, reset=_discard, check=ConnectionPool.check_connection
        ) as pool:
            pool.wait()
            with futures.ThreadPoolExecutor(16) as threads:
                found = list(threads.map(work, range(120)))
        assert all(answer == (str(number), number) for answer, number in found)
        return [len(found)]

    compare(scenario)


def _discard(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("RESET ALL")


def test_two_phases(compare: Compare) -> None:
    """The driver's words of two-phase commits, which the servers of the tests refuse; and its transactions' nesting."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        with connect(target) as one:
            one.tpc_begin("id")
            one.execute("SELECT 1")
            with pytest.raises(psycopg.Error) as refused:
                one.tpc_prepare()
            seen.append(refused.value.sqlstate)
            one.close()
        with connect(target, autocommit=True) as one:
            with one.transaction() as outer:
                one.execute("SET LOCAL work_mem = '3MB'")
                with pytest.raises(psycopg.Error), one.transaction():
                    one.execute("SET work_mem = '4MB'")
                    one.execute("SELECT 1/0")
                seen.append(one.execute("SHOW work_mem").fetchone())
                with one.transaction():
                    one.execute("SET work_mem = '7MB'")
                raise psycopg.Rollback(outer)
            seen.append((one.execute("SHOW work_mem").fetchone(), one.info.transaction_status.name))
            with one.transaction():
                one.execute("SET work_mem = '9MB'")
                with contextlib.suppress(psycopg.Error), one.transaction():
                    one.execute("RESET work_mem")
                    raise psycopg.Rollback
            seen.append(one.execute("SHOW work_mem").fetchone())
            with one.transaction(), one.transaction():
                one.execute("RESET work_mem")
            seen.append(one.execute("SHOW work_mem").fetchone())
        return seen

    compare(scenario)


def test_asyncio(compare: Compare) -> None:
    async def work(target: Target) -> list[Any]:
        seen: list[Any] = []
        options = cast("dict[str, Any]", target.conninfo)
        connection = await psycopg.AsyncConnection.connect(**options, autocommit=True)
        async with connection.pipeline():
            cursors = [await connection.execute("SELECT %s::int", (n,)) for n in range(50)]
        seen.append([await cursor.fetchone() for cursor in cursors])
        sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(20)"))
        await asyncio.sleep(0.3)
        await connection.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            await sleeping
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connection.execute("SELECT pg_sleep(20)"), 0.3)  # the driver cancels it
        seen.append(await (await connection.execute("SELECT 'alive'")).fetchall())
        await connection.execute("LISTEN async")
        async with await psycopg.AsyncConnection.connect(**options, autocommit=True) as other:
            if target.is_direct:  # through, the listener holds the only connection
                await other.execute("NOTIFY async, 'one'")
            else:
                await connection.execute("NOTIFY async, 'one'")
        async for notify in connection.notifies(timeout=5, stop_after=1):
            seen.append((notify.channel, notify.payload))
        await connection.execute("UNLISTEN *")
        await connection.close()
        async with AsyncConnectionPool(kwargs=options, min_size=4, max_size=15, open=False) as pool:

            async def one(number: int) -> Any:
                async with pool.connection() as connection, connection.transaction():
                    await connection.execute(sql.SQL("SET LOCAL app.mine = {}").format(number))
                    cursor = await connection.execute("SELECT current_setting('app.mine')::int = %s", (number,))
                    return (await cursor.fetchone(),)

            seen.append(await asyncio.gather(*(one(number) for number in range(100))))
        return seen

    compare(lambda target: asyncio.run(work(target)))


def test_libpq_modes(compare: Compare, through: Target) -> None:
    """libpq's own calls: row by row, what is prepared and described, portals, and a Parse that waits for its Bind."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        conninfo = " ".join(f"{name}={value}" for name, value in target.conninfo.items()).encode()
        pg = pq.PGconn.connect(conninfo)
        seen.append(pg.status)

        def note(result: Any) -> None:
            rows = [[result.get_value(r, c) for c in range(result.nfields)] for r in range(result.ntuples)]
            seen.append((pq.ExecStatus(result.status).name, result.command_status, rows, result.error_message[:60]))

        note(pg.prepare(b"s1", b"SELECT $1::int + $2::int AS sum"))
        note(pg.exec_(b"SELECT 'between', count(*) FROM pg_prepared_statements WHERE from_sql"))
        described = pg.describe_prepared(b"s1")
        seen.append((described.nparams, described.param_type(0), described.fname(0), described.ftype(0)))
        for n in range(3):
            note(pg.exec_prepared(b"s1", [b"%d" % n, b"5"]))
        note(pg.prepare(b"s1", b"SELECT 1"))
        note(pg.exec_prepared(b"unknown", []))
        note(pg.prepare(b"", b"SELECT $1::text AS unnamed"))
        note(pg.exec_prepared(b"", [b"kept between units"]))
        note(pg.exec_params(b"SELECT $1::int4, $2", [b"\0\0\0\5", b"t"], [23, 25], [1, 0], 1))
        note(pg.describe_portal(b"no_such_portal"))
        note(pg.exec_(b"BEGIN"))
        note(pg.exec_(b"DECLARE c CURSOR FOR SELECT generate_series(1, 4)"))
        described = pg.describe_portal(b"c")
        seen.append((described.fname(0), described.ftype(0)))
        note(pg.exec_(b"FETCH 2 FROM c; FETCH 1 FROM c"))
        note(pg.exec_(b"ROLLBACK"))
        note(pg.exec_(b""))
        note(pg.exec_params(b"", []))
        note(pg.exec_(b"DEALLOCATE s1"))
        note(pg.exec_prepared(b"s1", [b"1", b"2"]))
        if hasattr(pg, "close_prepared") and pq.version() >= 170000:
            note(pg.prepare(b"s2", b"SELECT 2"))
            note(pg.close_prepared(b"s2"))
            note(pg.exec_prepared(b"s2", []))
        pg.finish()
        return seen

    # psycopg's describe and close keep Python's lock while they wait (3.3, measured).
    compare(scenario, rival(through, transactions=False))
