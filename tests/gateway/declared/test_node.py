"""What operations have from their node: answers given again, durable keys, descriptions, reload, check --live."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.caller import Caller
from tests.gateway.declared.shop import OTHER, Shop, text
from tests.servers import OutliveProcess

MORE = """
[operations.{db}_slow]
method = "GET"
path = "/api/{db}/slow/{{n:int32}}"
database = "{db}"
sql = "SELECT {uuid} AS id FROM (SELECT {sleep}) AS slept WHERE :n > 0"
answer = "value"
cache_s = 60
principals = ["*"]

[operations.{db}_long]
method = "GET"
path = "/api/{db}/long"
database = "{db}"
sql = "SELECT {long}"
max_time_s = 0.2
principals = ["*"]

[operations.{db}_linger]
method = "POST"
path = "/api/{db}/linger"
database = "{db}"
sql = "SELECT {long}"
max_time_s = 30
principals = ["*"]
"""
HTTP = 'idempotency = "database"\ncors_origins = ["https://app.example.com"]'
MYSQL = {"uuid": "UUID()", "sleep": "SLEEP(0.3)", "long": "SLEEP(30) FROM items"}
WORDS = {
    "pg": {"uuid": "gen_random_uuid()", "sleep": "pg_sleep(0.3)", "long": "pg_sleep(30)"},
    "my": MYSQL,
    "nine": MYSQL,
}


@pytest.fixture(scope="module")
def durable(urls: dict[str, str]) -> Iterator[OutliveProcess]:
    """Another node, whose keys are in the database."""
    more = "".join(MORE.format(db=name, **WORDS[name]) for name in urls)
    with OutliveProcess(text(urls, HTTP, more)) as node:
        yield node


@pytest.fixture(params=["pg", "my", "nine"])
def place(request: pytest.FixtureRequest, durable: OutliveProcess) -> Shop:
    return Shop(durable, request.param)


def test_an_answer_is_given_again(place: Shop) -> None:
    before = place.get("/items/count")
    assert before.headers["Cache-Control"] == "private, max-age=60"
    place.post("/items", {"id": 100, "name": "one more"})
    again = place.get("/items/count")
    assert again.json == before.json
    assert int(again.headers["Age"]) >= 0


def test_pages_of_other_origins(durable: OutliveProcess) -> None:
    place = Shop(durable, "pg")
    asked = place.call("OPTIONS", "/items/1", None, {"Origin": "https://app.example.com"})
    assert asked.status == 204
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    got = place.call("GET", "/items?like=none", None, {"Origin": "https://app.example.com"})
    assert got.headers["Access-Control-Allow-Origin"] == "https://app.example.com"


def test_who_ask_at_once_share_a_statement(place: Shop) -> None:
    with ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda _: place.get("/slow/7"), range(20)))
    assert len({answer.json for answer in answers}) == 1
    assert place.get("/slow/8").json != answers[0].json


def test_a_limit_of_time(place: Shop) -> None:
    place.post("/items", {"id": 101, "name": "to sleep on"})
    assert place.get("/long").error["code"] == "statement_timeout"


def test_a_caller_who_leaves(place: Shop, eventually: Callable[..., None]) -> None:
    place.post("/items", {"id": 101, "name": "to sleep on"})
    caller = Caller(place.node, place.database)
    connection = caller.begun(f"/api/{place.database}/linger", b"")
    sql = f"SELECT {WORDS[place.database]['long']}"
    eventually(lambda: caller.runs(sql))
    connection.close()
    eventually(lambda: not caller.runs(sql))


def test_a_key_in_the_database(place: Shop, declared: OutliveProcess) -> None:
    place.post("/items", {"id": 110, "name": "durable", "stock": 9})
    key = f"durable-{place.database}"
    first = place.post("/items/110/take", {"n": 4}, key=key)
    again = place.post("/items/110/take", {"n": 4}, key=key)
    assert (first.json, again.json) == (5, 5)
    refused = [place.post("/items/110/take", {"n": 6}, key=f"{key}-more") for _ in range(2)]
    assert [(answer.status, answer.error["outcome"]) for answer in refused] == [(409, "failed")] * 2
    headers = {"Idempotency-Key": f"{key}-none"}
    none = place.call("PUT", "/items/111/name", {"name": "none"}, headers)
    assert (none.status, none.error["outcome"]) == (404, "failed")
    place.post("/items", {"id": 111, "name": "now"})
    assert place.call("PUT", "/items/111/name", {"name": "then"}, headers).json == {"affected": 1}
    assert Caller(declared, place.database).query("SELECT stock FROM items WHERE id = 110").rows == [[5]]


def description(shop: Shop) -> Any:
    return Shop(shop.node, "openapi.json", shop.key).get("").json


def test_the_description_has_the_types_of_the_database(shop: Shop) -> None:
    paths = description(shop)["paths"]
    item = paths[f"/api/{shop.database}/items/{{id}}"]["get"]
    assert item["parameters"] == [
        {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "format": "int64"}}
    ]
    columns = item["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    null = ["null"] if shop.database == "pg" else []  # MySQL says which columns are never NULL
    assert columns["id"] == {"type": ["integer", "string", *null], "format": "int64"}
    assert columns["name"] == {"type": ["string", *null] if null else "string"}
    assert columns["price"] == {"type": ["string", "null"], "format": "decimal"}
    assert columns["stock"] == {"type": ["integer", "null"]}
    assert columns["data"] == {"type": ["string", "null"], "contentEncoding": "base64"}
    body = paths[f"/api/{shop.database}/items"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["id", "name"]
    assert paths[f"/api/{shop.database}/items/{{id}}/take"]["post"]["operationId"] == f"{shop.database}_take"
    answer = paths[f"/api/{shop.database}/items/{{id}}/take"]["post"]["responses"]["200"]["content"]
    assert answer["application/json"]["schema"] == {"type": ["integer", "null"]}


def test_a_principal_sees_its_own_operations(shop: Shop) -> None:
    assert set(description(shop.as_(OTHER))["paths"]) == {f"/api/{name}/items" for name in ("pg", "my", "nine")}
    assert Shop(shop.node, "openapi.json", "wrong").get("").status == 401


def test_reload(urls: dict[str, str], eventually: Callable[..., None]) -> None:
    with OutliveProcess(text({"pg": urls["pg"]})) as node:
        shop = Shop(node, "pg")
        assert node.configuration is not None
        right = node.configuration.read_text()
        assert shop.get("/items", like="none").json == []
        node.configuration.write_text(right.replace("/api/pg/items/{id:integer}/name", "/api/pg/names/{id:integer}"))
        node.process.popen.send_signal(1)
        eventually(lambda: node.metric("outlive_reloads_total") == 1)
        assert shop.get("/names/120").error["code"] == "not_found"
        assert shop.get("/items/1/name").error["code"] in ("no_such_operation", "method_not_allowed")
        node.configuration.write_text(right.replace("WHERE id = :id", "WHERE id = :idd"))
        node.process.popen.send_signal(1)
        eventually(lambda: node.metric("outlive_reloads_failed_total") == 1)
        assert shop.get("/items", like="none").json == []


def check(path: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    command = [sys.executable, "-m", "outlive", "check", str(path), "--live", "--json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, json.loads(done.stdout)["problems"]


def test_a_wrong_column_is_found_before_deployment(urls: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "outlive.toml"
    right = text(urls)
    path.write_text(right)
    assert check(path) == (0, [])
    wrong = right.replace("SELECT id, name, price", "SELECT id, nme, price").replace(
        '"SELECT name FROM', '"SELECT * FROM'
    )
    path.write_text(wrong.replace('parameters.n = { type = "int32"', 'parameters.n = { type = "number"'))
    status, problems = check(path)
    found = {problem["path"].removeprefix("operations."): problem["sentence"] for problem in problems}
    assert status == 2
    for name in urls:
        assert "nme" in found[f"{name}_item.sql"]
        assert found[f"{name}_name.answer"] == "The answer is one value, and there are 6 columns."
    assert found["pg_take.steps"] in (
        "Step 2 has :n as int4, and the parameter is number.",
        "Step 3 has :n as int4, and the parameter is number.",
    )
    line = next(problem["line"] for problem in problems if problem["path"] == "operations.my_item.sql")
    assert wrong.splitlines()[line - 1].startswith('sql = "SELECT id, nme')


def test_a_database_that_is_away(urls: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "outlive.toml"
    path.write_text(text({"pg": "postgresql://app:x@127.0.0.1:1/test?acquire_timeout_s=0.2"}))
    status, problems = check(path)
    assert (status, len(problems)) == (1, 1)
    assert "cannot be asked" in problems[0]["sentence"]
