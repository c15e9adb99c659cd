"""What operations that are Redis commands have from their node: a full pool, a lost server, keys, answers given again,
reload, descriptions, `check --live`.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from outlive.cli.live import ask
from outlive.config.load import load
from outlive.config.origin import Origin
from tests.gateway.declared.redis_shop import text
from tests.gateway.declared.shop import Shop
from tests.gateway.declared.test_node import check, description
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
    """Of two connections, and a short queue."""
    url = "max_connections=2&shared_connections=1&acquire_timeout_s=0.2"
    with Node(text(server, url=url, http='idempotency = "database"\nresponse_max_bytes = 65536')) as found:
        yield found


@pytest.fixture
def caller(node: Node) -> Shop:
    return Shop(node, "r")


def watching(node: Node, stack: ExitStack) -> None:
    """A client of the wire that keeps a connection."""
    client = stack.enter_context(redis.Redis(node.host, node.redis_port, db=3))
    stack.enter_context(client.pipeline()).watch("w")


def test_a_full_pool(node: Node, caller: Shop, data: "redis.Redis") -> None:
    with ExitStack() as stack:
        for _ in range(2):
            watching(node, stack)
        for path in ("/count/full", "/streams/full"):
            full = caller.post(path, b"")
            assert (full.status, full.error["code"], full.error["outcome"]) == (503, "pool_full", "not_run"), path
            assert full.headers["Retry-After"]
    assert data.exists("n:full", "s:full") == 0
    assert caller.post("/count/full", b"").json == 1


def test_nothing_of_a_transaction_runs_without_it(
    node: Node, caller: Shop, data: "redis.Redis", eventually: Callable[..., None]
) -> None:
    with ExitStack() as stack, ThreadPoolExecutor(1) as others:
        watching(node, stack)
        data.client_pause(20_000, all=False)
        held_up = others.submit(caller.post, "/count/held", b"")  # over the shared connection, the only other one
        eventually(lambda: data.info("clients")["blocked_clients"] == 1)
        refused = caller.post("/streams/alone", b"")
        data.client_unpause()
        assert (refused.status, refused.error["outcome"]) == (503, "not_run")
        assert held_up.result().json == 1
    assert data.exists("s:alone") == 0
    assert caller.post("/streams/alone", b"").status == 200


def test_time_in_the_queue_is_not_time_at_the_server(node: Node, caller: Shop, data: "redis.Redis") -> None:
    with ExitStack() as stack:
        for _ in range(2):
            watching(node, stack)
        early = caller.post("/hasty/early", b"")  # its max_time_s is shorter than acquire_timeout_s
        assert (early.status, early.error["outcome"]) == (503, "not_run")
        assert "max_time_s" in early.error["message"]
    assert data.exists("n:early") == 0


def test_a_lost_connection(caller: Shop, data: "redis.Redis", eventually: Callable[..., None]) -> None:
    for path, key in (("/count/lost", "once"), ("/streams/lost", "several")):
        with ThreadPoolExecutor(1) as others:
            data.client_pause(20_000, all=False)
            pending = others.submit(caller.post, path, b"", key)
            eventually(lambda: data.info("clients")["blocked_clients"] == 1)
            data.client_kill_filter(_type="normal", skipme=True)
            lost = pending.result()
            data.client_unpause()
        assert (lost.status, lost.error["code"], lost.error["outcome"]) == (400, "connection_lost", "unknown")
        assert caller.post(path, b"", key).error["outcome"] == "unknown"  # its key was used
    assert data.exists("n:lost", "s:lost") == 0


def test_a_write_runs_once_for_its_key(caller: Shop) -> None:
    key = uuid.uuid4().hex
    assert [caller.post("/count/key", b"", key).json for _ in range(3)] == [1, 1, 1]
    assert caller.post("/count/key", b"", uuid.uuid4().hex).json == 2
    assert caller.post("/count/other", b"", key).error["code"] == "idempotency_key_reused"


def test_an_answer_is_given_again(caller: Shop) -> None:
    caller.call("PUT", "/text/cached", {"text": "first"})
    first = caller.get("/cached/cached")
    caller.call("PUT", "/text/cached", {"text": "second"})
    again = caller.get("/cached/cached")
    assert (first.json, again.json, caller.get("/text/cached").json) == ("first", "first", "second")
    assert again.headers["Cache-Control"] == "private, max-age=60"
    assert caller.get("/cached/none").status == 404
    caller.call("PUT", "/text/none", {"text": "now"})
    assert caller.get("/cached/none").json == "now"  # only what was found is kept
    assert caller.as_("other").get("/cached/cached").json == "first"
    assert caller.as_("mine").get("/cached/cached").status == 403  # it is no key of its own


def test_a_large_reply(caller: Shop, data: "redis.Redis") -> None:
    data.set("t:large", "x" * 100_000)
    large = caller.get("/text/large")
    assert (large.status, large.error["code"], large.error["outcome"]) == (400, "result_too_large", "done")


def test_a_caller_who_leaves(node: Node, caller: Shop, data: "redis.Redis", eventually: Callable[..., None]) -> None:
    before = node.metric("outlive_clients")
    data.client_pause(20_000, all=False)
    connection = caller.begun("POST", "/count/left")
    eventually(lambda: data.info("clients")["blocked_clients"] == 1)
    assert node.metric("outlive_clients") == before + 1
    connection.close()
    eventually(lambda: node.metric("outlive_clients") == before)  # nobody waits for the server any more
    data.client_unpause()
    assert caller.post("/count/right", b"").json == 1  # and nobody else gets its reply


def test_the_description(caller: Shop) -> None:
    paths = description(caller)["paths"]

    def answer(method: str, path: str) -> Any:
        return paths[f"/api/r{path}"][method]["responses"]["200"]["content"]["application/json"]["schema"]

    assert answer("get", "/text/{key}") == {"type": "string"}
    assert answer("put", "/text/{key}") == {"type": "null"}
    assert answer("get", "/bytes/{key}") == {"type": "string", "contentEncoding": "base64"}
    assert answer("post", "/count/{key}") == {"type": ["integer", "string"], "format": "int64"}
    assert answer("delete", "/text/{key}")["properties"] == {"affected": {"type": "integer"}}
    assert answer("get", "/lists/{key}") == {"type": "array", "maxItems": 4}
    assert answer("get", "/carts/{id}") == {"type": "object"}
    number = {"type": ["integer", "string"], "format": "int64"}
    assert answer("post", "/carts/{id}")["items"] == {"anyOf": [number, {"type": "null"}]}
    cart = paths["/api/r/carts/{id}"]["post"]
    assert cart["requestBody"]["content"]["application/json"]["schema"]["required"] == ["item"]
    assert cart["parameters"][0]["schema"] == {"type": "integer", "format": "int64"}
    assert set(description(caller.as_("other"))["paths"]) == {"/api/r/text/{key}", "/api/r/cached/{key}"}


def test_reload(node: Node, caller: Shop, eventually: Callable[..., None]) -> None:
    assert node.configuration is not None
    right = node.configuration.read_text()
    node.configuration.write_text(right.replace('["INCR", "n:{key}"]]\nanswer', '["INCRBY", "n:{key}", 10]]\nanswer'))
    node.process.popen.send_signal(1)
    eventually(lambda: node.metric("outlive_reloads_total") == 1)
    assert caller.post("/count/reloaded", b"").json == 10
    node.configuration.write_text(right.replace('["INCR", "n:{key}"]]\nanswer', '["BLPOP", "n:{key}", 0]]\nanswer'))
    node.process.popen.send_signal(1)
    eventually(lambda: node.metric("outlive_reloads_failed_total") == 1)
    assert caller.post("/count/reloaded", b"").json == 20
    node.configuration.write_text(right)
    node.process.popen.send_signal(1)
    eventually(lambda: node.metric("outlive_reloads_total") == 2)


def test_what_the_server_does_not_know_is_found_before_deployment(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "outlive.toml"
    wrong = text(server)
    for right, other in (
        ('["DEL", "t:{key}"]', '["DELETE", "t:{key}"]'),
        ('["SET", "t:{key}", "{data}"]', '["SETNX", "t:{key}", "{data}", "NX"]'),
        ('["SET", "t:{key}", 1], ["LPUSH"', '["OBJECT", "SHAPE", "t:{key}"], ["LPUSH"'),
    ):
        assert right in wrong
        wrong = wrong.replace(right, other)
    path.write_text(wrong)
    status, problems = check(path)
    found = {problem["path"].removeprefix("operations."): problem["sentence"] for problem in problems}
    assert status == 2
    assert found == {
        "delete.commands": "cache knows no command DELETE.",
        "put_bytes.commands": "SETNX has 3 words, and here 4.",
        "wrong.commands": "OBJECT has no subcommand SHAPE.",
        "many_words.commands": "INCR has 2 words, and here 3.",
    }
    line = next(problem["line"] for problem in problems if problem["path"] == "operations.delete.commands")
    assert wrong.splitlines()[line - 1].startswith('commands = [["DELETE"')


def test_a_redis_that_is_away(server: RedisServer, tmp_path: Path) -> None:
    path = tmp_path / "outlive.toml"
    path.write_text(text(server, url="acquire_timeout_s=0.1").replace(f":{server.port}/", ":1/"))
    found = ask(str(path), load(Origin(path=str(path)), {}))
    assert not found.wrong
    assert "cannot be asked" in found.away[0].sentence


def test_a_redis_that_ends(server: RedisServer, caller: Shop, eventually: Callable[..., None]) -> None:
    assert caller.post("/count/ends", b"").status == 200
    server.process.kill()
    away = caller.post("/count/ends", b"")
    assert (away.status, away.error["code"], away.error["outcome"]) == (503, "database_unavailable", "not_run"), away
    server.restart()
    eventually(lambda: caller.post("/count/ends", b"").status == 200)
