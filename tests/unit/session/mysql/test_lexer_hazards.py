"""Everything a text can say about its session, and the ways to hide it: nearly all runs on MariaDB 10.11 as written."""

from __future__ import annotations

import pytest

from outlive.session.mysql import Analyser, Assignment, Hold, Kill, Substitution, Trivial, analyse
from outlive.session.mysql.analysis import (
    ANSI_QUOTES,
    ASK_FOUND_ROWS,
    ASK_LAST_INSERT_ID,
    CLEAR,
    CONNECTION_ID,
    FOUND_ROWS,
    HOLD,
    LAST_INSERT_ID,
    LOSE_NAMES,
    MULTIBYTE_ESCAPES,
    NO_BACKSLASH_ESCAPES,
    RELEASE,
    ROW_COUNT,
    VIRTUAL,
    WARNINGS,
)


def reasons(sql: str | bytes, mode: int = 0) -> set[str]:
    analysis = analyse(sql.encode() if isinstance(sql, str) else sql, mode)
    assert not (analysis.plain and analysis.holds)
    return {hold.reason for hold in analysis.holds if hold.change == HOLD}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT c FROM sbtest1 WHERE id=4994",
        "select `a`, `b` from `t` where `c` = 'it''s' and d = 'x\\'y'",
        "SELECT COUNT(*) FROM t",
        "INSERT INTO t (a, b) VALUES (1, 'a@b.c'), (2, 'x;y')",
        "UPDATE t SET a = a + 1 WHERE b = -1",
        "DELETE FROM t WHERE a = 'GET_LOCK(1)'",
        "BEGIN",
        "begin",
        "COMMIT",
        "ROLLBACK",
        "START TRANSACTION",
        "START TRANSACTION READ ONLY",
        "BEGIN WORK",
        "SAVEPOINT x",
        "SELECT 'SELECT GET_LOCK()'",
        "SELECT 1 -- GET_LOCK('a',1)",
        "SELECT 1 # @a:=1",
        "SELECT /* @@wait_timeout */ 1",
        "SELECT @a",
        "SELECT @@sql_mode",
        "SELECT @@global.wait_timeout",
        "SELECT /*!40001 SQL_NO_CACHE */ * FROM t",
        "CREATE TABLE t (a INT)",
        "CREATE TABLE `t` (a INT) ENGINE=InnoDB /*!40100 DEFAULT CHARSET=utf8 */",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "HELP 'x'",
        "CREATE FUNCTION f() RETURNS INT RETURN GET_LOCK('a', 1)",
        "CREATE VIEW v AS SELECT @@wait_timeout",
        "XA END 'a'",
        "USE d",
        "SELECT next_run, previous_value FROM t",
        "SELECT value FROM t",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM t FOR UPDATE",
        "GRANT SELECT ON *.* TO 'u'@'h'",
        "SET PASSWORD FOR 'u'@'h' = 'x'",
        "SET SESSION TRANSACTION READ ONLY",
        "SELECT naïve FROM заказы WHERE имя = 'я'",
        "INSERT INTO заказы (имя) VALUES ('я')",
        "EXPLAIN SELECT 1",
        "TABLE t",
        "(SELECT 1)",
        "SELECT 1;",
        "SELECT 1;;",
        "EXECUTE p",
    ],
)
def test_plain(sql: str) -> None:
    assert analyse(sql.encode()).plain


_LOCKS = [
    "SELECT GET_LOCK /**/ ('a',0)",
    "SELECT GET_LOCK\n('a',0)",
    "SELECT {fn GET_LOCK('a',0)}",
    "(SELECT GET_LOCK('a',1))",
    "SELECT `get_lock`('a',0)",
    "SET STATEMENT max_statement_time=5 FOR SELECT GET_LOCK('a',0)",
    "DO GET_LOCK('a',0)",
    "WITH x AS (SELECT GET_LOCK('a',0) g) SELECT * FROM x",
    "VALUES (GET_LOCK('a',0))",
    "ANALYZE SELECT GET_LOCK('a',0)",
    "INSERT INTO t VALUES (GET_LOCK('a',0))",
    "SELECT 'a''b', GET_LOCK('a',0)",
    "SELECT 'a\\'b', GET_LOCK('a',0), 'x'",
    "SELECT 'a\\\\', GET_LOCK('a',0), 'x'",
    "SELECT \"'\", GET_LOCK('a',0), \"'\"",
    "SELECT 1 -- '\n, GET_LOCK('a',0) -- '",
    "SELECT 1 # '\n, GET_LOCK('a',0) # '",
    "SELECT 1 /* ' */, GET_LOCK('a',0) /* ' */",
    "SELECT 1 --\t'\n, GET_LOCK('a',0)",
    "SELECT 5--'1', GET_LOCK('a',0)",
    "SELECT 1 `it's`, GET_LOCK('a',0) `it's`",
    "SELECT * FROM (SELECT GET_LOCK('a',0)) x",
    "USE d; SELECT GET_LOCK('a',0)",
    "SELECT /*!50000 GET_LOCK('a',0) */",
    "SELECT /*M!100100GET_LOCK('a',0)*/",
    "SELECT BENCHMARK(1,GET_LOCK('a',0))",
    "CREATE TABLE t AS SELECT GET_LOCK('a',0)",
    "CREATE EVENT e ON SCHEDULE AT NOW() + INTERVAL GET_LOCK('a',0) DAY DO SELECT 1",
    "SHOW TABLES WHERE GET_LOCK('a',0)",
    "KILL GET_LOCK('a',0)",
    "CREATE DEFINER=view EVENT e ON SCHEDULE AT GET_LOCK('a',0) DO SELECT 1",
    "SELECT GET_LOCK(?, ?)",
    "SELECT GET_LOCK(@x, 1)",
    "SELECT GET_LOCK()",
    "CREATE FUNCTION f() RETURNS INT RETURN 1; SELECT GET_LOCK('a',0)",
    "SELECT 0x27,GET_LOCK('a',0)",
    "SELECT N'a',GET_LOCK('a',0),x'41'",
]


@pytest.mark.parametrize("sql", _LOCKS)
def test_get_lock_however_it_is_written(sql: str) -> None:
    assert "get_lock" in reasons(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1.5INTO@a",
        "SELECT 1e5INTO@a",
        "SELECT .5INTO @a",
        "SELECT \\NINTO@a",
        "SELECT 1 INTO@`x`",
        "SELECT @'q' := 4",
        "SELECT @`b`:=5",
        "SELECT@a:=1",
        "SET @a=1,@b=@a+1",
        "SET @x='a' 'b'",
        "SET @x='a\\'b'",
        "UPDATE t SET a=(@q:=a)",
        "DELETE FROM t WHERE a=@k:=3",
        "SELECT a INTO @a FROM t",
        "SELECT 1,2 INTO @a, @b",
        "LOAD DATA INFILE 'x' INTO TABLE t (a,@b)",
        "GET DIAGNOSTICS @n = NUMBER",
        "CALL p(@a)",
        "DO @w := 9",
        "SET @a = NOW()",
        "SET @`a``b` = 1",
        "SET @=4",
        "SET @a = 1, sql_mode = CONCAT(@@sql_mode, ',X')",
        "EXECUTE s USING @a",
        "EXPLAIN FORMAT=JSON INTO @a SELECT 1",
        "TABLE t INTO @a",
        "SET @é = 1",
        "SELECT @'a\\'b' := 1",
    ],
)
def test_user_variables_hold(sql: str) -> None:
    assert reasons(sql) & {"user_variable", "unsure"}
    assert not analyse(sql.encode()).user_variables


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN NOT ATOMIC SET @z=1; END",
        "x: BEGIN NOT ATOMIC SELECT 1; END",
        "IF 1 THEN SELECT 2; END IF",
        "BEGIN SELECT 1; END",
        "EXECUTE IMMEDIATE 'SET @z=3'",
        "EXECUTE IMMEDIATE CONCAT('SET @z=',4)",
        "PREPARE p FROM @a",
        "PREPARE p FROM 'SELECT GET_LOCK(1,1)'",
        'PREPARE p FROM "SELECT "" \' "", GET_LOCK(1,1), "" \' """',
        "SELECT /*!99999 ' */ GET_LOCK('a',0) /*!99999 ' */",
        "/*!99999 SELECT */ LOCK TABLES t READ",
        "SELECT GET_LOCK /*!99999 x */ ('a', 1)",
        "SELECT NEXT /*!99999 x */ VALUE FOR s",
        "CREATE /*!99999 x */ TEMPORARY TABLE t (a INT)",
        "SELECT 1 /*!99999 ; */ ; SELECT 2",
        "SELECT /*!50000 /*!50000 1 */ */",
        "SELECT /*!99999 # */ 1",
        "SET @a = 1 /*!99999 , @b = 2 */",
        "SELECT /*+ SET_VAR(sql_mode=' */ ') */ 1",
        "SELECT /*+ X(`*/ 1",
        "SELECT /*!5000001e5INTO@a */",
        "SELECT 1 -- \x00",
        "SELECT 1\x00",
        "BINLOG 'aaa'",
        "DECLARE x INT",
        "XYZZY",
        "SET RESOURCE GROUP g",
        "SET",
        "SET a",
        "SET é=1",
        "SET @@é=1",
        "SELECT @@é",
        "SET GLOBAL a=1, wait_timeout=5",
        "SELECT 'open",
        "SELECT GET_LÓCK('a',1)",
        "SET NAMES gbk; SELECT 1",
        "SET sql_mode='ANSI_QUOTES'; SELECT \"'\"",
        "CREATE FUNCTION f() RETURNS INT AS $$ ' $$",
        "LOCK\u00a0TABLES t READ",
        "SET SESSION sql_auto_is_null=1",
        "FLUSH LOGS\u00a0",
        "SELECT $x$ ' $x$",
        "SET x.y = 1",
    ],
)
def test_unsure(sql: str) -> None:
    assert "unsure" in reasons(sql)


def test_white_space_of_other_character_sets() -> None:
    assert reasons(b"SELECT\xa0GET_LOCK('a',1)")
    assert reasons(b"SELECT 1 INTO\xa0@a")
    assert reasons(b"SELECT 1 --\xa0'\n,@a:=1 -- '")
    assert reasons(b"CREATE TEMPORARY\xa0TABLE t (a INT)")


def test_modes() -> None:
    assert analyse(b"SELECT 'a\\', GET_LOCK(1,1), \\'b'").plain
    assert "get_lock" in reasons(b"SELECT 'a\\', GET_LOCK(1,1), \\'b'", NO_BACKSLASH_ESCAPES)
    assert analyse(b'SELECT "GET_LOCK"', ANSI_QUOTES).plain
    assert "get_lock" in reasons(b"SELECT \"GET_LOCK\"('x',1)", ANSI_QUOTES)
    assert "unsure" in reasons(b"SELECT '\xbf\\', GET_LOCK(1,1) -- '", MULTIBYTE_ESCAPES)


@pytest.mark.parametrize(
    ("sql", "holds"),
    [
        ("SELECT GET_LOCK('A',1)", [("get_lock", b"a", HOLD)]),
        ("select get_lock('a', -1) as `x`", [("get_lock", b"a", HOLD)]),
        ("DO RELEASE_LOCK('a')", [("get_lock", b"a", RELEASE)]),
        ("SELECT RELEASE_LOCK('a') FROM t", []),
        ("SELECT RELEASE_LOCK(?)", []),
        ("SELECT RELEASE_ALL_LOCKS()", [("get_lock", None, CLEAR)]),
        ("SELECT RELEASE_ALL_LOCKS() WHERE 0", []),
        ("SELECT GET_LOCK('a','b','c')", [("get_lock", None, HOLD)]),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS d.T (a INT)", [("temporary_table", b"d.T", HOLD)]),
        ("CREATE OR REPLACE TEMPORARY TABLE `a b` SELECT 1", [("temporary_table", b"a b", HOLD)]),
        ("CREATE TEMPORARY SEQUENCE s", [("temporary_table", b"s", HOLD)]),
        (
            "DROP TEMPORARY TABLE IF EXISTS a, d.b",
            [("temporary_table", b"a", CLEAR), ("temporary_table", b"d.b", CLEAR)],
        ),
        ("DROP TABLE a", [("temporary_table", b"a", CLEAR)]),
        ("DROP /*!40005 TEMPORARY */ TABLE IF EXISTS a", [("unsure", None, HOLD)]),
        ("RENAME TABLE a TO b", [("temporary_table", None, LOSE_NAMES)]),
        ("ALTER TABLE a RENAME b", [("temporary_table", None, LOSE_NAMES)]),
        ("ALTER TABLE a RENAME COLUMN x TO y", []),
        ("LOCK TABLES t READ", [("lock_tables", b"tables", HOLD)]),
        ("UNLOCK TABLES", [("lock_tables", b"tables", CLEAR)]),
        ("FLUSH TABLES t WITH READ LOCK", [("lock_tables", b"tables", HOLD)]),
        ("FLUSH LOCAL TABLES t FOR EXPORT", [("lock_tables", b"tables", HOLD)]),
        ("LOCK INSTANCE FOR BACKUP", [("lock_tables", b"instance", HOLD)]),
        ("UNLOCK INSTANCE", [("lock_tables", b"instance", CLEAR)]),
        ("BACKUP STAGE START", [("lock_tables", b"stage", HOLD)]),
        ("BACKUP STAGE END", [("lock_tables", b"stage", CLEAR)]),
        ("HANDLER d.t OPEN", [("handler", b"t", HOLD)]),
        ("HANDLER t OPEN AS h", [("handler", b"h", HOLD)]),
        ("HANDLER h READ FIRST", []),
        ("HANDLER h CLOSE", [("handler", b"h", CLEAR)]),
        ("XA START 'x'", [("xa", None, HOLD)]),
        ("XA ROLLBACK 'x'", [("xa", None, CLEAR)]),
        ("PREPARE P FROM 'SELECT 1'", [("text_prepare", b"p", HOLD)]),
        ("DEALLOCATE PREPARE p", [("text_prepare", b"p", CLEAR)]),
        ("DROP PREPARE p", [("text_prepare", b"p", CLEAR)]),
        ("SELECT NEXT VALUE FOR s", [("sequence", None, HOLD)]),
        ("SELECT NEXT/**/VALUE FOR s", [("sequence", None, HOLD)]),
        ("SELECT PREVIOUS VALUE FOR s", [("sequence", None, HOLD)]),
        ("SELECT LASTVAL(s)", [("sequence", None, HOLD)]),
        ("SELECT s.nextval", [("sequence", None, HOLD)]),
        ("SELECT s.currval", [("sequence", None, HOLD)]),
        ("SET sql_log_bin=0", [("binlog", b"sql_log_bin", HOLD)]),
        ("SET SESSION sql_log_bin = ON", [("binlog", b"sql_log_bin", CLEAR)]),
        ("SET @@session.timestamp=5", [("insert_id", b"timestamp", HOLD)]),
        ("SET LOCAL timestamp=DEFAULT", [("insert_id", b"timestamp", CLEAR)]),
        ("SET insert_id=5", [("insert_id", b"insert_id", HOLD)]),
        ("SET SQL_AUTO_IS_NULL = 0", [("unsure", b"sql_auto_is_null", CLEAR)]),
    ],
)
def test_holds(sql: str, holds: list[tuple[str, bytes | None, int]]) -> None:
    assert analyse(sql.encode()).holds == tuple(Hold(*hold) for hold in holds)


@pytest.mark.parametrize(
    ("sql", "needs", "after"),
    [
        ("SELECT LAST_INSERT_ID()", LAST_INSERT_ID, 0),
        ("INSERT INTO t VALUES (LAST_INSERT_ID ( /**/ ))", LAST_INSERT_ID, 0),
        ("SELECT @@last_insert_id", LAST_INSERT_ID, 0),
        ("SELECT @@session .identity", LAST_INSERT_ID, 0),
        ("SELECT @@`identity`", LAST_INSERT_ID, 0),
        ("CALL p()", LAST_INSERT_ID, 0),
        ("SELECT LAST_INSERT_ID(7)", 0, ASK_LAST_INSERT_ID),
        ("INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE id=LAST_INSERT_ID(id)", 0, ASK_LAST_INSERT_ID),
        ("SET last_insert_id=7", 0, ASK_LAST_INSERT_ID),
        ("SELECT SQL_CALC_FOUND_ROWS * FROM t", 0, ASK_FOUND_ROWS),
        ("SELECT * FROM t WHERE a=ROW_COUNT()", ROW_COUNT, 0),
        ("SELECT FOUND_ROWS() + 1 AS x", FOUND_ROWS, 0),
        ("SELECT CONNECTION_ID() + 1 AS x", CONNECTION_ID, 0),
        ("SELECT IS_USED_LOCK('a') = CONNECTION_ID()", 0, 0),
        ("SELECT * FROM information_schema.processlist WHERE id = CONNECTION_ID()", 0, 0),
        ("SHOW WARNINGS", WARNINGS, 0),
        ("GET DIAGNOSTICS CONDITION 1 @a = MESSAGE_TEXT", WARNINGS, 0),
        ("SELECT @@local.`wait_timeout` + 1 AS x", VIRTUAL, 0),
        ("SHOW SESSION VARIABLES", VIRTUAL, 0),
        ("SHOW VARIABLES LIKE 'x'", VIRTUAL, 0),
        ("SHOW GLOBAL VARIABLES", 0, 0),
        ("SELECT * FROM performance_schema.`session_variables`", VIRTUAL, 0),
        ("INSERT INTO t VALUES (1); SELECT ROW_COUNT()", 0, 0),
    ],
)
def test_needs_and_after(sql: str, needs: int, after: int) -> None:
    analysis = analyse(sql.encode())
    assert (analysis.needs, analysis.after) == (needs, after)


@pytest.mark.parametrize(
    ("sql", "trivial"),
    [
        ("SELECT ROW_COUNT()", ("row_count", b"ROW_COUNT()")),
        ("select row_count ( ) as n;", ("row_count", b"n")),
        ("SELECT FOUND_ROWS() `the n`", ("found_rows", b"the n")),
        ("SELECT CONNECTION_ID()", ("connection_id", b"CONNECTION_ID()")),
        ("SELECT @@warning_count", ("warning_count", b"@@warning_count")),
        ("SELECT @@session.wait_timeout", ("wait_timeout", b"@@session.wait_timeout")),
        ("SHOW WARNINGS", ("show_warnings", b"")),
        ("SHOW WARNINGS LIMIT 2, 5", ("show_warnings", b"", (2, 5))),
        ("SHOW ERRORS LIMIT 5 OFFSET 2", ("show_errors", b"", (2, 5))),
        ("SHOW COUNT(*) WARNINGS", ("show_count_warnings", b"@@session.warning_count")),
    ],
)
def test_trivial(sql: str, trivial: tuple[str, bytes, tuple[int, int] | None]) -> None:
    assert analyse(sql.encode()).trivial == Trivial(*trivial)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT ROW_COUNT() FROM t",
        "SELECT ROW_COUNT() LIMIT 0",
        "SELECT 1, ROW_COUNT()",
        "DO ROW_COUNT()",
        "SELECT ROW_COUNT()" + " " * 20000 + "+1",
    ],
)
def test_not_trivial(sql: str) -> None:
    assert analyse(sql.encode()).trivial is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a, ROW_COUNT() FROM t", [(10, 21, "row_count", b"ROW_COUNT()")]),
        ("SELECT a, ROW_COUNT() n FROM t", [(10, 21, "row_count", None)]),
        ("SELECT ROW_COUNT()+1, 2", [(7, 18, "row_count", None), (20, 20, "label", b"ROW_COUNT()+1")]),
        ("SELECT ROW_COUNT()+1 AS n", [(7, 18, "row_count", None)]),
        ("SELECT 1 FROM t WHERE a = ROW_COUNT()", [(26, 37, "row_count", None)]),
        ("SELECT (SELECT ROW_COUNT())", [(15, 26, "row_count", None), (27, 27, "label", b"(SELECT ROW_COUNT())")]),
        ("SELECT @@wait_timeout, @@x", [(7, 21, "wait_timeout", b"@@wait_timeout")]),
    ],
)
def test_substitutions(sql: str, expected: list[tuple[int, int, str, bytes | None]]) -> None:
    assert analyse(sql.encode()).substitutions == tuple(Substitution(*entry) for entry in expected)


def test_set() -> None:
    analysis = analyse(b"SET @A:=1, @b=-2.5e3, SESSION sql_mode='', @@global.x = 5, @@wait_timeout = DEFAULT")
    assert analysis.user_variables == ((b"a", b"1"), (b"b", b"-2.5e3"))
    assert [entry[:4] for entry in analysis.assignments] == [
        ("user", b"A", b"1", True),
        ("user", b"b", b"-2.5e3", True),
        ("session", b"sql_mode", b"''", True),
        ("global", b"x", b"5", True),
        ("session", b"wait_timeout", b"DEFAULT", True),
    ]
    assert analyse(b"SET wait_timeout = 5").assignments == (Assignment("session", b"wait_timeout", b"5", True, 4, 20),)
    literals = b"SET @a=x'41', @b=_latin1'abc', @c=N'x', @d=0x1F, @e=b'1', @f=NULL, @g=true, @h=\"x\""
    assert [value for _, value in analyse(literals).user_variables] == [
        b"x'41'",
        b"_latin1'abc'",
        b"N'x'",
        b"0x1F",
        b"b'1'",
        b"NULL",
        b"true",
        b"'x'",
    ]
    assert analyse(b"SET NAMES 'utf8mb4' COLLATE utf8mb4_bin").charset == b"utf8mb4"
    assert analyse(b"SET CHARACTER SET latin1").charset == b"latin1"
    assert analyse(b"SET ROLE 'a', b").set_role == b"SET ROLE 'a', b"
    assert analyse(b"SET TRANSACTION READ ONLY").set_transaction
    assert analyse(b"SET @@tx_isolation='SERIALIZABLE'").assignments[0].scope == "next"
    assert analyse(b"SET PERSIST max_connections=5").assignments[0].scope == "persist"


def test_kill_call_load() -> None:
    assert analyse(b"KILL 5").kill == Kill("connection", 5)
    assert analyse(b"KILL QUERY 5;").kill == Kill("query", 5)
    assert analyse(b"KILL HARD CONNECTION 2147483649").kill == Kill("connection", 2147483649)
    assert analyse(b"KILL QUERY ID 5").kill == Kill("query_id", 5)
    assert analyse(b"KILL USER x").kill == Kill("user", None)
    assert analyse(b"KILL CONNECTION_ID()").kill == Kill("connection", None)
    assert analyse(b"CALL p()").call
    assert analyse(b"LOAD DATA LOW_PRIORITY LOCAL INFILE 'x' INTO TABLE t").load_data_local


@pytest.mark.parametrize(
    ("sql", "read"),
    [
        ("SELECT SLEEP(5)", True),
        ("SELECT f()", False),
        ("SELECT d.count(1)", False),
        ("SHOW TABLES", True),
        ("SELECT 1 INTO OUTFILE 'x'", False),
        ("WITH x AS (SELECT 1) DELETE FROM t", False),
        ("EXPLAIN ANALYZE DELETE FROM t", False),
        ("SELECT 1; DELETE FROM t", False),
        ("SELECT * FROM t FOR UPDATE", True),
        ("INSERT INTO t VALUES (1)", False),
        ("CALL p()", False),
        ("", False),
    ],
)
def test_read(sql: str, read: bool) -> None:
    assert analyse(sql.encode()).read is read


def test_declared_functions() -> None:
    analyser = Analyser(frozenset([b"My_Lock"]))
    assert analyser.analyse(b"SELECT my_lock(1)").holds == (Hold("function", b"my_lock", HOLD),)
    assert analyser.analyse(b"SELECT `MY_LOCK` (1)").holds == (Hold("function", b"my_lock", HOLD),)
    assert analyser.analyse(b"SELECT other(1)").plain


def test_the_number_of_statements() -> None:
    assert analyse(b"SELECT 1; ; SELECT ';' -- ;\n; /* ; */").statements == 2
    assert analyse(b"").statements == 0
    assert analyse(b" -- nothing").plain
