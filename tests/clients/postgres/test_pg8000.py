"""pg8000: pure Python, everything by the extended protocol under statement names of its own."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pg8000.dbapi
import pg8000.native
import pytest

from .dbapi import PARTS, TEXT, Driver, cancel
from .target import Target

Compare = Callable[..., list[Any]]


class Pg8000(Driver):
    name = "pg8000"
    module = pg8000.dbapi
    largest = 900_000  # it writes them as hexadecimal text, in pure Python

    def connect(self, target: Target, *, autocommit: bool = False, **options: Any) -> Any:
        connection = pg8000.dbapi.connect(**{**_login(target), **_renamed(options)})
        connection.autocommit = autocommit
        return connection

    def code(self, error: Any) -> Any:
        fields = error.args[0]
        if not isinstance(fields, dict):
            return None
        for place in ("F", "L", "R"):  # where in the server's source: an error of Outlive's own has none
            fields.pop(place, None)
        return fields.get("C")


def _login(target: Target) -> dict[str, Any]:
    account = target.account
    return {
        "user": account.user,
        "password": account.password,
        "host": target.host,
        "port": target.port,
        "database": target.database,
    }


def _renamed(options: dict[str, Any]) -> dict[str, Any]:
    return {"database" if name == "dbname" else name: value for name, value in options.items()}


DRIVER = Pg8000()


@pytest.mark.parametrize("part", [part for part in PARTS if part is not cancel], ids=lambda part: part.__name__)
def test_dbapi(part: Callable[[Any, Target], list[Any]], compare: Compare) -> None:
    compare(lambda target: part(DRIVER, target))


def test_native(compare: Compare) -> None:
    def scenario(target: Target) -> list[Any]:
        seen: list[Any] = []
        connection = pg8000.native.Connection(**_login(target), application_name="native")
        seen.append(
            {name: value for name, value in connection.parameter_statuses.items() if name != "session_authorization"}
        )
        prepared = connection.prepare("SELECT :n::int + 1 AS next, :t AS t")
        other = connection.prepare("SELECT :n::int * 2 AS double")
        for n in range(20):
            seen.append(
                (
                    prepared.run(n=n, t=TEXT),
                    other.run(n=n),
                    connection.run("SELECT current_setting('application_name')"),
                )
            )
        prepared.close()
        other.close()
        connection.run("CREATE TEMP TABLE temp8 (n int, t text)")
        connection.run("COPY temp8 FROM STDIN", stream=io.StringIO("".join(f"{n}\tx\n" for n in range(5000))))
        out = io.BytesIO()
        connection.run("COPY (SELECT * FROM temp8 ORDER BY n) TO STDOUT", stream=out)
        seen += [len(out.getvalue()), connection.run("SELECT count(*) FROM temp8"), connection.row_count]
        connection.run("DROP TABLE temp8")
        connection.run("LISTEN eight")
        connection.run("NOTIFY eight, 'p'")
        connection.run("SELECT 1")
        seen.append([(channel, payload) for _, channel, payload in connection.notifications])
        connection.run("UNLISTEN eight")
        with pytest.raises(pg8000.native.DatabaseError) as wrong:
            connection.run("SELECT no_such_column")
        seen.append(wrong.value.args)
        for statement in (
            "START TRANSACTION",
            "SET LOCAL timezone = 'Asia/Tokyo'",
            "SHOW timezone",
            "ROLLBACK",
            "SHOW timezone",
        ):
            seen.append(connection.run(statement))
        connection.close()
        return seen

    compare(scenario)
