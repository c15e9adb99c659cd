"""columnMetadata: what JDBC's drivers say of a column, as far as the protocol tells it.

Source of the numbers: java.sql.Types; of the names and sizes: the drivers of the PostgreSQL and MySQL projects.
"""

from __future__ import annotations

from typing import Any, Final

from outlive.gateway.mysql.types import BINARY_CHARSET
from outlive.gateway.mysql.types import Definition as MySQLColumn
from outlive.gateway.postgres.type_names import ARRAYS
from outlive.gateway.postgres.types import name_of
from outlive.gateway.rds.values import is_boolean
from outlive.gateway.rows import Column
from outlive.wire.mysql import constants as wire
from outlive.wire.postgres.messages import ColumnDescription as PostgresColumn

BIT, TINYINT, BIGINT, LONGVARBINARY, VARBINARY, BINARY, LONGVARCHAR = -7, -6, -5, -4, -3, -2, -1
CHAR, NUMERIC, DECIMAL, INTEGER, SMALLINT, REAL, DOUBLE, VARCHAR = 1, 2, 3, 4, 5, 7, 8, 12
DATE, TIME, TIMESTAMP, OTHER, ARRAY = 91, 92, 93, 1111, 2003
_NO_NULLS, _NULLABLE, _NULLABLE_UNKNOWN = 0, 1, 2
_UNLIMITED: Final = 2_147_483_647

_POSTGRES: Final = {
    "bool": (BIT, 1),
    "bytea": (BINARY, _UNLIMITED),
    "char": (CHAR, 1),
    "name": (VARCHAR, 63),
    "int8": (BIGINT, 19),
    "int2": (SMALLINT, 5),
    "int4": (INTEGER, 10),
    "text": (VARCHAR, _UNLIMITED),
    "oid": (BIGINT, 10),
    "float4": (REAL, 8),
    "float8": (DOUBLE, 17),
    "money": (DOUBLE, 0),
    "bpchar": (CHAR, _UNLIMITED),
    "varchar": (VARCHAR, _UNLIMITED),
    "date": (DATE, 13),
    "time": (TIME, 15),
    "timetz": (TIME, 21),
    "timestamp": (TIMESTAMP, 29),
    "timestamptz": (TIMESTAMP, 35),
    "bit": (BIT, 1),
    "varbit": (OTHER, _UNLIMITED),
    "numeric": (NUMERIC, 0),
}
_SIGNED: Final = frozenset((BIGINT, SMALLINT, INTEGER, REAL, DOUBLE, NUMERIC, DECIMAL, TINYINT))
_NO_MODIFIER: Final = -1
_HEADER: Final = 4
"""What the server adds to a length in a type modifier."""


def _described(column: Column, type: int, **more: Any) -> dict[str, Any]:
    return {
        "name": column.name,
        "label": column.name,
        "type": type,
        "typeName": "",
        "schemaName": "",
        "tableName": "",
        "isAutoIncrement": False,
        "isSigned": False,
        "isCurrency": False,
        "isCaseSensitive": False,
        "nullable": _NULLABLE_UNKNOWN,
        "precision": 0,
        "scale": 0,
        "arrayBaseColumnType": 0,
        **more,
    }


def postgres_metadata(column: Column) -> dict[str, Any]:
    """The protocol names neither table nor schema, and does not say whether there may be NULL."""
    found: PostgresColumn = column.described
    base = ARRAYS.get(found.type)
    name = name_of(found.type if base is None else base)
    type, precision = _POSTGRES.get(name, (OTHER, _UNLIMITED))
    precision, scale = _postgres_size(name, precision, found.modifier)
    return _described(
        column,
        type if base is None else ARRAY,
        typeName=name if base is None else f"_{name}",
        isSigned=base is None and type in _SIGNED and name != "oid",
        isCurrency=name == "money",
        isCaseSensitive=type in (CHAR, VARCHAR, OTHER, BINARY),
        precision=precision,
        scale=scale,
        arrayBaseColumnType=0 if base is None else type,
    )


def _postgres_size(name: str, precision: int, modifier: int) -> tuple[int, int]:
    if name in ("time", "timetz", "timestamp", "timestamptz"):
        return precision, 6 if modifier == _NO_MODIFIER else modifier
    if name in ("float4", "float8"):
        return precision, precision
    if modifier == _NO_MODIFIER:
        return precision, 0
    if name == "numeric":
        return (modifier - _HEADER) >> 16 & 0xFFFF, (modifier - _HEADER) & 0xFFFF
    if name in ("varchar", "bpchar"):
        return modifier - _HEADER, 0
    return (modifier, 0) if name in ("bit", "varbit") else (precision, 0)


_MYSQL_FIXED: Final = {
    wire.MYSQL_TYPE_TINY: (TINYINT, "TINYINT", 3),
    wire.MYSQL_TYPE_SHORT: (SMALLINT, "SMALLINT", 5),
    wire.MYSQL_TYPE_INT24: (INTEGER, "MEDIUMINT", 7),
    wire.MYSQL_TYPE_LONG: (INTEGER, "INT", 10),
    wire.MYSQL_TYPE_LONGLONG: (BIGINT, "BIGINT", 19),
    wire.MYSQL_TYPE_YEAR: (SMALLINT, "YEAR", 4),
    wire.MYSQL_TYPE_FLOAT: (REAL, "FLOAT", 12),
    wire.MYSQL_TYPE_DOUBLE: (DOUBLE, "DOUBLE", 22),
    wire.MYSQL_TYPE_DATE: (DATE, "DATE", 10),
    wire.MYSQL_TYPE_TIME: (TIME, "TIME", 10),
    wire.MYSQL_TYPE_DATETIME: (TIMESTAMP, "DATETIME", 19),
    wire.MYSQL_TYPE_TIMESTAMP: (TIMESTAMP, "TIMESTAMP", 19),
    wire.MYSQL_TYPE_JSON: (LONGVARCHAR, "JSON", 1_073_741_824),
    wire.MYSQL_TYPE_GEOMETRY: (BINARY, "GEOMETRY", 0),
    wire.MYSQL_TYPE_NULL: (0, "NULL", 0),
}
_DECIMALS: Final = frozenset((wire.MYSQL_TYPE_DECIMAL, wire.MYSQL_TYPE_NEWDECIMAL))
_BLOBS: Final = frozenset(
    (wire.MYSQL_TYPE_TINY_BLOB, wire.MYSQL_TYPE_MEDIUM_BLOB, wire.MYSQL_TYPE_LONG_BLOB, wire.MYSQL_TYPE_BLOB)
)
_BLOB_NAMES: Final = ((0xFF, "TINY"), (0xFFFF, ""), (0xFFFFFF, "MEDIUM"))
_NOT_NULL, _BINARY_FLAG, _ENUM, _AUTO_INCREMENT, _SET = 1, 128, 256, 512, 2048
_UTF8MB4_BYTES: Final = 4
_FRACTIONS: Final = frozenset((wire.MYSQL_TYPE_TIME, wire.MYSQL_TYPE_DATETIME, wire.MYSQL_TYPE_TIMESTAMP))


def mysql_metadata(column: Column) -> dict[str, Any]:
    """As Connector/J says it; sizes of texts are in characters."""
    found: MySQLColumn = column.described
    type, name, precision = _mysql_type(found)
    unsigned = bool(found.flags & wire.UNSIGNED_FLAG) and type in _SIGNED and name != "YEAR"
    scale = found.decimals if type == DECIMAL or found.type in _FRACTIONS else 0
    return _described(
        column,
        type,
        name=(found.original_name or found.name).decode("utf-8", "replace"),
        typeName=f"{name} UNSIGNED" if unsigned else name,
        schemaName=found.schema.decode("utf-8", "replace"),
        tableName=found.table.decode("utf-8", "replace"),
        isAutoIncrement=bool(found.flags & _AUTO_INCREMENT),
        isSigned=type in _SIGNED and not unsigned,
        isCaseSensitive=type in (CHAR, VARCHAR, LONGVARCHAR) and bool(found.flags & _BINARY_FLAG),
        nullable=_NO_NULLS if found.flags & _NOT_NULL else _NULLABLE,
        precision=precision,
        scale=0 if scale == 31 else scale,
    )


def _mysql_type(found: MySQLColumn) -> tuple[int, str, int]:
    kind = found.type
    if kind == wire.MYSQL_TYPE_BIT:
        return BIT, "BIT", found.size
    if is_boolean(found):
        return BIT, "TINYINT", 1
    if kind in _MYSQL_FIXED:
        return _MYSQL_FIXED[kind]
    if kind in _DECIMALS:
        unsigned = bool(found.flags & wire.UNSIGNED_FLAG)
        return DECIMAL, "DECIMAL", found.size - (not unsigned) - (found.decimals > 0)
    if found.charset == BINARY_CHARSET:
        if kind in _BLOBS:
            return LONGVARBINARY, f"{_blob(found.size)}BLOB", found.size
        fixed = kind == wire.MYSQL_TYPE_STRING
        return (BINARY, "BINARY", found.size) if fixed else (VARBINARY, "VARBINARY", found.size)
    size = found.size // _UTF8MB4_BYTES
    if found.flags & (_ENUM | _SET):
        return CHAR, "ENUM" if found.flags & _ENUM else "SET", size
    if kind in _BLOBS:
        return LONGVARCHAR, f"{_blob(found.size // _UTF8MB4_BYTES)}TEXT", size
    return (CHAR, "CHAR", size) if kind == wire.MYSQL_TYPE_STRING else (VARCHAR, "VARCHAR", size)


def _blob(size: int) -> str:
    return next((name for most, name in _BLOB_NAMES if size <= most), "LONG")
