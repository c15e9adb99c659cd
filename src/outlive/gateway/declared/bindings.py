"""A statement of the configuration as its database takes it, and its values in their places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from outlive.config.inputs import Input
from outlive.config.operations import Parameter
from outlive.gateway.placeholders import numbered, questions


class Bound(NamedTuple):
    """`sql` has the database's own placeholders, and `inputs` stand in their order."""

    sql: str
    inputs: list[Input]
    protocol: str

    def values(self, values: Mapping[str, Any]) -> list[Any]:
        """For a `Statement`."""
        of = _mysql if self.protocol == "mysql" else _postgres
        return [of(found.parameter, values[found.name]) for found in self.inputs]


def bind(sql: str, inputs: Sequence[Input], protocol: str) -> Bound:
    """All names of the statement are among the inputs: the configuration was checked."""
    place: Callable[[str, Mapping[str, Any]], tuple[str, list[Any]]] = questions if protocol == "mysql" else numbered
    text, found = place(sql, {found.name: found for found in inputs})
    return Bound(text, found, protocol)


def _postgres(parameter: Parameter, value: Any) -> Any:
    if value is None:
        return None
    if parameter.type == "json":
        return msgspec.json.encode(value).decode()
    if parameter.type == "bytes":
        return {"type": "bytes", "value": value}
    return value  # without a type: the server takes it for what the statement needs


def _mysql(parameter: Parameter, value: Any) -> Any:
    if value is None:
        return None
    if parameter.type == "json":
        return msgspec.json.encode(value).decode()
    if parameter.type in ("bytes", "decimal"):
        return {"type": parameter.type, "value": value}
    if parameter.type == "timestamp":
        return _in_utc(value)
    return value


def _in_utc(text: str) -> str:
    """MariaDB and older MySQL take no offsets."""
    found = datetime.fromisoformat(text.upper().replace(" ", "T"))
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found.isoformat(" ")
