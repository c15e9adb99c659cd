"""What PostgreSQL's drivers of the DB-API are put through: each part returns a transcript of what the client saw."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any

from ..dbapi import Driver as AnyDriver
from ..dbapi import Session, opened
from .target import Target

TEXT = "naïve 日本語 😀 \\ ' \" % $1 end"


class Driver(AnyDriver):
    """How one driver differs from the others."""

    largest = 9 * 1024 * 1024
    """Bytes of the longest value that it is given to send."""

    def code(self, error: Any) -> Any:
        return error.sqlstate

    def cancel(self, connection: Any) -> None:
        """Asks the server, over a second connection, to end what runs."""
        connection.cancel()

    def wrong_logins(self) -> tuple[dict[str, Any], ...]:
        """Options of logins that are refused."""
        return {"password": "wrong"}, {"user": "nobody", "password": "x"}, {"dbname": "no_such_database"}

    def lost(self, error: Exception) -> bool:
        return isinstance(error, self.module.Error)


def login(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target, autocommit=True) as session:
        session.do("SELECT current_database(), current_user, session_user, version()")
        session.do(
            "SELECT current_setting('client_encoding'), current_setting('search_path'), current_setting('TimeZone')"
        )
        session.do("SHOW application_name")
        for options in driver.wrong_logins():
            try:
                driver.connect(target, **options).close()
                session.note(str(options), "let in")
            except driver.module.Error as error:
                code = driver.code(error)
                session.note(str(options), (code, str(error).replace(str(target.port), "PORT")))
        return session.transcript


def transactions(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target) as one, opened(driver, target) as two:
        one.do("DROP TABLE IF EXISTS accounts")
        one.do("CREATE TABLE accounts (id int PRIMARY KEY, money int)")
        one.do("INSERT INTO accounts VALUES (%s, %s), (%s, %s)", (1, 100, 2, 200))
        one.commit()
        one.do("UPDATE accounts SET money = money - 10 WHERE id = 1")
        one.do("SAVEPOINT before_two")
        one.do("UPDATE accounts SET money = money + 10 WHERE id = 2")
        one.do("SELECT * FROM accounts ORDER BY id")
        one.do("ROLLBACK TO SAVEPOINT before_two")
        one.do("SELECT * FROM accounts ORDER BY id")
        one.do("SELECT no_such_column FROM accounts")
        one.do("SELECT 'refused: the transaction has failed'")
        one.connection.rollback()
        two.do("SELECT * FROM accounts ORDER BY id")
        two.commit()
        one.do("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY")
        one.commit()
        two.do("SHOW transaction_isolation")
        two.commit()
        one.do("SHOW transaction_isolation")
        one.do("DELETE FROM accounts")
        one.connection.rollback()
        one.do("RESET default_transaction_read_only")
        one.commit()
        one.do("DELETE FROM accounts WHERE id = 1")
        one.do("COMMIT AND CHAIN")
        one.do("SELECT count(*) FROM accounts")
        one.do("SHOW transaction_isolation")
        one.connection.rollback()
        two.do("SELECT * FROM accounts")
        two.do("DROP TABLE accounts")
        two.commit()
        return one.transcript + two.transcript


def settings(driver: Driver, target: Target) -> list[Any]:
    """What a session sets, and what of it a rolled back transaction takes back."""
    with opened(driver, target, autocommit=True) as session:
        for statement in (
            "SET search_path TO pg_catalog, \"$user\", 'public'",
            "SHOW search_path",
            "SET TIME ZONE '+05:30'",
            "SELECT timestamptz '2024-02-01 00:00:00+00'::text",
            "SET datestyle = 'SQL, DMY'",
            "SELECT date '2024-02-03'::text, current_setting('datestyle')",
            "SELECT set_config('app.user', 'someone', false), set_config('app.gone', 'x', true)",
            "SELECT current_setting('app.user'), current_setting('app.gone', true)",
            "BEGIN",
            "SET statement_timeout = '7s'",
            "SAVEPOINT s",
            "SET statement_timeout = '8s'",
            "ROLLBACK TO s",
            "SHOW statement_timeout",
            "COMMIT",
            "SHOW statement_timeout",
            "BEGIN",
            "SET statement_timeout = '9s'",
            "SET LOCAL lock_timeout = '1s'",
            "ROLLBACK",
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')",
            "DO $$ BEGIN PERFORM set_config('work_mem', '5MB', false); SET app.inside = 'do'; END $$",
            "SELECT current_setting('work_mem'), current_setting('app.inside')",
            "SET idle_session_timeout = '70s'",
            "SHOW idle_session_timeout",
            "SELECT current_setting('idle_session_timeout')",
            "SET no_such_setting = 1",
            "SET work_mem = 'much'",
            "RESET work_mem",
            "RESET search_path",
            "SELECT current_setting('search_path'), current_setting('work_mem'), current_setting('statement_timeout')",
            "SET ROLE rival_role",
            "SELECT current_user, session_user",
            "RESET ROLE",
            "RESET ALL",
            "SELECT current_user, current_setting('statement_timeout'), current_setting('app.user'), current_setting('TimeZone')",
            "DISCARD ALL",
            "SELECT current_setting('app.user', true), current_setting('datestyle')",
        ):
            session.do(statement)
        return session.transcript


def holds(driver: Driver, target: Target) -> list[Any]:
    """What ties a session to its connection, and what lets it go."""
    with opened(driver, target, autocommit=True) as session:
        for statement in (
            "CREATE TEMP TABLE mine (a int)",
            "INSERT INTO mine SELECT generate_series(1, 3)",
            "SELECT sum(a) FROM mine",
            "DROP TABLE mine",
            "SELECT pg_advisory_lock(4711), pg_try_advisory_lock(4711)",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            "SELECT pg_advisory_unlock(4711)",
            "SELECT pg_advisory_unlock(4711)",
            "SELECT pg_advisory_unlock(4711)",
            "BEGIN",
            "DECLARE kept CURSOR WITH HOLD FOR SELECT generate_series(1, 5)",
            "DECLARE gone CURSOR FOR SELECT generate_series(1, 5)",
            "FETCH 2 FROM gone",
            "COMMIT",
            "FETCH 2 FROM kept",
            "FETCH ALL FROM kept",
            "FETCH 1 FROM gone",
            "CLOSE kept",
            "PREPARE plus AS SELECT $1::int + 1 AS more",
            "EXECUTE plus(41)",
            "DEALLOCATE plus",
            "EXECUTE plus(41)",
            "LISTEN mine",
            "NOTIFY mine, 'payload'",
            "SELECT pg_listening_channels()",
            "UNLISTEN *",
            "SELECT pg_listening_channels()",
            "CREATE TEMP SEQUENCE counted",
            "SELECT nextval('counted'), currval('counted')",
            "DISCARD TEMP",
            "SELECT nextval('counted')",
            "SELECT lo_from_bytea(99, 'large object')",
            "SELECT convert_from(lo_get(99), 'UTF8'), lo_unlink(99)",
        ):
            session.do(statement)
        return session.transcript


def errors(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target, autocommit=True) as session:
        session.do("DROP TABLE IF EXISTS checked")
        session.do("CREATE TABLE checked (id int PRIMARY KEY, name varchar(3) NOT NULL CHECK (name <> 'bad'))")
        for statement in (
            "SELEC 1",
            "SELECT * FROM no_such_table",
            "SELECT no_such_column FROM checked",
            "INSERT INTO checked VALUES (1, 'abc')",
            "INSERT INTO checked VALUES (1, 'dup')",
            "INSERT INTO checked VALUES (2, 'too long')",
            "INSERT INTO checked VALUES (3, NULL)",
            "INSERT INTO checked VALUES (4, 'bad')",
            "SELECT 1/0",
            "SELECT 'x'::int",
            "ROLLBACK TO SAVEPOINT nowhere",
            "CALL no_such_procedure()",
            "DO $$ BEGIN RAISE NOTICE 'noticed'; RAISE EXCEPTION 'raised %', 7 USING ERRCODE = 'ZZ001', DETAIL = 'd', HINT = 'h'; END $$",
            "SELECT pg_terminate_backend(0)",
            "SELECT * FROM checked",
            "DROP TABLE checked",
        ):
            session.do(statement)
        return session.transcript


def results(driver: Driver, target: Target) -> list[Any]:
    """Many rows, long values, many parameters, types."""
    with opened(driver, target, autocommit=True) as session:
        cursor = session.cursor
        cursor.execute("SELECT i, repeat(chr(65 + mod(i, 26)), mod(i, 100)) FROM generate_series(1, 30000) i")
        session.note("rows", _digest(cursor.fetchall()))
        session.do("DROP TABLE IF EXISTS blobs")
        session.do("CREATE TABLE blobs (id int, b bytea, t text)")
        for number, size in enumerate((300_000, driver.largest)):
            blob = hashlib.sha256(b"seed").digest() * (size // 32)
            cursor.execute("INSERT INTO blobs VALUES (%s, %s, %s)", (number, driver.module.Binary(blob), TEXT))
            cursor.execute("SELECT b, encode(sha256(b), 'hex'), t FROM blobs WHERE id = %s", (number,))
            ((found, digest, text),) = cursor.fetchall()
            session.note("blob", (bytes(found) == blob, digest, text == TEXT))
        session.do("DELETE FROM blobs")
        cursor.executemany("INSERT INTO blobs (id) VALUES (%s)", [(n,) for n in range(300)])
        session.do("SELECT count(*), sum(id) FROM blobs")
        for n in range(12):
            session.do("SELECT id + %s FROM blobs WHERE id = %s", (n, n * 20))
        session.do(
            "SELECT 1.5::numeric, '{1,2}'::int[], '2024-02-29'::date, NULL::text, true, '\\x00ff'::bytea, 1e10::float8"
        )
        session.do("SELECT '' AS empty")
        session.do("DROP TABLE blobs")
        return session.transcript


def _digest(rows: Any) -> Any:
    return len(rows), hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()


def stale(driver: Driver, target: Target) -> list[Any]:
    """A statement that the driver may have prepared, and what happens to it when its table changes."""
    with opened(driver, target, autocommit=True) as session:
        session.do("DROP TABLE IF EXISTS changing")
        session.do("CREATE TABLE changing (a int)")
        session.do("INSERT INTO changing VALUES (1)")
        for _ in range(8):
            session.do("SELECT count(*) FROM changing WHERE a = %s", (1,))
            session.do("SELECT * FROM changing WHERE a = %s", (1,))
        session.do("ALTER TABLE changing ALTER a TYPE bigint, ADD b text DEFAULT 'new'")
        for _ in range(3):
            session.do("SELECT count(*) FROM changing WHERE a = %s", (1,))
            session.do("SELECT * FROM changing WHERE a = %s", (1,))
        session.do("DROP TABLE changing")
        session.do("SELECT count(*) FROM changing WHERE a = %s", (1,))
        session.do("DEALLOCATE ALL")
        session.do("SELECT 'alive', %s", ("x",))
        return session.transcript


def reconnect(driver: Driver, target: Target) -> list[Any]:
    """Ended in the middle of a transaction, or killed: a new connection finds everything in order."""
    with opened(driver, target) as session:
        session.do("DROP TABLE IF EXISTS kept")
        session.do("CREATE TABLE kept (a int)")
        session.commit()
    for n in range(3):
        with opened(driver, target) as session:
            session.do("INSERT INTO kept VALUES (%s)", (n,))
            if n == 1:
                session.commit()
    with opened(driver, target) as victim:
        victim.do("INSERT INTO kept VALUES (99)")
        try:
            victim.cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            session.note("victim", "lives")
        except driver.module.Error as error:
            session.note("victim", ("lost" if driver.lost(error) else repr(error), driver.code(error)))
    with opened(driver, target, autocommit=True) as following:
        following.do("SELECT * FROM kept")
        following.do("DROP TABLE kept")
        return session.transcript + following.transcript


def cancel(driver: Driver, target: Target) -> list[Any]:
    """The driver's own cancel of a statement that runs; the connection goes on."""
    with opened(driver, target, autocommit=True) as victim:
        for statement in ("SELECT pg_sleep(20)", "SELECT count(*) FROM generate_series(1, 1000000000)"):
            begun = time.monotonic()
            thread = threading.Thread(target=victim.do, args=(statement,))
            thread.start()
            thread.join(0.2)
            while thread.is_alive():
                driver.cancel(victim.connection)
                thread.join(2)  # before there was anything to cancel it needs a second one, which must not come early
            victim.note("in time", time.monotonic() - begun < 18)
            victim.do("SELECT 'alive'")
        victim.do("BEGIN")
        victim.do("SELECT pg_sleep(0)")
        driver.cancel(victim.connection)  # there is nothing to cancel
        victim.do("COMMIT")
        return victim.transcript


PARTS: tuple[Callable[[Any, Target], list[Any]], ...] = (
    login,
    transactions,
    settings,
    holds,
    errors,
    results,
    stale,
    reconnect,
    cancel,
)

__all__ = ["PARTS", "TEXT", "Driver", "Session", "opened"]
