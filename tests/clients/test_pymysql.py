"""PyMySQL."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.constants import CLIENT

from . import dbapi
from .rival import Rival
from .target import Target


class PyMySQL(dbapi.Driver):
    name = "pymysql"
    module = pymysql

    def connect(self, target: Target, **options: Any) -> Any:
        defaults = {"max_allowed_packet": 64 << 20}
        return pymysql.connect(**target.login(**{**defaults, **options}))

    def found_rows(self) -> dict[str, Any]:
        return {"client_flag": CLIENT.FOUND_ROWS}


DRIVER = PyMySQL()


@pytest.mark.parametrize("part", dbapi.PARTS, ids=lambda part: part.__name__)
def test_part(part: Callable[..., list[Any]], compare: Callable[..., list[Any]]) -> None:
    compare(lambda target: part(DRIVER, target))


def test_local_infile(compare: Callable[..., list[Any]], through: Target, tmp_path: Path) -> None:
    compare(lambda target: dbapi.infile(DRIVER, target, tmp_path), Rival.at(through, local_infile=True))


def test_multi_statements_only_for_those_who_asked(compare: Callable[..., list[Any]], through: Target) -> None:
    def scenario(target: Target) -> list[Any]:
        transcript = []
        for flag in (0, CLIENT.MULTI_STATEMENTS):
            with dbapi.opened(DRIVER, target, client_flag=flag) as session:
                session.do("SELECT 1; SELECT 2")
                transcript += session.transcript
                while session.cursor.nextset():
                    transcript.append(session.cursor.fetchall())
                session.do("SELECT 3")
        return transcript

    compare(scenario, Rival.at(through, client_flag=CLIENT.MULTI_STATEMENTS))


def test_rows_read_one_at_a_time(compare: Callable[..., list[Any]]) -> None:
    """The unbuffered cursor: the reply is read while the client works, and abandoned in its middle."""

    def scenario(target: Target) -> list[Any]:
        connection = DRIVER.connect(target)
        with connection.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute(
                "SELECT a.id, b.id FROM information_schema.collations a JOIN information_schema.collations b"
            )
            rows: Iterator[Any] = iter(cursor)
            first = [len(next(rows)) for _ in range(100)]
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'after'")
            after = cursor.fetchall()
        connection.close()
        return [first, after]

    compare(scenario)


def test_ping_reconnects(compare: Callable[..., list[Any]]) -> None:
    def scenario(target: Target) -> list[Any]:
        connection = DRIVER.connect(target, init_command="SET @greeting = 'hello'")
        connection._sock.shutdown(socket.SHUT_RDWR)  # as a network does it
        with pytest.raises(pymysql.MySQLError):
            connection.query("SELECT 1")
        connection.ping(reconnect=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT @greeting")
            found = cursor.fetchall()
            connection.select_db("other")
            cursor.execute("SELECT DATABASE()")
            found += cursor.fetchall()
            connection.set_character_set("latin1")
            cursor.execute("SELECT @@character_set_client")
            found += cursor.fetchall()
        connection.close()
        return [found]

    compare(scenario)
