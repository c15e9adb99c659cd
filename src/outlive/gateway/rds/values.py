"""Values of a database as Fields of the RDS Data API: the name of the member, and its JSON."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from outlive.gateway.cells import ascii_text, number, text
from outlive.gateway.mysql.types import BINARY_CHARSET
from outlive.gateway.mysql.types import Definition as MySQLColumn
from outlive.gateway.postgres.type_names import ARRAYS
from outlive.gateway.postgres.types import encoder
from outlive.gateway.rds.requests import ResultSetOptions
from outlive.wire.mysql import constants as wire
from outlive.wire.postgres.messages import ColumnDescription as PostgresColumn

Reader = Callable[[bytes], tuple[bytes, bytes]]
"""From a cell to the member of its Field and that member's JSON."""

BOOLEAN: Final = b"booleanValue"
LONG: Final = b"longValue"
DOUBLE: Final = b"doubleValue"
STRING: Final = b"stringValue"
BLOB: Final = b"blobValue"
ARRAY: Final = b"arrayValue"
_LONG_MAX: Final = 2**63 - 1
_BIT, _TIMESTAMPTZ, _NUMERIC = 1560, 1184, 1700


def _long(options: ResultSetOptions) -> Reader:
    if options.long_return_type == "STRING":
        return lambda cell: (STRING, ascii_text(cell))
    return lambda cell: (LONG, cell)


def _decimal(options: ResultSetOptions) -> Reader:
    if options.decimal_return_type == "STRING":
        return lambda cell: (STRING, ascii_text(cell))
    return _long_or_double


def _long_or_double(cell: bytes) -> tuple[bytes, bytes]:
    if cell.lstrip(b"-").isdigit() and abs(int(cell)) <= _LONG_MAX:
        return LONG, cell
    return DOUBLE, number(cell)


# -- PostgreSQL: cells as the server wrote them ---------------------------------------------------

_ZONED: Final = re.compile(rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(\.\d+)?([+-]\d\d(?::\d\d){0,2})")


def utc(value: bytes) -> bytes:
    """A timestamptz in UTC and without its zone, as JDBC's clients know it; what is no year of four digits as it is."""
    found = _ZONED.fullmatch(value)
    if found is None:
        return value
    day, fraction, zone = found.groups()
    if zone != b"+00":
        try:
            at = datetime.fromisoformat((day + zone).decode()).astimezone(UTC)
        except (ValueError, OverflowError):
            return value
        day = at.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0").encode()
    return bytes(day + (fraction or b""))


_PLAIN: Final[dict[int, Callable[[bytes], bytes]]] = {
    16: encoder(16),
    17: encoder(17),
    **dict.fromkeys((20, 21, 23), bytes),
    700: number,
    701: number,
    _TIMESTAMPTZ: lambda value: ascii_text(utc(value)),
}
_MEMBERS: Final = {16: BOOLEAN, 17: BLOB, 20: LONG, 21: LONG, 23: LONG, 700: DOUBLE, 701: DOUBLE}


_ARRAY_MEMBERS: Final = {
    16: "booleanValues", 20: "longValues", 21: "longValues", 23: "longValues", 700: "doubleValues", 701: "doubleValues",
}  # fmt: skip


def postgres_reader(found: PostgresColumn, options: ResultSetOptions) -> Reader:
    """For the cells of this column."""
    oid, plain = found.type, encoder(found.type, _PLAIN)
    member = _MEMBERS.get(oid, STRING)
    if member is LONG:
        return _long(options)
    if oid == _NUMERIC:
        return _decimal(options)
    if oid == _BIT and found.modifier == 1:
        return lambda cell: (BOOLEAN, b"true" if cell == b"1" else b"false")
    if oid in ARRAYS:
        of = _ARRAY_MEMBERS.get(ARRAYS[oid], "stringValues")
        return lambda cell: (ARRAY, msgspec.json.encode(_array(msgspec.json.decode(plain(cell)), of)))
    return lambda cell: (member, plain(cell))


def _array(items: list[Any], member: str) -> dict[str, Any]:
    if any(isinstance(item, list) for item in items):
        return {"arrayValues": [_array(item, member) for item in items]}
    return {member: items}


# -- MySQL: cells as the native API's JSON --------------------------------------------------------

_INTEGERS: Final = frozenset(
    (
        wire.MYSQL_TYPE_TINY,
        wire.MYSQL_TYPE_SHORT,
        wire.MYSQL_TYPE_YEAR,
        wire.MYSQL_TYPE_INT24,
        wire.MYSQL_TYPE_LONG,
        wire.MYSQL_TYPE_LONGLONG,
        wire.MYSQL_TYPE_BIT,
    )
)
_DECIMALS: Final = frozenset((wire.MYSQL_TYPE_NEWDECIMAL, wire.MYSQL_TYPE_DECIMAL))
_FLOATS: Final = frozenset((wire.MYSQL_TYPE_FLOAT, wire.MYSQL_TYPE_DOUBLE))
_TEXTS: Final = frozenset(
    (wire.MYSQL_TYPE_DATE, wire.MYSQL_TYPE_DATETIME, wire.MYSQL_TYPE_TIMESTAMP, wire.MYSQL_TYPE_TIME)
)


def mysql_reader(found: MySQLColumn, options: ResultSetOptions) -> Reader:
    """For the cells of this column."""
    kind = found.type
    if kind in _INTEGERS:
        long = _integer(_long(options))
        return _boolean(long) if is_boolean(found) else long
    if kind in _FLOATS:
        return lambda cell: (DOUBLE, cell)
    if kind in _DECIMALS:
        decimal = _decimal(options)
        return lambda cell: decimal(cell[1:-1])
    if kind == wire.MYSQL_TYPE_JSON:
        return lambda cell: (STRING, text(cell))
    if kind not in _TEXTS and (kind == wire.MYSQL_TYPE_GEOMETRY or found.charset == BINARY_CHARSET):
        return lambda cell: (BLOB, cell)
    return lambda cell: (STRING, cell)


def is_boolean(found: MySQLColumn) -> bool:
    """BIT(1), and TINYINT(1), which is what BOOL is there."""
    if found.size != 1:
        return False
    unsigned = found.flags & wire.UNSIGNED_FLAG
    return found.type == wire.MYSQL_TYPE_BIT or (found.type == wire.MYSQL_TYPE_TINY and not unsigned)


def _integer(read: Reader) -> Reader:
    def found(cell: bytes) -> tuple[bytes, bytes]:
        if cell[:1] != b'"':
            return read(cell)
        digits = cell[1:-1]  # beyond what JavaScript takes exactly
        return (STRING, cell) if int(digits) > _LONG_MAX else read(digits)

    return found


def _boolean(read: Reader) -> Reader:
    """0 and 1. A TINYINT(1) may have other values, which are not lost."""

    def found(cell: bytes) -> tuple[bytes, bytes]:
        if cell in (b"0", b"1"):
            return BOOLEAN, b"true" if cell == b"1" else b"false"
        return read(cell)

    return found
