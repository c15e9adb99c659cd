"""One statement by itself: parameters, outcomes, errors, and who may ask."""

from tests.gateway.caller import Caller


def test_one_statement(caller: Caller) -> None:
    answer = caller.query("SELECT 1 AS one, 'x' AS two")
    assert answer.rows == [[1, "x"]]
    assert [column["name"] for column in answer.json["columns"]] == ["one", "two"]
    assert answer.json["row_count"] == 1
    assert caller.query("SELECT 1 AS one", format="objects").rows == [{"one": 1}]
    assert caller.query("SELECT 1 AS one WHERE 1 = 0", format="objects").rows == []


def test_parameters(caller: Caller) -> None:
    mark = "$1" if caller.database == "pg" else "?"
    cast = "CAST({} AS CHAR(9))"
    assert caller.query(f"SELECT {cast.format(mark)}", ["a'b"]).rows[0][0].strip() == "a'b"
    named = f"SELECT {cast.format(':a')}, {cast.format(':b')}, {cast.format(':a')}, ':a' -- :b"
    assert [value.strip() for value in caller.query(named, {"a": "1", "b": "2"}).rows[0]] == ["1", "2", "1", ":a"]
    assert caller.query("SELECT :missing", {"a": 1}).error["code"] == "bad_request"
    refused = caller.query(f"SELECT {mark}", [1, 2])
    assert refused.status == 400


def test_an_error_of_the_database(caller: Caller) -> None:
    error = caller.query("SELECT * FROM no_such_table").error
    assert (error["code"], error["outcome"]) == ("database_error", "failed")
    assert error["sqlstate"] in ("42P01", "42S02")


def test_who_may_ask(caller: Caller) -> None:
    assert Caller(caller.node, caller.database, key="wrong").query("SELECT 1").status == 401
    assert Caller(caller.node, "other").query("SELECT 1").status == 403
    assert caller.post("/v1/query", b"{").status == 400
    assert caller.post("/v1/query", {"database": caller.database, "sql": "SELECT 1", "what": 1}).status == 400
