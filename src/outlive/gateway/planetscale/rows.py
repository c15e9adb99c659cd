"""PlanetScale's form of a result: the text of each cell as the server sent it, types by Vitess' names.

Source of the names and of how they follow from MySQL's types and flags: query.proto and go/mysql's type tables of
Vitess.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any, Final

import msgspec

from outlive.gateway.conversation import Done
from outlive.gateway.mysql.types import BINARY_CHARSET, Definition
from outlive.gateway.rows import Column, Rows
from outlive.wire.mysql import constants as wire

_INTEGERS: Final = {
    wire.MYSQL_TYPE_TINY: "INT8",
    wire.MYSQL_TYPE_SHORT: "INT16",
    wire.MYSQL_TYPE_INT24: "INT24",
    wire.MYSQL_TYPE_LONG: "INT32",
    wire.MYSQL_TYPE_LONGLONG: "INT64",
}
_NAMES: Final = {
    wire.MYSQL_TYPE_DECIMAL: "DECIMAL",
    wire.MYSQL_TYPE_NEWDECIMAL: "DECIMAL",
    wire.MYSQL_TYPE_FLOAT: "FLOAT32",
    wire.MYSQL_TYPE_DOUBLE: "FLOAT64",
    wire.MYSQL_TYPE_NULL: "NULL",
    wire.MYSQL_TYPE_TIMESTAMP: "TIMESTAMP",
    wire.MYSQL_TYPE_DATE: "DATE",
    wire.MYSQL_TYPE_TIME: "TIME",
    wire.MYSQL_TYPE_DATETIME: "DATETIME",
    wire.MYSQL_TYPE_YEAR: "YEAR",
    wire.MYSQL_TYPE_BIT: "BIT",
    wire.MYSQL_TYPE_JSON: "JSON",
    wire.MYSQL_TYPE_GEOMETRY: "GEOMETRY",
    wire.MYSQL_TYPE_ENUM: "ENUM",
    wire.MYSQL_TYPE_SET: "SET",
}
_BLOBS: Final = frozenset(
    (wire.MYSQL_TYPE_TINY_BLOB, wire.MYSQL_TYPE_MEDIUM_BLOB, wire.MYSQL_TYPE_LONG_BLOB, wire.MYSQL_TYPE_BLOB)
)
_ENUM_FLAG: Final = 1 << 8
_SET_FLAG: Final = 1 << 11


class PlanetScaleRows(Rows):
    """See the module."""

    raw = True

    def __init__(self, *, max_rows: int, max_bytes: int) -> None:
        Rows.__init__(self, "arrays", max_rows=max_rows, max_bytes=max_bytes)

    def _raw_row(self, cells: list[bytes | None]) -> bytes:
        lengths = b",".join([b'"-1"' if cell is None else b'"%d"' % len(cell) for cell in cells])
        values = b64encode(b"".join([cell for cell in cells if cell is not None]))
        return b'{"lengths":[' + lengths + b'],"values":"' + values + b'"}'


def result(rows: Rows, done: Done) -> bytes:
    """One statement's result. 64-bit numbers are text."""
    head = {
        "rowsAffected": str(done.rows_affected or 0),
        "insertId": str(done.last_insert_id or 0),
        "fields": [_field(column) for column in rows.columns or ()],
    }
    return msgspec.json.encode(head)[:-1] + b',"rows":[' + b",".join(rows.pieces) + b"]}"


def _field(column: Column) -> dict[str, Any]:
    found: Definition = column.described
    return {
        "name": column.name,
        "type": type_name(found),
        "table": _text(found.table),
        "orgTable": _text(found.original_table),
        "database": _text(found.schema),
        "orgName": _text(found.original_name),
        "columnLength": found.size,
        "charset": found.charset,
        "flags": found.flags,
        "decimals": found.decimals,
    }


def type_name(found: Definition) -> str:
    """As Vitess calls it."""
    kind = found.type
    if kind in _INTEGERS:
        return ("U" if found.flags & wire.UNSIGNED_FLAG else "") + _INTEGERS[kind]
    if kind in _NAMES:
        return _NAMES[kind]
    if found.flags & _ENUM_FLAG:
        return "ENUM"
    if found.flags & _SET_FLAG:
        return "SET"
    binary = found.charset == BINARY_CHARSET
    if kind in _BLOBS:
        return "BLOB" if binary else "TEXT"
    if kind == wire.MYSQL_TYPE_STRING:
        return "BINARY" if binary else "CHAR"
    return "VARBINARY" if binary else "VARCHAR"


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
