"""The end of a transaction: by the server's status, never by keywords. autocommit, savepoints, DDL, SET TRANSACTION."""

from collections.abc import Callable

import pytest

from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .scripts import MULTI_STATEMENTS_ON, RESET_CONNECTION, Script, Step, Watched, held, held_on, script, seen

T = (
    "DROP TABLE IF EXISTS test.t, test.u",
    "CREATE TABLE test.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT NOT NULL DEFAULT 0, s VARCHAR(3), UNIQUE (n))",
    "DROP PROCEDURE IF EXISTS test.opens",
    "DROP PROCEDURE IF EXISTS test.closes",
    "DROP PROCEDURE IF EXISTS test.fails_open",
    "CREATE PROCEDURE test.opens() BEGIN START TRANSACTION; INSERT INTO test.t (n) VALUES (50); END",
    "CREATE PROCEDURE test.closes() COMMIT",
    "CREATE PROCEDURE test.fails_open() BEGIN START TRANSACTION; INSERT INTO test.t (n) VALUES (51);"
    " SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'on purpose'; END",
)
ISOLATION = {"mariadb": "tx_isolation", "mysql": "transaction_isolation"}

SCRIPTS = [
    script(
        "begin and commit",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("SELECT * FROM t"),
        "COMMIT",
        "SELECT * FROM t",
        held("START TRANSACTION"),
        held("DELETE FROM t"),
        "ROLLBACK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "comments and other spellings",
        held("/* hello */ bEgIn /* work */ WORK"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("/*!40000 COMMIT */", "unsure"),
        held("SELECT * FROM t", "unsure"),
        setup=T,
    ),
    script(
        "snapshots",
        held("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"),
        held("SELECT COUNT(*) FROM t"),
        held("INSERT INTO t (n) VALUES (2)"),
        "ROLLBACK WORK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "chain and release",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("COMMIT AND CHAIN"),
        held("INSERT INTO t (n) VALUES (2)"),
        "ROLLBACK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "savepoints",
        held("BEGIN"),
        held("SAVEPOINT a"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("SAVEPOINT b"),
        held("INSERT INTO t (n) VALUES (2)"),
        held("ROLLBACK TO b"),
        held("RELEASE SAVEPOINT a"),
        held("ROLLBACK TO SAVEPOINT nowhere"),
        "COMMIT",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "savepoint outside a transaction",
        "SAVEPOINT a",
        "ROLLBACK TO a",
        setup=T,
    ),
    script(
        "autocommit=0",
        "SET autocommit=0",
        held("SELECT COUNT(*) FROM t"),
        "COMMIT",
        held("INSERT INTO t (n) VALUES (1)"),
        "ROLLBACK",
        "SELECT @@autocommit",
        held("INSERT INTO t (n) VALUES (2)"),
        "SET autocommit=1",
        "SELECT * FROM t",
        "SELECT @@autocommit",
        setup=T,
    ),
    script(
        "autocommit=0 and an error",
        "SET SESSION autocommit=OFF",
        "SELECT * FROM nowhere",
        held("INSERT INTO t (n) VALUES (1)"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("SELECT nonsense"),
        "COMMIT",
        held_on("mariadb", "INSERT INTO t (nonsense) VALUES (1)"),
        held("SELECT n FROM t"),
        "COMMIT",
        setup=T,
    ),
    script(
        "DDL commits",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        "CREATE TABLE u (id INT)",
        "ROLLBACK",
        "SELECT * FROM t",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (2)"),
        "TRUNCATE TABLE u",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (3)"),
        "CREATE TABLE u (id INT)",
        "ROLLBACK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "begin commits the one before",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("BEGIN"),
        "ROLLBACK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "errors inside",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("INSERT INTO t (n) VALUES (1)"),
        held("SHOW WARNINGS"),
        held("nonsense"),
        held("SHOW ERRORS"),
        "COMMIT",
        "SHOW WARNINGS",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "procedures begin and end",
        held("CALL opens()"),
        held("SELECT * FROM t"),
        "CALL closes()",
        "SELECT * FROM t",
        held("CALL fails_open()"),
        held("SELECT * FROM t"),
        "ROLLBACK",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "multi-statements begin and end",
        MULTI_STATEMENTS_ON,
        held("BEGIN; INSERT INTO t (n) VALUES (1)"),
        "COMMIT; SELECT 1",
        held("SELECT 1; BEGIN; SELECT nonsense; COMMIT"),
        held("SELECT * FROM t"),
        "COMMIT",
        setup=T,
    ),
    script(
        "reset ends it",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        RESET_CONNECTION,
        "SELECT * FROM t",
        "SELECT @@autocommit",
        setup=T,
    ),
    *(
        script(
            f"isolation level on {server}",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            f"SELECT @@{variable}",
            "SET SESSION TRANSACTION READ ONLY",
            "INSERT INTO t (n) VALUES (1)",
            held("BEGIN"),
            held("INSERT INTO t (n) VALUES (1)"),
            "COMMIT",
            "SET SESSION TRANSACTION READ WRITE",
            "INSERT INTO t (n) VALUES (1)",
            f"SET {variable} = 'SERIALIZABLE'",
            f"SELECT @@{variable}",
            f"SET {variable} = DEFAULT",
            f"SELECT @@{variable}",
            setup=T,
            servers=(server,),
        )
        for server, variable in ISOLATION.items()
    ),
    script(
        "SET TRANSACTION is for the next one only",
        "SET TRANSACTION READ ONLY",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (1)"),
        "COMMIT",
        held("BEGIN"),
        held("INSERT INTO t (n) VALUES (2)"),
        "COMMIT",
        "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED, READ ONLY",
        held("START TRANSACTION"),
        held("DELETE FROM t"),
        "ROLLBACK",
        "DELETE FROM t",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "SET TRANSACTION and an autocommitted statement",
        "SET TRANSACTION READ ONLY",
        "INSERT INTO t (n) VALUES (1)",
        "INSERT INTO t (n) VALUES (2)",
        "SET TRANSACTION READ ONLY",
        "SELECT COUNT(*) FROM t",
        "INSERT INTO t (n) VALUES (3)",
        "SELECT * FROM t",
        setup=T,
    ),
    script(
        "SET TRANSACTION inside one is refused",
        held("BEGIN"),
        held("SELECT * FROM t"),
        held("SET TRANSACTION READ ONLY"),
        "COMMIT",
        "INSERT INTO t (n) VALUES (1)",
        setup=T,
    ),
    script(
        "SET TRANSACTION without a table",
        "SET TRANSACTION READ ONLY",
        "SELECT 1",
        "SET @a = 1",
        "INSERT INTO t (n) VALUES (1)",
        "INSERT INTO t (n) VALUES (2)",
        setup=T,
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


def test_two_clients_wait_for_the_same_kind_of_transaction(server: DatabaseServer, node: OutliveProcess) -> None:
    """What the one said for its next transaction is taken away before the other's turn, who has said the very same."""
    server.query("CREATE TABLE IF NOT EXISTS test.waits (n INT)")
    one, other = Watched(node), Watched(node)
    try:
        seen(one, Step("SET TRANSACTION READ ONLY"))
        seen(other, Step("SET TRANSACTION READ ONLY"))
        for client in (one, other):
            seen(client, Step("START TRANSACTION"))
            assert seen(client, Step("INSERT INTO waits VALUES (9)"))[0]["error"][0] == 1792
            seen(client, Step("ROLLBACK"))
            assert "error" not in seen(client, Step("INSERT INTO waits VALUES (9)"))[0]
    finally:
        one.close()
        other.close()
