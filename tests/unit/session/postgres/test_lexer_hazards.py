"""Everything a text can say about its session, and the ways to hide it. What is valid here runs on PostgreSQL 15."""

from __future__ import annotations

import pytest

from outlive.session.postgres import Analyser, Analysis, Assignment, Substitution, analyse
from outlive.session.postgres.analysis import (
    ADVISORY_LOCK,
    ASKABLE,
    BACKSLASH_ESCAPES,
    BEGIN,
    COMMIT,
    COPY_IN,
    COPY_OUT,
    CURSOR,
    CUT,
    DEALLOCATE_ALL,
    DISCARD_ALL,
    DISCARD_PLANS,
    DISCARD_SEQUENCES,
    DISCARD_TEMPORARY,
    FINISH_PREPARED,
    FUNCTION,
    LISTEN,
    LOAD,
    PREPARE_TRANSACTION,
    PREPARED,
    RELEASE,
    REREAD_SETTINGS,
    RESET_ALL,
    ROLLBACK,
    ROLLBACK_TO,
    SAVEPOINT,
    SEED,
    SEQUENCE_ASKED,
    SEQUENCE_SET,
    SETTINGS,
    TEMPORARY_TABLE,
    UNREADABLE,
    UNSAFE_ENCODING,
)


def of(sql: str | bytes, mode: int = 0) -> Analysis:
    return analyse(sql.encode() if isinstance(sql, str) else sql, mode)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT abalance FROM pgbench_accounts WHERE aid = 4994",
        "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
        'SELECT "t"."a", \'it\'\'s\' FROM "t" WHERE "t"."b" = $2 LIMIT 21',
        "\n    SELECT a::text, b->>'c', d#>'{a,b}' FROM t WHERE e @> '{}'::jsonb AND f[1] = ANY($1)\n",
        "SELECT COUNT(*) FROM t",
        "SELECT md5(a) FROM t",
        "INSERT INTO t (a, b) VALUES (1, 'a@b.c'), (2, 'x;y') RETURNING id",
        "UPDATE t SET a = a + 1 WHERE b = -1",
        "DELETE FROM t WHERE a = 'pg_advisory_lock(1)'",
        "SELECT 'SELECT set_config(''a'')'",
        "SELECT $$ set_config('a','b',false); $$",
        "SELECT $a$ $$; $b$ LISTEN x; $a$",
        "SELECT E'\\'; LISTEN x; --'",
        "SELECT U&'\\0061'",
        "SELECT 1 -- LISTEN a",
        "SELECT /* set_config( /* nested */ */ 1",
        "SELECT 1; SELECT 2",
        ";;SELECT 1;;",
        "",
        ";",
        "-- nothing",
        "BEGIN",
        "begin;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE",
        "START TRANSACTION",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ABORT",
        "SAVEPOINT x",
        "RELEASE SAVEPOINT x",
        "COMMIT PREPARED 'x'",
        "CREATE TABLE t (a int)",
        "CREATE TABLE IF NOT EXISTS temp (temporary int)",
        "CREATE TEMP TABLE t (a int) ON COMMIT DROP",
        "CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ SELECT set_config('a','b',false) $$",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT pg_advisory_lock(1); SELECT CASE 1 WHEN 1"
        " THEN 2 END; SELECT 1 AS end; END",
        "CREATE OR REPLACE VIEW v AS SELECT pg_try_advisory_lock(1)",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2)",
        "SELECT pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)",
        "SELECT set_config('a.b', 'x', true)",
        "SELECT pg_catalog.set_config('a.b', $1, 't')",
        "SET LOCAL TRANSACTION READ ONLY",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET CONSTRAINTS ALL DEFERRED",
        "NOTIFY a, 'b'",
        "LOCK TABLE t",
        "DECLARE c CURSOR FOR SELECT 1",
        "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1 AS hold",
        "FETCH ALL FROM c",
        "MOVE 1 c",
        "EXPLAIN SELECT 1",
        "EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "WITH x AS (DELETE FROM t RETURNING *) INSERT INTO temp SELECT * FROM x",
        "VALUES (1)",
        "TABLE t",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT current_setting('search_path')",
        "SELECT * FROM t FOR UPDATE",
        "SELECT naïve FROM заказы WHERE имя = 'я'",
        "INSERT INTO t SELECT * FROM u",
        "SELECT a INTO t2 FROM t",
        "VACUUM ANALYZE t",
        "GRANT SELECT ON t TO u",
        "COPY t FROM '/x'",
    ],
)
def test_plain(sql: str) -> None:
    analysis = of(sql)
    assert analysis.plain, analysis
    assert not analysis.parts
    assert (analysis.holds, analysis.asks, analysis.flags, analysis.rereads) == (0, 0, 0, frozenset())
    assert not analysis.substitutions


@pytest.mark.parametrize(
    ("sql", "verb", "count", "control"),
    [
        ("", b"", 0, 0),
        ("SELECT 1", b"SELECT", 1, 0),
        ("(SELECT 1)", b"SELECT", 1, 0),
        ("begin", b"BEGIN", 1, BEGIN),
        ("START TRANSACTION READ ONLY", b"START", 1, BEGIN),
        ("END WORK", b"END", 1, COMMIT),
        ("COMMIT;", b"COMMIT", 1, COMMIT),
        ("COMMIT AND CHAIN", b"COMMIT", 1, COMMIT),
        ("ABORT TRANSACTION", b"ABORT", 1, ROLLBACK),
        ("ROLLBACK AND NO CHAIN", b"ROLLBACK", 1, ROLLBACK),
        ("ROLLBACK TO x", b"ROLLBACK", 1, ROLLBACK_TO),
        ("ROLLBACK WORK TO SAVEPOINT x", b"ROLLBACK", 1, ROLLBACK_TO),
        ("ROLLBACK PREPARED 'a'", b"ROLLBACK", 1, FINISH_PREPARED),
        ("PREPARE TRANSACTION 'a'", b"PREPARE", 1, PREPARE_TRANSACTION),
        ("SAVEPOINT a", b"SAVEPOINT", 1, SAVEPOINT),
        ("RELEASE a", b"RELEASE", 1, RELEASE),
        ("SELECT 1; ;SELECT 2;", b"SELECT", 2, 0),
        ("BEGIN; SELECT 1; COMMIT", b"BEGIN", 3, 0),
    ],
)
def test_verb_count_and_control(sql: str, verb: bytes, count: int, control: int) -> None:
    analysis = of(sql)
    assert (analysis.verb, analysis.count, analysis.control) == (verb, count, control)


@pytest.mark.parametrize(
    "sql", ["COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "ROLLBACK TO x", "PREPARE TRANSACTION 'x'", "BEGIN; COMMIT"]
)
def test_transactions_that_take_a_closer_look(sql: str) -> None:
    analysis = of(sql)
    assert not analysis.plain
    assert analysis.parts[0].chain == sql.endswith("AND CHAIN")


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("SELECT 1", True),
        ("SELECT count(*), lower(a) FROM t WHERE a IN (1, 2) FOR UPDATE", True),
        ("SELECT pg_catalog.count(*) FROM t", True),
        ("SELECT a.count(*) FROM t /**/", False),
        ("SELECT f(1)", False),
        ("SELECT nextval('s')", False),
        ("SELECT md5('a')", False),
        ("SELECT a INTO b FROM t", False),
        ("WITH x AS (SELECT 1) SELECT * FROM x", True),
        ("WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x", False),
        ("EXPLAIN ANALYZE DELETE FROM t", False),
        ("EXPLAIN SELECT 1", True),
        ("SHOW work_mem", True),
        ("INSERT INTO t VALUES (1)", False),
        ("SELECT 1; INSERT INTO t VALUES (1)", False),
        ("BEGIN", False),
        ("", False),
    ],
)
def test_reads(sql: str, read: bool) -> None:
    assert of(sql).read == read


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SET work_mem = '64MB'", (b"work_mem", b"64MB", False)),
        ("set Work_Mem to 64", (b"work_mem", b"64", False)),
        ("SET SESSION work_mem TO DEFAULT", (b"work_mem", None, False)),
        ("SET LOCAL work_mem = 0064", (b"work_mem", b"64", True)),
        ('SET "Work_Mem" = 64;', (b"work_mem", b"64", False)),
        ("SET app.Tenant = 'It''s'", (b"app.tenant", b"It's", False)),
        ('SET "app"."Tenant" = E\'a\\\'b\\n\'', (b"app.tenant", b"a'b\n", False)),
        ("SET app.x = $$a'b$$", (b"app.x", b"a'b", False)),
        ("SET jit = OFF", (b"jit", b"off", False)),
        ("SET jit = TRUE", (b"jit", b"true", False)),
        ("SET seq_page_cost = -1.50", (b"seq_page_cost", b"-1.50", False)),
        ("SET seq_page_cost = +2.5e1", (b"seq_page_cost", b"2.5e1", False)),
        ("SET x.y = - 7", (b"x.y", b"-7", False)),
        ("SET search_path = public", (b"search_path", b"public", False)),
        ("SET search_path = a, \"B\", '$user', 'c d'", (b"search_path", b'a, "B", "$user", "c d"', False)),
        ("SET search_path TO ''", (b"search_path", b'""', False)),
        ("SET SCHEMA 'App'", (b"search_path", b'"App"', False)),
        ("SET datestyle = ISO, MDY", (b"datestyle", b"iso, mdy", False)),
        ("SET TIME ZONE 'Europe/Berlin'", (b"timezone", b"Europe/Berlin", False)),
        ("SET TIME ZONE UTC", (b"timezone", b"utc", False)),
        ("SET TIME ZONE -5", (b"timezone", b"-5", False)),
        ("SET LOCAL TIME ZONE LOCAL", (b"timezone", None, True)),
        ("SET TIME ZONE DEFAULT", (b"timezone", None, False)),
        ("SET NAMES 'LATIN1'", (b"client_encoding", b"LATIN1", False)),
        ("SET NAMES", (b"client_encoding", None, False)),
        ("SET ROLE Bob", (b"role", b"bob", False)),
        ("SET ROLE 'Bob'", (b"role", b"Bob", False)),
        ("SET ROLE NONE", (b"role", b"none", False)),
        ("SET LOCAL ROLE x", (b"role", b"x", True)),
        ("SET SESSION AUTHORIZATION x", (b"session_authorization", b"x", False)),
        ("SET SESSION SESSION AUTHORIZATION DEFAULT", (b"session_authorization", None, False)),
        ("SET LOCAL SESSION AUTHORIZATION 'x'", (b"session_authorization", b"x", True)),
        ("SET XML OPTION DOCUMENT", (b"xmloption", b"document", False)),
        ("SET transaction_isolation = 'serializable'", (b"transaction_isolation", b"serializable", True)),
        ("RESET work_mem", (b"work_mem", None, False)),
        ("RESET app.x", (b"app.x", None, False)),
        ("RESET TIME ZONE", (b"timezone", None, False)),
        ("RESET ROLE", (b"role", None, False)),
        ("RESET SESSION AUTHORIZATION", (b"session_authorization", None, False)),
        ("RESET TRANSACTION ISOLATION LEVEL", (b"transaction_isolation", None, True)),
        ("/* a */ SET /* b */ jit -- c\n = off", (b"jit", b"off", False)),
    ],
)
def test_one_assignment(sql: str, expected: tuple[bytes, bytes | None, bool]) -> None:
    analysis = of(sql)
    assert not analysis.plain
    assert [part.assignments for part in analysis.parts] == [(Assignment(*expected),)]
    assert not analysis.rereads
    assert not analysis.flags
    assert not analysis.holds


def test_characteristics() -> None:
    (part,) = of(
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY NOT DEFERRABLE"
    ).parts
    assert part.assignments == (
        Assignment(b"default_transaction_isolation", b"repeatable read", False),
        Assignment(b"default_transaction_read_only", b"on", False),
        Assignment(b"default_transaction_deferrable", b"off", False),
    )


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SET app.x = 0x10", b"app.x"),
        ("SET app.x = 1_000", b"app.x"),
        ("SET app.x = U&'\\0061'", b"app.x"),
        ("SET app.x = E'\\x41'", b"app.x"),
        ("SET app.x = 'a'\n'b'", b"app.x"),
        ("SET app.x = я", b"app.x"),
        ("SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE", b"timezone"),
        ("SET datestyle = ISO", b"datestyle"),
        ("SELECT set_config('App.x', $1, false)", b"app.x"),
        ("SELECT * FROM pg_catalog.set_config('search_path'::text, '', false)", b"search_path"),
        ("SELECT \"set_config\"(E'jit', 'off', $1)", b"jit"),
        ("SELECT set_config('jit', (SELECT f(1, 2)), false) FROM t", b"jit"),
    ],
)
def test_settings_to_read_again_by_name(sql: str, name: bytes) -> None:
    analysis = of(sql)
    assert analysis.rereads == {name}
    assert not analysis.holds
    assert not analysis.plain


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT set_config($1, 'x', false)",
        "SELECT set_config(name, 'x', false) FROM t",
        "SELECT set_config('jit', set_config('a.b', 'c', false), true)",
        "SELECT set_config(setting_name => 'a.b', new_value => 'c', is_local => false)",
        "SELECT set_config('a.' || 'b', 'c', false)",
        "SELECT set_config(VARIADIC x)",
        "PREPARE p AS SELECT set_config('a.b', $1, false)",
        "DO $$ BEGIN EXECUTE 'SET a.b = 1'; END $$",
        "DO $$ BEGIN PERFORM set_config(x, 'b', false); END $$",
        "DO E'BEGIN END'",
        "SET " + "a" * 100 + ".b = 1",
    ],
)
def test_settings_without_a_name_hold(sql: str) -> None:
    analysis = of(sql)
    assert analysis.holds & SETTINGS
    assert analysis.flags & REREAD_SETTINGS


@pytest.mark.parametrize(
    ("sql", "holds", "asks"),
    [
        ("SELECT pg_advisory_lock(1)", ADVISORY_LOCK, 0),
        ('SELECT 1, PG_Catalog."pg_advisory_lock" /* */ (1, 2)', ADVISORY_LOCK, 0),
        ("SELECT * FROM pg_advisory_lock_shared($1)", ADVISORY_LOCK, 0),
        ("SELECT pg_try_advisory_lock(id) FROM t", ADVISORY_LOCK, ADVISORY_LOCK),
        ("SELECT pg_advisory_unlock(1)", 0, ADVISORY_LOCK),
        ("SELECT pg_advisory_unlock_all()", 0, ADVISORY_LOCK),
        ("INSERT INTO t SELECT pg_advisory_lock(1)", ADVISORY_LOCK, 0),
        ("COPY (SELECT pg_advisory_lock(1)) TO STDOUT", ADVISORY_LOCK, 0),
        ("CREATE TABLE x AS SELECT pg_advisory_lock(1)", ADVISORY_LOCK, 0),
        ("CREATE MATERIALIZED VIEW x AS SELECT pg_advisory_lock(1)", ADVISORY_LOCK, 0),
        ("CREATE TEMP TABLE t (a int)", TEMPORARY_TABLE, 0),
        ("create local temporary table t (a int) on commit delete rows", TEMPORARY_TABLE, 0),
        ("CREATE OR REPLACE TEMP VIEW v AS SELECT 1", TEMPORARY_TABLE, 0),
        ("CREATE TEMP RECURSIVE VIEW v (n) AS SELECT 1", TEMPORARY_TABLE, 0),
        ("CREATE TEMP SEQUENCE s", TEMPORARY_TABLE, 0),
        ("CREATE TABLE pg_temp.t (a int)", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("CREATE FUNCTION \"pg_temp\".f() RETURNS int LANGUAGE sql AS 'SELECT 1'", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("SELECT 1 AS a INTO TEMP t", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("SELECT 1 AS a INTO LOCAL TEMPORARY TABLE t", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("(SELECT 1 AS a INTO TEMP t)", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("WITH x AS (SELECT 1) SELECT * INTO TEMP t FROM x", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("SELECT 1 AS a INTO pg_temp.t", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("EXPLAIN ANALYZE CREATE TEMP TABLE t AS SELECT 1", TEMPORARY_TABLE, TEMPORARY_TABLE),
        ("DROP TABLE t", 0, TEMPORARY_TABLE),
        ("DROP SCHEMA pg_temp CASCADE", 0, TEMPORARY_TABLE),
        ("ALTER TABLE t RENAME TO u", 0, TEMPORARY_TABLE),
        ("LISTEN a", LISTEN, 0),
        ("UNLISTEN a", 0, LISTEN),
        ("UNLISTEN *", 0, LISTEN),
        ("LOAD 'auto_explain'", LOAD, 0),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", CURSOR, 0),
        ("DECLARE c BINARY INSENSITIVE NO SCROLL CURSOR WITH HOLD FOR SELECT 1", CURSOR, 0),
        ("CLOSE c", 0, CURSOR),
        ("CLOSE ALL", 0, CURSOR),
        ("PREPARE p (int) AS SELECT $1", PREPARED, 0),
        ("PREPARE transaction AS SELECT 1", PREPARED, 0),
        ("DEALLOCATE p", 0, PREPARED),
        ("DEALLOCATE PREPARE ALL", 0, PREPARED),
        ("EXECUTE p (1)", ASKABLE, ASKABLE),
        ("CREATE TABLE t AS EXECUTE p", ASKABLE, ASKABLE),
        ("EXPLAIN ANALYZE EXECUTE p", ASKABLE, ASKABLE),
        ("CALL p()", ASKABLE, ASKABLE),
        ("DO $$ BEGIN NULL; END $$", ASKABLE, ASKABLE),
        ("DO LANGUAGE plpgsql 'BEGIN LOAD ''x''; END'", ASKABLE | LOAD, ASKABLE),
        ("SELECT setseed(0.5)", SEED, 0),
        ("SELECT dblink_connect('a', 'b')", FUNCTION, 0),
        ("DISCARD ALL", 0, ASKABLE),
        ("DISCARD TEMP", 0, TEMPORARY_TABLE),
        ("SELECT 'a\\' || pg_advisory_lock(1)::text || '\\'", ADVISORY_LOCK, 0),
        ("SELECT 1; SELECT pg_advisory_lock(1)", ADVISORY_LOCK, 0),
    ],
)
def test_holds(sql: str, holds: int, asks: int) -> None:
    analysis = of(sql)
    assert (analysis.holds, analysis.asks) == (holds, asks)
    assert not analysis.plain


@pytest.mark.parametrize(
    ("sql", "flags"),
    [
        ("SELECT nextval('s')", SEQUENCE_SET),
        ("SELECT pg_catalog.setval('s', 1)", SEQUENCE_SET),
        ("INSERT INTO t VALUES (currval('s'), lastval())", SEQUENCE_ASKED),
        ("CALL p()", REREAD_SETTINGS),
    ],
)
def test_flags(sql: str, flags: int) -> None:
    assert of(sql).flags == flags


def test_asyncpg_reset_lets_go() -> None:
    analysis = of("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;")
    assert analysis.holds == analysis.flags == 0
    assert analysis.asks == ADVISORY_LOCK | CURSOR | LISTEN
    assert [part.verb for part in analysis.parts] == [b"SELECT", b"CLOSE", b"UNLISTEN", b"RESET"]
    assert analysis.parts[3].discard == RESET_ALL


@pytest.mark.parametrize(
    ("sql", "discard"),
    [
        ("RESET ALL", RESET_ALL),
        ("DISCARD ALL", DISCARD_ALL),
        ("DISCARD PLANS", DISCARD_PLANS),
        ("DISCARD SEQUENCES", DISCARD_SEQUENCES),
        ("DISCARD TEMPORARY", DISCARD_TEMPORARY),
        ("DEALLOCATE ALL", DEALLOCATE_ALL),
    ],
)
def test_discards(sql: str, discard: int) -> None:
    assert of(sql).parts[0].discard == discard


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("PREPARE Abc AS SELECT 1", b"abc"),
        ('EXECUTE "Abc"(1)', b"Abc"),
        ('DEALLOCATE "_pg3_0"', b"_pg3_0"),
        ("DEALLOCATE PREPARE x", b"x"),
        ("DEALLOCATE prepare", b"prepare"),
        ("DEALLOCATE ALL", None),
        ("CLOSE C", b"c"),
        ("CLOSE ALL", None),
        ('DECLARE "C" CURSOR WITH HOLD FOR SELECT 1', b"C"),
        ("LISTEN a", b"a"),
        ("UNLISTEN *", None),
    ],
)
def test_names(sql: str, name: bytes | None) -> None:
    assert of(sql).parts[0].name == name


@pytest.mark.parametrize(
    ("sql", "show"),
    [
        ("SHOW Work_Mem", b"work_mem"),
        ("SHOW a.b;", b"a.b"),
        ("SHOW ALL", b"all"),
        ("SHOW TIME ZONE", b"timezone"),
        ("SHOW TRANSACTION ISOLATION LEVEL", b"transaction_isolation"),
        ("SHOW SESSION AUTHORIZATION", b"session_authorization"),
        ("SHOW work_mem; SELECT 1", None),
    ],
)
def test_show(sql: str, show: bytes | None) -> None:
    assert of(sql).show == show


@pytest.mark.parametrize(
    ("sql", "copy"),
    [
        ("COPY t FROM STDIN", COPY_IN),
        ('COPY t (a, "from") FROM stdin WITH (FORMAT csv)', COPY_IN),
        ("COPY (SELECT a FROM t) TO STDOUT", COPY_OUT),
        ("COPY t TO '/x'", 0),
    ],
)
def test_copy(sql: str, copy: int) -> None:
    parts = of(sql).parts
    assert (parts[0].copy if parts else 0) == copy


def test_each_statement_has_its_part_and_place() -> None:
    sql = "BEGIN; SET a.b = 'x;y' ; /* c */ COMMIT -- d\n; ; SELECT 1"
    parts = of(sql).parts
    assert [sql[part.start : part.end] for part in parts] == ["BEGIN", "SET a.b = 'x;y'", "COMMIT", "SELECT 1"]
    assert [part.control for part in parts] == [BEGIN, 0, COMMIT, 0]
    assert [len(part.assignments) for part in parts] == [0, 1, 0, 0]


def test_virtual_settings_are_written_in() -> None:
    sql = "SELECT pg_catalog.current_setting('TCP_user_timeout'), current_setting('a'), current_setting($1)"
    assert of(sql).substitutions == (Substitution(7, 53, b"tcp_user_timeout"),)
    assert sql[7:53] == "pg_catalog.current_setting('TCP_user_timeout')"
    assert not of("SELECT * FROM current_setting('tcp_user_timeout')").substitutions


def test_virtual_settings_are_renamed_where_functions_set_them() -> None:
    sql = "SELECT set_config('Idle_session_timeout', $1, true), set_config('tcp_user_timeout'::text, '1', false)"
    analysis = of(sql)
    assert analysis.renames == (
        Substitution(18, 40, b"idle_session_timeout"),
        Substitution(64, 82, b"tcp_user_timeout"),
    )
    assert [sql[found.start : found.end] for found in analysis.renames] == [
        "'Idle_session_timeout'",
        "'tcp_user_timeout'",
    ]
    assert not of("CREATE VIEW v AS SELECT current_setting('tcp_user_timeout')").substitutions
    assert not of("CALL p(current_setting('tcp_user_timeout'))").substitutions


def test_declared_functions_hold_wherever_they_are_named() -> None:
    analyser = Analyser(frozenset([b"Login_As2"]))
    assert analyser.analyse(b"SELECT login_as1('x')").plain
    for sql in (b"SELECT login_as2('x')", b"SELECT app.LOGIN_AS2()", b'SELECT t."login_as2" FROM t'):
        assert analyser.analyse(sql).holds == FUNCTION
    assert analyser.analyse(b'SELECT "Login_As2"()').holds == 0
    assert analyser.analyse(b"SELECT 'login_as2'").plain


@pytest.mark.parametrize("sql", ["FROB x", "SELECT U&\"set!005fseed\"(1) UESCAPE '!'", "SELECT 1\x00", "$" + "a" * 300])
def test_what_cannot_be_read_may_do_anything(sql: str) -> None:
    analysis = of(sql)
    assert analysis.flags & UNREADABLE
    assert analysis.flags & REREAD_SETTINGS
    assert analysis.holds == ASKABLE | SETTINGS
    assert not analysis.read


def test_backslashes_escape_where_the_setting_says_so() -> None:
    sql = "SELECT 'a\\'; LISTEN b; --'"
    assert of(sql).holds == LISTEN
    assert of(sql, BACKSLASH_ESCAPES).plain


def test_strings_that_go_on_behind_a_line_keep_their_escapes() -> None:
    assert of("SELECT E'a' -- c\n  'b\\'; LISTEN x; --'").plain
    assert of("SELECT 'a'\n'b\\'; LISTEN x; --'").holds == LISTEN


def test_client_encodings_with_ascii_bytes_in_characters() -> None:
    assert of("SELECT 'a'", UNSAFE_ENCODING).plain
    assert of(b"SELECT '\x95\x5c'", UNSAFE_ENCODING).flags & UNREADABLE


def test_many_statements_are_cut_short_and_still_counted() -> None:
    analysis = of("SET a.b = 1;" * 300 + "LISTEN x")
    assert analysis.count == 301
    assert len(analysis.parts) == 256
    assert analysis.flags & CUT
    assert analysis.holds == LISTEN
