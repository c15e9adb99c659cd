"""psycopg2: the DB-API's parts, named cursors, COPY, large objects by FunctionCall, notifications, its own waiting."""

from __future__ import annotations

import io
import select
from collections.abc import Callable
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
import pytest

from .dbapi import PARTS, TEXT, Driver
from .target import Target

Compare = Callable[..., list[Any]]


class Psycopg2(Driver):
    name = "psycopg2"
    module = psycopg2

    def connect(self, target: Target, *, autocommit: bool = False, **options: Any) -> Any:
        connection = psycopg2.connect(**{**target.conninfo, **options})
        connection.autocommit = autocommit
        return connection

    def code(self, error: Any) -> Any:
        return error.pgcode


DRIVER = Psycopg2()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_dbapi(part: Callable[[Any, Target], list[Any]], compare: Compare) -> None:
    compare(lambda target: part(DRIVER, target))


def test_cursors_and_copy(compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = DRIVER.connect(target)
        cursor = connection.cursor()
        cursor.execute("DROP TABLE IF EXISTS copied2")
        cursor.execute("CREATE TABLE copied2 (n int, t text)")
        rows = "".join(f"{n}\trow {n}\n" for n in range(30_000))
        cursor.copy_expert("COPY copied2 FROM STDIN", io.StringIO(rows))
        out = io.StringIO()
        cursor.copy_to(out, "copied2")
        seen.append(out.getvalue() == rows)
        with pytest.raises(psycopg2.Error) as broken:
            cursor.copy_from(io.StringIO("1\tx\nz\ty\n"), "copied2")
        seen.append((broken.value.pgcode, str(broken.value)))
        connection.rollback()
        seen.append(connection.get_transaction_status())
        cursor.execute("CREATE TABLE copied2 AS SELECT n, 't' AS t FROM generate_series(1, 700) n")
        with connection.cursor("named") as named:
            named.itersize = 100
            named.execute("SELECT n FROM copied2 ORDER BY n")
            seen.append(sum(row[0] for row in named))
        with connection.cursor("held", withhold=True, scrollable=True) as held:
            held.execute("SELECT n FROM copied2 ORDER BY n")
            connection.commit()
            held.scroll(10)
            seen.append(held.fetchmany(3))
        connection.commit()
        psycopg2.extras.execute_values(
            cursor, "INSERT INTO copied2 VALUES %s", [(n, TEXT) for n in range(500)], page_size=100
        )
        psycopg2.extras.execute_batch(
            cursor, "UPDATE copied2 SET t = %s WHERE n = %s", [(str(n), n) for n in range(200)]
        )
        cursor.execute("SELECT count(*), sum(length(t)) FROM copied2")
        seen.append(cursor.fetchall())
        cursor.execute("DROP TABLE copied2")
        connection.commit()
        connection.close()
        return seen

    compare(scenario)


def test_large_objects(compare: Compare) -> None:
    """libpq's lo_ functions are FunctionCalls."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = DRIVER.connect(target)
        large = connection.lobject(0, "wb")
        oid = large.oid
        data = bytes(range(256)) * 2000
        large.write(data)
        large.close()
        connection.commit()
        large = connection.lobject(oid, "rb")
        seen.append(large.read() == data)
        seen += [large.seek(100), large.tell(), large.read(5)]
        large.close()
        connection.commit()
        large = connection.lobject(oid, "rw")
        large.truncate(10)
        connection.rollback()
        large = connection.lobject(oid, "rb")
        seen.append(len(large.read()))
        large.unlink()
        connection.commit()
        with pytest.raises(psycopg2.Error) as gone:
            connection.lobject(oid, "rb")
        seen.append(str(gone.value).replace(str(oid), "OID"))
        connection.rollback()
        cursor = connection.cursor()
        cursor.execute("SELECT 'goes on'")
        seen.append(cursor.fetchall())
        connection.close()
        return seen

    compare(scenario)


def test_told(compare: Compare) -> None:
    """Notices, notifications, reset(), and what a set_session leaves."""

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = DRIVER.connect(target, autocommit=True, options="-c statement_timeout=90s")
        cursor = connection.cursor()
        cursor.execute("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$")
        seen.append(list(connection.notices))
        cursor.execute("LISTEN two")
        cursor.execute("NOTIFY two, 'x'; NOTIFY two, 'y'")
        while len(connection.notifies) < 2:
            select.select([connection], [], [], 5)
            connection.poll()
        seen.append([(notify.channel, notify.payload) for notify in connection.notifies])
        cursor.execute("SET timezone = 'Asia/Tokyo'; SET statement_timeout = '1s'")
        seen.append(connection.get_parameter_status("TimeZone"))
        connection.reset()
        cursor = connection.cursor()
        cursor.execute(
            "SELECT current_setting('timezone'), current_setting('statement_timeout'), count(*) FROM pg_listening_channels()"
        )
        seen.append((cursor.fetchall(), connection.get_parameter_status("TimeZone")))
        connection.rollback()
        connection.autocommit = False
        connection.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
        cursor.execute("SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')")
        seen.append(cursor.fetchall())
        connection.rollback()
        connection.set_client_encoding("LATIN1")
        cursor.execute("SELECT 'é'::text, length('é'), %s", ("naïve",))
        seen.append((cursor.fetchall(), connection.encoding))
        connection.rollback()
        connection.close()
        return seen

    compare(scenario)


def test_waits_by_itself(compare: Compare) -> None:
    """async_=1, as gevent and eventlet drive it."""

    def wait(connection: Any) -> None:
        while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
            reading = state == psycopg2.extensions.POLL_READ
            select.select([connection] * reading, [connection] * (not reading), [], 10)

    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = psycopg2.connect(**target.conninfo, async_=1)
        wait(connection)
        cursor = connection.cursor()
        for n in range(50):
            cursor.execute("SELECT %s, repeat('x', 3000)", (n,))
            wait(connection)
            seen.append(cursor.fetchall()[0][0])
        connection.close()
        return seen

    compare(scenario)


def test_its_pool(compare: Compare) -> None:
    """Its pool rolls back what is given back, and resets nothing."""

    def scenario(target: Target) -> list[Any]:
        pool = psycopg2.pool.ThreadedConnectionPool(4, 10, **target.conninfo)
        seen: list[Any] = []
        for n in range(40):
            connections = [pool.getconn() for _ in range(3)]
            for connection in connections:
                cursor = connection.cursor()
                cursor.execute("SELECT %s, current_setting('timezone')", (n,))
                seen.append(cursor.fetchall())
                connection.rollback()
            for connection in connections:
                pool.putconn(connection)
        pool.closeall()
        return seen

    compare(scenario)
