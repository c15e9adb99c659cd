"""The types of declared operations' parameters: what a right value is, from text and from JSON. Pure.

A value is what `json` would read: text, numbers, true, false, None; of `json` anything, of `many` a list.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import date, datetime
from math import isfinite
from typing import Any, Final, NamedTuple

from outlive.config.operations import Parameter

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


class Kind(NamedTuple):
    """`of_json` and `of_text` raise ValueError where it is not `words`. `schema` is JSON Schema's."""

    words: str
    of_json: Callable[[Any], Any]
    of_text: Callable[[str], Any]
    schema: dict[str, Any]


def _wrong(value: object) -> Any:
    raise ValueError


def _string(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError
    value.encode()  # half a surrogate pair is no text: UnicodeEncodeError is a ValueError
    return value


def _matching(pattern: re.Pattern[str], check: Callable[[str], object] = str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError
        check(value)
        return value

    return read


def _integer(bits: int) -> Kind:
    most = 1 << bits - 1

    def of_json(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not -most <= value < most:
            raise ValueError
        return value

    def of_text(text: str) -> int:
        return of_json(int(text) if _INTEGER.fullmatch(text) else None)

    schema: dict[str, Any] = {"type": "integer"}
    schema |= {"format": "int64"} if bits == 64 else {"minimum": -most, "maximum": most - 1}
    return Kind(f"a whole number of {bits} bits", of_json, of_text, schema)


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return value


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _base64(value: Any) -> str:
    b64decode(_string(value), validate=True)
    return str(value)


_decimal = _matching(_DECIMAL)
_uuid = _matching(_UUID)
_date = _matching(_DATE, date.fromisoformat)
_timestamp = _matching(_TIMESTAMP, lambda text: datetime.fromisoformat(text.upper().replace(" ", "T")))

KINDS: Final[dict[str, Kind]] = {
    "string": Kind("text", _string, _string, {"type": "string"}),
    "integer": _integer(64),
    "int32": _integer(32),
    "int16": _integer(16),
    "number": Kind(
        "a number",
        _number,
        lambda text: _number(float(text) if _NUMBER.fullmatch(text) else None),
        {"type": "number"},
    ),
    "boolean": Kind(
        "true or false", _boolean, lambda text: _boolean({"true": True, "false": False}.get(text)), {"type": "boolean"}
    ),
    "decimal": Kind(
        "a decimal number as text", _decimal, _decimal, {"type": "string", "pattern": f"^{_DECIMAL.pattern}$"}
    ),
    "uuid": Kind("a UUID", _uuid, _uuid, {"type": "string", "format": "uuid"}),
    "date": Kind("a date (YYYY-MM-DD)", _date, _date, {"type": "string", "format": "date"}),
    "timestamp": Kind(
        "a time (RFC 3339)", _timestamp, _timestamp, {"type": "string", "pattern": f"^{_TIMESTAMP.pattern}$"}
    ),
    "bytes": Kind("base64", _base64, _base64, {"type": "string", "contentEncoding": "base64"}),
    "json": Kind("JSON", lambda value: value, _wrong, {}),
}


def words_of(parameter: Parameter) -> str:
    """What it must be, for people."""
    words = KINDS[parameter.type].words
    if parameter.minimum is not None:
        words += f", at least {parameter.minimum:g}"
    if parameter.maximum is not None:
        words += f", at most {parameter.maximum:g}"
    if parameter.pattern:
        words += f", of the form {parameter.pattern}"
    if parameter.type == "string" and (parameter.min_length or parameter.max_length < 10_000):
        words += f", of {parameter.min_length} to {parameter.max_length} characters"
    if parameter.values:
        words += f", one of {', '.join(map(str, parameter.values))}"
    return f"a list of at most {parameter.max_items}, each {words}" if parameter.many else words


def of_json(parameter: Parameter, value: Any) -> Any:
    """The value of a body. Raises ValueError."""
    if value is None:
        return None if parameter.nullable else _wrong(value)
    read = KINDS[parameter.type].of_json
    if not parameter.many:
        return _within(parameter, read(value))
    if not isinstance(value, list) or len(value) > parameter.max_items:
        raise ValueError
    return [_within(parameter, read(item)) for item in value]


def of_texts(parameter: Parameter, texts: list[str]) -> Any:
    """The value of a path or a query, where it may come several times if it is `many`. Raises ValueError."""
    read = KINDS[parameter.type].of_text
    if not parameter.many:
        (text,) = texts
        return _within(parameter, read(text))
    if len(texts) > parameter.max_items:
        raise ValueError
    return [_within(parameter, read(text)) for text in texts]


def _within(parameter: Parameter, value: Any) -> Any:
    if isinstance(value, str):
        if not parameter.min_length <= len(value) <= parameter.max_length:
            raise ValueError
        if parameter.pattern and not re.fullmatch(parameter.pattern, value):
            raise ValueError
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if parameter.minimum is not None and value < parameter.minimum:
            raise ValueError
        if parameter.maximum is not None and value > parameter.maximum:
            raise ValueError
    if parameter.values and value not in parameter.values:
        raise ValueError
    return value


def schema_of(parameter: Parameter) -> dict[str, Any]:
    """JSON Schema."""
    found = dict(KINDS[parameter.type].schema)
    if parameter.minimum is not None:
        found["minimum"] = parameter.minimum
    if parameter.maximum is not None:
        found["maximum"] = parameter.maximum
    if found.get("type") == "string":
        found["maxLength"] = parameter.max_length
        if parameter.min_length:
            found["minLength"] = parameter.min_length
        if parameter.pattern:
            found["pattern"] = f"^(?:{parameter.pattern})$"
    if parameter.values:
        found["enum"] = list(parameter.values)
    if parameter.many:
        found = {"type": "array", "items": found, "maxItems": parameter.max_items}
    if parameter.nullable and "type" in found:
        found["type"] = [found["type"], "null"]
        if "enum" in found:
            found["enum"].append(None)
    if parameter.default is not None:
        found["default"] = parameter.default
    if parameter.description:
        found["description"] = parameter.description
    return found
