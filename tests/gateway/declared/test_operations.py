"""Operations that are one statement: shapes, parameters, who may call, limits."""

from tests.gateway.caller import Caller
from tests.gateway.declared.shop import NARROW, OTHER, Shop

NAIL = {"id": 1, "name": "a nail", "price": "1.10"}


def test_shapes(shop: Shop) -> None:
    added = shop.post("/items", {**NAIL, "at": "2026-01-02T04:04:05+01:00", "data": "AAE="})
    assert added.status == 200, added
    assert added.json == {"affected": 1}
    assert shop.post("/items", {"id": 2, "name": "it's", "stock": 5}).json["affected"] == 1
    row = shop.get("/items/1").json
    assert (row.pop("at")[:19], row.pop("data")) == ("2026-01-02 03:04:05", "AAE=")
    assert row == {**NAIL, "stock": 1}
    both = shop.get("/items", like="%i%", least=1).json
    assert {"id": 1, "name": "a nail"} in both
    assert {"id": 2, "name": "it's"} in both
    assert shop.get("/items", like="it''s", least=2).json == []
    assert shop.get("/items", like="it's", least=2).json == [{"id": 2, "name": "it's"}]
    assert shop.get("/items", like="none").json == []
    assert shop.get("/items/2/name").json == "it's"
    for path in ("/items/3", "/items/3/name"):
        error = shop.get(path).error
        assert (error["code"], error["outcome"]) == ("not_found", "done")
    assert shop.get("/first").error["code"] == "several_rows"


def test_bad_input_is_named(shop: Shop) -> None:
    for path, query, name in (
        ("/items/x", {}, "id"),
        ("/items/9223372036854775808", {}, "id"),
        ("/items/1%00", {}, "id"),
        ("/items", {}, "like"),
        ("/items", {"like": "%", "least": "1.5"}, "least"),
        ("/items", {"like": "%", "least": 2147483648}, "least"),
        ("/items", {"like": ["a", "b"]}, "like"),
        ("/items", {"like": "%", "what": 1}, "what"),
    ):
        answer = shop.get(path, **query)
        assert (answer.status, answer.error["parameter"]) == (422, name), (path, query, answer)
        assert (answer.error["code"], answer.error["outcome"]) == ("invalid_parameter", "not_run")
    good = {"id": 20, "name": "a name"}
    for body, name in (
        ({**good, "id": "20"}, "id"),
        ({**good, "id": 20.5}, "id"),
        ({**good, "id": True}, "id"),
        ({**good, "id": None}, "id"),
        ({"id": 20}, "name"),
        ({**good, "name": "Capitals"}, "name"),
        ({**good, "name": ""}, "name"),
        ({**good, "price": "1,5"}, "price"),
        ({**good, "price": 1.5}, "price"),
        ({**good, "at": "yesterday"}, "at"),
        ({**good, "at": "2026-02-30T00:00:00Z"}, "at"),
        ({**good, "data": "?"}, "data"),
        ({**good, "what": 1}, "what"),
    ):
        answer = shop.post("/items", body)
        assert (answer.status, answer.error["parameter"]) == (422, name), (body, answer)
    both = shop.post("/items", {"id": "x", "name": "X"}).error
    assert [wrong["name"] for wrong in both["parameters"]] == ["id", "name"]
    for text in (b"{", b"[]", b"\xff", b'{"id": 1' + b"0" * 5000 + b"}"):
        assert shop.call("POST", "/items", text).status in (400, 422)


def test_values_that_only_the_database_can_judge(shop: Shop) -> None:
    long = shop.post("/items", {"id": 30, "name": "x" * 21})
    assert (long.status, long.error["code"], long.error["outcome"]) == (422, "invalid_parameter", "failed"), long
    assert long.error.get("parameter") == (None if shop.database == "pg" else "name")  # PostgreSQL does not say which
    stock = shop.post("/items", {"id": 31, "name": "much", "stock": 1 << 40})
    assert (stock.status, stock.error["parameter"]) == (422, "stock"), stock
    assert stock.error["outcome"] == ("not_run" if shop.database == "pg" else "failed")
    price = shop.post("/items", {"id": 31, "name": "dear", "price": "1" + 20 * "0"})
    assert (price.status, price.error["code"]) == (422, "invalid_parameter"), price
    first = shop.post("/items", {"id": 32, "name": "first of two"})
    again = shop.post("/items", {"id": 32, "name": "second of two"})
    assert (first.status, again.status, again.error["code"]) == (200, 409, "conflict")


def test_who_may_call(shop: Shop) -> None:
    assert shop.as_("wrong").get("/items/1").status == 401
    other = shop.as_(OTHER)
    assert other.get("/items", like="none").json == []
    assert other.get("/items/1").status == 403
    sql = {"database": shop.database, "sql": "SELECT 1"}
    assert other.call("POST", "/../../v1/query", sql).status in (403, 404)
    assert shop.get("/nothing").error["code"] == "no_such_operation"
    assert shop.get("/items/1/").status == 404
    wrong = shop.call("DELETE", "/items/1")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "GET")
    assert shop.call("HEAD", "/items/1").status == 405


def test_limits_of_the_principal(shop: Shop) -> None:
    for name in ("one of many", "two of many"):
        shop.post("/items", {"id": len(name) * 7 + (name < "p"), "name": name})
    narrow = shop.as_(NARROW[shop.database])
    assert narrow.get("/items", like="one of many").status == 200
    assert narrow.get("/items", like="%of many").error["code"] == "result_too_large"
    assert narrow.get("/items", like="one of many").error["code"] == "too_many_requests"


def test_a_change_that_must_meet_a_row(shop: Shop) -> None:
    shop.post("/items", {"id": 40, "name": "old"})
    path = "/items/40/name"
    assert shop.call("PUT", path, {"name": "new"}).json == {"affected": 1}
    assert shop.call("PUT", "/items/41/name", {"name": "none"}).error["code"] == "not_found"
    assert shop.get(path).json == "new"


def test_a_transaction(shop: Shop) -> None:
    shop.post("/items", {"id": 50, "name": "in stock", "stock": 5})
    assert shop.post("/items/50/take", {"n": 2}).json == 3
    many = shop.post("/items/50/take", {"n": 4})
    assert (many.status, many.error["outcome"]) == (409, "failed")
    assert shop.post("/items/51/take", {"n": 1}).status == 404
    assert shop.post("/items/50/take", {"n": 0}).error["parameter"] == "n"
    assert shop.post("/items/50/take", {"n": 3}).json == 0
    assert Caller(shop.node, shop.database).query("SELECT n FROM moves WHERE item = 50 ORDER BY n").rows == [[2], [3]]


def test_a_write_runs_once_for_its_key(shop: Shop) -> None:
    shop.post("/items", {"id": 60, "name": "for keys", "stock": 5})
    first = shop.post("/items/60/take", {"n": 1}, key=f"{shop.database}-1")
    again = shop.post("/items/60/take", {"n": 1}, key=f"{shop.database}-1")
    assert first.json == again.json == 4
    assert shop.post("/items/60/take", {"n": 2}, key=f"{shop.database}-1").error["code"] == "idempotency_key_reused"
    assert shop.get("/items/60").json["stock"] == 4
