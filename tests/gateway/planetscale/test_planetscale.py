"""`@planetscale/database` and its Drizzle and Kysely adapters, unmodified: only their URL is changed."""

import http.client
import json
import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.caller import Answer
from tests.servers import MariaDB, OutliveProcess
from tests.servers.database import APP, APP2, DatabaseServer

FOLDER = Path(__file__).parent
NODE = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")
EXECUTE = "/psdb.v1alpha1.Database/Execute"

CREATE = """CREATE TABLE ps_types (
    a TINYINT UNSIGNED, b SMALLINT, c MEDIUMINT, d INT UNSIGNED, e BIGINT, f BIGINT UNSIGNED, g FLOAT, h DOUBLE,
    i DECIMAL(30,4), j DATE, k TIME(3), l DATETIME(6), m TIMESTAMP NULL, n YEAR, o CHAR(5), p VARCHAR(20),
    q BINARY(3), r VARBINARY(9), s TINYTEXT, t LONGTEXT, u BLOB, v ENUM('x','y'), w SET('x','y'), x BIT(9), y JSON,
    z GEOMETRY, aa INT ZEROFILL, ab BOOLEAN, ac VARCHAR(9) COLLATE utf8mb4_bin)"""
INSERT = """INSERT INTO ps_types VALUES (255, -32768, -8388608, 4294967295, -9223372036854775808,
    18446744073709551615, 1.5, 1e300, 12345678901234567890.1234, '2024-02-29', '-838:59:58.5',
    '2024-02-29 12:34:56.789', '2024-02-29 12:34:56', 2024, 'ü', 'it''s', x'00ff', x'', '', 'long', x'00ff5c', 'y',
    'x,y', b'101010101', '{"k": [1, 2.50]}', POINT(1, 2), 7, TRUE, 'bin')"""
STATEMENTS = [
    "SELECT * FROM ps_types",
    "SELECT * FROM ps_types WHERE 1 = 0",
    "SELECT 1, NULL, 'x', 1.5, 1e0, NOW() > '2000-01-01', CAST('a' AS BINARY)",
    "SHOW COLUMNS FROM ps_types",
]
TYPES = [
    *("UINT8", "INT16", "INT24", "UINT32", "INT64", "UINT64", "FLOAT32", "FLOAT64", "DECIMAL"),
    *(
        "DATE",
        "TIME",
        "DATETIME",
        "TIMESTAMP",
        "YEAR",
        "CHAR",
        "VARCHAR",
        "BINARY",
        "VARBINARY",
        "TEXT",
        "TEXT",
        "BLOB",
    ),
    *("ENUM", "SET", "BIT", "JSON", "GEOMETRY", "UINT32", "INT8", "VARCHAR"),
]


def configuration(server: DatabaseServer, more: str = "") -> str:
    return "\n".join(
        [
            "[http]",
            "transaction_idle_timeout_s = 1.0",
            "[databases.shop]",
            f'url = "{server.url(max_connections=6)}"',
            more,
            "[principals.functions]",
            'databases = ["shop"]',
            f'database_users = ["{APP.user}", "{APP2.user}"]',
            "max_rows = 5000",
            "",
        ]
    )


@pytest.fixture(scope="module")
def shop(mariadb: MariaDB) -> Iterator[OutliveProcess]:
    with OutliveProcess(configuration(mariadb)) as node:
        yield node


def send(
    node: OutliveProcess, query: str, session: Any = None, login: str = f"{APP.user}:{APP.password}"
) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(node.http_host, node.http_port, timeout=30)
    headers = {"Authorization": "Basic " + b64encode(login.encode()).decode()}
    connection.request("POST", EXECUTE, json.dumps({"query": query, "session": session}).encode(), headers)
    return connection


def execute(node: OutliveProcess, query: str, session: Any = None, **more: str) -> Answer:
    connection = send(node, query, session, **more)
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


@NODE
def test_the_package(server: DatabaseServer) -> None:
    server.query("DROP TABLE IF EXISTS ps_types")
    server.query(CREATE)
    server.query(INSERT)
    server.query("INSERT INTO ps_types (a) VALUES (NULL)")
    with OutliveProcess(configuration(server)) as node:
        url = f"http://{node.http_host}:{node.http_port}"
        done = subprocess.run(
            ["node", "scenario.js", url, APP.user, APP.password, server.url(), json.dumps(STATEMENTS)],
            cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:] + node.log[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["one"]["rows"] == [{"text": "O'Reilly \\ \" \n", "n": found["one"]["rows"][0]["n"], "nothing": None}]
    assert found["session"]["vitessSession"]["inTransaction"] is False
    assert (found["insert"]["rowsAffected"], found["insert"]["insertId"]) == (2, "1")
    assert found["update"]["rowsAffected"] == 1
    assert found["arrays"] == [["1", "one"], ["2", "zwei"]]
    assert found["syntax"]["name"] == "DatabaseError"
    assert "(errno 1064) (sqlstate 42000)" in found["syntax"]["message"]
    assert found["syntax"]["body"]["code"] == "UNKNOWN"
    assert "(errno 1062) (sqlstate 23000)" in found["duplicate"]["message"]
    assert found["transaction"] == ["3", "2"]
    assert "(errno 1062)" in found["rolledBack"]["message"]
    assert found["after"] == "3"
    assert found["closed"] is False
    for name in ("replayed", "replayedAgain", "forged"):
        assert found[name]["body"]["code"] == "ABORTED", found[name]
    assert found["replayedEnd"]
    assert found["usable"] == [{"one": found["usable"][0]["one"]}]
    for name in ("wrong", "nobody"):
        assert (found[name]["status"], found[name]["body"]["code"]) == (401, "UNAUTHENTICATED")
    assert (found["drizzleInsert"], found["drizzle"]) == (1, ["drizzle"])
    assert found["drizzleTransaction"]["name"] == "DrizzleError"
    assert found["drizzleAfter"] == 5
    kysely = found["kysely"]
    assert (kysely["id"], kysely["updated"]) == (1, 1)
    assert "(errno 1062)" in kysely["refused"]
    rows = [(row["name"], row["at"]) for row in kysely["rows"]]
    assert rows == [("it's", "2024-02-29T01:02:03.000Z"), ("zwei", None)]
    for statement, both in zip(STATEMENTS, found["types"], strict=True):
        assert both["through"] == both["straight"], statement
    names = found["types"][0]["names"]
    assert names == ["TEXT" if name == "JSON" and server.flavour == "mariadb" else name for name in TYPES]


def test_a_transaction_that_is_left(shop: OutliveProcess) -> None:
    session = execute(shop, "BEGIN").json["session"]
    assert session["vitessSession"]["inTransaction"] is True
    step = execute(shop, "SELECT @@in_transaction", session)
    assert step.json["session"] == session
    shop.wait_settled()  # no lease is held: the second of transaction_idle_timeout_s is over
    assert execute(shop, "SELECT 1", session).json["error"]["code"] == "ABORTED"
    assert execute(shop, "COMMIT", session).json["error"]["code"] == "ABORTED"
    assert "error" not in execute(shop, "ROLLBACK", session).json


def test_a_session_is_of_use_to_its_user_only(shop: OutliveProcess) -> None:
    session = execute(shop, "BEGIN").json["session"]
    other = execute(shop, "SELECT 1", session, login=f"{APP2.user}:{APP2.password}")
    assert other.status == 401  # no password of app2 is configured
    tampered = {**session, "signature": session["signature"][:-4] + "AAA="}
    assert execute(shop, "SELECT 1", tampered).json["error"]["code"] == "ABORTED"
    assert execute(shop, "SELECT 1", session).json["result"]["rows"][0] == {"lengths": ["1"], "values": "MQ=="}
    assert "error" not in execute(shop, "/* done */ rollback work; -- x", session).json


def test_what_ends_or_begins_otherwise(shop: OutliveProcess) -> None:
    assert execute(shop, "START TRANSACTION WITH CONSISTENT SNAPSHOT").json["error"]["code"] == "UNKNOWN"
    assert "error" not in execute(shop, "CREATE TABLE ps_read_only (id INT)").json
    session = execute(shop, "start transaction read only").json["session"]
    assert "(errno 1792)" in execute(shop, "INSERT INTO ps_read_only VALUES (1)", session).json["error"]["message"]
    assert execute(shop, "BEGIN", session).json["error"]["code"] == "INVALID_ARGUMENT"
    assert execute(shop, "COMMIT AND NO CHAIN", session).json["error"]["code"] == "ABORTED"
    assert "error" not in execute(shop, "ROLLBACK", session).json
    assert "error" not in execute(shop, "COMMIT").json


def test_backslashes(shop: OutliveProcess) -> None:
    """The client escapes with them: a session in which they mean nothing is refused its statements."""
    session = execute(shop, "BEGIN").json["session"]
    assert "error" not in execute(shop, "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", session).json
    assert execute(shop, "SELECT 'it\\'s'", session).json["error"]["code"] == "INVALID_ARGUMENT"
    assert "error" not in execute(shop, "ROLLBACK", session).json
    assert "error" not in execute(shop, "SELECT 'it\\'s'").json


def test_too_large(shop: OutliveProcess) -> None:
    answer = execute(shop, "SELECT seq FROM seq_1_to_10000")
    assert answer.json["error"]["code"] == "RESOURCE_EXHAUSTED"


def test_the_database_is_said(mariadb: MariaDB) -> None:
    url = mariadb.url(database="other", max_connections=6)
    text = configuration(mariadb, f'[databases.second]\nurl = "{url}"').replace('["shop"]', '["shop", "second"]')
    with OutliveProcess(text) as node:
        assert execute(node, "SELECT 1").status == 401
        login = f"{APP.user}@second:{APP.password}"
        row = execute(node, "SELECT DATABASE()", login=login).json["result"]["rows"][0]
        assert row["values"] == b64encode(b"other").decode()


def test_two_hundred_callers(shop: OutliveProcess, mariadb: MariaDB) -> None:
    def call(n: int) -> str:
        value: str = execute(shop, f"SELECT {n} + SLEEP(0.005)").json["result"]["rows"][0]["values"]
        return value

    with ThreadPoolExecutor(40) as threads:
        found = list(threads.map(call, range(200)))
    assert found == [b64encode(str(n).encode()).decode() for n in range(200)]
    assert len(mariadb.connection_ids(APP.user)) <= 6


def test_a_caller_that_disconnects(shop: OutliveProcess, mariadb: MariaDB, eventually: Callable[..., None]) -> None:
    running = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)%'"
    connection = send(shop, "SELECT SLEEP(60)")
    eventually(lambda: mariadb.query(running) == ((1,),))
    connection.close()
    eventually(lambda: mariadb.query(running) == ((0,),))
    shop.wait_settled()
