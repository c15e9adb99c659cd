"""`@neondatabase/serverless` and its Drizzle adapter over HTTP, unmodified: only their URL is changed."""

import http.client
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.caller import Answer, hashed
from tests.gateway.test_types import POSTGRES
from tests.servers import OutliveProcess, Postgres15, PostgresServer
from tests.servers.database import APP, APP2

FOLDER = Path(__file__).parent
NODE = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")
KEY = "key-of-neon"
ENVIRONMENT = {"APP2_PASSWORD": APP2.password}


def quoted(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


# fmt: off
STATEMENTS = [
    "select true a, 1::int2 b, 2::int4 c, 9223372036854775807::int8 d, 1.5::float4 e, "
    "'NaN'::float8 f, 1.10::numeric(9,2) g",
    "select 'a'::\"char\" a, 'b'::char(3) b, 'ü'::varchar(9) c, 'n'::name d, "
    "'it''s \"x\" \\ \n'::text e, ''::text f, null g",
    "select '\\x00ff'::bytea a, '{\"k\": [1, 2]}'::json b, '{\"k\":1.0}'::jsonb c, '<a/>'::xml d",
    "select date 'infinity' a, time '12:34:56.7' b, timetz '12:00+02' c, "
    "timestamp '2024-02-29 12:00' d, interval '1 mon' e",
    "select '2001:db8::1'::inet a, '10.0.0.0/8'::cidr b, macaddr '08:00:2b:01:02:03' c, "
    "B'101' d, 1.25::money e, 7::oid f",
    "select point(1,2) a, int4range(1,5) b, 'a & b'::tsquery c, "
    "'11111111-2222-3333-4444-555555555555'::uuid d, '(1,2),(3,4)'::box e",
    "select array[1,null,3] a, array['a\"b', null, 'c,d'] b, array[[1,2],[3,4]] c, "
    "'[0:1]={5,6}'::int[] d, array[true] e",
    "select oid, relname, reltuples from pg_class where relname in ('pg_class', 'pg_type') order by relname",
    "select 1 where false",
    "select row(1,'x') a, 'pg_class'::regclass b",
    "select " + ", ".join(f"cast({quoted(text)} as {type}) c{n}" for n, (type, text, _) in enumerate(POSTGRES)),
]
# fmt: on


def configuration(server: PostgresServer) -> str:
    return "\n".join(
        [
            "[databases.shop]",
            f'url = "{server.url(max_connections=5)}"',
            f'users = {{ {APP2.user} = {{ env = "APP2_PASSWORD" }} }}',
            "[principals.functions]",
            'databases = ["shop"]',
            f'database_users = ["{APP.user}"]',
            "max_rows = 5000",
            "[principals.keyed]",
            'databases = ["shop"]',
            f'api_key_sha256 = ["{hashed(KEY)}"]',
            "",
        ]
    )


@pytest.fixture(scope="module", params=["postgres15", "postgres18"])
def database(request: pytest.FixtureRequest) -> PostgresServer:
    found: PostgresServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def shop(postgres15: Postgres15) -> Iterator[OutliveProcess]:
    with OutliveProcess(configuration(postgres15), environment=ENVIRONMENT) as node:
        yield node


def string(password: str = APP.password, user: str = APP.user, database: str = "shop") -> str:
    return f"postgresql://{user}:{password}@never-dialled.example.com/{database}"


def send(node: OutliveProcess, body: object, **headers: str) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(node.http_host, node.http_port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        "POST",
        "/sql",
        json.dumps(body).encode(),
        {"Neon-Connection-String": string(), "Content-Type": "text/plain", **named},
    )
    return connection


def post(node: OutliveProcess, body: object, **headers: str) -> Answer:
    connection = send(node, body, **headers)
    try:
        return Answer(connection.getresponse())
    finally:
        connection.close()


@NODE
def test_the_package(database: PostgresServer) -> None:
    with OutliveProcess(configuration(database), environment=ENVIRONMENT) as node:
        url = f"http://{node.http_host}:{node.http_port}"
        done = subprocess.run(
            ["node", "http.js", url, string(), database.url(), json.dumps(STATEMENTS)],
            cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:] + node.log[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["template"] == [{"name": "O'Reilly", "n": 7, "nothing": None}]
    assert found["arrays"] == [[1, 2]]
    assert found["full"]["fields"][1]["dataTypeModifier"] == (5 << 16 | 2) + 4
    assert found["query"] == [{"list": [1, 2, 3], "doc": {"a": [1, None]}}]
    assert (found["insert"]["command"], found["insert"]["rowCount"], found["insert"]["rows"]) == ("INSERT", 2, [])
    assert (found["update"]["command"], found["update"]["rowCount"], found["update"]["rows"]) == (
        "UPDATE",
        1,
        [{"id": 2}],
    )
    assert [len(rows) for rows in found["batch"]] == [0, 3, 1]
    assert found["batch"][2] == [{"level": "serializable", "ro": "off"}]
    assert found["readOnly"] == [[{"ro": "on", "deferrable": "on"}]]
    assert found["refusedWrite"]["code"] == "25006"
    assert (found["rolledBack"]["code"], found["rolledBack"]["constraint"]) == ("23505", "neon_items_pkey")
    assert found["rolledBack"]["detail"] == "Key (id)=(1) already exists."
    assert found["after"] == [{"n": 3}]
    syntax = found["syntax"]
    assert (syntax["name"], syntax["code"], syntax["position"], syntax["severity"]) == (
        "NeonDbError",
        "42601",
        "1",
        "ERROR",
    )
    assert syntax["file"]
    assert syntax["line"]
    assert syntax["routine"] == "scanner_yyerror"
    missing = found["notNull"]
    assert [missing[name] for name in ("code", "schema", "table", "column")] == [
        "23502",
        "public",
        "neon_items",
        "name",
    ]
    for name in ("wrong", "nobody", "elsewhere"):
        assert found[name]["code"] == "28P01", found[name]
        assert "password authentication failed" in found[name]["message"]
    assert found["drizzle"] == [{"id": 5, "name": "five"}]
    assert found["drizzleBatch"] == [[{"id": 5, "name": "fünf"}]] * 2
    for statement, both in zip(STATEMENTS, found["types"], strict=True):
        assert both["through"] == both["straight"], statement


def test_without_raw_text(shop: OutliveProcess) -> None:
    answer = post(
        shop,
        {
            "query": "select true a, 1::int2 b, 5000000000::int8 c, 1.10::numeric d, "
            "1.5::float8 e, '{\"k\": 1.0}'::json f, array[1, null] g, "
            "array['x'] h, 'NaN'::float8 i, $1::int[] j, $2::jsonb k",
            "params": [[1, 2], {"type": "text", "value": "x"}],
        },
    )
    assert answer.json["rows"] == [
        {
            "a": True,
            "b": 1,
            "c": "5000000000",
            "d": "1.10",
            "e": 1.5,
            "f": {"k": 1.0},
            "g": [1, None],
            "h": ["x"],
            "i": "NaN",
            "j": [1, 2],
            "k": {"type": "text", "value": "x"},
        }
    ]
    assert answer.json["rowAsArray"] is False
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_batches(shop: OutliveProcess) -> None:
    queries = [{"query": "select 1 as n", "params": [], "arrayMode": True}, {"query": "select 2 as n", "params": []}]
    answer = post(shop, {"queries": queries}, Neon_Batch_Read_Only="true", Neon_Batch_Isolation_Level="RepeatableRead")
    assert [result["rows"] for result in answer.json["results"]] == [[[1]], [{"n": 2}]]
    assert answer.headers["Neon-Batch-Read-Only"] == "true"
    assert answer.headers["Neon-Batch-Isolation-Level"] == "RepeatableRead"
    assert post(shop, {"queries": queries}, Neon_Batch_Isolation_Level="Chaos").status == 400
    writing = [{"query": "create table never_made (id int)", "params": []}]
    assert post(shop, {"queries": writing}, Neon_Batch_Read_Only="true").json["code"] == "25006"
    assert post(shop, {"queries": writing}, Neon_Batch_Read_Only="TRUE").status == 200
    assert post(shop, {"queries": [{"query": "drop table never_made", "params": []}]}).status == 200


def test_who_may_ask(shop: OutliveProcess) -> None:
    one = {"query": "select current_user::text as name", "params": []}
    assert post(shop, one).json["rows"] == [{"name": "app"}]
    keyed = {"Neon_Connection_String": string("", "anybody"), "Authorization": f"Bearer {KEY}"}
    assert post(shop, one, **keyed).json["rows"] == [{"name": "app"}]
    assert post(shop, one, **{**keyed, "Authorization": "Bearer wrong"}).json["code"] == "28P01"
    # app2 has a password at the server and in the configuration, but no principal names it.
    assert post(shop, one, Neon_Connection_String=string(APP2.password, APP2.user)).json["code"] == "28P01"
    assert post(shop, one, Neon_Connection_String="nonsense").status == 400
    assert post(shop, {"nothing": 1}).json["code"] == "08P01"
    assert post(shop, {"query": "begin", "params": []}).json["code"] == "0A000"


def test_too_large(shop: OutliveProcess) -> None:
    answer = post(shop, {"query": "select generate_series(1, 10000)", "params": []})
    assert (answer.status, answer.json["code"]) == (507, "54000")


def test_preflight(shop: OutliveProcess) -> None:
    connection = http.client.HTTPConnection(shop.http_host, shop.http_port, timeout=30)
    connection.request(
        "OPTIONS", "/sql", headers={"Origin": "http://www.example.com", "Access-Control-Request-Method": "POST"}
    )
    answer = Answer(connection.getresponse())
    connection.close()
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Neon-Connection-String" in answer.headers["Access-Control-Allow-Headers"]


def test_guessing_is_limited(postgres15: Postgres15) -> None:
    """A right password that was seen before is not locked out by somebody else's guesses."""
    text = configuration(postgres15).replace(
        "[principals.functions]", "passthrough_attempts_per_minute = 3\n[principals.functions]"
    )
    one = {"query": "select 1", "params": []}
    with OutliveProcess(text, environment=ENVIRONMENT) as node:
        assert post(node, one).status == 200
        statuses = [post(node, one, Neon_Connection_String=string(f"guess{n}")).status for n in range(5)]
        assert statuses == [400, 400, 400, 429, 429]
        assert post(node, one).status == 200


def test_two_hundred_callers(shop: OutliveProcess, postgres15: Postgres15) -> None:
    with ThreadPoolExecutor(40) as threads:
        found = list(
            threads.map(
                lambda n: post(shop, {"query": "select $1::int as n, pg_sleep(0.005)::text", "params": [str(n)]}).json[
                    "rows"
                ][0]["n"],
                range(200),
            )
        )
    assert found == list(range(200))
    assert len(postgres15.connection_ids(APP.user)) <= 5


def test_a_caller_that_disconnects(
    shop: OutliveProcess, postgres15: Postgres15, eventually: Callable[..., None]
) -> None:
    running = (
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%neon-disconnect%' "
        "AND pid <> pg_backend_pid()"
    )
    connection = send(shop, {"query": "select pg_sleep(60) -- neon-disconnect", "params": []})
    eventually(lambda: postgres15.query(running) == ((1,),))
    connection.close()
    eventually(lambda: postgres15.query(running) == ((0,),))
    shop.wait_settled()


def test_passthrough(postgres15: Postgres15) -> None:
    """A user whose password only the server knows; asked for once, however many come."""
    text = "\n".join(
        [
            "[databases.shop]",
            f'url = "{postgres15.url(max_connections=5)}"',
            "passthrough = true",
            "[principals.any]",
            'databases = ["shop"]',
            'database_users = ["*"]',
            "",
        ]
    )
    one = {"query": "select current_user::text as name", "params": []}
    right = {"Neon_Connection_String": string(APP2.password, APP2.user)}
    with OutliveProcess(text) as node:
        assert post(node, one, Neon_Connection_String=string("wrong", APP2.user)).json["code"] == "28P01"
        barrier = threading.Barrier(10)

        def come(_: int) -> Any:
            barrier.wait()
            return post(node, one, **right).json["rows"]

        with ThreadPoolExecutor(10) as threads:
            assert list(threads.map(come, range(10))) == [[{"name": "app2"}]] * 10
