"""LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS() and CONNECTION_ID(): a session's own, whoever came between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..servers import OutliveProcess
from ..servers.database import APP, DatabaseServer
from .scripts import Script, Step, Watched, held, script, seen

T = (
    "DROP TABLE IF EXISTS test.t, test.u",
    "CREATE TABLE test.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, UNIQUE (n)) ENGINE=InnoDB",
    "CREATE TABLE test.u (id INT AUTO_INCREMENT PRIMARY KEY, n INT) AUTO_INCREMENT=500",
    "CREATE TRIGGER test.copies AFTER DELETE ON test.t FOR EACH ROW INSERT INTO test.u (n) VALUES (OLD.n)",
    "DROP PROCEDURE IF EXISTS test.inserts",
    "CREATE PROCEDURE test.inserts(v INT) BEGIN INSERT INTO u (n) VALUES (v), (v); SELECT LAST_INSERT_ID() AS i; END",
)
IDS = "SELECT LAST_INSERT_ID(), @@last_insert_id, @@identity"

SCRIPTS = [
    script(
        "last_insert_id",
        IDS,
        "INSERT INTO t (n) VALUES (1)",
        IDS,
        "SELECT LAST_INSERT_ID()",
        "select last_insert_id ( ) AS mine",
        "INSERT INTO t (n) VALUES (2), (3), (4)",
        IDS,
        "INSERT INTO u (n) SELECT n FROM t WHERE id = LAST_INSERT_ID()",
        IDS,
        "UPDATE t SET n = 40 WHERE id = 4",
        "SELECT COUNT(*) FROM t",
        IDS,
        setup=T,
    ),
    script(
        "explicit ids",
        "INSERT INTO t (n) VALUES (1)",
        "INSERT INTO t (id, n) VALUES (77, 2)",
        IDS,
        "INSERT INTO t (id, n) VALUES (NULL, 3), (100, 4), (NULL, 5)",
        IDS,
        "INSERT INTO t (id, n) VALUES (0, 6)",
        IDS,
        "REPLACE INTO t (id, n) VALUES (77, 7)",
        IDS,
        setup=T,
    ),
    script(
        "failed and ignored inserts",
        "INSERT INTO t (n) VALUES (1)",
        IDS,
        "INSERT INTO t (n) VALUES (1)",
        IDS,
        "INSERT INTO t (n) VALUES (2), (3), (1)",
        IDS,
        "INSERT IGNORE INTO t (n) VALUES (1)",
        IDS,
        "INSERT IGNORE INTO t (n) VALUES (1), (9)",
        IDS,
        "INSERT INTO t (n) VALUES (1) ON DUPLICATE KEY UPDATE n = 11",
        IDS,
        "INSERT INTO t (n) VALUES (9) ON DUPLICATE KEY UPDATE id = LAST_INSERT_ID(id), n = 12",
        IDS,
        setup=T,
    ),
    script(
        "last_insert_id of an expression",
        "SELECT LAST_INSERT_ID(42)",
        IDS,
        "UPDATE t SET n = LAST_INSERT_ID(n + 1)",
        IDS,
        "INSERT INTO t (n) VALUES (1)",
        "UPDATE t SET n = LAST_INSERT_ID(n + 1)",
        IDS,
        "SET last_insert_id = 9",
        IDS,
        "SET @@identity = 11",
        IDS,
        "SET SESSION last_insert_id = 3 + 4",
        IDS,
        setup=T,
    ),
    script(
        "ids of procedures and triggers",
        "CALL inserts(5)",
        IDS,
        "INSERT INTO t (n) VALUES (1)",
        "DELETE FROM t",
        IDS,
        setup=T,
    ),
    script(
        "ids in a transaction",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        held(IDS),
        "ROLLBACK",
        IDS,
        setup=T,
    ),
    script(
        "ids of several statements",
        "INSERT INTO t (n) VALUES (1); INSERT INTO u (n) VALUES (2); SELECT 1",
        IDS,
        "INSERT INTO t (n) VALUES (5); SELECT LAST_INSERT_ID(); INSERT INTO t (n) VALUES (6)",
        IDS,
        setup=T,
        client_flag=1 << 16,
    ),
    script(
        "row_count",
        "INSERT INTO t (n) VALUES (1), (2), (3)",
        "SELECT ROW_COUNT()",
        "SELECT ROW_COUNT()",
        "UPDATE t SET n = 10 WHERE n = 1",
        "SELECT ROW_COUNT() AS changed",
        "UPDATE t SET n = 10 WHERE n = 10",
        "SELECT ROW_COUNT() changed",
        "DELETE FROM t",
        "SELECT 1 + ROW_COUNT(), ROW_COUNT(), 'x' AS y",
        "SELECT 1",
        "SELECT ROW_COUNT()",
        "SET @a = 1",
        "SELECT ROW_COUNT()",
        "SELECT nonsense",
        "SELECT ROW_COUNT()",
        "INSERT INTO t (n) VALUES (8)",
        "INSERT INTO u (n) VALUES (ROW_COUNT())",
        "SELECT n FROM u",
        "CREATE TABLE IF NOT EXISTS t (a INT)",
        "SELECT ROW_COUNT()",
        "REPLACE INTO t (id, n) VALUES (1, 8)",
        "SELECT row_count ()",
        setup=T,
    ),
    script(
        "row_count and found rows instead of changed ones",
        "INSERT INTO t (n) VALUES (1), (2), (3)",
        "UPDATE t SET n = n",
        "SELECT ROW_COUNT()",
        "UPDATE t SET n = 2 WHERE n < 3 LIMIT 0",
        "SELECT ROW_COUNT()",
        setup=T,
        client_flag=2,
    ),
    script(
        "found_rows",
        "INSERT INTO t (n) VALUES (1), (2), (3), (4)",
        "SELECT n FROM t WHERE n > 1",
        "SELECT FOUND_ROWS()",
        "SHOW WARNINGS",
        "SELECT FOUND_ROWS()",
        "SELECT n FROM t LIMIT 2",
        "SELECT FOUND_ROWS() AS f",
        "SELECT SQL_CALC_FOUND_ROWS n FROM t LIMIT 1",
        "SHOW WARNINGS",
        "SELECT FOUND_ROWS()",
        "SELECT SQL_CALC_FOUND_ROWS n FROM t WHERE n > 100",
        "SELECT FOUND_ROWS(), FOUND_ROWS() + 1 AS more",
        "SELECT SQL_CALC_FOUND_ROWS n FROM t ORDER BY n LIMIT 2, 1",
        "SELECT 5 FROM t WHERE n = FOUND_ROWS()",
        "SELECT n FROM t LIMIT 3",
        "SELECT nonsense",
        "SELECT FOUND_ROWS()",
        "SELECT SQL_CALC_FOUND_ROWS n FROM t UNION SELECT 1 LIMIT 1",
        "SELECT FOUND_ROWS()",
        setup=T,
    ),
    script(
        "counts of several statements",
        "SELECT n FROM t; UPDATE t SET n = 1; SELECT ROW_COUNT(), FOUND_ROWS()",
        "SELECT ROW_COUNT()",
        "INSERT INTO t (n) VALUES (1), (2); SELECT ROW_COUNT(); DELETE FROM t",
        "SELECT ROW_COUNT()",
        "INSERT INTO t (n) VALUES (1); SELECT nonsense",
        "SELECT ROW_COUNT()",
        setup=T,
        client_flag=1 << 16,
    ),
    script(
        "multi-statements need to be negotiated",
        "SELECT 1; SELECT 2",
        "SELECT 1;",
        Step(b"\0\0", 0x1B),
        "SELECT 1; SELECT 2",
        Step(b"\1\0", 0x1B),
        "SELECT 1; SELECT 2",
        setup=T,
    ),
    script(
        "results of procedures",
        "CALL inserts(1)",
        "CALL inserts(NULL)",
        "CALL inserts()",
        "CALL nowhere()",
        setup=T,
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


def test_connection_id_is_one_for_the_whole_session(server: DatabaseServer, node: OutliveProcess) -> None:
    """The virtual id of the greeting, in every form, with the columns of the server."""
    forms = (
        "SELECT CONNECTION_ID()",
        "SELECT CONNECTION_ID() AS me",
        "SELECT @@pseudo_thread_id",
        "SELECT 1, CONNECTION_ID(), CONNECTION_ID() + 0",
    )
    direct, through, thief = Watched(server), Watched(node), Watched(node)
    try:
        for form in forms:
            expected, found = seen(direct, Step(form)), seen(through, Step(form))
            rows = [tuple(value for value in row) for row in found[0].pop("rows")]
            expected[0].pop("rows")
            if " + 0" not in form:
                assert found == expected
            assert str(through.thread_id()).encode() in [bytes(value) for row in rows for value in row], form
            seen(thief, Step("SELECT 1"))
        assert through.thread_id() != thief.thread_id()
        ids = seen(through, Step("SELECT ID FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()"))
        assert len(ids[0]["rows"]) == 1, "a list of the server's own ids is compared with the server's own id"
    finally:
        for connection in (direct, through, thief):
            connection.close()
    assert APP.user


def test_an_id_of_a_client_that_is_gone(server: DatabaseServer, node: OutliveProcess) -> None:
    """An INSERT of an explicit id leaves LAST_INSERT_ID() as it was: that is 0, and not what another client left."""
    server.query("CREATE TABLE IF NOT EXISTS test.ids (id INT AUTO_INCREMENT PRIMARY KEY, n INT)")
    server.query("DELETE FROM test.ids")
    gone = node.connect()
    gone.cursor().execute("INSERT INTO ids (n) VALUES (1)")
    gone.close()
    node.wait_settled()
    one = node.connect()
    other = node.connect()
    try:
        cursor = one.cursor()
        cursor.execute("INSERT INTO ids (id, n) VALUES (100000, 1)")
        other.cursor().execute("SELECT 1")
        cursor.execute("SELECT LAST_INSERT_ID()")
        assert cursor.fetchall() == ((0,),)
        cursor.execute("INSERT INTO ids (n) VALUES (1), (2)")
        other.cursor().execute("SELECT 1")
        cursor.execute("SELECT LAST_INSERT_ID()")
        assert cursor.fetchall() == ((100001,),)
    finally:
        one.close()
        other.close()
