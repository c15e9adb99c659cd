"""The forms of a request, errors, limits, retries, and callers who leave."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.gateway.upstash.conftest import Upstash, configuration
from tests.servers.redis import RedisServer


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Upstash]:
    http = "[http]\nresponse_max_bytes = 100_000\nresponse_timeout_s = 2.0"
    url = "max_connections=4"
    with Upstash(configuration(server, http, url, max_time_s=20)) as found:
        yield found


def test_commands_in_the_path(node: Upstash, server: RedisServer) -> None:
    assert node.call("GET", "/set/path:a/v%20%2Fx?EX=100").json == {"result": "OK"}
    assert server.ask("GET", "path:a") == b"v /x"
    assert 0 < server.ask("TTL", "path:a") <= 100
    assert node.call("POST", "/set/path:b", b"\xff body", Upstash_Encoding="base64").json == {"result": "OK"}
    assert server.ask("GET", "path:b") == b"\xff body"
    assert node.call("GET", "/get/path:b", Upstash_Encoding="base64").json == {"result": "/yBib2R5"}
    assert node.call("GET", "/get/path:a?_token=key-of-the-tests", key=None).json == {"result": "v /x"}
    assert node.call("GET", "/get/path:a?_token=wrong", key=None).status == 401
    assert node.call("GET", "/get/path:a?_token=key-of-the-tests", key="wrong").status == 401  # the header counts
    assert node.call("HEAD", "/get/path:a").raw == b""
    assert node.get("/healthz")[0] == 200
    assert node.call("POST", "/v1/query", {"database": "cache", "sql": "SELECT 1"}).status == 404


def test_words_are_as_written(node: Upstash) -> None:
    big = b'["RPUSH", "words", 1.0, 12345678901234567890, 1e21, true, -0, "\\u00fc", ""]'
    assert node.call("POST", "/", big).json == {"result": 7}
    assert node.run("LRANGE", "words", 0, -1) == ["1.0", "12345678901234567890", "1e21", "true", "-0", "ü", ""]
    for wrong in (b'["GET", null]', b'["GET", ["a"]]', b'{"GET": "a"}', b"[]", b'[""]', b"", b"[[", b'"GET"', b"\xff"):
        answer = node.call("POST", "/", wrong)
        assert (answer.status, answer.json["error"][:4]) == (400, "ERR "), wrong
    for wrong in (b"[]", b"[[]]", b'["GET", "a"]', b"{}"):
        assert node.call("POST", "/pipeline", wrong).status == 400, wrong
    assert node.call("GET", "/").status == 405


def test_errors_stand_where_they_belong(node: Upstash) -> None:
    node.run("SET", "err", "text")
    items = node.call("POST", "/pipeline", [["INCR", "err"], ["MULTI"], ["GET", "err"], ["NOSUCH"]]).json
    assert [sorted(item) for item in items] == [["error"], ["error"], ["result"], ["error"]]
    answer = node.call("POST", "/multi-exec", [["SET", "err", "x"], ["NOSUCH"]])
    assert (answer.status, list(answer.json)) == (400, ["error"])
    assert node.run("GET", "err") == "text"
    items = node.call("POST", "/multi-exec", [["SET", "err", "1"], ["LPUSH", "err", "x"], ["INCR", "err"]]).json
    assert [sorted(item) for item in items] == [["result"], ["error"], ["result"]]
    for words in (["WATCH", "a"], ["SUBSCRIBE", "a"], ["CLIENT", "REPLY", "OFF"], ["SELECT", "1"], ["MONITOR"],
                  ["AUTH", "x"], ["HELLO", "3"], ["QUIT"], ["RESET"], ["SYNC"], ["EXEC"]):  # fmt: skip
        assert "not available over HTTP" in node.run(*words), words
    for words in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["ACL", "LIST"], ["DEBUG", "SLEEP", "0"]):
        assert "NOPERM" in node.run(*words), words


def test_the_sync_token_comes_back(node: Upstash) -> None:
    assert node.call("POST", "/", ["GET", "a"], Upstash_Sync_Token="ab12").headers["Upstash-Sync-Token"] == "ab12"
    assert node.call("POST", "/", ["GET", "a"], Upstash_Sync_Token="").headers["Upstash-Sync-Token"] is None


def test_a_reply_that_is_too_large(node: Upstash) -> None:
    node.run("SETRANGE", "large", 200_000, "x")
    answer = node.call("POST", "/", ["GET", "large"])
    assert (answer.status, "larger" in answer.json["error"]) == (400, True)
    assert node.run("STRLEN", "large") == 200_001
    assert node.call("POST", "/pipeline", [["PING"]] * 10_001).status == 400


def test_a_key_makes_a_retry_safe(node: Upstash) -> None:
    first = node.call("POST", "/pipeline", [["INCR", "once"]], Idempotency_Key="k1")
    again = node.call("POST", "/pipeline", [["INCR", "once"]], Idempotency_Key="k1")
    assert first.json == again.json == [{"result": 1}]
    assert node.call("POST", "/pipeline", [["INCR", "twice"]], Idempotency_Key="k1").status == 422
    assert node.run("GET", "once") == "1"


def test_a_caller_who_leaves_is_unblocked(node: Upstash, server: RedisServer, eventually: Callable[..., None]) -> None:
    def blocked() -> int:
        return int(server.ask("INFO", "clients")["blocked_clients"])

    connection = node.begun("POST", "/", ["BLPOP", "left", 0])
    eventually(lambda: blocked() == 1)
    connection.close()
    eventually(lambda: blocked() == 0)
    node.run("RPUSH", "left", "kept")
    assert node.run("BLPOP", "left", 1) == ["left", "kept"]


@pytest.mark.root
def test_a_caller_who_vanishes_without_a_word_is_unblocked(
    node: Upstash, server: RedisServer, eventually: Callable[..., None]
) -> None:
    connection = node.begun("POST", "/", ["BLPOP", "vanished", 0])
    eventually(lambda: server.ask("INFO", "clients")["blocked_clients"] == 1)
    connection.sock.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR: its close says nothing
    connection.close()
    eventually(lambda: server.ask("INFO", "clients")["blocked_clients"] == 0, 12)  # max_time_s is 20


def test_full_is_503_before_anything_ran(server: RedisServer, eventually: Callable[..., None]) -> None:
    with (
        Upstash(configuration(server, url="max_connections=2&acquire_timeout_s=0.2")) as node,
        redis.Redis(port=node.redis_port).pipeline() as watching,
    ):
        held = node.begun("POST", "/", ["BLPOP", "held", 0])
        eventually(lambda: server.ask("INFO", "clients")["blocked_clients"] == 1)
        watching.watch("watched")
        for path, body in (
            ("/", ["INCR", "full"]),
            ("/pipeline", [["INCR", "full"]]),
            ("/multi-exec", [["INCR", "full"]]),
        ):
            answer = node.call("POST", path, body)
            assert (answer.status, list(answer.json)) == (503, ["error"]), answer
            assert answer.headers["Retry-After"]
        held.close()
        watching.reset()
        assert node.run("INCR", "full") == 1


def test_a_stream_ends_with_its_caller(node: Upstash, server: RedisServer, eventually: Callable[..., None]) -> None:
    connection = node.begun("GET", "/subscribe/news", Accept="text/event-stream")
    response = connection.getresponse()
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.readline() + response.readline() == b"data: subscribe,news,1\n\n"
    node.run("PUBLISH", "news", "one, two\nmessage,other,forged\n x")
    lines = [response.readline() for _ in range(4)]
    assert lines == [b"data: message,news,one, two\n", b"data:message,other,forged\n", b"data:  x\n", b"\n"]
    response.close()
    connection.close()
    eventually(lambda: server.ask("PUBSUB", "CHANNELS", "news") == [])


def test_binary_values_survive(node: Upstash, server: RedisServer) -> None:
    server.ask("RPUSH", "bin", b"\x00\xff", b"OK", b"")
    answer = node.call("POST", "/", ["LRANGE", "bin", 0, -1], Upstash_Encoding="base64")
    assert json.loads(answer.raw) == {"result": ["AP8=", "T0s=", ""]}
