"""Every column type of each database: what a query over HTTP gives, against what the direct driver gives."""

import base64
import datetime
import decimal
import json
import math
from collections.abc import Iterator
from typing import Any

import psycopg
import pymysql
import pytest

from tests.gateway.caller import Caller, configuration
from tests.servers import MySQL97, OutliveProcess, Postgres15
from tests.servers.database import ROOT, DatabaseServer, connect

BIG = 2**53 - 1
POSTGRES = [
    ("bool", "true", True),
    ("int2", "-32768", -32768),
    ("int4", "2147483647", 2147483647),
    ("int8", str(BIG), BIG),
    ("int8", str(BIG + 1), str(BIG + 1)),
    ("int8", "-9223372036854775808", "-9223372036854775808"),
    ("oid", "4294967295", 4294967295),
    ("numeric", "1.10", "1.10"),
    ("numeric", "NaN", "NaN"),
    ("float4", "0.1", 0.1),
    ("float8", "1e300", 1e300),
    ("float8", "NaN", "NaN"),
    ("float8", "-Infinity", "-Infinity"),
    ("text", 'a"b\\ü\n\U0001f600', 'a"b\\ü\n\U0001f600'),
    ("varchar", "x", "x"),
    ("char(3)", "x", "x  "),
    ("name", "n", "n"),
    ("bytea", "\\x00ff", base64.b64encode(b"\0\xff").decode()),
    ("date", "2024-02-29", "2024-02-29"),
    ("date", "infinity", "infinity"),
    ("time", "12:34:56.789", "12:34:56.789"),
    ("timetz", "12:34:56+02", "12:34:56+02"),
    ("timestamp", "2024-02-29 12:34:56.5", "2024-02-29 12:34:56.5"),
    ("timestamptz", "2024-02-29 12:34:56+00", "2024-02-29 12:34:56+00"),
    ("interval", "1 day 02:00", "1 day 02:00:00"),
    ("uuid", "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("json", '{"a":\n[1, 2.50]}', {"a": [1, 2.5]}),
    ("jsonb", '{"a": null}', {"a": None}),
    ("inet", "10.0.0.1", "10.0.0.1"),
    ("cidr", "10.0.0.0/8", "10.0.0.0/8"),
    ("macaddr", "08:00:2b:01:02:03", "08:00:2b:01:02:03"),
    ("money", "1.00", "$1.00"),
    ("point", "(1,2)", "(1,2)"),
    ("bit(3)", "101", "101"),
    ("varbit", "1", "1"),
    ("int4[]", "{1,NULL,3}", [1, None, 3]),
    ("int4[]", "[0:1]={1,2}", [1, 2]),
    ("int8[]", "{{1},{9007199254740993}}", [[1], ["9007199254740993"]]),
    ("text[]", '{a,"b,\\"c","NULL",NULL,"{}"}', ["a", 'b,"c', "NULL", None, "{}"]),
    ("text[]", "{}", []),
    ("bool[]", "{t,f}", [True, False]),
    ("jsonb[]", '{"{\\"a\\": 1}"}', [{"a": 1}]),
    ("int4range", "[1,5)", "[1,5)"),
    ("tsvector", "a b", "'a' 'b'"),
    ("xml", "<a/>", "<a/>"),
    ("numeric", "-Infinity", "-Infinity"),
    ("numeric(40,20)", "12345678901234567890.12345678901234567890", "12345678901234567890.12345678901234567890"),
    ("timestamp", "-infinity", "-infinity"),
    ("timestamp(0)", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
    ("interval", "-1 year 2 mons -3.5 seconds", "-10 mons -00:00:03.5"),
    ('"char"', "a", "a"),
    ("macaddr8", "08:00:2b:01:02:03:04:05", "08:00:2b:01:02:03:04:05"),
    ("line", "{1,2,3}", "{1,2,3}"),
    ("lseg", "[(1,2),(3,4)]", "[(1,2),(3,4)]"),
    ("box", "(3,4),(1,2)", "(3,4),(1,2)"),
    ("path", "((1,2),(3,4))", "((1,2),(3,4))"),
    ("polygon", "((1,2),(3,4))", "((1,2),(3,4))"),
    ("circle", "<(1,2),3>", "<(1,2),3>"),
    ("int8range", "[1,)", "[1,)"),
    ("numrange", "(1.5,2]", "(1.5,2]"),
    ("tsrange", "empty", "empty"),
    ("tstzrange", "(,)", "(,)"),
    ("daterange", "[2024-02-29,2024-03-01)", "[2024-02-29,2024-03-01)"),
    ("int4multirange", "{[1,2),[4,5)}", "{[1,2),[4,5)}"),
    ("tsquery", "a & !b", "'a' & !'b'"),
    ("jsonpath", "$.a", '$."a"'),
    ("pg_lsn", "16/B374D848", "16/B374D848"),
    ("pg_snapshot", "10:20:10,14", "10:20:10,14"),
    ("xid", "7", "7"),
    ("cid", "7", "7"),
    ("tid", "(1,2)", "(1,2)"),
    ("regclass", "pg_class", "pg_class"),
    ("regtype", "int4", "integer"),
    ("oidvector", "1 2", "1 2"),
    ("int2vector", "1 2", "1 2"),
    ("numeric[]", "{1.10,NaN}", ["1.10", "NaN"]),
    ("float8[]", "{0.5,Infinity}", [0.5, "Infinity"]),
    ("bytea[]", '{"\\\\x00ff"}', [base64.b64encode(b"\0\xff").decode()]),
    ("uuid[]", "{00000000-0000-0000-0000-00000000000a}", ["00000000-0000-0000-0000-00000000000a"]),
    ("date[]", "{2024-02-29,infinity}", ["2024-02-29", "infinity"]),
    ("timestamptz[]", '{"2024-02-29 12:34:56+00"}', ["2024-02-29 12:34:56+00"]),
    ("box[]", "{(3,4),(1,2);(1,1),(0,0)}", ["(3,4),(1,2)", "(1,1),(0,0)"]),
    ("varchar(2)[]", "{ab}", ["ab"]),
]


@pytest.fixture(scope="module")
def pg(node: OutliveProcess) -> Caller:
    return Caller(node, "pg")


def _as_json(value: Any) -> Any:
    """What docs/http.md says of a driver's value; text where it says nothing else."""
    if isinstance(value, bool) or value is None or isinstance(value, str | dict):
        return value
    if isinstance(value, list):
        items = [_as_json(item) for item in value]
        return NotImplemented if NotImplemented in items else items
    if isinstance(value, int):
        return value if abs(value) <= BIG else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return str(value)
    return NotImplemented


@pytest.mark.parametrize(("type", "text", "expected"), POSTGRES)
def test_postgres(pg: Caller, postgres: Postgres15, type: str, text: str, expected: Any) -> None:
    got = pg.query(f"SELECT CAST($1 AS {type}), CAST(NULL AS {type})", [text]).rows
    assert got == [[expected, None]]
    with psycopg.connect(postgres.url(), autocommit=True) as direct:
        try:
            value = direct.execute(f"SELECT CAST(%s AS {type})", [text]).fetchone()[0]  # type: ignore[index]
        except psycopg.DataError:  # infinity is no date of Python's
            return
    plain = _as_json(value)
    if plain is not NotImplemented:
        assert got[0][0] == plain


def test_postgres_parameters(pg: Caller) -> None:
    for type, value in (
        ("int4", 5),
        ("int8", BIG),
        ("bool", True),
        ("float8", 0.1),
        ("text", "5"),
        ("jsonb", {"a": [1]}),
        ("jsonb", [1, {"b": None}]),
        ("numeric", "1.50"),
        ("bytea", base64.b64encode(b"\0\x01").decode()),
        ("int4[]", [1, None, 2]),
        ("text[]", ['a"b', "c\\d", None, "NULL", ""]),
        ("uuid", "00000000-0000-0000-0000-00000000000a"),
    ):
        assert pg.query("SELECT $1", [{"type": type, "value": value}]).rows == [[value]], type
    mixed = pg.query("SELECT $1::int + 1, $2::uuid IS NULL, $3::jsonb", [4, None, {"a": 1}])
    assert mixed.rows == [[5, True, {"a": 1}]]
    assert pg.query("SELECT 1 WHERE 'a' = ANY($1)", [["a", "b"]]).rows == [[1]]


def test_postgres_sessions_that_write_otherwise(pg: Caller) -> None:
    id = pg.begin()
    pg.step(id, "SET bytea_output = 'escape'")
    assert pg.step(id, "SELECT '\\x005c61ff'::bytea").rows == [[base64.b64encode(b"\0\\a\xff").decode()]]
    assert pg.end(id, "rollback").status == 200


MYSQL = [
    ("TINYINT", "-128", -128),
    ("TINYINT UNSIGNED", "255", 255),
    ("BOOL", "TRUE", 1),
    ("SMALLINT", "-32768", -32768),
    ("MEDIUMINT", "-8388608", -8388608),
    ("INT", "-2147483648", -2147483648),
    ("INT UNSIGNED", "4294967295", 4294967295),
    ("INT(5) ZEROFILL", "42", 42),
    ("BIGINT", str(-BIG), -BIG),
    ("BIGINT", str(-BIG - 1), str(-BIG - 1)),
    ("BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"),
    ("YEAR", "2024", 2024),
    ("FLOAT", "0.1", 0.1),
    ("FLOAT", "16777216", 16777216.0),
    ("DOUBLE", "0.1", 0.1),
    ("DOUBLE", "-1e300", -1e300),
    ("DECIMAL(10,2)", "1.10", "1.10"),
    ("BIT(4)", "b'1010'", 10),
    ("BIT(64)", "~0", "18446744073709551615"),
    ("DATE", "'2024-02-29'", "2024-02-29"),
    ("DATETIME", "'2024-02-29 12:34:56'", "2024-02-29 12:34:56"),
    ("DATETIME", "'2024-02-29 00:00:00'", "2024-02-29 00:00:00"),
    ("DATETIME(3)", "'2024-02-29 12:34:56.5'", "2024-02-29 12:34:56.500"),
    ("DATETIME(6)", "'2024-02-29 12:34:56'", "2024-02-29 12:34:56.000000"),
    ("TIMESTAMP", "'2024-02-29 12:34:56'", "2024-02-29 12:34:56"),
    ("TIME", "'-838:59:59'", "-838:59:59"),
    ("TIME(2)", "'01:02:03.45'", "01:02:03.45"),
    ("TIME", "0", "00:00:00"),
    ("CHAR(3)", "'x'", "x"),
    ("VARCHAR(9)", "'a\"ü\U0001f600'", 'a"ü\U0001f600'),
    ("TEXT", "'x\\ny'", "x\ny"),
    ("BINARY(3)", "'x'", base64.b64encode(b"x\0\0").decode()),
    ("VARBINARY(3)", "x'00ff'", base64.b64encode(b"\0\xff").decode()),
    ("BLOB", "x'00'", base64.b64encode(b"\0").decode()),
    ("ENUM('a','b')", "'b'", "b"),
    ("SET('a','b')", "'a,b'", "a,b"),
    ("POINT", "POINT(1,2)", None),
]


@pytest.fixture(scope="module")
def mysql() -> Iterator[MySQL97]:
    with MySQL97() as server:
        yield server


@pytest.fixture(scope="module")
def nine(mysql: MySQL97) -> Iterator[Caller]:
    with OutliveProcess(configuration({"nine": mysql.url(max_connections=4)})) as node:
        yield Caller(node, "nine")


def _table(server: DatabaseServer, rows: list[tuple[str, str, Any]]) -> None:
    columns = ", ".join(f"c{number} {type} NULL" for number, (type, _, _) in enumerate(rows))
    with connect(ROOT, host=server.host, port=server.port) as direct, direct.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS types")
        cursor.execute(f"CREATE TABLE types ({columns})")
        cursor.execute(f"INSERT INTO types VALUES ({', '.join(value for _, value, _ in rows)})")
        cursor.execute(f"INSERT INTO types VALUES ({', '.join('NULL' for _ in rows)})")


def _check(caller: Caller, server: DatabaseServer, rows: list[tuple[str, str, Any]]) -> None:
    _table(server, rows)
    got = caller.query("SELECT * FROM types").rows
    with connect(ROOT, host=server.host, port=server.port) as direct, direct.cursor() as cursor:
        cursor.execute("SELECT * FROM types")
        values: Any = cursor.fetchall()[0]
    for (type, _, expected), cell, value in zip(rows, got[0], values, strict=True):
        if expected is not None:
            assert cell == expected, type
        if isinstance(value, int | float | str | decimal.Decimal) and type not in ("FLOAT", "JSON"):
            # The text protocol rounds FLOAT to six digits; what is given here is the number itself.
            assert cell == _as_json(value), type
        elif isinstance(value, datetime.datetime):
            assert datetime.datetime.fromisoformat(cell) == value, type
        elif isinstance(value, bytes) and type[:3] != "BIT":
            assert base64.b64decode(cell) == value, type
    assert got[1] == [None] * len(rows)


def test_mariadb(node: OutliveProcess, maria: DatabaseServer) -> None:
    # JSON is an alias of LONGTEXT there, and the protocol does not tell the two apart.
    _check(Caller(node, "my"), maria, [*MYSQL, ("JSON", """'{"a": 1}'""", '{"a": 1}')])


def test_mysql(nine: Caller, mysql: MySQL97) -> None:
    _check(nine, mysql, [*MYSQL, ("JSON", """'{"a": [1, null]}'""", {"a": [1, None]})])


@pytest.mark.parametrize("which", ["my", "nine"])
def test_mysql_parameters(which: str, node: OutliveProcess, nine: Caller) -> None:
    caller = nine if which == "nine" else Caller(node, "my")
    row = caller.query(
        "SELECT ? + 1, ?, CAST(? AS CHAR), HEX(?), ? * 2, ? IS NULL, JSON_EXTRACT(?, '$.a'), ? + 0, YEAR(?)",
        [
            41,
            0.1,
            "ü\U0001f600",
            {"type": "bytes", "value": base64.b64encode(b"\0\xff").decode()},
            {"type": "decimal", "value": "1.10"},
            None,
            {"a": 5},
            2**64 - 1,
            "2024-02-29 00:00:00",
        ],
    ).rows[0]
    assert row[:4] == [42, 0.1, "ü\U0001f600", "00FF"]
    assert decimal.Decimal(row[4]) == decimal.Decimal("2.20")
    assert row[5] == 1
    assert json.loads(str(row[6])) == 5
    assert decimal.Decimal(row[7]) == 2**64 - 1
    assert row[8] == 2024
    assert caller.query("SELECT ?", [[1]]).status == 200
    assert caller.query("SELECT ?", [{"type": "int[]", "value": [1]}]).status == 400


def test_mysql_what_cannot_be_prepared(nine: Caller) -> None:
    assert nine.query("START TRANSACTION").error["code"] == "transaction_left_open"
    assert nine.query("LOCK TABLES types READ").status in (200, 400)
    assert nine.query("SHOW TABLES").status == 200
    assert pymysql.__version__
