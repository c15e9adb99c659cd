"""Operations that are Redis commands, on a real Redis: shapes, arguments, limits, keys, descriptions, reload."""

import base64
import uuid
from collections.abc import Iterator

import pytest
import redis

from tests.gateway.declared.redis_shop import text
from tests.gateway.declared.shop import Shop
from tests.redis.conftest import Node
from tests.servers.redis import RedisServer


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as found:
        yield found


@pytest.fixture(scope="module")
def data(server: RedisServer) -> Iterator["redis.Redis"]:
    """The database of the operations, as it is at the server."""
    with redis.Redis(server.host, server.port, db=3) as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node(text(server)) as found:
        yield found


@pytest.fixture
def caller(node: Node) -> Shop:
    return Shop(node, "r")


def test_shapes(caller: Shop, data: "redis.Redis") -> None:
    assert caller.call("PUT", "/text/a", {"text": "é"}).raw == b"null"
    assert caller.get("/text/a").json == "é"
    assert caller.get("/text/none").error["code"] == "not_found"
    assert caller.post("/count/a", b"").json == 1
    data.set("n:big", (1 << 62) - 1)
    assert caller.post("/count/big", b"").json == str(1 << 62)
    assert caller.call("DELETE", "/text/a").json == {"affected": 1}
    gone = caller.call("DELETE", "/text/a")
    assert (gone.status, gone.error["outcome"]) == (404, "done")
    assert caller.get("/lists/a").error["code"] == "not_found"
    assert caller.post("/lists/a", {"a": {"b": [1, "ü"]}, "b": True}).json == ['{"b":[1,"ü"]}', "1"]
    assert caller.get("/lists/a").json == ['{"b":[1,"ü"]}', "1"]
    data.rpush("l:a", 1, 2, 3)
    many = caller.get("/lists/a")
    assert (many.error["code"], many.error["outcome"]) == ("result_too_large", "done")
    assert caller.get("/carts/7").error["code"] == "not_found"
    assert caller.post("/carts/7", {"item": "nail"}).json == [1, 1]
    assert caller.post("/carts/7", {"item": "nail", "n": 4}).json == [5, 1]
    assert caller.get("/carts/7").json == {"nail": "5"}
    assert data.hgetall("{cart}:7") == {b"nail": b"5"}
    assert caller.get("/all/none").json == [None, []]
    lower = uuid.uuid4()
    assert caller.post(f"/claims/{lower}", {"who": "a"}).json == {"affected": 1}
    assert caller.post(f"/claims/{str(lower).upper()}", {"who": "b"}).status == 404
    assert data.get(f"c:{lower}") == b"a"


@pytest.mark.parametrize(
    "hostile",
    [
        "\r\n*1\r\n$8\r\nFLUSHALL\r\n",
        '" EX 1 "',
        "a b\tc",
        "{text} {{}} {",
        "\u202e\U0001f600é",
        "",
        "$-1",
        "x" * (1 << 20),
    ],
    ids=lambda value: value[:10].encode("ascii", "backslashreplace").decode(),
)
def test_a_value_is_one_argument(caller: Shop, data: "redis.Redis", hostile: str) -> None:
    data.set("t:guard", "here")
    assert caller.call("PUT", "/text/hostile", {"text": hostile}).status == 200
    assert data.get("t:hostile") == hostile.encode()
    assert data.ttl("t:hostile") == -1
    assert caller.get("/text/hostile").json == hostile
    assert data.get("t:guard") == b"here"


def test_bytes_and_keys_of_any_kind(caller: Shop, data: "redis.Redis") -> None:
    every = bytes(range(256))
    assert caller.call("PUT", "/bytes/b%0D%0A%20%7B%7D", {"data": base64.b64encode(every).decode()}).json == "OK"
    assert data.get("t:b\r\n {}") == every
    assert base64.b64decode(caller.get("/bytes/b%0D%0A%20%7B%7D").json) == every


def test_bad_input_is_named(caller: Shop) -> None:
    for method, path, body, name in (
        ("GET", "/carts/x", None, "id"),
        ("GET", "/text/a%00b", None, "key"),
        ("POST", "/carts/1", {"item": "a", "n": 0}, "n"),
        ("POST", "/carts/1", {"n": 1}, "item"),
        ("POST", "/carts/1", {"item": "a", "what": 1}, "what"),
        ("POST", "/lists/a", {"a": 1, "b": "true"}, "b"),
        ("PUT", "/text/a", {"text": None}, "text"),
        ("PUT", "/bytes/a", {"data": "?"}, "data"),
    ):
        answer = caller.call(method, path, body)
        assert (answer.status, answer.error["parameter"], answer.error["outcome"]) == (422, name, "not_run"), answer


def test_what_redis_refuses(caller: Shop, data: "redis.Redis") -> None:
    wrong = caller.post("/wrong/w", b"")
    assert (wrong.status, wrong.error["outcome"], wrong.error["command"]) == (400, "done", 1)
    assert (wrong.error["code"], wrong.error["error_code"]) == ("database_error", "WRONGTYPE")
    assert "Command 2 of 2" in wrong.error["message"]
    assert data.get("t:w") == b"1"  # as the message says
    bad = caller.post("/many-words/bad", b"")
    assert (bad.status, bad.error["code"], bad.error["outcome"]) == (400, "database_error", "failed")
    assert data.get("t:bad") is None
    data.set("n:text", "text")
    text = caller.post("/count/text", b"")
    assert (text.status, text.error["outcome"], text.error["error_code"]) == (400, "failed", "ERR")
    assert caller.post("/half/h", b"").error["outcome"] == "unknown"
    data.rpush("t:list", 1)
    assert caller.get("/text/list").error["error_code"] == "WRONGTYPE"


def test_who_may_call(caller: Shop) -> None:
    assert caller.as_("wrong").get("/text/a").status == 401
    other = caller.as_("other")
    assert other.call("PUT", "/text/mine", {"text": "x"}).status == 200  # without a database of its own
    assert other.get("/lists/a").status == 403
    reader, few, mine = (caller.as_(name) for name in ("reader", "few", "mine"))
    for one, path, method, status in (
        (reader, "/text/mine", "GET", 200),
        (reader, "/text/mine", "PUT", 403),
        (few, "/text/mine", "GET", 200),
        (few, "/text/mine", "PUT", 403),
        (mine, "/text/mine", "GET", 200),
        (mine, "/text/mine", "PUT", 200),
        (mine, "/text/theirs", "GET", 403),
        (mine, "/text/theirs", "PUT", 403),
    ):
        answer = one.call(method, path, {"text": "y"} if method == "PUT" else None)
        assert answer.status == status, (one.key, path, method, answer)
        assert status == 200 or answer.error["outcome"] == "not_run"


def test_a_limit_of_time(caller: Shop, data: "redis.Redis") -> None:
    data.client_pause(20_000, all=False)
    slow = caller.post("/hasty/paused", b"")
    data.client_unpause()
    assert (slow.status, slow.error["code"], slow.error["outcome"]) == (400, "statement_timeout", "unknown")
