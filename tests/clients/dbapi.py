"""What every Python driver of the DB-API is put through: each part returns a transcript of what the client saw."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .target import Target

EMOJI = "naïve 日本語 😀 \\ ' \" % \x00 end"


class Driver:
    """How one driver differs from the others. `module` has the DB-API's names."""

    name = ""
    module: Any
    survives_missing_files = True
    """LOAD DATA LOCAL of a file that is not there breaks some drivers' connections, direct as well."""

    def connect(self, target: Any, **options: Any) -> Any:
        """With the target's account and database; `options` are the driver's own and win."""
        raise NotImplementedError

    def code(self, error: Exception) -> Any:
        return error.args[0]

    def connection_id(self, connection: Any) -> int:
        return int(connection.thread_id())

    def rest(self, cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The results behind the first one."""
        while cursor.nextset():
            yield [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def local_infile(self) -> dict[str, Any]:
        return {"local_infile": True}

    def found_rows(self) -> dict[str, Any]:
        """Options that make an UPDATE count the rows it found."""
        raise NotImplementedError

    def lost(self, error: Exception) -> bool:
        """Whether the error says that the connection is gone."""
        return self.code(error) in (2006, 2013, 0, 2055, 1927, 1317, 4031, 1053)


class Session:
    """A connection whose answers go into a transcript."""

    def __init__(self, driver: Driver, target: Any, **options: Any) -> None:
        self.driver = driver
        self.connection = driver.connect(target, **options)
        self.cursor = self.connection.cursor()
        self.transcript: list[Any] = []

    def do(self, statement: str, parameters: Any = None) -> Any:
        """Runs it and records rows, counts and ids, or the error."""
        cursor = self.cursor
        try:
            cursor.execute(statement, parameters) if parameters is not None else cursor.execute(statement)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.description else None
        except self.driver.module.Error as error:
            self.transcript.append((statement[:100], "error", self.driver.code(error), str(error)))
            return None
        names = [(column[0], column[1]) for column in cursor.description] if cursor.description else None
        # What lastrowid and rowcount hold after a SELECT differs by driver, not by server.
        counts = (cursor.rowcount, getattr(cursor, "lastrowid", None)) if rows is None else (len(rows), None)
        self.transcript.append((statement[:100], names, rows, counts))
        return rows

    def note(self, what: str, value: Any) -> None:
        self.transcript.append((what, value))

    def commit(self) -> None:
        self.connection.commit()

    def close(self) -> None:
        with contextlib.suppress(self.driver.module.Error):
            self.cursor.close()
        self.connection.close()


@contextlib.contextmanager
def opened(driver: Driver, target: Any, **options: Any) -> Iterator[Session]:
    session = Session(driver, target, **options)
    try:
        yield session
    finally:
        session.close()


def login(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target) as session:
        session.do("SELECT DATABASE(), USER(), CURRENT_USER(), VERSION(), @@autocommit")
        session.do("SELECT @@character_set_client, @@character_set_results, @@collation_connection, @@sql_mode")
        session.do("SELECT @@tx_isolation" if target.mariadb else "SELECT @@transaction_isolation")
        for options in (
            {"password": "wrong"},
            {"user": "nobody", "password": "x"},
            {"database": "no_such_database"},
            {"database": "mysql"},
        ):
            try:
                driver.connect(target, **options).close()
                session.note(str(options), "let in")
            except driver.module.Error as error:
                session.note(str(options), (driver.code(error), str(error)))
        return session.transcript


def transactions(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target) as one, opened(driver, target) as two:
        one.do("DROP TABLE IF EXISTS accounts")
        one.do("CREATE TABLE accounts (id INT PRIMARY KEY, money INT) ENGINE=InnoDB")
        one.do("INSERT INTO accounts VALUES (%s, %s), (%s, %s)", (1, 100, 2, 200))
        one.commit()
        one.do("UPDATE accounts SET money = money - 10 WHERE id = 1")
        one.do("SAVEPOINT before_two")
        one.do("UPDATE accounts SET money = money + 10 WHERE id = 2")
        one.do("SELECT * FROM accounts ORDER BY id")
        one.do("ROLLBACK TO SAVEPOINT before_two")
        one.do("SELECT * FROM accounts ORDER BY id")
        one.connection.rollback()
        two.do("SELECT * FROM accounts ORDER BY id")
        two.commit()
        one.do("SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        one.do("SELECT @@autocommit, @@in_transaction" if target.mariadb else "SELECT @@autocommit")
        one.commit()
        one.do("SELECT @@tx_isolation" if target.mariadb else "SELECT @@transaction_isolation")
        one.commit()
        one.do("START TRANSACTION READ ONLY")
        one.do("INSERT INTO accounts VALUES (3, 0)")
        one.connection.rollback()
        one.do("SET TRANSACTION READ ONLY")
        one.do("DELETE FROM accounts")
        one.connection.rollback()
        one.do("DELETE FROM accounts WHERE id = 2")
        one.commit()
        two.do("SELECT COUNT(*) FROM accounts")
        two.commit()
        one.do("SET autocommit = 1")
        one.do("INSERT INTO accounts VALUES (7, 7)")
        two.do("SELECT COUNT(*) FROM accounts")
        two.commit()
        one.do("DROP TABLE accounts")
        return one.transcript + two.transcript


def answers(driver: Driver, target: Target) -> list[Any]:
    """Ids, counts, warnings, variables: what belongs to a session and is asked for afterwards."""
    with opened(driver, target) as session:
        session.do("SET autocommit = 1")
        session.do("DROP TABLE IF EXISTS items")
        session.do("CREATE TABLE items (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(10) UNIQUE, n INT)")
        session.do("INSERT INTO items (name, n) VALUES (%s, %s)", ("a", 1))
        session.do("SELECT LAST_INSERT_ID()")
        session.do("INSERT INTO items (name, n) VALUES ('b', 2), ('c', 3)")
        session.do("SELECT ROW_COUNT()")
        session.do("SELECT LAST_INSERT_ID() AS last, 'x' AS x")
        session.do("INSERT INTO items (id, name) VALUES (100, 'explicit')")
        session.do("SELECT LAST_INSERT_ID()")
        session.do("INSERT IGNORE INTO items (name) VALUES ('a'), ('far too long a name')")
        session.do("SHOW WARNINGS")
        session.do("SHOW COUNT(*) WARNINGS")
        session.do("SELECT CAST('1x' AS SIGNED), 1/0")
        session.do("SELECT @@warning_count")
        session.do("UPDATE items SET n = 1")
        session.do("SELECT ROW_COUNT()")
        session.do("UPDATE items SET id = LAST_INSERT_ID(id + 1000) WHERE name = 'a'")
        session.do("SELECT LAST_INSERT_ID(), @@identity")
        session.do("SELECT SQL_CALC_FOUND_ROWS name FROM items ORDER BY id LIMIT 2")
        session.do("SELECT FOUND_ROWS()")
        session.do("SET @x = 5, @s = 'it''s'")
        session.do("SELECT @x, @s, @never")
        session.do("USE other")
        session.do("SELECT DATABASE()")
        session.do("USE test")
        session.do("SET sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES', time_zone = '+05:30'")
        session.do(r"SELECT 'a\', " "id" " FROM items WHERE name = 'b'".replace('""', '"'))
        session.do("SELECT @@sql_mode, @@time_zone, FROM_UNIXTIME(0)")
        session.do("SET sql_mode = DEFAULT, time_zone = DEFAULT")
        session.do("DROP TABLE items")
        return session.transcript


def pins(driver: Driver, target: Target) -> list[Any]:
    """What holds the connection."""
    with opened(driver, target) as session:
        session.do("SET autocommit = 1")
        session.do("SELECT @y := 41")
        session.do("SELECT @y + 1")
        session.do("CREATE TEMPORARY TABLE mine (a INT)")
        session.do("INSERT INTO mine VALUES (1), (2)")
        session.do("SELECT COUNT(*) FROM mine")
        session.do("DROP TEMPORARY TABLE mine")
        session.do("SELECT GET_LOCK('client lock', 1), IS_USED_LOCK('client lock') = CONNECTION_ID()")
        session.do("SELECT RELEASE_LOCK('client lock')")
        session.do("PREPARE p FROM 'SELECT ? + @y'")
        session.do("SET @z = 1")
        session.do("EXECUTE p USING @z")
        session.do("DEALLOCATE PREPARE p")
        session.do("LOCK TABLES other.rival READ")
        session.do("SELECT COUNT(*) FROM no_such_table")
        session.do("UNLOCK TABLES")
        return session.transcript


def errors(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target) as session:
        session.do("DROP TABLE IF EXISTS checked")
        session.do("CREATE TABLE checked (id INT PRIMARY KEY, name VARCHAR(3) NOT NULL)")
        for statement in (
            "SELEC 1",
            "SELECT * FROM no_such_table",
            "SELECT no_such_column FROM checked",
            "INSERT INTO checked VALUES (1, 'abc')",
            "INSERT INTO checked VALUES (1, 'dup')",
            "INSERT INTO checked VALUES (2, 'too long')",
            "INSERT INTO checked VALUES (3, NULL)",
            "SHOW ERRORS",
            "SELECT @@error_count",
            "USE no_such_database",
            "SELECT DATABASE()",
            "SET no_such_variable = 1",
            "SET sql_mode = 'NONSENSE'",
            "ROLLBACK TO SAVEPOINT nowhere",
            "KILL 1",
            "CALL no_such_procedure()",
            "SELECT * FROM checked",
        ):
            session.do(statement)
        session.connection.rollback()
        session.do("DROP TABLE checked")
        return session.transcript


def charsets(driver: Driver, target: Target) -> list[Any]:
    with opened(driver, target, charset="utf8mb4") as session:
        session.do("DROP TABLE IF EXISTS texts")
        session.do(
            "CREATE TABLE texts (id INT PRIMARY KEY, u VARCHAR(99) CHARACTER SET utf8mb4, "
            "l VARCHAR(99) CHARACTER SET latin1, b VARBINARY(300))"
        )
        session.do("INSERT INTO texts VALUES (1, %s, %s, %s)", (EMOJI, "gâteau", bytes(range(256))))
        session.do("SELECT u, l, b, HEX(u), HEX(l), CHAR_LENGTH(u) FROM texts")
        session.do("SELECT %s AS `größe 😀`", (EMOJI,))
        session.do("INSERT INTO texts (id, l) VALUES (2, %s)", ("😀",))
        session.do("SELECT * FROM texts WHERE u = %s", (EMOJI,))
        session.commit()
    with opened(driver, target, charset="latin1") as latin:
        latin.do("SELECT @@character_set_client, @@collation_connection, l, HEX(l) FROM texts WHERE id = 1")
        latin.do("SELECT HEX(%s)", ("gâteau",))
        latin.do("DROP TABLE texts")
        return session.transcript + latin.transcript


def results(driver: Driver, target: Target) -> list[Any]:
    """Many rows, wide rows (continuation packets), several results, many parameters."""
    with opened(driver, target) as session:
        session.do("SET SESSION cte_max_recursion_depth = 100000" if not target.mariadb else "SET @nothing = 1")
        sequence = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
        session.cursor.execute(f"{sequence} SELECT i, REPEAT(CHAR(65 + i %% 26), i %% 100) FROM n" % ())
        session.note("rows", _digest(session.cursor.fetchall()))
        session.do("DROP TABLE IF EXISTS blobs")
        session.do("CREATE TABLE blobs (id INT AUTO_INCREMENT PRIMARY KEY, b LONGBLOB)")
        for size in (300_000, 17 * 1024 * 1024):
            blob = hashlib.sha256(b"seed").digest() * (size // 32)
            session.cursor.execute("INSERT INTO blobs (b) VALUES (%s)", (blob,))
            session.cursor.execute("SELECT b, SHA2(b, 256) FROM blobs WHERE id = LAST_INSERT_ID()")
            ((found, digest),) = session.cursor.fetchall()
            session.note("blob", (bytes(found) == blob, digest))
        session.do("DELETE FROM blobs")
        session.cursor.executemany("INSERT INTO blobs (b) VALUES (%s)", [(b"%d" % n,) for n in range(500)])
        session.note("executemany", session.cursor.rowcount)
        session.do("SELECT COUNT(*), SUM(b) FROM blobs")
        session.do("DROP TABLE blobs")
        session.do("DROP PROCEDURE IF EXISTS several")
        session.do(
            "CREATE PROCEDURE several(IN a INT, OUT b INT) BEGIN SELECT a AS one; SET b = a + 1; "
            "SELECT 'x' AS two, b UNION SELECT 'y', 2; INSERT INTO no_rows SELECT 1 FROM DUAL WHERE 1 = 0; END"
        )
        session.do("CREATE TABLE IF NOT EXISTS no_rows (a INT)")
        session.cursor.execute("CALL several(5, @out)")
        session.note("first", [tuple(row) for row in session.cursor.fetchall()])
        session.note("rest", list(driver.rest(session.cursor)))
        session.do("SELECT @out")
        session.do("DROP PROCEDURE several")
        session.do("DROP TABLE no_rows")
        return session.transcript


def _digest(rows: Any) -> Any:
    return len(rows), hashlib.sha256(repr([tuple(row) for row in rows]).encode()).hexdigest()


def found_rows(driver: Driver, target: Target) -> list[Any]:
    """CLIENT_FOUND_ROWS decides what an UPDATE counts, with another client of the other kind between."""
    transcript = []
    with opened(driver, target, **driver.found_rows()) as found, opened(driver, target) as changed:
        found.do("DROP TABLE IF EXISTS counted")
        found.do("CREATE TABLE counted (a INT)")
        found.do("INSERT INTO counted VALUES (1), (1), (2)")
        found.commit()
        for session in (found, changed, found, changed):
            session.do("UPDATE counted SET a = 1")
            session.do("SELECT ROW_COUNT()")
            session.connection.rollback()
        found.do("DROP TABLE counted")
        transcript += found.transcript + changed.transcript
    return transcript


def infile(driver: Driver, target: Target, folder: Path) -> list[Any]:
    path = folder / "rows.csv"
    path.write_text("".join(f"{n},row {n} {'x' * 200}\n" for n in range(5000)))
    with opened(driver, target, **driver.local_infile()) as session:
        session.do("DROP TABLE IF EXISTS loaded")
        session.do("CREATE TABLE loaded (a INT, b VARCHAR(255))")
        for name in (path, folder / "missing.csv") if driver.survives_missing_files else (path,):
            load = f"LOAD DATA LOCAL INFILE '{name}' INTO TABLE loaded FIELDS TERMINATED BY ','"
            try:
                session.cursor.execute(load)
                session.note("loaded", session.cursor.rowcount)
            except (driver.module.Error, OSError) as error:
                session.note("not loaded", driver.code(error))
        session.do("SELECT COUNT(*), SUM(a), SHA2(GROUP_CONCAT(a ORDER BY a), 256) FROM loaded")
        session.do("DROP TABLE loaded")
        return session.transcript


def reconnect(driver: Driver, target: Target) -> list[Any]:
    """Ended in the middle of a transaction, or killed: a new connection finds everything in order."""
    with opened(driver, target) as session:
        session.do("DROP TABLE IF EXISTS kept")
        session.do("CREATE TABLE kept (a INT)")
        session.commit()
    for n in range(3):
        with opened(driver, target) as session:
            session.do("INSERT INTO kept VALUES (%s)", (n,))
            if n == 1:
                session.commit()
    with opened(driver, target) as victim, opened(driver, target) as killer:
        victim.do("INSERT INTO kept VALUES (99)")
        killer.do(f"KILL {driver.connection_id(victim.connection)}")
        killer.transcript.clear()  # the id is another one each time
        try:
            victim.cursor.execute("SELECT 1")
            killer.note("victim", "lives")
        except driver.module.Error as error:
            killer.note("victim", "lost" if driver.lost(error) else repr(error))
        _wait_for_row(killer, 99)
        killer.do("SELECT * FROM kept")
        killer.do("DROP TABLE kept")
        return session.transcript + killer.transcript


def _wait_for_row(session: Session, value: int) -> None:
    """Until the transaction of a client that was killed is rolled back: the row can be locked."""
    session.connection.rollback()
    session.cursor.execute("SET innodb_lock_wait_timeout = 10")
    session.cursor.execute("SELECT * FROM kept WHERE a = %s FOR UPDATE", (value,))
    session.note("rolled back", [tuple(row) for row in session.cursor.fetchall()])
    session.connection.rollback()


def cancel(driver: Driver, target: Target) -> list[Any]:
    """KILL QUERY, over a second connection, of a statement that runs; the connection goes on."""
    with opened(driver, target) as victim, opened(driver, target) as killer:
        number = driver.connection_id(victim.connection)
        for statement in (
            "SELECT SLEEP(20)",
            "SELECT COUNT(*) FROM information_schema.collations a JOIN information_schema.collations b "
            "JOIN information_schema.collations c JOIN information_schema.collations d",
        ):
            begun = time.monotonic()
            before = len(victim.transcript)
            thread = threading.Thread(target=victim.do, args=(statement,))
            thread.start()
            thread.join(0.2)
            while thread.is_alive():
                killer.cursor.execute(f"KILL QUERY {number}")
                thread.join(
                    2
                )  # before there was anything to interrupt it needs a second one, which must not come early
            # Interrupted before it sleeps it is an error, while it sleeps a 1, on some servers and some days.
            (_, *answer), victim.transcript[before:] = victim.transcript[before], []
            victim.note("interrupted", answer[:2] == ["error", 1317] or answer[1:2] == [[(1,)]])
            victim.note("in time", time.monotonic() - begun < 18)
            victim.connection.rollback()
            victim.do("SELECT 'alive'")
            victim.commit()
        return victim.transcript


PARTS: tuple[Callable[[Driver, Target], list[Any]], ...] = (
    login,
    transactions,
    answers,
    pins,
    errors,
    charsets,
    results,
    found_rows,
    reconnect,
    cancel,
)
