"""mysql-connector-python: in pure Python and with its C extension, text and prepared."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mysql.connector
import pytest
from mysql.connector.constants import ClientFlag

from . import dbapi
from .rival import Rival
from .target import Target


class Connector(dbapi.Driver):
    module = mysql.connector
    survives_missing_files = False

    def __init__(self, pure: bool) -> None:
        self.name = "pure" if pure else "C extension"
        self.pure = pure

    def connect(self, target: Target, **options: Any) -> Any:
        defaults = {"use_pure": self.pure, "charset": "utf8mb4", "connection_timeout": 30}
        return mysql.connector.connect(**target.login(**{**defaults, **options}))

    def connection_id(self, connection: Any) -> int:
        return int(connection.connection_id)

    def local_infile(self) -> dict[str, Any]:
        return {"allow_local_infile": True}

    def found_rows(self) -> dict[str, Any]:
        return {"client_flags": [ClientFlag.FOUND_ROWS]}

    def rest(self, cursor: Any) -> Iterator[list[tuple[Any, ...]]]:
        while cursor.nextset():
            yield [tuple(row) for row in cursor.fetchall()] if cursor.with_rows else []


@pytest.fixture
def driver() -> Connector:
    return Connector(pure=True)


def test_c_extension(compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    def scenario(target: Target) -> list[Any]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.clients.connector_c", target.host, str(target.port), str(target.mariadb), str(tmp_path)],
            cwd=Path(__file__).parent.parent.parent, capture_output=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        found: list[Any] = pickle.loads(done.stdout)
        return found

    compare(scenario, _rival(Connector(pure=True), through))


def _rival(driver: Connector, through: Target, **options: Any) -> Rival:
    return Rival(
        lambda: driver.connect(through, autocommit=True, database="other", **options), errors=mysql.connector.Error
    )


@pytest.mark.parametrize("part", dbapi.PARTS, ids=lambda part: part.__name__)
def test_part(
    part: Callable[..., list[Any]], driver: Connector, compare: Callable[..., list[Any]], through: Target
) -> None:
    compare(lambda target: part(driver, target), _rival(driver, through))


def test_local_infile(driver: Connector, compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    compare(lambda target: dbapi.infile(driver, target, tmp_path), _rival(driver, through, **driver.local_infile()))


def test_prepared(driver: Connector, compare: Callable[..., list[Any]], through: Target) -> None:
    def scenario(target: Target) -> list[Any]:
        connection = driver.connect(target, autocommit=True)
        seen: list[Any] = []
        cursor = connection.cursor(prepared=True)
        cursor.execute("DROP TABLE IF EXISTS prepared_items")
        cursor.execute(
            "CREATE TABLE prepared_items (id INT AUTO_INCREMENT PRIMARY KEY, t VARCHAR(200), d DOUBLE, b LONGBLOB)"
        )
        for n in range(5):
            cursor.execute(
                "INSERT INTO prepared_items (t, d, b) VALUES (?, ?, ?)", (f"{dbapi.EMOJI} {n}", n / 3, bytes([n]) * n)
            )
            seen.append((cursor.lastrowid, cursor.rowcount))
        cursor.execute("INSERT INTO prepared_items (t, b) VALUES (?, ?)", (None, b"\xff" * 500_000))
        select = connection.cursor(prepared=True)
        for n in (1, 3, 6):
            select.execute("SELECT id, t, d, LENGTH(b) FROM prepared_items WHERE id = ?", (n,))
            seen.append(select.fetchall())
            cursor.execute("SELECT LAST_INSERT_ID(), ?", ("x",))
            seen.append(cursor.fetchall())
        with pytest.raises(mysql.connector.Error) as refused:
            cursor.execute("SELECT no_such_column FROM prepared_items WHERE id = ?", (1,))
        seen.append(refused.value.errno)
        cursor.execute("ALTER TABLE prepared_items ADD COLUMN more INT DEFAULT 7")
        select.execute("SELECT id, t, d, LENGTH(b) FROM prepared_items WHERE id = ?", (2,))
        seen.append(select.fetchall())
        cursor.execute("DROP TABLE prepared_items")
        select.close()
        cursor.close()
        connection.close()
        return seen

    compare(scenario, _rival(driver, through))


def test_commands_that_are_no_statements(driver: Connector, compare: Callable[..., list[Any]], through: Target) -> None:
    def scenario(target: Target) -> list[Any]:
        connection = driver.connect(target, autocommit=True)
        seen: list[Any] = [connection.is_connected(), "Uptime" in str(connection.cmd_statistics())]
        cursor = connection.cursor()
        cursor.execute("SET @a = 1, @b = 2")
        connection.reset_session({"c": 3}, {"sql_mode": "ANSI"})
        cursor = connection.cursor()
        cursor.execute("SELECT @a, @b, @c, @@sql_mode, DATABASE()")
        seen.append(cursor.fetchall())
        connection.cmd_reset_connection()
        cursor.execute("SELECT @a, @b, @c, @@sql_mode, DATABASE(), @@character_set_client")
        seen.append(cursor.fetchall())
        connection.cmd_change_user("app2", "app2-secret", "other")
        cursor.execute("SELECT CURRENT_USER(), DATABASE(), @c")
        seen.append(cursor.fetchall())
        connection.database = "test"
        cursor.execute("SELECT DATABASE()")
        seen.append(cursor.fetchall())
        connection.ping(reconnect=True)
        connection.reconnect()
        cursor = connection.cursor()
        cursor.execute("SELECT 1/0")
        cursor.fetchall()
        seen.append(cursor.warning_count)
        cursor.execute("SELECT 'bye'")
        seen.append(cursor.fetchall())
        connection.close()
        return seen

    compare(scenario, _rival(driver, through))
