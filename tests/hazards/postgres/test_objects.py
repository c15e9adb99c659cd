"""What ties a session to its connection: held for a stated reason, given back when released, cleaned at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ...servers import OutliveProcess, PostgresServer
from ...servers.postgres import SUPERUSER
from .raw import SYNC, Raw, bind, execute, parse, query
from .scripts import FRESH, TABLES, Script, Stage, elsewhere, held, messages, prepared, script, unit

ASYNCPG_RESET = "SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;"
NPGSQL_RESET = (
    "SET SESSION AUTHORIZATION DEFAULT;RESET ALL;CLOSE ALL;UNLISTEN *;SELECT pg_advisory_unlock_all();"
    "DISCARD SEQUENCES;DISCARD TEMP"
)
RESETS = {
    "asyncpg": ASYNCPG_RESET,
    "asyncpg, new": "DEALLOCATE ALL;" + ASYNCPG_RESET,
    "npgsql": NPGSQL_RESET,
    "discard all": "DISCARD ALL",
    "pgx": "select pg_advisory_unlock_all(); close all; unlisten *; reset all",
    "one by one": "UNLISTEN *; SELECT pg_advisory_unlock_all(); CLOSE ALL; RESET ALL; DEALLOCATE ALL; DISCARD TEMP",
}

SCRIPTS = [
    script(
        "advisory locks",
        held("SELECT pg_advisory_lock(1)", "advisory_lock"),
        held("SELECT pg_advisory_lock(1), pg_advisory_lock_shared(2, 3)", "advisory_lock"),
        held(elsewhere("SELECT 1 / pg_try_advisory_lock(1)::int"), "advisory_lock"),
        held("SELECT pg_advisory_unlock(1)", "advisory_lock"),
        held("SELECT pg_advisory_unlock(1)", "advisory_lock"),
        held("SELECT pg_advisory_unlock(1)", "advisory_lock"),
        "SELECT pg_advisory_unlock_shared(2, 3)",
        "SELECT pg_advisory_unlock(1)",
        held("SELECT pg_try_advisory_lock(4)", "advisory_lock"),
        "SELECT pg_advisory_unlock_all()",
        elsewhere("SELECT pg_advisory_lock(5)"),
        "SELECT pg_try_advisory_lock(5)",
        elsewhere("SELECT pg_advisory_unlock(5)"),
        held("SELECT pg_try_advisory_lock_shared(5)", "advisory_lock"),
        "DISCARD ALL",
        held(prepared("SELECT pg_advisory_lock($1)", "6"), "advisory_lock"),
        prepared("SELECT pg_advisory_unlock($1)", "6"),
        held("select PG_CATALOG . pg_advisory_lock ( 7 ) as l", "advisory_lock"),
        "SELECT pg_catalog.pg_advisory_unlock(7)",
        held('SELECT "pg_advisory_lock"(8)', "advisory_lock"),
        "SELECT pg_advisory_unlock(id) FROM generate_series(1, 10) AS id",
        "SELECT pg_advisory_lock(9); SELECT pg_advisory_unlock(9)",
        held("SELECT pg_advisory_unlock(9); SELECT pg_advisory_lock(9)", "advisory_lock"),
        "SELECT pg_advisory_unlock(9)",
    ),
    script(
        "advisory locks and transactions",
        held("BEGIN"),
        held("SELECT pg_advisory_xact_lock(1)"),
        "COMMIT",
        held("BEGIN"),
        held("SELECT pg_advisory_lock(1)", "advisory_lock"),
        held("ROLLBACK", "advisory_lock"),
        held(elsewhere("SELECT 1 / pg_try_advisory_lock(1)::int"), "advisory_lock"),
        "SELECT pg_advisory_unlock(1)",
        held("SELECT pg_advisory_lock(2), 1 / (id - 1) FROM t WHERE id = 1", "advisory_lock"),
        "SELECT pg_advisory_unlock(2)",
        held("SELECT pg_advisory_lock(3); SELECT 1/0", "advisory_lock"),
        "SELECT pg_advisory_unlock(3)",
        "SELECT 1/0; SELECT pg_advisory_lock(3)",
        "SELECT pg_advisory_unlock(3)",
        held("BEGIN; SELECT pg_advisory_lock(4), pg_advisory_xact_lock(5)", "advisory_lock"),
        held("COMMIT", "advisory_lock"),
        held("BEGIN", "advisory_lock"),
        held("SELECT pg_advisory_unlock(4)", "advisory_lock"),
        "COMMIT",
        "SELECT pg_try_advisory_xact_lock(6)",
        "DO $$ BEGIN PERFORM pg_advisory_lock(7); PERFORM pg_advisory_unlock(7); END $$",
        held("DO $$ BEGIN PERFORM pg_advisory_lock(8); END $$", "advisory_lock"),
        "DO $$ BEGIN PERFORM pg_advisory_unlock(8); END $$",
    ),
    script(
        "temporary tables",
        held("CREATE TEMP TABLE mine (a int)", "temporary_table"),
        held("INSERT INTO mine VALUES (1), (2)", "temporary_table"),
        held("SELECT * FROM mine", "temporary_table"),
        "DROP TABLE mine",
        "SELECT * FROM mine",
        held("CREATE LOCAL TEMPORARY TABLE t (hides int)", "temporary_table"),
        held("SELECT * FROM t", "temporary_table"),
        held("CREATE TEMP VIEW v AS SELECT 1 AS one", "temporary_table"),
        held("DROP TABLE t", "temporary_table"),
        "DROP VIEW v",
        held("SELECT 5 AS five INTO TEMP mine", "temporary_table"),
        held("ALTER TABLE mine RENAME TO yours", "temporary_table"),
        "DISCARD TEMP",
        "SELECT * FROM yours",
        held("CREATE TEMP SEQUENCE numbers", "temporary_table"),
        held("SELECT nextval('numbers'), currval('numbers')", "temporary_table"),
        "DROP SEQUENCE numbers",
        held("CREATE TABLE pg_temp.mine AS SELECT 6 AS six", "temporary_table"),
        "DROP TABLE pg_temp.mine",
        held("CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 7'", "temporary_table"),
        held("SELECT pg_temp.f()", "temporary_table"),
        "DROP FUNCTION pg_temp.f()",
        held("CREATE TYPE pg_temp.two AS (a int, b int)", "temporary_table"),
        held("SELECT (1, 2)::pg_temp.two", "temporary_table"),
        "DROP TYPE pg_temp.two",
        held("CREATE TEMP TABLE mine AS VALUES (1)", "temporary_table"),
        "DISCARD ALL",
        "SELECT * FROM mine",
        "CREATE TEMP TABLE broken (a nothing)",
    ),
    script(
        "temporary tables and transactions",
        held("BEGIN"),
        held("CREATE TEMP TABLE mine (a int) ON COMMIT DROP"),
        held("INSERT INTO mine VALUES (1)"),
        "COMMIT",
        "SELECT * FROM mine",
        held("BEGIN"),
        held("CREATE TEMP TABLE mine (a int)", "temporary_table"),
        "ROLLBACK",
        held("BEGIN"),
        held("SAVEPOINT a"),
        held("CREATE TEMP TABLE mine (a int)", "temporary_table"),
        held("ROLLBACK TO a", "temporary_table"),
        "COMMIT",
        held(
            "BEGIN; CREATE TEMP TABLE mine (a int) ON COMMIT DELETE ROWS; INSERT INTO mine VALUES (1)",
            "temporary_table",
        ),
        held("COMMIT", "temporary_table"),
        held("SELECT * FROM mine", "temporary_table"),
        held("BEGIN; DROP TABLE mine", "temporary_table"),
        held("ROLLBACK", "temporary_table"),
        "DROP TABLE mine",
        "BEGIN; CREATE TEMP TABLE mine (a int) ON COMMIT DROP; SELECT * FROM mine; COMMIT",
        "CREATE TEMP TABLE mine (a int); DROP TABLE mine",
        "CREATE TEMP TABLE mine (a int); SELECT 1/0",
        "SELECT * FROM mine",
        held("DO $$ BEGIN CREATE TEMP TABLE mine AS SELECT 3 AS three; END $$", "temporary_table"),
        held("SELECT * FROM mine", "temporary_table"),
        "DO $$ BEGIN DROP TABLE mine; END $$",
        held("SET search_path = pg_temp, public", "temporary_schema"),
        held("CREATE TABLE mine (a int)", "temporary_schema"),
        held("SELECT * FROM pg_temp.mine", "temporary_schema"),
        "DISCARD ALL",
    ),
    script(
        "listen and notify",
        "NOTIFY ear",
        "NOTIFY ear, 'nobody'",
        held("LISTEN ear", "listen"),
        held("NOTIFY ear, 'self'", "listen"),
        held("SELECT pg_notify('ear', 'function')", "listen"),
        held(elsewhere("NOTIFY ear, 'from elsewhere'"), "listen"),
        held(messages(last="A"), "listen"),
        held("SELECT 1", "listen"),
        held(elsewhere("NOTIFY ear, 'one'; NOTIFY ear, 'two'; NOTIFY other"), "listen"),
        held(messages(last="A", count=2), "listen"),
        held("LISTEN other", "listen"),
        held("UNLISTEN ear", "listen"),
        held("NOTIFY ear", "listen"),
        held("NOTIFY other", "listen"),
        "UNLISTEN other",
        "NOTIFY other",
        held('LISTEN "Ear"', "listen"),
        held("NOTIFY \"Ear\", 'quoted'", "listen"),
        "UNLISTEN *",
        held(prepared("LISTEN ear"), "listen"),
        held(prepared("NOTIFY ear, 'extended'"), "listen"),
        held("BEGIN", "listen"),
        held("NOTIFY ear, 'first'", "listen"),
        held("NOTIFY ear, 'second'", "listen"),
        held("COMMIT", "listen"),
        held("BEGIN", "listen"),
        held("NOTIFY ear, 'never'", "listen"),
        held("ROLLBACK", "listen"),
        prepared("UNLISTEN ear"),
        held("LISTEN ear", "listen"),
        "DISCARD ALL",
        "NOTIFY ear, '%s'" % ("x" * 7000),
        "NOTIFY ear, '%s'" % ("x" * 9000),
        "LISTEN ear; UNLISTEN ear",
    ),
    script(
        "listen and transactions",
        held("BEGIN"),
        held("LISTEN ear", "listen"),
        "ROLLBACK",
        "NOTIFY ear, 'nobody'",
        held("BEGIN"),
        held("LISTEN ear", "listen"),
        held("COMMIT", "listen"),
        held("BEGIN", "listen"),
        held("UNLISTEN ear", "listen"),
        held("ROLLBACK", "listen"),
        held("NOTIFY ear, 'still there'", "listen"),
        held("BEGIN; UNLISTEN *", "listen"),
        "COMMIT",
        "NOTIFY ear, 'nobody'",
        held("BEGIN; SAVEPOINT a; LISTEN ear; ROLLBACK TO a", "listen"),
        "COMMIT",
        "LISTEN ear; SELECT 1/0",
        "NOTIFY ear, 'nobody'",
        held("LISTEN ear; COMMIT; SELECT 1/0", "listen"),
        "UNLISTEN ear",
    ),
    script(
        "cursors",
        held("DECLARE c CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id", "cursor"),
        held("FETCH 2 FROM c", "cursor"),
        held("MOVE 1 FROM c", "cursor"),
        held("FETCH ALL FROM c", "cursor"),
        "CLOSE c",
        "FETCH c",
        "CLOSE c",
        held("BEGIN"),
        held("DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id", "cursor"),
        held("FETCH LAST FROM c", "cursor"),
        held("COMMIT", "cursor"),
        held("FETCH FIRST FROM c", "cursor"),
        held("DECLARE d BINARY INSENSITIVE CURSOR WITH HOLD FOR VALUES (1)", "cursor"),
        held("CLOSE c", "cursor"),
        "CLOSE ALL",
        held("BEGIN"),
        held("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor"),
        "ROLLBACK",
        "FETCH c",
        held("BEGIN"),
        held("DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id"),
        held("FETCH 2 FROM c"),
        held("FETCH BACKWARD 1 FROM c"),
        "COMMIT",
        "FETCH c",
        "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
        held("BEGIN; DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1; FETCH c"),
        "COMMIT",
        held(prepared("DECLARE c CURSOR WITH HOLD FOR SELECT 5"), "cursor"),
        held(prepared("FETCH c"), "cursor"),
        held(unit(execute("c")), "cursor"),
        prepared("CLOSE c"),
        "DECLARE c CURSOR WITH HOLD FOR SELECT 6; FETCH c; CLOSE c",
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1/0",
        held("DECLARE c CURSOR WITH HOLD FOR SELECT 7", "cursor"),
        "DISCARD ALL",
        "FETCH c",
    ),
    script(
        "load",
        "SELECT 1",
        held("LOAD 'plpgsql'", "load"),
        held("SELECT 1", "load"),
        held("DISCARD ALL", "load"),
        account=SUPERUSER,
    ),
    script(
        "a block that runs a text",
        held(
            "DO $$ BEGIN EXECUTE 'CREATE TEMP TABLE mine AS SELECT 3 AS three'; END $$", "settings", "temporary_table"
        ),
        held("SELECT * FROM mine", "settings", "temporary_table"),
        held("DO $$ BEGIN EXECUTE 'DROP TABLE mine'; END $$", "settings"),
        held("DO $$ BEGIN EXECUTE 'SET app.hidden = 5'; END $$", "settings"),
        held("SHOW app.hidden", "settings"),
        "RESET ALL",
        "SELECT 1",
    ),
    script("load without the right to", "LOAD 'plpgsql'", "LOAD '$libdir/plugins/nothing'"),
    script(
        "seeds",
        held("SELECT setseed(0.5)", "seed"),
        held("SELECT random()", "seed"),
        held("SELECT random(), random()", "seed"),
        held("SET SEED TO 0.25", "seed"),
        held("SELECT random()", "seed"),
    ),
    script(
        "sequences",
        "SELECT nextval('counter')",
        held("BEGIN"),
        held("SELECT nextval('counter')"),
        held("SELECT currval('counter'), lastval()"),
        "COMMIT",
        "SELECT nextval('counter'); SELECT currval('counter')",
        "SELECT setval('counter', 50); SELECT currval('counter')",
        "SELECT nextval('counter'); SELECT lastval(), currval('counter')",
        held(prepared("BEGIN")),
        held(prepared("SELECT nextval('counter')")),
        held(prepared("SELECT currval('counter'), lastval()")),
        held("DISCARD SEQUENCES"),
        held("SELECT lastval()"),
        prepared("COMMIT"),
        "DISCARD SEQUENCES",
        "SELECT lastval()",
        "SELECT currval('counter')",
        prepared("SELECT currval('counter')"),
        unit(parse("c", "SELECT currval('counter')")),
        unit(bind("", "c"), execute()),
        unit(parse("", "SELECT nextval('counter')"), bind("", ""), execute(), bind("", "c"), execute()),
    ),
    *[
        script(
            f"a driver's reset: {name}",
            held("LISTEN ear", "listen"),
            held("SELECT pg_advisory_lock(5)", "advisory_lock", "listen"),
            held("SET work_mem = '5MB'", "advisory_lock", "listen"),
            held("DECLARE c CURSOR WITH HOLD FOR SELECT 7", "advisory_lock", "cursor", "listen"),
            text,
            "SHOW work_mem",
            "FETCH c",
            "NOTIFY ear",
            text,
            prepared("SELECT 1"),
            unit(parse("s", "SELECT 2")),
            text,
        )
        for name, text in RESETS.items()
    ],
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


LEFT = {
    "a temporary table": (query("CREATE TEMP TABLE s (hides int)"),),
    "an advisory lock": (query("SELECT pg_advisory_lock(1)"),),
    "an advisory lock by a statement": (parse("", "SELECT pg_advisory_lock(1)") + bind("", "") + execute() + SYNC,),
    "a channel": (query("LISTEN ear"),),
    "a cursor": (query("DECLARE c CURSOR WITH HOLD FOR SELECT 1"),),
    "a statement": (query("PREPARE s AS SELECT 1"),),
    "a transaction": (query("BEGIN; INSERT INTO public.t VALUES (99)"),),
    "a failed transaction": (query("BEGIN; SELECT 1/0"),),
    "settings": (query("SET search_path = aside; SET work_mem = '5MB'; SET app.x = 1"),),
    "settings that nobody told": (query("DO $$ BEGIN SET work_mem = '5MB'; END $$"),),
    "settings of a custom name": (query("DO $$ BEGIN EXECUTE 'SET app.' || 'y = 1'; END $$"),),
    "a virtual setting": (query("SET idle_session_timeout = 5"),),
    "sequences": (query("SELECT nextval('public.counter')"),),
    "a seed": (query("SELECT setseed(0.5)"),),
    "a unit without its Sync": (parse("s", "SELECT 1"),),
    "a portal without its Sync": (parse("", "SELECT 1") + bind("c", "") + execute("c", 1),),
    "a COPY without its end": (query("COPY public.t FROM STDIN"),),
    "half a Query": (query("SELECT 1")[:7],),
    "a LISTEN in a transaction": (query("BEGIN; LISTEN ear"),),
}


@pytest.mark.parametrize("left", list(LEFT))
@pytest.mark.parametrize("politely", [True, False], ids=["Terminate", "gone"])
def test_the_next_client_finds_nothing(
    left: str, politely: bool, stage: Stage, pg: PostgresServer, node: OutliveProcess
) -> None:
    """Whatever a client leaves when it ends, and however it ends, its connection is as new for the next one."""
    stage.superuser.execute(TABLES)
    questions = (
        *FRESH,
        "SELECT current_setting('work_mem'), current_setting('search_path'), count(*) FROM public.t",
        "FETCH c",
        "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'",
    )
    with Raw(pg) as direct:
        expected = [direct.query(question) for question in questions]
    gone = Raw(node)
    for data in LEFT[left]:
        gone.send(data)
    if left.startswith(("a unit", "a portal", "half")):
        pass  # nothing is answered yet
    else:
        gone.until("G" if "COPY" in left else "Z")
    if politely:
        gone.close()
    else:
        gone.socket.close()
    with Raw(node) as following:
        assert [following.query(question) for question in questions] == expected


def test_the_reason_is_in_log_and_metrics(stage: Stage, node: OutliveProcess) -> None:
    """Counted, shown while it lasts, logged once."""
    before = node.metric("outlive_pins_total", reason="advisory_lock")
    with Raw(node) as client:
        client.query("SELECT pg_advisory_lock(9)")
        client.query("SELECT pg_advisory_lock(9)")
        stage.check_held(held("SELECT pg_advisory_lock(9)", "advisory_lock"))
        assert node.metric("outlive_pins_total", reason="advisory_lock") == before + 1
        node.process.wait_line(r"event=pinned .*user=app .*reason=advisory_lock")
    with Raw(node) as following:
        assert following.rows("SELECT pg_try_advisory_lock(9)") == [("t",)]
