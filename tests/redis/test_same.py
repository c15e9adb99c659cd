"""What a client is told through Outlive is what the server tells it, byte for byte."""

from typing import Any

import pytest

from ..servers.redis import RedisServer
from .conftest import Node
from .talk import Talker

Words = tuple[Any, ...]

SCRIPTS: dict[str, list[Words | list[Words]]] = {
    "strings": [
        ("SET", "a", 1), ("GET", "a"), ("get", "nothing"), ("INCR", "a"), ("GETSET", "a", "x"), ("STRLEN", "a"),
    ],
    "types": [
        ("HSET", "h", "f", "v"), ("HGETALL", "h"), ("SADD", "s", "m"), ("SMEMBERS", "s"), ("ZADD", "z", "1.5", "m"),
        ("ZSCORE", "z", "m"), ("ZRANGE", "z", 0, -1, "WITHSCORES"), ("LPUSH", "l", "a", "b"), ("LRANGE", "l", 0, -1),
    ],
    "errors": [("GET",), ("NOSUCH", "x"), ("SET", "a", "b"), ("LPUSH", "a", "x"), ("INCR", "a"), ("EVAL", "return", 0)],
    "lua": [
        ("EVAL", "return {1,{2,'x'},redis.status_reply('S')}", 0),
        ("EVAL", "return redis.call('SET',KEYS[1],'v')", 1, "k"),
        ("SCRIPT", "LOAD", "return 7"), ("EVALSHA", "a" * 40, 0), ("SCRIPT", "EXISTS", "a" * 40),
    ],
    "transaction in one piece": [[("MULTI",), ("SET", "a", 1), ("INCR", "a"), ("EXEC",)], ("GET", "a")],
    "transaction step by step": [("MULTI",), ("SET", "a", 1), ("PING",), ("BLPOP", "none", 0), ("EXEC",), ("GET", "a")],
    "discard": [("MULTI",), ("SET", "a", 1), ("DISCARD",), ("GET", "a")],
    "errors of transactions": [
        ("EXEC",), ("DISCARD",), ("MULTI",), ("MULTI",), ("WATCH", "a"), ("NOSUCH",), ("EXEC",), ("GET", "a"),
        [("MULTI",), ("NOSUCH",), ("SET", "a", 2), ("EXEC",)], ("GET", "a"),
    ],
    "watch": [("WATCH", "a"), ("GET", "a"), ("MULTI",), ("SET", "a", 2), ("EXEC",), ("UNWATCH",), ("GET", "a")],
    "watch that fails": [("WATCH", "a"), ("SET", "a", 1), ("MULTI",), ("SET", "a", 2), ("EXEC",), ("GET", "a")],
    "select": [
        ("SET", "a", 1), ("SELECT", 3), ("GET", "a"), ("SET", "a", 3), ("SELECT", 0), ("GET", "a"), ("SELECT", 99),
        ("SELECT", "x"), ("SELECT",), ("GET", "a"), [("SELECT", 3), ("GET", "a"), ("SELECT", 0), ("GET", "a")],
    ],
    "blocking": [
        ("BLPOP", "l", "0.05"), ("RPUSH", "l", "a", "b", "c"), ("BLPOP", "l", 1), ("BRPOP", "l", "m", 1),
        ("BLMOVE", "l", "m", "LEFT", "RIGHT", "0.05"), ("BLMOVE", "l", "m", "LEFT", "RIGHT", "0.05"),
        ("BZPOPMIN", "z", "0.05"), ("BLMPOP", "0.05", 1, "l", "LEFT"), ("BLPOP", "l", "x"), ("BLPOP",),
        ("XREAD", "BLOCK", 20, "STREAMS", "x", "$"), ("XREAD", "STREAMS", "x", "0"), ("WAIT", 0, 10), ("WAIT", 1, 10),
    ],
    "streams": [
        ("XADD", "x", "1-1", "f", "v"), ("XGROUP", "CREATE", "x", "g", "0"),
        ("XREADGROUP", "GROUP", "g", "c", "BLOCK", 10, "STREAMS", "x", ">"), ("XACK", "x", "g", "1-1"), ("XLEN", "x"),
    ],
    "pipeline": [
        [("SET", "a", 1), ("PING",), ("GET", "a"), ("ECHO", "e"), ("BLPOP", "q", "0.02"), ("GET", "a"), ("NOSUCH",)],
    ],
    "local": [
        ("PING",), ("PING", "hello"), ("PING", 1, 2), ("ECHO", "x"), ("ECHO",), ("CLIENT", "SETNAME", "n"),
        ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "a b"), ("CLIENT", "SETNAME", ""), ("CLIENT", "GETNAME"),
        ("CLIENT", "NO-EVICT", "on"), ("AUTH",), ("AUTH", "x"), ("AUTH", "nobody", "x"), ("AUTH", "a", "b", "c"),
        ("HELLO", 9), ("HELLO", "x"), ("HELLO", 2, "NOSUCH"), ("RESET",), ("QUIT",),
    ],
    "reply off": [
        ("SET", "a", 1), [("CLIENT", "REPLY", "OFF"), ("SET", "a", 2), ("CLIENT", "REPLY", "ON")] , ("GET", "a"),
    ],
    "other user": [
        ("AUTH", "app", "wrong"), ("AUTH", "reader", "r"), ("SET", "a", 1), ("GET", "a"), ("RESET",), ("SET", "a", 1),
    ],
    "large": [
        ("SET", "big", "x" * 300_000), ("STRLEN", "big"), ("GET", "big"), [("GET", "big"), ("PING",), ("GET", "big")],
    ],
    "subscription": [("SUBSCRIBE", "c"), ("PUBLISH", "nobody", "x"), ("PING",), ("GET", "a"), ("UNSUBSCRIBE", "c")],
}  # fmt: skip


def play(port: int, protocol: int, script: list[Words | list[Words]]) -> list[bytes]:
    heard: list[bytes] = []
    with Talker(port) as talker:
        if protocol == 3:
            talker.ask("HELLO", 3)
        for step in script:
            if isinstance(step, list):
                muted = any(words[:2] == ("CLIENT", "REPLY") for words in step)
                if muted:
                    for words in step:
                        talker.send(*words)
                    heard.append(talker.hear())
                else:
                    heard.append(talker.pipeline(*step))
            elif step[0] in ("SUBSCRIBE", "UNSUBSCRIBE") and protocol == 3:
                talker.send(*step)
                heard.append(talker.push())
            else:
                heard.append(talker.ask(*step))
    return heard


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_same_as_direct(server: RedisServer, node: Node, name: str, protocol: int) -> None:
    direct = play(server.port, protocol, SCRIPTS[name])
    server.ask("FLUSHALL")
    assert play(node.redis_port, protocol, SCRIPTS[name]) == direct
