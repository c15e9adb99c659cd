"""JSON Schema of columns, as docs/http.md says how values become JSON."""

from __future__ import annotations

from typing import Any, Final

from outlive.gateway.rows import Column
from outlive.wire.mysql.constants import NOT_NULL_FLAG

_TEXT: Final = {"type": "string"}
_INTEGER: Final = {"type": "integer"}
_LARGE: Final = {"type": ["integer", "string"], "format": "int64"}
_FLOAT: Final = {"type": ["number", "string"], "format": "double"}
_DECIMAL: Final = {"type": "string", "format": "decimal"}
_BYTES: Final = {"type": "string", "contentEncoding": "base64"}
_DOUBLE: Final = {"type": "number", "format": "double"}
_DATE: Final = {"type": "string", "format": "date"}
_ANY: Final[dict[str, Any]] = {}

POSTGRES: Final[dict[str, dict[str, Any]]] = {
    "bool": {"type": "boolean"},
    "int2": _INTEGER,
    "int4": _INTEGER,
    "oid": _INTEGER,
    "int8": _LARGE,
    "float4": _FLOAT,
    "float8": _FLOAT,
    "numeric": _DECIMAL,
    "bytea": _BYTES,
    "date": _TEXT,  # also infinity
    "uuid": {"type": "string", "format": "uuid"},
    "json": _ANY,
    "jsonb": _ANY,
}
MYSQL: Final[dict[str, dict[str, Any]]] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "year"), _INTEGER),
    **dict.fromkeys(("tinyint unsigned", "smallint unsigned", "mediumint unsigned", "int unsigned"), _INTEGER),
    **dict.fromkeys(("bigint", "bigint unsigned", "bit"), _LARGE),
    **dict.fromkeys(("float", "double"), _DOUBLE),
    **dict.fromkeys(("binary", "varbinary", "blob", "geometry"), _BYTES),
    "decimal": _DECIMAL,
    "date": _DATE,
    "json": _ANY,
    "null": {"type": "null"},
}


def schema_of(column: Column, protocol: str) -> dict[str, Any]:
    """Of its values. PostgreSQL does not say which columns are never null, so all of its may be."""
    if protocol == "postgresql":
        return _or_null(_postgres(column.type))
    found = MYSQL.get(column.type, _TEXT)
    return dict(found) if column.described.flags & NOT_NULL_FLAG else _or_null(found)


def _postgres(name: str) -> dict[str, Any]:
    if name.endswith("[]"):
        return {"type": "array", "items": _or_null(POSTGRES.get(name.removesuffix("[]"), _TEXT))}
    return POSTGRES.get(name, _TEXT)


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kind = schema.get("type")
    if kind is None or kind == "null":
        return dict(schema)
    return {**schema, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}
