"""MySQL's types: parameters for COM_STMT_EXECUTE, and values of rows, binary and text, as JSON.

Source: "Binary Protocol Resultset Row" and "Column Definition" of the MySQL protocol documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import Any, Final, NamedTuple

from outlive.gateway.cells import NULL, ascii_text, binary, document, integer, text
from outlive.gateway.failure import bad_request
from outlive.gateway.parameters import as_bytes, as_text, typed
from outlive.gateway.rows import Column
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.packets import (
    lenenc_bytes,
    read_fixed,
    read_fixed_int,
    read_lenenc_bytes,
    read_lenenc_number,
)

BINARY_CHARSET: Final = 63
_INTEGERS: Final = {
    wire.MYSQL_TYPE_TINY: (1, "tinyint"),
    wire.MYSQL_TYPE_SHORT: (2, "smallint"),
    wire.MYSQL_TYPE_YEAR: (2, "year"),
    wire.MYSQL_TYPE_INT24: (4, "mediumint"),
    wire.MYSQL_TYPE_LONG: (4, "int"),
    wire.MYSQL_TYPE_LONGLONG: (8, "bigint"),
}
_NAMES: Final = {
    wire.MYSQL_TYPE_DECIMAL: "decimal",
    wire.MYSQL_TYPE_NEWDECIMAL: "decimal",
    wire.MYSQL_TYPE_FLOAT: "float",
    wire.MYSQL_TYPE_DOUBLE: "double",
    wire.MYSQL_TYPE_NULL: "null",
    wire.MYSQL_TYPE_TIMESTAMP: "timestamp",
    wire.MYSQL_TYPE_DATE: "date",
    wire.MYSQL_TYPE_TIME: "time",
    wire.MYSQL_TYPE_DATETIME: "datetime",
    wire.MYSQL_TYPE_BIT: "bit",
    wire.MYSQL_TYPE_JSON: "json",
    wire.MYSQL_TYPE_GEOMETRY: "geometry",
    wire.MYSQL_TYPE_ENUM: "enum",
    wire.MYSQL_TYPE_SET: "set",
}
_BLOBS: Final = frozenset(
    (wire.MYSQL_TYPE_TINY_BLOB, wire.MYSQL_TYPE_MEDIUM_BLOB, wire.MYSQL_TYPE_LONG_BLOB, wire.MYSQL_TYPE_BLOB)
)
_DATES: Final = frozenset((wire.MYSQL_TYPE_DATE, wire.MYSQL_TYPE_DATETIME, wire.MYSQL_TYPE_TIMESTAMP))
_ENUM_FLAG: Final = 1 << 8
_SET_FLAG: Final = 1 << 11
_FRACTION_MAX: Final = 6
_float = Struct("<f")
_double = Struct("<d")

Value = Callable[[bytes, int], tuple[bytes, int]]
"""Reads the value at a position: its JSON, and the position after it."""


class Definition(NamedTuple):
    """What a ColumnDefinition41 says."""

    name: bytes
    charset: int
    type: int
    flags: int
    decimals: int
    size: int = 0
    schema: bytes = b""
    table: bytes = b""
    original_table: bytes = b""
    original_name: bytes = b""


def parse_definition(payload: bytes) -> Definition:
    """Raises ProtocolError."""
    position = 0
    names: list[bytes] = []
    for _ in range(6):  # catalog, schema, table, original table, name, original name
        name, position = read_lenenc_bytes(payload, position)
        names.append(name or b"")
    size, position = read_lenenc_number(payload, position)
    fixed, _ = read_fixed(payload, position, size)
    if size < 10:
        raise ProtocolError("a column definition is cut short")
    return Definition(
        names[4],
        int.from_bytes(fixed[:2], "little"),
        fixed[6],
        int.from_bytes(fixed[7:9], "little"),
        fixed[9],
        int.from_bytes(fixed[2:6], "little"),
        names[1],
        names[2],
        names[3],
        names[5],
    )


def column(found: Definition) -> Column:
    """Its name, and its type as the database calls it."""
    return Column(found.name.decode("utf-8", "replace"), _type_name(found), found)


def _type_name(found: Definition) -> str:
    kind = found.type
    if kind in _INTEGERS:
        unsigned = found.flags & wire.UNSIGNED_FLAG and kind != wire.MYSQL_TYPE_YEAR
        return _INTEGERS[kind][1] + (" unsigned" if unsigned else "")
    if kind in _NAMES:
        return _NAMES[kind]
    if found.flags & _ENUM_FLAG:
        return "enum"
    if found.flags & _SET_FLAG:
        return "set"
    if found.charset == BINARY_CHARSET:
        return "blob" if kind in _BLOBS else "binary" if kind == wire.MYSQL_TYPE_STRING else "varbinary"
    return "text" if kind in _BLOBS else "char" if kind == wire.MYSQL_TYPE_STRING else "varchar"


# -- values of binary rows ------------------------------------------------------------------------


def binary_value(found: Definition) -> Value:
    """How the values of this column are read in a binary row."""
    kind = found.type
    if kind in _INTEGERS:
        return _integer(_INTEGERS[kind][0], signed=not found.flags & wire.UNSIGNED_FLAG)
    if kind == wire.MYSQL_TYPE_FLOAT:
        return _read_float
    if kind == wire.MYSQL_TYPE_DOUBLE:
        return _read_double
    if kind in _DATES:
        return _date(found)
    if kind == wire.MYSQL_TYPE_TIME:
        return _time(found)
    return text_value(found)


def _integer(size: int, *, signed: bool) -> Value:
    def read(data: bytes, position: int) -> tuple[bytes, int]:
        end = position + size
        return integer(b"%d" % int.from_bytes(data[position:end], "little", signed=signed)), end

    return read


def _read_float(data: bytes, position: int) -> tuple[bytes, int]:
    (value,) = _float.unpack_from(data, position)
    return shortest(value), position + 4


def shortest(value: float) -> bytes:
    """The shortest text that means this number of 32 bits."""
    for digits in range(6, 10):
        short = f"{value:.{digits}g}"
        if _float.unpack(_float.pack(float(short)))[0] == value:
            return repr(float(short)).encode()
    return repr(value).encode()


def _read_double(data: bytes, position: int) -> tuple[bytes, int]:
    return repr(_double.unpack_from(data, position)[0]).encode(), position + 8


def _fraction(micros: int, decimals: int) -> str:
    if not 0 < decimals <= _FRACTION_MAX:
        return ""
    return "." + f"{micros:06d}"[:decimals]


def _date(found: Definition) -> Value:
    with_time = found.type != wire.MYSQL_TYPE_DATE

    def read(data: bytes, position: int) -> tuple[bytes, int]:
        size = data[position]
        part = data[position + 1 : position + 1 + size].ljust(11, b"\0")
        day = f"{part[0] | part[1] << 8:04d}-{part[2]:02d}-{part[3]:02d}"
        if with_time:
            micros = int.from_bytes(part[7:11], "little")
            day += f" {part[4]:02d}:{part[5]:02d}:{part[6]:02d}" + _fraction(micros, found.decimals)
        return ascii_text(day.encode()), position + 1 + size

    return read


def _time(found: Definition) -> Value:
    def read(data: bytes, position: int) -> tuple[bytes, int]:
        size = data[position]
        part = data[position + 1 : position + 1 + size].ljust(12, b"\0")
        hours = int.from_bytes(part[1:5], "little") * 24 + part[5]
        micros = int.from_bytes(part[8:12], "little")
        sign = "-" if part[0] else ""
        found_text = f"{sign}{hours:02d}:{part[6]:02d}:{part[7]:02d}" + _fraction(micros, found.decimals)
        return ascii_text(found_text.encode()), position + 1 + size

    return read


def raw_row(payload: bytes, count: int) -> list[bytes | None]:
    """The cells of a text row as they are. Raises ProtocolError."""
    cells: list[bytes | None] = []
    position = 0
    for _ in range(count):
        cell, position = read_lenenc_bytes(payload, position)
        cells.append(cell)
    return cells


# -- values of text rows, and those that are alike in both ----------------------------------------


def text_value(found: Definition) -> Value:
    """How the values of this column are read in a text row."""
    encode = _encoder(found)

    def read(data: bytes, position: int) -> tuple[bytes, int]:
        value, position = read_lenenc_bytes(data, position)
        return (NULL if value is None else encode(value)), position

    return read


def _encoder(found: Definition) -> Callable[[bytes], bytes]:
    kind = found.type
    if kind in _INTEGERS:
        return lambda value: integer(b"%d" % int(value))  # ZEROFILL has zeros in front
    if kind in (wire.MYSQL_TYPE_FLOAT, wire.MYSQL_TYPE_DOUBLE):
        return lambda value: repr(float(value)).encode()
    if kind == wire.MYSQL_TYPE_BIT:
        return lambda value: integer(b"%d" % int.from_bytes(value, "big"))
    if kind == wire.MYSQL_TYPE_JSON:
        return document
    if kind in _DATES or kind in (wire.MYSQL_TYPE_TIME, wire.MYSQL_TYPE_NEWDECIMAL, wire.MYSQL_TYPE_DECIMAL):
        return ascii_text
    if kind == wire.MYSQL_TYPE_GEOMETRY or found.charset == BINARY_CHARSET:
        return binary
    return text


# -- parameters -----------------------------------------------------------------------------------

TYPES: Final = dict.fromkeys(
    (
        *("bool", "boolean", "int", "float", "decimal", "text", "bytes", "json"),
        *("date", "time", "datetime", "timestamp", "uuid"),
    ),
    True,
)
"""What a parameter's `type` may be."""
_UNSIGNED: Final = 0x8000


def bound(values: Sequence[Any]) -> bytes:
    """The NULL bitmap, the types and the values of a COM_STMT_EXECUTE. Raises Failure."""
    nulls = bytearray((len(values) + 7) // 8)
    types = bytearray()
    data = bytearray()
    for index, value in enumerate(values):
        kind, encoded = _bind(value)
        types += kind.to_bytes(2, "little")
        if encoded is None:
            nulls[index >> 3] |= 1 << (index & 7)
        else:
            data += encoded
    return bytes(nulls) + b"\x01" + bytes(types) + bytes(data)


def _bind(given: Any) -> tuple[int, bytes | None]:
    kind, value = typed(given, TYPES)
    if kind.endswith("[]"):
        raise bad_request("MySQL has no array parameters.")
    if value is None:
        return wire.MYSQL_TYPE_NULL, None
    if kind == "bytes":
        return wire.MYSQL_TYPE_BLOB, lenenc_bytes(as_bytes(value))
    if kind == "decimal":
        return wire.MYSQL_TYPE_NEWDECIMAL, lenenc_bytes(as_text(value))
    if isinstance(value, bool):
        return wire.MYSQL_TYPE_TINY, bytes((value,))
    if isinstance(value, int):
        return _bind_integer(value)
    if isinstance(value, float):
        return wire.MYSQL_TYPE_DOUBLE, _double.pack(value)
    return wire.MYSQL_TYPE_VAR_STRING, lenenc_bytes(as_text(value))


def _bind_integer(value: int) -> tuple[int, bytes]:
    if -(1 << 63) <= value < 1 << 63:
        return wire.MYSQL_TYPE_LONGLONG, value.to_bytes(8, "little", signed=True)
    if 0 <= value < 1 << 64:
        return wire.MYSQL_TYPE_LONGLONG | _UNSIGNED, value.to_bytes(8, "little")
    return wire.MYSQL_TYPE_NEWDECIMAL, lenenc_bytes(b"%d" % value)


def read_affected(payload: bytes) -> tuple[int, int, int]:
    """Rows affected, insert id and status of an OK, whatever stands behind them. Raises ProtocolError."""
    affected, position = read_lenenc_number(payload, 1)
    insert_id, position = read_lenenc_number(payload, position)
    status, _ = read_fixed_int(payload, position, 2)
    return affected, insert_id, status
