"""The parts of declared operations that need no server: paths, requests, shapes, refusals, the cache."""

import asyncio
from typing import Any

import pytest

from outlive.config.inputs import Input, inputs_of
from outlive.config.model import Config, Database
from outlive.config.operations import Operation, Parameter
from outlive.gateway.conversation import Described, Done
from outlive.gateway.declared import shapes
from outlive.gateway.declared.bindings import bind
from outlive.gateway.declared.cache import Cache
from outlive.gateway.declared.prepared import _of_parameters
from outlive.gateway.declared.refusals import refused
from outlive.gateway.declared.requests import values_of
from outlive.gateway.declared.table import MethodNotAllowed, Table
from outlive.gateway.failure import Failure
from outlive.gateway.idempotency import Answer
from outlive.gateway.rows import Column, Rows

DATABASE = Database(scheme="postgresql", hosts=(), user="app")


def operation(name: str, path: str, method: Any = "GET", **more: Any) -> Operation:
    more.setdefault("sql", "SELECT 1")
    return Operation(name=name, method=method, path=path, database="shop", **more)


def table(*operations: Operation) -> Table:
    config = Config(databases={"shop": DATABASE}, operations={found.name: found for found in operations})
    return Table(config, Cache(lambda: 0.0))


def test_paths() -> None:
    found = table(
        operation("one", "/api/items/{id}", sql="SELECT :id"),
        operation("count", "/api/items/count"),
        operation("deep", "/api/items/{id}/{other}/x", sql="SELECT :id, :other"),
        operation("del", "/api/items/{id}", "DELETE", sql="DELETE FROM items WHERE id = :id"),
    )

    def name(path: bytes, method: str = "GET") -> Any:
        declaration, values = found.find(method, path)
        return declaration.operation.name, values

    assert name(b"/api/items/7") == ("one", {"id": "7"})
    assert name(b"/api/items/count") == ("count", {})
    assert name(b"/api/items/count", "DELETE") == ("del", {"id": "count"})
    assert name(b"/api/items/count/b/x") == ("deep", {"id": "count", "other": "b"})
    assert name(b"/api/items/a%2Fb%20c") == ("one", {"id": "a/b c"})
    for path in (b"/api/items", b"/api/items/", b"/api/items/1/2", b"/api/items/%ff", b"/api//7", b"/api/items/\xff"):
        with pytest.raises(Failure) as none:
            found.find("GET", path)
        assert none.value.status == 404
    with pytest.raises(MethodNotAllowed) as wrong:
        found.find("PUT", b"/api/items/7")
    assert wrong.value.allowed == ["DELETE", "GET"]


def test_requests() -> None:
    inputs = [Input("a", "query", Parameter(many=True)), Input("b", "body", Parameter(required=False))]
    assert values_of(inputs, {}, b"a=1&a=%C3%A9", b"") == {"a": ["1", "é"], "b": None}
    assert values_of(inputs, {}, b"a=", b'{"b":"x"}') == {"a": [""], "b": "x"}
    for query, body, status in (
        (b"a=%ff", b"", 400),
        (b"a=1", b"[1]", 400),
        (b"a=1", b"nan", 400),
        (b"", b"", 422),
        (b"a=1&b=1", b"", 422),
        (b"a=1", b'{"a":"1"}', 422),
        (b"a=1", b'{"b":' + b"[" * 100_000, 400),
    ):
        with pytest.raises(Failure) as wrong:
            values_of(inputs, {}, query, body)
        assert wrong.value.status == status, (query, body[:20])


def rows(shape: Any, *cells: list[bytes]) -> Rows:
    found = shapes.collector(shape, 10, 1000)
    found.begin([Column(f"c{index}", "text") for index in range(len(cells[0]) if cells else 1)])
    for row in cells:
        found.add(row)
    return found


def test_shapes() -> None:
    one, two = [b"1"], [b"1", b'"x"']
    assert shapes.shaped("rows", rows("rows", two, two), Done()) == b'[{"c0":1,"c1":"x"},{"c0":1,"c1":"x"}]'
    assert shapes.shaped("row", rows("row", two), Done()) == b'{"c0":1,"c1":"x"}'
    assert shapes.shaped("value", rows("value", one), Done()) == b"1"
    assert shapes.shaped("affected", rows("rows"), Done(2, last_insert_id=9)) == b'{"affected":2,"last_insert_id":9}'
    for shape, cells, code in (
        ("row", [], "not_found"),
        ("value", [], "not_found"),
        ("row", [one, one], "several_rows"),
        ("value", [two], "several_columns"),
    ):
        with pytest.raises(Failure) as wrong:
            shapes.shaped(shape, rows(shape, *cells), Done())  # type: ignore[arg-type]
        assert wrong.value.code == code


def test_refusals() -> None:
    inputs = [Input(name, "body", Parameter()) for name in ("a", "b")]

    def told(status: int, **details: object) -> tuple[int, object]:
        failure = Failure(400, "database_error", "Data too long for column 'b' at row 1", details=details)
        found = refused(failure, inputs)
        assert (found.status, found.code) != (status, "database_error") or status == 400
        return found.status, found.details.get("parameter")

    assert told(422, sqlstate="22001", errno=1406) == (422, "b")
    assert told(409, sqlstate="23000", errno=1062) == (409, None)
    assert told(409, sqlstate="HY000", errno=3819) == (409, None)
    assert told(409, sqlstate="23000", errno=4025) == (409, None)
    assert told(400, sqlstate="42P01") == (400, None)
    assert refused(Failure(503, "pool_full", ""), inputs).status == 503


def test_what_a_database_says_of_parameters() -> None:
    def said(kind: dict[str, Any], type: str | None) -> bool:
        bound = bind("SELECT :a", [Input("a", "body", Parameter(**kind))], "postgresql")
        return not _of_parameters(bound, Described([type], None))

    assert said({"type": "integer"}, "int8")
    assert not said({"type": "integer"}, "int4")
    assert said({"type": "int32"}, "int4")
    assert said({"type": "uuid", "many": True}, "uuid[]")
    assert not said({"type": "uuid"}, "uuid[]")
    assert not said({}, "uuid")
    assert said({}, "inet")
    assert said({}, None)
    assert said({"type": "date"}, "text")


def test_values_for_each_protocol() -> None:
    parameters = {"t": "timestamp", "j": "json", "b": "bytes", "d": "decimal", "s": "string"}
    given = {"t": "2026-01-01T00:30:00+01:00", "j": {"a": 1}, "b": "AA==", "d": "1.10", "s": "x"}
    inputs = inputs_of(operation("o", "/api/o", "POST", parameters=parameters))
    sql = "SELECT :s, :t, :j, :b, :d, :s"
    postgres, mysql = bind(sql, inputs, "postgresql"), bind(sql, inputs, "mysql")
    assert postgres.sql == "SELECT $1, $2, $3, $4, $5, $1"
    assert postgres.values(given) == ["x", given["t"], '{"a":1}', {"type": "bytes", "value": "AA=="}, "1.10"]
    assert mysql.sql == "SELECT ?, ?, ?, ?, ?, ?"
    assert mysql.values(given)[1:3] == ["2025-12-31 23:30:00", '{"a":1}']
    assert mysql.values(given)[4:] == [{"type": "decimal", "value": "1.10"}, "x"]
    assert mysql.values(dict.fromkeys(given)) == [None] * 6


def test_the_cache() -> None:
    now = 0.0
    ran: list[str] = []

    async def ask(cache: Cache, key: str, body: bytes = b"12345", status: int = 200) -> tuple[bytes, int]:
        async def run() -> Answer:
            ran.append(key)
            await asyncio.sleep(0)
            return Answer(status, body, ran=True)

        answer, age = await cache.answer(key, 10.0, 12, run)
        return answer.body, age

    async def all() -> None:
        nonlocal now
        cache = Cache(lambda: now)
        assert await asyncio.gather(*(ask(cache, "a") for _ in range(5))) == [(b"12345", 0)] * 5
        assert ran == ["a"]
        now = 3.5
        assert await ask(cache, "a") == (b"12345", 3)
        now = 10.0
        assert await ask(cache, "a") == (b"12345", 0)
        await ask(cache, "b")
        await ask(cache, "a")
        await ask(cache, "c")  # the least recently used, b, goes
        assert cache.held_bytes == 10
        ran.clear()
        for key in ("a", "c", "b"):
            await ask(cache, key)
        assert ran == ["b"]
        await ask(cache, "large", b"x" * 13)
        await ask(cache, "failed", status=503)
        assert cache.held_bytes == 10

    asyncio.run(all())
