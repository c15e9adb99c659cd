"""Two clients run random statements through one server connection, and see what two private connections see.

Each of the four sessions (A and B, direct and through) has a schema of its own, so that data differ by nothing but the
way. What depends on the clock, on ids of connections or on the other schema's name is not asked, or is translated.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from ..raw.mysql_shown import Connection, Lost
from ..servers import DatabaseServer, OutliveProcess
from ..servers.database import APP

WHO = ("a", "b")
VARIABLES = {
    "sql_mode": ["''", "'ANSI_QUOTES'", "'NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'", "DEFAULT", "'TRADITIONAL'"],
    "time_zone": ["'+00:00'", "'+09:30'", "DEFAULT"],
    "autocommit": ["0", "1", "OFF", "ON"],
    "sql_select_limit": ["1", "2", "DEFAULT"],
    "group_concat_max_len": ["4", "1024", "@@group_concat_max_len + 1"],
    "foreign_key_checks": ["0", "1"],
    "unique_checks": ["0", "1"],
    "lc_time_names": ["'de_DE'", "'en_US'", "DEFAULT"],
    "div_precision_increment": ["2", "4", "DEFAULT"],
    "character_set_results": ["latin1", "utf8mb4", "NULL"],
    "collation_connection": ["utf8mb4_bin", "latin1_swedish_ci", "utf8mb4_general_ci"],
    "character_set_client": ["utf8mb4", "latin1"],
    "auto_increment_increment": ["1", "3"],
    "wait_timeout": ["100", "77", "DEFAULT"],
    "innodb_lock_wait_timeout": ["1", "2"],
    "sql_auto_is_null": ["0", "1"],
    "last_insert_id": ["5", "77"],
    "max_error_count": ["1", "64"],
    "sql_notes": ["0", "1"],
}
READS = [
    "SELECT 1", "SELECT @x, @y, @z", "SELECT DATABASE()", "SELECT LAST_INSERT_ID()", "SELECT LAST_INSERT_ID(), @@identity",
    "SELECT ROW_COUNT()", "SELECT ROW_COUNT() AS n, 1", "SELECT FOUND_ROWS()", "SHOW WARNINGS", "SHOW ERRORS",
    "SHOW COUNT(*) WARNINGS", "SELECT @@warning_count, 1", "SELECT @@error_count", "SHOW WARNINGS LIMIT 1",
    "SELECT @@sql_mode, @@time_zone, @@autocommit, @@sql_select_limit", "SELECT @@group_concat_max_len, @@lc_time_names",
    "SELECT @@character_set_client, @@character_set_connection, @@character_set_results, @@collation_connection",
    "SELECT @@wait_timeout, @@unique_checks, @@foreign_key_checks, @@auto_increment_increment",
    "SELECT HEX('é'), CHARSET('x'), COLLATION('x'), 'a\\\\b'", 'SELECT "id" FROM t ORDER BY 1 LIMIT 1',
    "SELECT id, n, s FROM t ORDER BY id", "SELECT COUNT(*) FROM t", "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1",
    "SELECT GROUP_CONCAT(s ORDER BY id) FROM t", "SELECT 1/3, 1/0", "SELECT CAST('1x' AS SIGNED)", "SELECT * FROM temp ORDER BY a",
    "SELECT * FROM no_such_table", "SELEC", "SELECT FROM_UNIXTIME(0), MONTHNAME('2024-03-01')", "SHOW VARIABLES LIKE 'wait_timeout'",
    "SELECT 1; SELECT 2; SELECT ROW_COUNT()", "SELECT CONNECTION_ID() = CONNECTION_ID()", "SELECT @@in_transaction",
    "SELECT IS_FREE_LOCK('lock {who}')", "SELECT id FROM t WHERE id IS NULL", "SHOW TABLES", "SELECT @@transaction_isolation",
]  # fmt: skip
WRITES = [
    "INSERT INTO t (n, s) VALUES (1, 'one')", "INSERT INTO t (n, s) VALUES (2, 'two'), (3, 'thrée')",
    "INSERT INTO t (id, n) VALUES (1000, 1)", "INSERT IGNORE INTO t (id, n, s) VALUES (1, 'x', 'far too long a text')",
    "INSERT INTO t (n, s) SELECT n, s FROM t LIMIT 1", "REPLACE INTO t (id, n) VALUES (2, 9)", "UPDATE t SET n = 5", "UPDATE t SET n = n + 1",
    "UPDATE t SET n = LAST_INSERT_ID(n + 10) LIMIT 1", "DELETE FROM t LIMIT 1", "DELETE FROM t",
    "INSERT INTO t (id, n) VALUES (1, 1) ON DUPLICATE KEY UPDATE n = n + 1", "INSERT INTO no_such_table VALUES (1)",
    "INSERT INTO t (n, s) VALUES (@x, 'v'); SELECT LAST_INSERT_ID()", "CALL p(1)", "CALL p(NULL)", "DO 1/0",
    "INSERT INTO t (n) VALUES (LAST_INSERT_ID())",
]  # fmt: skip
CONTROL = [
    "BEGIN", "COMMIT", "ROLLBACK", "START TRANSACTION READ ONLY", "SAVEPOINT s", "ROLLBACK TO SAVEPOINT s", "RELEASE SAVEPOINT s",
    "SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "COMMIT AND CHAIN", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE",
]  # fmt: skip
STATE = [
    "USE {schema}", "USE {schema}_other", "USE no_such_schema", "SET @x = 1", "SET @x = 'it''s'", "SET @x = -1.5, @y = 'é'", "SET @y = NULL",
    "SET @z = @x", "SELECT @z := 3", "SELECT 4 INTO @z", "SET NAMES latin1", "SET NAMES utf8mb4", "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET CHARACTER SET latin1", "CREATE TEMPORARY TABLE temp (a INT)", "DROP TEMPORARY TABLE IF EXISTS temp", "INSERT INTO temp VALUES (1)",
    "CREATE TEMPORARY TABLE IF NOT EXISTS temp (a INT)", "SELECT GET_LOCK('lock {who}', 0)", "SELECT RELEASE_LOCK('lock {who}')",
    "DO RELEASE_ALL_LOCKS()", "PREPARE p FROM 'SELECT ? + 1'", "EXECUTE p USING @x", "DEALLOCATE PREPARE p", "LOCK TABLES t WRITE", "UNLOCK TABLES",
    "SET @x = 5, sql_notes = 0", "HANDLER t OPEN", "HANDLER t READ FIRST", "HANDLER t CLOSE", "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')",
    "FLUSH STATUS", "CREATE TABLE IF NOT EXISTS extra (a INT)", "DROP TABLE IF EXISTS extra", "SET NAMES no_such_charset", "SET SESSION x = 1",
]  # fmt: skip
PREPARED = [
    ("SELECT ? AS p, LAST_INSERT_ID()", 1), ("SELECT id, n, s FROM t WHERE n >= ? ORDER BY id", 1), ("INSERT INTO t (n, s) VALUES (?, 'p')", 1),
    ("SELECT ROW_COUNT(), FOUND_ROWS()", 0), ("SELECT no_such_column", 0), ("UPDATE t SET n = ? LIMIT 1", 1), ("SELECT @x, @@sql_mode", 0),
    ("INSERT INTO t (id, n) VALUES (?, 1)", 1), ("SHOW WARNINGS", 0), ("SELECT * FROM temp", 0), ("SELECT DATABASE(), 'x'", 0),
]  # fmt: skip


class TwoSessions(RuleBasedStateMachine):
    """`direct` and `through` hold the two clients each way."""

    server: ClassVar[DatabaseServer]
    node: ClassVar[OutliveProcess]
    steps: ClassVar[list[str]] = []

    @initialize()
    def begin(self) -> None:
        self.steps.append("--- another example")
        self.holder = ""
        self.texts: dict[tuple[str, int], str] = {}
        self.pairs: dict[str, tuple[Connection, Connection]] = {}
        for who in WHO:
            _clean(self.server, f"two_{who}_d", f"two_{who}_t")
            self.pairs[who] = self._both_opened(who)

    def _open(self, who: str) -> tuple[Connection, Connection]:
        return (
            Connection(self.server.host, self.server.port, APP, f"two_{who}_d", who, modern=who == "b"),
            Connection(self.node.host, self.node.port, APP, f"two_{who}_t", who, modern=who == "b"),
        )

    def _both_opened(self, who: str) -> tuple[Connection, Connection]:
        pair = self._open(who)
        for connection in pair:
            connection.query("SELECT 1")  # FOUND_ROWS() before any statement is 0 or 1, as the server likes
        return pair

    def _both(self, who: str, act: Callable[[Connection], Any], what: str) -> None:
        self._let_go(who)
        self._run(who, act, what)

    def _let_go(self, who: str) -> None:
        """There is one connection: where the other one holds it, it lets go first, as at its return to a pool."""
        if self.holder not in (who, ""):
            self._run(self.holder, Connection.reset, "COM_RESET_CONNECTION, to let go")

    def _run(self, who: str, act: Callable[[Connection], Any], what: str) -> None:
        self._compare(who, act, what)
        self.holder = who if _is_held(self.node) else ""

    def _compare(self, who: str, act: Callable[[Connection], Any], what: str) -> None:
        direct, through = self.pairs[who]
        self.steps.append(f"{who}: {what}")
        expected = _outcome(act, direct)
        found = _outcome(act, through)
        # A node lives through all examples, as in life; so the way here is told, should it not fail again.
        assert found == expected, "\n".join([*self.steps[-80:], f"through {found!r}", f"direct  {expected!r}"])

    def _query(self, who: str, text: str) -> None:
        self._both(who, lambda connection: connection.query(text), text)
        if text.startswith("UPDATE"):
            self._forget_found_rows(who)

    def _forget_found_rows(self, who: str) -> None:
        """MySQL counts the rows that some UPDATEs matched: a limit that docs/mysql.md tells of."""
        self._both(who, lambda connection: connection.query("SELECT 1"), "SELECT 1")

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(READS))
    def read(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(READS))
    def read_again(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(WRITES))
    def write(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(CONTROL))
    def control(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), text=st.sampled_from(STATE))
    def state(self, who: str, text: str) -> None:
        self._query(who, text)

    @rule(who=st.sampled_from(WHO), name=st.sampled_from(sorted(VARIABLES)), data=st.data())
    def set_variable(self, who: str, name: str, data: st.DataObject) -> None:
        value = data.draw(st.sampled_from(VARIABLES[name]))
        scope = data.draw(st.sampled_from(["", "SESSION ", "@@", "@@session."]))
        self._query(who, f"SET {scope}{name} = {value}")

    @rule(who=st.sampled_from(WHO), number=st.integers(0, 3), text=st.sampled_from(PREPARED))
    def prepare(self, who: str, number: int, text: tuple[str, int]) -> None:
        self.texts[who, number] = text[0]
        self._both(who, lambda connection: connection.prepare(number, *text), f"prepare {text}")

    @rule(who=st.sampled_from(WHO), number=st.integers(0, 3), value=st.integers(0, 9), types=st.booleans())
    def execute(self, who: str, number: int, value: int, types: bool) -> None:
        self._both(who, lambda connection: connection.execute(number, value, types=types), f"execute {number}")
        if self.texts.get((who, number), "").startswith("UPDATE"):
            self._forget_found_rows(who)

    @rule(who=st.sampled_from(WHO), number=st.integers(0, 3))
    def close_statement(self, who: str, number: int) -> None:
        self._both(who, lambda connection: connection.close_statement(number), f"close {number}")

    @rule(who=st.sampled_from(WHO))
    def reset(self, who: str) -> None:
        self._both(who, lambda connection: connection.reset(), "COM_RESET_CONNECTION")

    @rule(who=st.sampled_from(WHO))
    def ping(self, who: str) -> None:
        self._both(who, lambda connection: connection.ping(), "COM_PING")

    @rule(who=st.sampled_from(WHO), other=st.booleans())
    def init_db(self, who: str, other: bool) -> None:
        self._both(who, lambda connection: connection.init_db(other), "COM_INIT_DB")

    @rule(who=st.sampled_from(WHO), on=st.booleans())
    def multi_statements(self, who: str, on: bool) -> None:
        self._both(who, lambda connection: connection.set_option(on), "COM_SET_OPTION")

    @rule(who=st.sampled_from(WHO), politely=st.booleans())
    def reconnect(self, who: str, politely: bool) -> None:
        self._let_go(who)
        for connection in self.pairs[who]:
            connection.end(politely)
        # The end of a session is the server's to notice: what it held must be free before the next comparison.
        _wait_until_free(self.server, who)
        if self.holder == who:
            self.holder = ""
        self.steps.append(f"{who}: reconnects")
        self.pairs[who] = self._both_opened(who)

    def teardown(self) -> None:
        for pair in getattr(self, "pairs", {}).values():
            for connection in pair:
                connection.end(True)
        for who in WHO:
            _wait_until_free(self.server, who)


def _is_held(node: OutliveProcess) -> bool:
    """Whether the connection is leased still; for a moment it is while Outlive asks a question of its own."""
    return all(node.metric("outlive_leases_held") or time.sleep(0.005) for _ in range(4))


def _outcome(act: Callable[[Connection], Any], connection: Connection) -> Any:
    try:
        return act(connection)
    except Lost:
        return "lost"


_ADMIN: dict[int, Any] = {}


def _admin(server: DatabaseServer) -> Any:
    if server.port not in _ADMIN:
        _ADMIN[server.port] = server.connect().cursor()
    return _ADMIN[server.port]


def _clean(server: DatabaseServer, *schemas: str) -> None:
    cursor = _admin(server)
    for schema in schemas:
        cursor.execute(f"DROP TABLE IF EXISTS {schema}.extra, {schema}_other.extra")
        for name in (schema, f"{schema}_other"):
            cursor.execute(f"TRUNCATE TABLE {name}.t")
            cursor.execute(f"INSERT INTO {name}.t (n, s) VALUES (7, 'seven'), (8, 'eight')")


def _wait_until_free(server: DatabaseServer, who: str) -> None:
    cursor = _admin(server)
    for way in ("direct", "through"):
        cursor.execute(f"SELECT GET_LOCK('lock {who}_{way[0]}', 10), RELEASE_LOCK('lock {who}_{way[0]}')")
        cursor.execute("SET lock_wait_timeout = 10")
        for schema in (f"two_{who}_{way[0]}", f"two_{who}_{way[0]}_other"):
            cursor.execute(f"LOCK TABLES {schema}.t WRITE")
            cursor.execute("UNLOCK TABLES")


@pytest.fixture
def prepared_server(server: DatabaseServer) -> Iterator[DatabaseServer]:
    for who in WHO:
        for way in ("direct", "through"):
            for schema in (f"two_{who}_{way[0]}", f"two_{who}_{way[0]}_other"):
                server.query(f"CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4")
                server.query(f"GRANT ALL ON {schema}.* TO 'app'@'%%'" % ())
                server.query(
                    f"CREATE TABLE IF NOT EXISTS {schema}.t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, s VARCHAR(12))"
                )
                server.query(f"DROP PROCEDURE IF EXISTS {schema}.p")
                server.query(
                    f"CREATE PROCEDURE {schema}.p(IN v INT) BEGIN INSERT INTO t (n) VALUES (v); SELECT LAST_INSERT_ID(), v; END"
                )
    server.connect(APP).close()  # MySQL knows the password now: the bare clients can log in
    yield server
    _ADMIN.pop(server.port, None)
    for who in WHO:
        for way in ("direct", "through"):
            for schema in (f"two_{who}_{way[0]}", f"two_{who}_{way[0]}_other"):
                server.query(f"DROP DATABASE {schema}")


@pytest.mark.timeout(600)
def test_two_clients_see_what_private_connections_show(
    prepared_server: DatabaseServer, outlive: Callable[..., OutliveProcess], count: Callable[[int, int], int]
) -> None:
    node = outlive(prepared_server.url(max_connections=2, acquire_timeout_s=5))
    machine = type("Machine", (TwoSessions,), {"server": prepared_server, "node": node})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=count(20, 1500),
            derandomize=count(1, 0) == 1,  # `make test` runs the same steps each time, `make prove` looks for new ones
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
            report_multiple_bugs=False,
            phases=(Phase.explicit, Phase.generate, Phase.target),
        ),
    )
