"""What ties a session to its connection: held for a stated reason, given back when released, cleaned at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .scripts import RESET_CONNECTION, Script, Step, Thief, Watched, held, pins, script, seen

T = (
    "DROP TABLE IF EXISTS test.t, test.temporary, other.temporary, test.renamed",
    "CREATE TABLE test.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT) ENGINE=InnoDB",
    "INSERT INTO test.t (n) VALUES (1), (2), (3)",
    "DROP PROCEDURE IF EXISTS test.alters",
    "DROP PROCEDURE IF EXISTS test.gives",
    "DROP FUNCTION IF EXISTS test.alters",
    "CREATE PROCEDURE test.alters() SET time_zone = '+09:00', @p = 1",
    "CREATE PROCEDURE test.gives(OUT a INT, INOUT b INT) BEGIN SET a = 5; SET b = b + 1; END",
    "CREATE FUNCTION test.alters() RETURNS INT NO SQL BEGIN SET @f = 7; RETURN 1; END",
)

SCRIPTS = [
    script(
        "temporary tables",
        held("CREATE TEMPORARY TABLE temporary (a INT)", "temporary_table"),
        held("INSERT INTO temporary VALUES (1), (2)", "temporary_table"),
        held("SELECT * FROM temporary", "temporary_table"),
        held("CREATE TEMPORARY TABLE IF NOT EXISTS other.temporary (b INT)", "temporary_table"),
        held("DROP TEMPORARY TABLE temporary", "temporary_table"),
        "DROP TABLE other.temporary",
        "SELECT * FROM temporary",
        held("CREATE TEMPORARY TABLE temporary AS SELECT * FROM t", "temporary_table"),
        held("ALTER TABLE temporary RENAME TO renamed", "temporary_table"),
        held("DROP TABLE renamed", "temporary_table"),
        RESET_CONNECTION,
        "SELECT * FROM renamed",
        setup=T,
    ),
    script(
        "temporary tables left behind",
        held("CREATE TEMPORARY TABLE t (hides INT)", "temporary_table"),
        held("SELECT * FROM t", "temporary_table"),
        setup=T,
    ),
    script(
        "what SELECT INTO found",
        "SELECT n FROM t",
        held("SELECT 4 INTO @z", "user_variable"),
        held("SELECT FOUND_ROWS()", "user_variable"),
        held("SELECT n FROM t LIMIT 3", "user_variable"),
        held("SELECT n FROM t WHERE n = 2 INTO @z", "user_variable"),
        held("SELECT ROW_COUNT(), FOUND_ROWS()", "user_variable"),
        held("SELECT n FROM t WHERE n > 100 INTO @z", "user_variable"),
        held("SELECT FOUND_ROWS()", "user_variable"),
        setup=T,
    ),
    script(
        "get_lock",
        held("SELECT GET_LOCK('a', 0)", "get_lock"),
        held("SELECT GET_LOCK('a', 0), IS_FREE_LOCK('b')", "get_lock"),
        held("SELECT IS_FREE_LOCK('a')", "get_lock"),
        held("SELECT RELEASE_LOCK('a')", "get_lock"),
        held("SELECT RELEASE_LOCK('a') AS r", "get_lock"),
        RESET_CONNECTION,
        "SELECT IS_FREE_LOCK('a'), IS_USED_LOCK('a')",
        held("DO GET_LOCK('b', 0)", "get_lock"),
        "DO RELEASE_LOCK('b')",
        held("select get_lock ( 'B' , 1 ) as l", "get_lock"),
        held("SELECT GET_LOCK('c', 0)", "get_lock"),
        held("SELECT RELEASE_LOCK('b')", "get_lock"),
        "SELECT RELEASE_ALL_LOCKS()",
        "SELECT IS_FREE_LOCK('b'), IS_FREE_LOCK('c')",
        "SELECT RELEASE_LOCK('never')",
        setup=T,
    ),
    script(
        "lock tables",
        held("LOCK TABLES t WRITE", "lock_tables"),
        held("UPDATE t SET n = 5", "lock_tables"),
        held("SELECT * FROM t", "lock_tables"),
        "UNLOCK TABLES",
        held("LOCK TABLES t READ", "lock_tables"),
        held("INSERT INTO t (n) VALUES (9)", "lock_tables"),
        "UNLOCK TABLES",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "begin unlocks",
        held("LOCK TABLES t WRITE", "lock_tables"),
        held("BEGIN", "lock_tables"),
        held("COMMIT", "lock_tables"),
        "UNLOCK TABLES",
        setup=T,
    ),
    script(
        "handler",
        held("HANDLER t OPEN", "handler"),
        held("HANDLER t READ FIRST", "handler"),
        held("HANDLER t READ NEXT", "handler"),
        "HANDLER t CLOSE",
        held("HANDLER t OPEN AS h", "handler"),
        held("HANDLER h READ `PRIMARY` = (2)", "handler"),
        "HANDLER h CLOSE",
        "HANDLER t READ FIRST",
        setup=T,
    ),
    script(
        "text PREPARE",
        held("PREPARE p FROM 'SELECT n FROM t WHERE id = ?'", "text_prepare"),
        held("SET @i = 2", "text_prepare"),
        held("EXECUTE p USING @i", "text_prepare", "user_variable"),
        held("DEALLOCATE PREPARE p", "user_variable"),
        held("EXECUTE p", "user_variable"),
        setup=T,
    ),
    script(
        "text PREPARE without variables",
        held("PREPARE p FROM 'SELECT n FROM t'", "text_prepare"),
        held("EXECUTE p", "text_prepare"),
        "DROP PREPARE p",
        "EXECUTE p",
        held("PREPARE `Q` FROM 'INSERT INTO t (n) VALUES (4)'", "text_prepare"),
        held("EXECUTE q", "text_prepare"),
        held("SELECT LAST_INSERT_ID()", "text_prepare"),
        "DEALLOCATE PREPARE q",
        "SELECT LAST_INSERT_ID()",
        setup=T,
    ),
    script(
        "xa",
        held("XA START 'x'", "xa"),
        held("INSERT INTO t (n) VALUES (8)", "xa"),
        held("XA END 'x'", "xa"),
        "XA ROLLBACK 'x'",
        "SELECT COUNT(*) FROM t",
        held("XA START 'y'", "xa"),
        held("INSERT INTO t (n) VALUES (8)", "xa"),
        held("XA END 'y'", "xa"),
        "XA COMMIT 'y' ONE PHASE",
        "SELECT COUNT(*) FROM t",
        setup=T,
    ),
    script(
        "user variables that are not literals",
        held("SET @a = 1 + 1", "user_variable"),
        held("SELECT @a", "user_variable"),
        held("SELECT @b := @a * 2", "user_variable"),
        held("SELECT n INTO @c FROM t WHERE id = 3", "user_variable"),
        held("SELECT @a, @b, @c, @d", "user_variable"),
        RESET_CONNECTION,
        "SELECT @a, @b, @c",
        setup=T,
    ),
    script(
        "parameters of procedures",
        "SET @in = 1",
        held("CALL gives(@out, @in)", "user_variable"),
        held("SELECT @out, @in", "user_variable"),
        setup=T,
    ),
    script(
        "variables in rows",
        held("SELECT n, @r := @r + n FROM t, (SELECT @r := 0) x", "user_variable"),
        held("SELECT @r", "user_variable"),
        setup=T,
    ),
    script(
        "a literal read in another charset",
        "SET NAMES utf8mb4",
        "SET @w = '\u00e4'",
        "SELECT HEX(@w), CHARSET(@w)",
        held("SET NAMES latin1", "user_variable"),
        held("SELECT HEX(@w), CHARSET(@w)", "user_variable"),
        setup=T,
    ),
    script(
        "what procedures and functions set",
        held("CALL alters()", "unexplained_state"),
        held("SELECT @@time_zone, @p", "unexplained_state"),
        RESET_CONNECTION,
        held("SELECT alters()", "unexplained_state"),
        held("SELECT @f, @@time_zone", "unexplained_state"),
        setup=T,
    ),
    script(
        "insert_id and timestamp",
        held("SET insert_id = 700", "insert_id", "session_variable"),
        held("INSERT INTO t (n) VALUES (1)", "insert_id", "session_variable"),
        held("SELECT LAST_INSERT_ID()", "insert_id", "session_variable"),
        RESET_CONNECTION,
        "SELECT MAX(id) FROM t",
        held("SET timestamp = 1000000000", "insert_id", "session_variable"),
        held("SELECT NOW(), UNIX_TIMESTAMP()", "insert_id", "session_variable"),
        setup=T,
    ),
    script(
        "sequences",
        "CREATE SEQUENCE s START WITH 5",
        held("SELECT NEXTVAL(s)", "sequence"),
        held("SELECT LASTVAL(s), PREVIOUS VALUE FOR s", "sequence"),
        held("SELECT NEXT VALUE FOR s", "sequence"),
        held("SELECT SETVAL(s, 50)", "sequence"),
        held("INSERT INTO t (n) VALUES (NEXTVAL(s))", "sequence"),
        RESET_CONNECTION,
        held("SELECT LASTVAL(s)", "sequence"),
        setup=(*T, "DROP SEQUENCE IF EXISTS test.s"),
        servers=("mariadb",),
    ),
    script(
        "roles",
        "SELECT CURRENT_ROLE()",
        "SET ROLE reader",
        "SELECT CURRENT_ROLE()",
        "SELECT * FROM hidden.h",
        "SET ROLE NONE",
        "SELECT CURRENT_ROLE()",
        "SELECT * FROM hidden.h",
        "SET ROLE nobody",
        "SET ROLE `reader`",
        "SELECT * FROM hidden.h",
        setup=(
            *T,
            "DROP DATABASE IF EXISTS hidden",
            "CREATE DATABASE hidden",
            "CREATE TABLE hidden.h AS SELECT 42 AS secret",
            "CREATE ROLE IF NOT EXISTS reader",
            "GRANT SELECT ON hidden.* TO reader",
            "GRANT reader TO 'app'@'%'",
        ),
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


def test_sql_log_bin_pins(server: DatabaseServer, node: OutliveProcess) -> None:
    """It takes a privilege that the users of the other tests lack: it fails, and pins nothing by that."""
    connection = Watched(node)
    try:
        failed = seen(connection, Step("SET sql_log_bin = 0"))
        assert failed[0]["error"][0] == 1227
        assert pins(node) in ((), ("binlog",))
        assert failed == seen(Watched(server), Step("SET sql_log_bin = 0"))
    finally:
        connection.close()


def test_the_reason_is_in_log_and_metrics(
    server: DatabaseServer, node: OutliveProcess, thieves: tuple[Thief, ...]
) -> None:
    """Counted, shown while it lasts, logged once."""
    before = node.metric("outlive_pins_total", reason="get_lock")
    connection = Watched(node)
    try:
        seen(connection, Step("SELECT GET_LOCK('shown', 0)"))
        seen(connection, Step("SELECT GET_LOCK('shown', 0)"))
        node.process.wait_line(f"event=pinned client={connection.thread_id()} user=app reason=get_lock")
        assert node.metric("outlive_pins_total", reason="get_lock") == before + 1
        assert node.metric("outlive_pinned", reason="get_lock") == 1
    finally:
        connection.close()
    thieves[0].steal()
    assert node.metric("outlive_pinned", reason="get_lock") == 0
    assert server.query("SELECT IS_FREE_LOCK('shown')") == ((1,),)


@pytest.mark.parametrize(
    "left",
    [
        "CREATE TEMPORARY TABLE t (hides INT)",
        "SELECT GET_LOCK('left', 0)",
        "LOCK TABLES t WRITE",
        "HANDLER t OPEN",
        "XA START 'left'",
        "PREPARE p FROM 'SELECT 1'",
        "SELECT @a := 5",
        "SET timestamp = 5",
        "BEGIN",
        "SET sql_mode = '', time_zone = '+03:00', autocommit = 0",
        "SET TRANSACTION READ ONLY",
        "SET NAMES latin1",
        "USE other",
        "SELECT CAST('x' AS SIGNED)",
        "INSERT INTO t (n) VALUES (5)",
    ],
)
def test_the_next_client_finds_nothing(left: str, server: DatabaseServer, node: OutliveProcess) -> None:
    """Whatever a client leaves when it ends, and however it ends, its connection is as new for the next one."""
    for statement in T:
        server.query(statement)
    questions = (
        "SELECT @a, DATABASE(), @@sql_mode, @@time_zone, @@autocommit, @@collation_connection, IS_FREE_LOCK('left')",
        "SELECT NOW() > '2001-01-01', LAST_INSERT_ID(), ROW_COUNT(), @@warning_count",
        "SHOW COLUMNS FROM t",
        "EXECUTE p",
        "HANDLER t READ FIRST",
        "INSERT INTO t (id, n) VALUES (90, 1)",
        "DELETE FROM t WHERE id = 90",
    )
    direct = Watched(server)
    expected = [seen(direct, Step(question)) for question in questions]
    direct.close()
    for ends_politely in (True, False):
        gone = Watched(node)
        seen(gone, Step(left))
        if ends_politely:
            gone.close()
        else:
            gone._force_close()
        following = Watched(node)
        try:
            assert [seen(following, Step(question)) for question in questions] == expected
        finally:
            following.close()
