"""Named parameters of requests, as the native API takes them."""

from __future__ import annotations

from typing import Any, Final

from outlive.gateway.failure import bad_request
from outlive.gateway.rds.requests import ArrayValue, Field, SqlParameter

_TYPES: Final = {
    "JSON": {"postgresql": "jsonb", "mysql": "json"},
    "UUID": {"postgresql": "uuid", "mysql": "uuid"},
    "TIMESTAMP": {"postgresql": "timestamp", "mysql": "timestamp"},
    "DATE": {"postgresql": "date", "mysql": "date"},
    "TIME": {"postgresql": "time", "mysql": "time"},
    "DECIMAL": {"postgresql": "numeric", "mysql": "decimal"},
}
_SAFE: Final = 2.0**53
_NOT_FINITE: Final = frozenset(("NaN", "Infinity", "-Infinity"))


def values(parameters: list[SqlParameter], protocol: str) -> dict[str, Any]:
    """By name. Raises Failure."""
    found: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name in found:
            raise bad_request(f"The parameter {parameter.name} is given twice.")
        found[parameter.name] = _value(parameter, protocol)
    return found


def _value(parameter: SqlParameter, protocol: str) -> Any:
    field = parameter.value
    given = [name for name in field.__struct_fields__ if getattr(field, name) is not None]
    if len(given) != 1 or field.is_null is False:
        raise bad_request(f"The value of the parameter {parameter.name} must have exactly one member.")
    value = _plain(field, protocol)
    if field.blob_value is not None:
        return {"type": "bytes", "value": value}
    if parameter.type_hint is None:
        return value
    name = _TYPES[parameter.type_hint][protocol]
    if isinstance(value, list):
        name = f"{name}[]"
    return {"type": name, "value": value}


def _plain(field: Field, protocol: str) -> Any:
    if field.is_null:
        return None
    if field.array_value is not None:
        return _array(field.array_value, protocol)
    if field.double_value is not None:
        return _double(field.double_value, protocol)
    for value in (field.boolean_value, field.long_value, field.string_value):
        if value is not None:
            return value
    return field.blob_value


def _double(value: float | str | None, protocol: str) -> Any:
    if isinstance(value, str) and value not in _NOT_FINITE:
        raise bad_request("A doubleValue is a number.")
    # Clients send integers as doubles; "5" is read by PostgreSQL's integers and floats alike, "5.0" is not.
    if protocol == "postgresql" and isinstance(value, float) and value.is_integer() and abs(value) <= _SAFE:
        return int(value)
    return value


def _array(array: ArrayValue, protocol: str) -> list[Any]:
    given = [value for name in array.__struct_fields__ if (value := getattr(array, name)) is not None]
    if len(given) != 1:
        raise bad_request("An arrayValue must have exactly one member.")
    if array.array_values is not None:
        return [None if item is None else _array(item, protocol) for item in array.array_values]
    if array.double_values is not None:
        return [_double(item, protocol) for item in array.double_values]
    found: list[Any] = given[0]
    return found
