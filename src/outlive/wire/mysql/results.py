"""Text result sets: made locally for a client, and read back when small.

Source: "Text Resultset" and "Column Definition" of the MySQL protocol documentation.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    BINARY_COLLATION,
    BINARY_FLAG,
    CLIENT_DEPRECATE_EOF,
    CLIENT_OPTIONAL_RESULTSET_METADATA,
    EOF_HEADER,
    ERR_HEADER,
    MYSQL_TYPE_LONG,
    MYSQL_TYPE_LONGLONG,
    OK_HEADER,
    UTF8MB4_GENERAL_CI,
)
from outlive.wire.mysql.ok import OK, encode_eof, encode_ok, is_eof
from outlive.wire.mysql.packets import lenenc_bytes, lenenc_int, packet, read_lenenc_bytes, read_lenenc_number

_NUMBERS = frozenset((MYSQL_TYPE_LONG, MYSQL_TYPE_LONGLONG))
_RESULTSET_METADATA_FULL = b"\x01"


class Column(NamedTuple):
    """A column of a local result. Of numbers `charset` is binary and BINARY_FLAG is added, as servers do."""

    name: bytes
    type: int
    flags: int = 0
    length: int = 0
    charset: int = UTF8MB4_GENERAL_CI
    decimals: int = 0


def text_result(
    columns: Sequence[tuple[bytes, int] | Column],
    rows: Iterable[Sequence[bytes | None]],
    *,
    capabilities: int,
    status: int,
    warnings: int = 0,
    sequence: int = 1,
    binary: bool = False,
) -> bytes:
    """The packets of a whole result set, in the style of a client of these capabilities.

    `binary`: the answer to COM_STMT_EXECUTE, whose values may not be NULL here; numbers are given as text all the same.
    """
    deprecate_eof = bool(capabilities & CLIENT_DEPRECATE_EOF)
    head = lenenc_int(len(columns))
    if capabilities & CLIENT_OPTIONAL_RESULTSET_METADATA:
        head += _RESULTSET_METADATA_FULL
    payloads = [head]
    whole = [Column(*column) for column in columns]
    payloads += [column_definition(column) for column in whole]
    if not deprecate_eof:
        payloads.append(encode_eof(status, warnings))
    if binary:
        payloads += [_binary_row(whole, row) for row in rows]
    else:
        payloads += [b"".join(_value(value) for value in row) for row in rows]
    if deprecate_eof:
        payloads.append(encode_ok(OK(status=status, warnings=warnings), capabilities, EOF_HEADER))
    else:
        payloads.append(encode_eof(status, warnings))
    return b"".join(packet(sequence + index, payload) for index, payload in enumerate(payloads))


def column_definition(column: Column) -> bytes:
    """Protocol::ColumnDefinition41 of a column that belongs to no table."""
    number = column.type in _NUMBERS
    return b"".join(
        (
            b"\x03def\x00\x00\x00",
            lenenc_bytes(column.name),
            b"\x00\x0c",
            (BINARY_COLLATION if number else column.charset).to_bytes(2, "little"),
            column.length.to_bytes(4, "little"),
            bytes((column.type,)),
            (column.flags | (BINARY_FLAG if number else 0)).to_bytes(2, "little"),
            bytes((column.decimals, 0, 0)),
        )
    )


def read_text_rows(payloads: Iterable[bytes]) -> list[tuple[bytes | None, ...]]:
    """The rows of one text result set given as payloads, header to end, with or without the EOF after the columns.

    For small results that are held whole, such as a captured SHOW WARNINGS. Raises ProtocolError, also when the result
    is an OK or an ERR.
    """
    source = iter(payloads)
    head = next(source, b"")
    if not head or head[0] in (OK_HEADER, ERR_HEADER):
        raise ProtocolError("this is no result set")
    columns, _ = read_lenenc_number(head, 0)
    for _ in range(columns):
        if next(source, None) is None:
            raise ProtocolError("column definitions are missing")
    rows: list[tuple[bytes | None, ...]] = []
    first = True
    for payload in source:
        if payload[:1] == b"\xff":
            raise ProtocolError("the result set ended with an error")
        if not is_eof(payload):
            rows.append(read_text_row(payload, columns))
        elif not (first and len(payload) == 5):  # Five bytes are an EOF, an OK has seven: this one ends the columns.
            return rows
        first = False
    raise ProtocolError("the result set has no end")


def read_text_row(payload: bytes, columns: int) -> tuple[bytes | None, ...]:
    """The values of one text row. Raises ProtocolError."""
    values: list[bytes | None] = []
    position = 0
    for _ in range(columns):
        value, position = read_lenenc_bytes(payload, position)
        values.append(value)
    if position != len(payload):
        raise ProtocolError("a row is longer than its columns")
    return tuple(values)


_NUMBER_BYTES = {MYSQL_TYPE_LONG: 4, MYSQL_TYPE_LONGLONG: 8}


def _binary_row(columns: Sequence[Column], row: Sequence[bytes | None]) -> bytes:
    """A row of the binary protocol: 0, the NULL bitmap (which begins with two unused bits), the values."""
    values = [b"\0" + bytes((len(columns) + 9) // 8)]
    for column, value in zip(columns, row, strict=True):
        size = _NUMBER_BYTES.get(column.type)
        number = b"" if size is None else int(value or b"0").to_bytes(size, "little", signed=True)
        values.append(number or lenenc_bytes(value or b""))
    return b"".join(values)


def _value(value: bytes | None) -> bytes:
    return b"\xfb" if value is None else lenenc_bytes(value)
