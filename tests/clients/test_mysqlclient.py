"""mysqlclient: the C library of MariaDB."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import MySQLdb
import MySQLdb.constants.CLIENT
import MySQLdb.cursors
import pytest

from . import dbapi
from .rival import Rival
from .target import Target


class MySQLClient(dbapi.Driver):
    name = "mysqlclient"
    module = MySQLdb

    def connect(self, target: Target, **options: Any) -> Any:
        defaults = {"charset": "utf8mb4"}
        return MySQLdb.connect(**target.login(**{**defaults, **options}))

    def local_infile(self) -> dict[str, Any]:
        return {"local_infile": 1}

    def found_rows(self) -> dict[str, Any]:
        return {"client_flag": MySQLdb.constants.CLIENT.FOUND_ROWS}


DRIVER = MySQLClient()


def _rival(through: Target, **options: Any) -> Rival:
    return Rival(lambda: DRIVER.connect(through, autocommit=True, database="other", **options), errors=MySQLdb.Error)


@pytest.mark.parametrize("part", dbapi.PARTS, ids=lambda part: part.__name__)
def test_part(part: Callable[..., list[Any]], compare: Callable[..., list[Any]], through: Target) -> None:
    compare(lambda target: part(DRIVER, target), _rival(through))


def test_local_infile(compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    compare(lambda target: dbapi.infile(DRIVER, target, tmp_path), _rival(through, local_infile=1))


def test_the_library_s_own_calls(compare: Callable[..., list[Any]], through: Target) -> None:
    """ping, stat, change_user, set_server_option, select_db, warnings: commands that are no statements."""

    def scenario(target: Target) -> list[Any]:
        connection = DRIVER.connect(target)
        seen: list[Any] = []
        connection.ping()
        seen.append("Uptime" in str(connection.stat()))
        connection.query("SELECT 1/0, CAST('x' AS SIGNED)")
        connection.store_result()
        seen += [connection.warning_count(), connection.show_warnings()]
        connection.select_db("other")
        seen.append(_one(connection, "SELECT DATABASE()"))
        connection.set_server_option(MySQLdb.constants.CLIENT.MULTI_STATEMENTS and 1)  # off
        with pytest.raises(MySQLdb.Error) as refused:
            connection.query("SELECT 1; SELECT 2")
        seen.append(refused.value.args[0])
        connection.set_server_option(0)
        connection.query("SELECT 1; SELECT 2")
        connection.store_result()
        seen.append(connection.next_result())
        connection.store_result()
        connection.query("SET @before = 1")
        connection.change_user("app2", "app2-secret", "test")
        seen.append(_one(connection, "SELECT CURRENT_USER(), DATABASE(), @before, @@autocommit"))
        connection.close()
        return seen

    compare(scenario, _rival(through))


def _one(connection: Any, statement: str) -> Any:
    connection.query(statement)
    return connection.store_result().fetch_row(0)
