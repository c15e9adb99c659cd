"""Replies as Upstash's JSON: plain, or with `Upstash-Encoding: base64` for strings that JSON cannot carry.

Source: Upstash's documentation, "REST API", and what its clients decode: every string but a bare OK is encoded.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from outlive.gateway.redis_work import text_of
from outlive.wire.redis.decoding import Status
from outlive.wire.redis.values import RedisError


def result(reply: Any, *, base64: bool) -> bytes:
    """The answer to one command."""
    return msgspec.json.encode(item(reply, base64=base64))


def results(replies: Sequence[Any], *, base64: bool) -> bytes:
    """The answer to a pipeline or transaction; an error is one of its items."""
    return msgspec.json.encode([item(reply, base64=base64) for reply in replies])


def item(reply: Any, *, base64: bool) -> dict[str, Any]:
    """One reply."""
    if isinstance(reply, RedisError):
        return {"error": text_of(reply)}
    if isinstance(reply, Status) and reply == b"OK":
        return {"result": "OK"}
    return {"result": _plain(reply, base64)}


def _plain(reply: Any, base64: bool) -> Any:
    if isinstance(reply, bytes):
        return b64encode(reply).decode() if base64 else reply.decode("utf-8", "replace")
    if isinstance(reply, list):
        return [_plain(each, base64) for each in reply]
    if isinstance(reply, dict):
        return [_plain(each, base64) for pair in reply.items() for each in pair]
    if isinstance(reply, RedisError):
        return _plain(reply.text, base64)  # inside of another reply there is no place for an error
    return reply
