"""Redis' replies as the answers of operations. Values are JSON as docs/http.md says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from outlive.config.operations import Operation
from outlive.gateway import cells
from outlive.gateway.failure import Failure
from outlive.gateway.redis_work import text_of
from outlive.wire.redis.decoding import Status
from outlive.wire.redis.values import RedisError


def shaped(operation: Operation, replies: Sequence[Any], max_rows: int) -> bytes:
    """The body. No reply is an error itself, and the commands have run. Raises Failure."""
    shape, base64, reply = operation.answer, operation.base64, replies[-1]
    if shape == "nothing":
        return cells.NULL
    if shape == "replies":
        return _list(replies, base64)
    if shape == "affected":
        count = _count(reply)
        if operation.require and not count:
            raise _not_found()
        return msgspec.json.encode({"affected": count})
    if shape == "rows":
        return _rows(operation, reply, max_rows)
    if reply is None or (shape == "row" and reply in ([], {})):
        raise _not_found()
    if shape == "row":
        return _object(reply, base64)
    if isinstance(reply, list | dict):
        raise _unfit("several_values", "The reply is a list, and the answer is one value.")
    return _json(reply, base64)


def _rows(operation: Operation, reply: Any, max_rows: int) -> bytes:
    found = [] if reply is None else reply
    if not isinstance(found, list):
        raise _unfit("no_list", "The reply is no list.")
    if operation.require and not found:
        raise _not_found()
    if len(found) > max_rows:
        text = f"The result is larger than max_rows ({max_rows}): ask for less, or raise the limit."
        raise Failure(400, "result_too_large", text, outcome="done")
    return _list(found, operation.base64)


def _count(reply: Any) -> int:
    """How many, as a number says it; of a SET with NX or XX, OK is one and nil none."""
    if reply is None:
        return 0
    if isinstance(reply, Status):
        return 1
    if isinstance(reply, int):
        return int(reply)
    raise _unfit("no_count", "The reply is no number.")


def _object(reply: Any, base64: bool) -> bytes:
    """Of a map, or of the list of its names and values that RESP2 makes of it."""
    if isinstance(reply, list) and len(reply) % 2 == 0:
        pairs = list(zip(reply[::2], reply[1::2], strict=True))
    elif isinstance(reply, dict):
        pairs = list(reply.items())
    else:
        raise _unfit("no_object", "The reply is no list of names and values.")
    members = []
    for name, value in pairs:
        if not isinstance(name, bytes):
            raise _unfit("no_object", "The reply is no list of names and values.")
        members.append(cells.text(name) + b":" + _json(value, base64))
    return b"{" + b",".join(members) + b"}"


def _list(items: Sequence[Any], base64: bool) -> bytes:
    return b"[" + b",".join([_json(item, base64) for item in items]) + b"]"


def _json(value: Any, base64: bool) -> bytes:
    if value is None:
        return cells.NULL
    if isinstance(value, bytes):
        return cells.binary(value) if base64 and not isinstance(value, Status) else cells.text(value)
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return cells.integer(b"%d" % value)
    if isinstance(value, float):
        return cells.number(repr(value).encode())
    if isinstance(value, list):
        return _list(value, base64)
    if isinstance(value, dict):
        return _list([part for pair in value.items() for part in pair], base64)
    assert isinstance(value, RedisError)  # inside of a script's reply
    return msgspec.json.encode(text_of(value))


def _not_found() -> Failure:
    return Failure(404, "not_found", "There is no such value.", outcome="done")


def _unfit(code: str, message: str) -> Failure:
    """The reply is of another kind than the operation says."""
    return Failure(409, code, message, outcome="done")
