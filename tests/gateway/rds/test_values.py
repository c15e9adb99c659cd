"""Every column type through the dialect, against what the direct driver gives; and the columns' metadata."""

import datetime
import decimal
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.gateway.caller import configuration
from tests.gateway.rds.clients import Place, principal
from tests.gateway.test_types import MYSQL, POSTGRES
from tests.servers import MariaDB, MySQL97, OutliveProcess, Postgres15
from tests.servers.database import ROOT, connect


def _plain(field: dict[str, Any]) -> Any:
    """A Field as Python's own."""
    ((member, value),) = field.items()
    if member == "isNull":
        return None
    if member == "arrayValue":
        ((member, value),) = value.items()
        return [_plain({"arrayValue": item}) for item in value] if member == "arrayValues" else value
    return value


def _same(field: dict[str, Any], value: Any) -> bool:
    got = _plain(field)
    if isinstance(value, datetime.datetime) and isinstance(got, str):
        if value.tzinfo is not None:
            value = value.astimezone(datetime.UTC).replace(tzinfo=None)
        return datetime.datetime.fromisoformat(got) == value
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN
        return bool(got != got)  # noqa: PLR0124
    if isinstance(value, dict):
        return bool(json.loads(got) == value)
    if isinstance(value, list):
        return isinstance(got, list) or json.loads(got) == value
    if type(value) is int and isinstance(got, str):  # no long holds it; and PostgreSQL's oid
        return bool(got == str(value))
    if isinstance(value, bool | int | float | bytes):
        return bool(got == value)
    if isinstance(value, decimal.Decimal):
        return str(decimal.Decimal(got)) == str(value)
    if isinstance(value, datetime.date):
        return bool(got == value.isoformat())
    if isinstance(value, datetime.time):
        return datetime.time.fromisoformat(got) == value
    return isinstance(got, str)


def test_postgres(pg: Place, postgres: Postgres15) -> None:
    table = [(type, text) for type, text, _ in POSTGRES]
    columns = ", ".join(
        f"CAST('{text.replace(chr(39), chr(39) * 2)}' AS {type}) AS c{n}" for n, (type, text) in enumerate(table)
    )
    nulls = ", ".join(f"CAST(NULL AS {type})" for type, _ in table)
    got = pg.execute(f"SELECT {columns} UNION ALL SELECT {nulls}")["records"]
    assert got[1] == [{"isNull": True}] * len(table)
    with psycopg.connect(postgres.url(), autocommit=True) as direct:
        for n, (type, text) in enumerate(table):
            try:
                value = direct.execute(f"SELECT CAST(%s AS {type})", [text]).fetchone()[0]  # type: ignore[index]
            except psycopg.DataError:  # infinity is no date of Python's
                continue
            assert _same(got[0][n], value), (type, text, got[0][n], value)


def _mysql(place: Place, server: Any, more: list[tuple[str, str, Any]]) -> None:
    rows = [*MYSQL, *more]
    columns = ", ".join(f"c{number} {type} NULL" for number, (type, _, _) in enumerate(rows))
    name = place.table(columns)
    with connect(ROOT, host=server.host, port=server.port) as direct, direct.cursor() as cursor:
        cursor.execute(f"INSERT INTO {name} VALUES ({', '.join(value for _, value, _ in rows)})")
        cursor.execute(f"INSERT INTO {name} VALUES ({', '.join('NULL' for _ in rows)})")
        cursor.execute(f"SELECT * FROM {name}")
        values: Any = cursor.fetchall()[0]
    done = place.execute(f"SELECT * FROM {name}", includeResultMetadata=True)
    assert done["records"][1] == [{"isNull": True}] * len(rows)
    for (type, _, expected), field, value in zip(rows, done["records"][0], values, strict=True):
        if type == "BOOL":
            assert field == {"booleanValue": True}
        elif type[:3] == "BIT":
            assert field in ({"longValue": expected}, {"stringValue": str(expected)}), type
        elif type == "FLOAT":
            assert field == {"doubleValue": expected}  # the text protocol rounds it
        elif isinstance(value, datetime.timedelta):
            assert field == {"stringValue": expected}
        elif type == "JSON":
            assert json.loads(field["stringValue"]) == json.loads(value)
        else:
            assert _same(field, value), (type, field, value)
    named = {type: column["typeName"] for (type, _, _), column in zip(rows, done["columnMetadata"], strict=True)}
    assert named["INT UNSIGNED"] == "INT UNSIGNED"
    assert named["VARCHAR(9)"] == "VARCHAR"
    assert (named["DATETIME"], named["TEXT"], named["BLOB"], named["POINT"]) == ("DATETIME", "TEXT", "BLOB", "GEOMETRY")


def test_mariadb(my: Place, maria: MariaDB) -> None:
    _mysql(my, maria, [("JSON", """'{"a": 1}'""", None)])


@pytest.fixture
def at_nine(nine: MySQL97) -> Iterator[Place]:
    urls = {"nine": nine.url(max_connections=4)}
    with OutliveProcess(configuration(urls, principal(urls))) as node:
        yield Place(node, "nine")


def test_mysql(at_nine: Place, nine: MySQL97) -> None:
    _mysql(at_nine, nine, [("JSON", """'{"a": [1, null]}'""", None)])
    table = at_nine.table("id INT")
    id = at_nine.begin()
    at_nine.execute(f"INSERT INTO {table} VALUES (:id)", {"id": {"longValue": 1}}, transactionId=id)
    assert at_nine.commit(id) == "Transaction Committed"
    assert at_nine.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 1)


def test_metadata_of_mysql(my: Place) -> None:
    name = my.table("id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, price DECIMAL(10,2) NOT NULL, name VARCHAR(20)")
    done = my.execute(f"INSERT INTO {name} (price) VALUES (1.5)", includeResultMetadata=True)
    assert done["generatedFields"] == [{"longValue": 1}]
    assert "columnMetadata" not in done
    columns = my.execute(f"SELECT id AS other, price, name FROM {name} WHERE id = 7", includeResultMetadata=True)[
        "columnMetadata"
    ]
    assert columns[0] == {
        "name": "id", "label": "other", "type": -5, "typeName": "BIGINT UNSIGNED", "tableName": name,
        "schemaName": columns[0]["schemaName"], "isAutoIncrement": True, "isSigned": False, "isCurrency": False,
        "isCaseSensitive": False, "nullable": 0, "precision": 19, "scale": 0, "arrayBaseColumnType": 0,
    }  # fmt: skip
    assert [(c["type"], c["typeName"], c["precision"], c["scale"], c["nullable"]) for c in columns[1:]] == [
        (3, "DECIMAL", 10, 2, 0),
        (12, "VARCHAR", 20, 0, 1),
    ]


def test_metadata_of_postgres(pg: Place) -> None:
    columns = "1 AS a, 'x'::varchar(20) AS b, 1.5::numeric(10, 2) AS c, ARRAY['x'] AS d, now() AS e, '{}'::jsonb"
    done = pg.execute(f"SELECT {columns} WHERE 1 = 0", includeResultMetadata=True)
    assert done["records"] == []
    found = [(c["type"], c["typeName"], c["precision"], c["scale"]) for c in done["columnMetadata"]]
    assert found == [
        (4, "int4", 10, 0),
        (12, "varchar", 20, 0),
        (2, "numeric", 10, 2),
        (2003, "_text", 2147483647, 0),
        (93, "timestamptz", 35, 6),
        (1111, "jsonb", 2147483647, 0),
    ]
    assert [c["arrayBaseColumnType"] for c in done["columnMetadata"]] == [0, 0, 0, 12, 0, 0]


def test_results_as_they_are_asked_for(place: Place) -> None:
    sql = "SELECT 9007199254740993 AS a, 1.10 AS b, 2.0 AS c"
    assert [_plain(f) for f in place.execute(sql)["records"][0]] == [9007199254740993, "1.10", "2.0"]
    options = {"longReturnType": "STRING", "decimalReturnType": "DOUBLE_OR_LONG"}
    assert place.execute(sql, resultSetOptions=options)["records"][0] == [
        {"stringValue": "9007199254740993"},
        {"doubleValue": 1.1},
        {"doubleValue": 2.0},
    ]
    done = place.execute("SELECT 1 AS a, NULL AS b, 'x\"y' AS c", formatRecordsAs="JSON")
    assert json.loads(done["formattedRecords"]) == [{"a": 1, "b": None, "c": 'x"y'}]
    assert "records" not in done


def test_arrays(pg: Place) -> None:
    for value in (
        {"longValues": [1, 2]},
        {"stringValues": ["a", 'b"c,']},
        {"booleanValues": [True, False]},
        {"doubleValues": [1.5, 2.0]},
    ):
        type = {"longValues": "int8", "stringValues": "text", "booleanValues": "bool", "doubleValues": "float8"}
        assert pg.execute(f"SELECT :p::{type[next(iter(value))]}[]", {"p": {"arrayValue": value}})["records"] == [
            [{"arrayValue": value}]
        ]
    nested = {"arrayValues": [{"longValues": [1, 2]}, {"longValues": [3, 4]}]}
    assert pg.execute("SELECT :p::int[][]", {"p": {"arrayValue": nested}})["records"] == [[{"arrayValue": nested}]]
    found = pg.execute("SELECT 5 = ANY(:p)", {"p": {"arrayValue": {"longValues": [4, 5]}}})["records"]
    assert found == [[{"booleanValue": True}]]


@pytest.mark.parametrize(
    ("hint", "value", "sql", "expected"),
    [
        (
            "UUID",
            "00000000-0000-0000-0000-00000000000a",
            "SELECT :p",
            {"stringValue": "00000000-0000-0000-0000-00000000000a"},
        ),
        ("JSON", '{"a": 1}', "SELECT :p -> 'a'", {"stringValue": "1"}),
        ("DECIMAL", "1.50", "SELECT :p + 1", {"stringValue": "2.50"}),
        ("DATE", "2024-02-29", "SELECT :p + 1", {"stringValue": "2024-03-01"}),
        ("TIME", "01:02:03", "SELECT :p", {"stringValue": "01:02:03"}),
        ("TIMESTAMP", "2024-02-29 01:02:03.5", "SELECT :p", {"stringValue": "2024-02-29 01:02:03.5"}),
    ],
)
def test_type_hints(pg: Place, hint: str, value: str, sql: str, expected: Any) -> None:
    parameters = [{"name": "p", "value": {"stringValue": value}, "typeHint": hint}]
    done = pg.client.execute_statement(sql=sql, parameters=parameters, **pg.arns)
    assert done["records"] == [[expected]]


def test_parameters(place: Place) -> None:
    blob = "bytea" if place.database == "pg" else "BINARY(3)"
    table = place.table(f"a INT, b DOUBLE PRECISION, c {blob}, d BOOLEAN, e VARCHAR(10)")
    given = {
        "0": {"longValue": 0},
        "1": {"doubleValue": 3.0},
        "c": {"blobValue": b"\0\xff\x01"},
        "d": {"booleanValue": False},
        "e": {"stringValue": ":0 ::x"},
    }
    place.execute(f"INSERT INTO {table} VALUES (:0, :1, :c, :d, :e) -- :f", given)
    row = place.execute(f"SELECT a, b, c, d, e, ':0' FROM {table} WHERE a = :0 AND e = :e", given)["records"][0]
    assert [_plain(field) for field in row] == [0, 3.0, b"\0\xff\x01", False, ":0 ::x", ":0"]
    place.execute(f"UPDATE {table} SET a = :1", {"1": {"doubleValue": 7.0}})  # as clients send bigints
    assert place.value(f"SELECT a FROM {table}") == ("longValue", 7)
    if place.database == "pg":  # the frequent complaint of uuid = text
        uuid = {"p": {"stringValue": "00000000-0000-0000-0000-00000000000a"}}
        assert place.execute("SELECT 1 WHERE gen_random_uuid() = :p", uuid)["records"] == []
