"""JSON Schema of what Redis commands answer.

Source: the pages of the commands in Redis' documentation, "Return information", for commands whose reply is the same
whatever their options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from outlive.config.operations import Operation, Word

_INTEGER: Final = {"type": ["integer", "string"], "format": "int64"}
_TEXT: Final = {"type": "string"}
_BYTES: Final = {"type": "string", "contentEncoding": "base64"}
_INTEGER_REPLIES: Final = """
append bitcount bitop bitpos copy dbsize decr decrby del exists expire expireat expiretime geoadd getbit hdel hexists
hincrby hlen hset hsetnx hstrlen incr incrby linsert llen lpush lpushx lrem move msetnx persist pexpire pexpireat
pexpiretime pfadd pfcount pttl publish renamenx rpush rpushx sadd scard sdiffstore setbit setnx setrange sinterstore
sintercard sismember smove spublish srem strlen sunionstore touch ttl unlink xack xdel xlen xtrim zcard zcount
zdiffstore zintercard zinterstore zlexcount zrangestore zrem zremrangebylex zremrangebyrank zremrangebyscore zunionstore
"""
_TEXT_REPLIES: Final = """
echo get getdel getex getrange getset hget lindex lmove randomkey rpoplpush substr xadd zincrby zscore
"""
_INTEGERS: Final = frozenset(_INTEGER_REPLIES.split())
_TEXTS: Final = frozenset(_TEXT_REPLIES.split())


def schema_of(operation: Operation) -> dict[str, Any]:
    """Of the answer's body."""
    texts = _BYTES if operation.base64 else _TEXT
    if operation.answer == "nothing":
        return {"type": "null"}
    if operation.answer == "affected":
        return {"type": "object", "required": ["affected"], "properties": {"affected": {"type": "integer"}}}
    if operation.answer == "row":
        return {"type": "object"}
    if operation.answer == "rows":
        return {"type": "array", "maxItems": operation.max_rows}
    if operation.answer == "value":
        return _value(operation.commands[-1], texts) or {"type": ["string", "number", "boolean"]}
    count = len(operation.commands)
    items = _any([_value(words, texts) for words in operation.commands])
    return {"type": "array", "items": items, "minItems": count, "maxItems": count}


def _value(words: tuple[Word, ...], texts: dict[str, Any]) -> dict[str, Any]:
    """Of one reply that is not nil; empty where it depends on options, or may be a list."""
    name = str(words[0]).lower()
    return dict(_INTEGER if name in _INTEGERS else texts if name in _TEXTS else {})


def _any(schemas: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of any of these, or null. Not `prefixItems`, which says more and which tools take for a mistake."""
    if not all(schemas):
        return {}
    return {"anyOf": [*(each for at, each in enumerate(schemas) if each not in schemas[:at]), {"type": "null"}]}
