"""Principals with `redis_commands`, `redis_keys`, `redis_channels` and `read_only`, and what goes around them."""

from collections.abc import Iterator

import pytest

from tests.gateway.caller import hashed
from tests.gateway.upstash.conftest import Upstash, configuration
from tests.servers.redis import RedisServer

OTHERS = f"""
[principals.keyed]
api_key_sha256 = ["{hashed("keyed")}"]
databases = ["cache"]
redis_keys = ["mine:*", "app:[ab]?"]
redis_channels = ["mine:*"]

[principals.reader]
api_key_sha256 = ["{hashed("reader")}"]
databases = ["cache"]
read_only = true

[principals.few]
api_key_sha256 = ["{hashed("few")}"]
databases = ["cache"]
redis_commands = ["@read", "set"]

[principals.channels]
api_key_sha256 = ["{hashed("channels")}"]
databases = ["cache"]
redis_channels = ["mine:*"]
"""
BYPASSES = [
    *(("GET", "theirs"), ("get", "theirs"), ("MGET", "mine:a", "theirs"), ("MSET", "mine:a", 1, "theirs", 2)),
    *(("EVAL", "return redis.call('GET', 'theirs')", 0), ("EVAL", "return redis.call('GET', 'theirs')", 1, "mine:a")),
    *(("EVAL_RO", "return redis.call('GET', 'theirs')", 0), ("EVALSHA", "0" * 40, 0), ("FCALL", "f", 1, "mine:a")),
    *(("SCRIPT", "LOAD", "return 1"), ("FUNCTION", "LIST")),
    *(("SORT", "mine:l", "BY", "theirs*"), ("SORT", "mine:l", "BY", "nosort", "GET", "theirs*")),
    *(("SORT", "mine:l", "STORE", "theirs"), ("SORT", "mine:l", "LIMIT", 0, 1, "GET", "#", "STORE", "theirs")),
    *(("SORT_RO", "mine:l", "GET", "theirs"), ("SORT", "mine:l", "by", "theirs_*", "ALPHA")),
    *(("OBJECT", "ENCODING", "theirs"), ("MEMORY", "USAGE", "theirs"), ("MEMORY", "STATS"), ("OBJECT", "HELP")),
    *(("COPY", "theirs", "mine:a"), ("COPY", "mine:a", "theirs"), ("COPY", "mine:a", "mine:b", "DB", 1)),
    *(("RENAME", "theirs", "mine:a"), ("RENAME", "mine:a", "theirs"), ("RENAMENX", "mine:a", "theirs")),
    *(("MOVE", "mine:a", 1), ("SWAPDB", 0, 1), ("FLUSHDB",), ("DBSIZE",), ("RANDOMKEY",), ("KEYS", "mine:*")),
    *(("SCAN", 0), ("SCAN", 0, "MATCH", "mine:*"), ("INFO",), ("COMMAND", "GETKEYS", "GET", "theirs")),
    *(("XREAD", "STREAMS", "theirs", 0), ("XREAD", "COUNT", 1, "STREAMS", "mine:s", "theirs", 0, 0)),
    *(("XREAD", "STREAMS", "mine:s", "theirs", 0), ("XREAD", "COUNT", "STREAMS", "mine:s", 0, "STREAMS", "theirs", 0)),
    ("XREADGROUP", "GROUP", "STREAMS", "c", "STREAMS", "theirs", ">"),
    ("XREADGROUP", "COUNT", 1, "GROUP", "g", "c", "STREAMS", "mine:s", ">"),
    *(("XGROUP", "CREATE", "theirs", "g", "$"), ("XINFO", "STREAM", "theirs"), ("XADD", "theirs", "*", "a", 1)),
    *(("ZUNIONSTORE", "mine:z", 2, "mine:a", "theirs"), ("ZUNIONSTORE", "theirs", 1, "mine:z")),
    *(("ZUNIONSTORE", "mine:z", "x", "mine:a", "theirs"), ("ZDIFF", 2, "mine:a", "theirs"), ("SUNION", "theirs")),
    *(("ZRANGESTORE", "mine:z", "theirs", 0, -1), ("SINTERCARD", 2, "mine:a", "theirs"), ("LCS", "mine:a", "theirs")),
    *(("SDIFFSTORE", "mine:a", "theirs"), ("BITOP", "AND", "mine:a", "theirs"), ("BITOP", "NOT", "theirs", "mine:a")),
    *(("GEORADIUS", "mine:g", 0, 0, 1, "km", "STORE", "theirs"), ("GEOSEARCHSTORE", "theirs", "mine:g")),
    ("GEORADIUS", "mine:g", 0, 0, 1, "km", "COUNT", 1, "ANY", "STOREDIST", "theirs"),
    ("GEORADIUSBYMEMBER", "mine:g", "m", 1, "km", "store", "theirs"),
    *(("LMOVE", "theirs", "mine:l", "LEFT", "LEFT"), ("RPOPLPUSH", "mine:l", "theirs"), ("LMPOP", 1, "theirs", "LEFT")),
    *(("BLPOP", "mine:l", "theirs", 1), ("BLMPOP", 1, 2, "mine:l", "theirs", "LEFT"), ("SMOVE", "mine:a", "theirs", 1)),
    *(("PFMERGE", "mine:p", "theirs"), ("PFDEBUG", "GETREG", "theirs"), ("PFCOUNT", "theirs"), ("TOUCH", "theirs")),
    *(("MIGRATE", "h", 1, "theirs", 0, 1), ("DUMP", "theirs"), ("RESTORE", "theirs", 0, "x"), ("DEL", "theirs")),
    *(("DEBUG", "OBJECT", "theirs"), ("CLUSTER", "KEYSLOT", "theirs"), ("JSON.GET", "theirs"), ("NOSUCH", "mine:a")),
    *(("PUBLISH", "theirs", "x"), ("SPUBLISH", "theirs", "x"), ("PUBSUB", "CHANNELS"), ("LATENCY", "DOCTOR")),
    *(("GET", "app:c1"), ("GET", "app:a"), ("GET", "app:a12"), ("GET", "Mine:a"), ("GET", "xmine:a")),
]


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Upstash]:
    with Upstash(configuration(server, OTHERS)) as found:
        yield found


def test_keys_of_others_are_out_of_reach(node: Upstash, server: RedisServer) -> None:
    server.ask("SET", "theirs", "secret")
    server.ask("RPUSH", "mine:l", "1")
    server.ask("XADD", "mine:s", "1-1", "a", "b")
    items = node.call("POST", "/pipeline", BYPASSES, key="keyed").json
    for words, item in zip(BYPASSES, items, strict=True):
        assert list(item) == ["error"], (words, item)
        assert item["error"].startswith(("NOPERM", "ERR Command is not available")), (words, item)
    assert server.ask("GET", "theirs") == b"secret"
    answer = node.call("POST", "/multi-exec", [["SET", "mine:t", 1], ["GET", "theirs"]], key="keyed")
    assert answer.status == 403
    assert server.ask("EXISTS", "mine:t") == 0
    answer = node.call("GET", "/get/theirs", key="keyed")
    assert (answer.status, answer.json["error"][:6]) == (403, "NOPERM")


def test_keys_of_ones_own_are_within(node: Upstash) -> None:
    allowed = [
        *(("SET", "mine:a", 1), ("MSET", "mine:b", 1, "mine:c", "theirs"), ("MGET", "mine:a", "app:b1"), ("PING",)),
        *(("RPUSH", "mine:l", 2, 1), ("SORT", "mine:l", "BY", "nosort", "GET", "#", "LIMIT", 0, 1, "STORE", "mine:d")),
        *(("COPY", "mine:a", "mine:e", "REPLACE"), ("RENAME", "mine:e", "mine:f"), ("OBJECT", "ENCODING", "mine:a")),
        *(("ZADD", "mine:z", 1, "m"), ("ZUNIONSTORE", "mine:y", 1, "mine:z", "WEIGHTS", 2), ("ZUNION", 1, "mine:z")),
        *(("XADD", "mine:t", "*", "a", "b"), ("XREAD", "COUNT", 1, "STREAMS", "mine:t", 0)),
        ("LMPOP", 1, "mine:l", "LEFT"),
        *(("XGROUP", "CREATE", "mine:t", "STREAMS", "0"), ("PUBLISH", "mine:news", "x"), ("MEMORY", "USAGE", "mine:a")),
        ("XREADGROUP", "GROUP", "STREAMS", "c", "COUNT", 1, "STREAMS", "mine:t", ">"),
        *(("GEOADD", "mine:g", 1, 1, "m"), ("GEORADIUS", "mine:g", 1, 1, 1, "km", "COUNT", 1, "STORE", "mine:h")),
    ]  # fmt: skip
    items = node.call("POST", "/pipeline", allowed, key="keyed").json
    for words, item in zip(allowed, items, strict=True):
        assert list(item) == ["result"], (words, item)


def test_channels(node: Upstash) -> None:
    def status(path: str, key: str = "keyed") -> int:
        connection = node.begun("GET", path, key=key)
        try:
            return int(connection.getresponse().status)
        finally:
            connection.close()

    assert status("/subscribe/mine:news") == 200
    assert status("/psubscribe/mine:*") == 200
    assert status("/subscribe/mine:news/theirs") == 403
    assert status("/psubscribe/*") == 403
    assert status("/%70subscribe/*") == 403
    assert status("/subscribe/") == 400
    assert status("/psubscribe/mine:n*") == 403  # a pattern has to be one of them, as ACL has it
    assert status("/subscribe/news", key="few") == 403
    assert status("/subscribe/news", key="reader") == 200


def test_no_script_publishes_elsewhere(node: Upstash) -> None:
    assert node.run("PUBLISH", "mine:news", "x", key="channels") == 0
    assert node.run("SET", "anything", 1, key="channels") == "OK"
    for words in (
        ("EVAL", "return redis.call('PUBLISH', 'theirs', 'x')", 0),
        ("FCALL", "f", 0),
        ("PUBLISH", "theirs", 1),
    ):
        assert "NOPERM" in node.run(*words, key="channels"), words


def test_who_may_only_read(node: Upstash) -> None:
    assert node.run("GET", "nothing", key="reader") is None
    assert node.run("SORT_RO", "nothing", "BY", "w_*", key="reader") == []
    for words in (("SET", "a", 1), ("EVAL", "return 1", 0), ("EVAL_RO", "return 1", 0), ("SORT", "a"), ("DEL", "a"),
                  ("GETEX", "a", "PERSIST"), ("PUBLISH", "a", "b"), ("FLUSHDB",), ("MEMORY", "PURGE")):  # fmt: skip
        assert "NOPERM" in node.run(*words, key="reader"), words


def test_who_has_few_commands(node: Upstash) -> None:
    assert node.run("SET", "few", 1, key="few") == "OK"
    assert node.run("STRLEN", "few", key="few") == 1
    for words in (("DEL", "few"), ("INCR", "few"), ("EVAL", "return 1", 0), ("FCALL", "f", 0), ("PUBLISH", "a", "b")):
        assert "NOPERM" in node.run(*words, key="few"), words
