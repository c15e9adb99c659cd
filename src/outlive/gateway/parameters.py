"""Parameters as requests give them: plain JSON values, or `{"type": ..., "value": ...}` where the type must be said."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from outlive.gateway.failure import bad_request


class Typed(NamedTuple):
    """A parameter with its type; "" where the request does not say it."""

    type: str
    value: Any


def typed(value: Any, names: Mapping[str, object]) -> Typed:
    """`names` are the types of the protocol. An object with exactly a type of these and a value is a typed one."""
    if isinstance(value, dict) and value.keys() == {"type", "value"} and isinstance(value["type"], str):
        name = value["type"].lower()
        if name.removesuffix("[]") not in names:
            raise bad_request(f"The parameter type is not one of {', '.join(sorted(names))}.")
        return Typed(name, value["value"])
    return Typed("", value)


def as_bytes(value: Any) -> bytes:
    """A parameter of type bytes: base64. Raises Failure."""
    if not isinstance(value, str):
        raise bad_request("A parameter of type bytes is base64 text.")
    try:
        return b64decode(value, validate=True)
    except ValueError:
        raise bad_request("A parameter of type bytes is not base64.") from None


def as_text(value: Any) -> bytes:
    """The usual text of a scalar; of an object or an array its JSON."""
    if isinstance(value, str):
        # A JSON string may hold half a surrogate pair, which no database takes.
        return value.encode("utf-8", "replace")
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, float):
        return repr(value).encode()
    return msgspec.json.encode(value)
