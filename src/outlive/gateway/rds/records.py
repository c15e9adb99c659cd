"""The rows of one statement as records, or as the objects of formatRecordsAs JSON, and the answer to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

import msgspec

from outlive.gateway.cells import NULL
from outlive.gateway.conversation import Done
from outlive.gateway.rds.metadata import mysql_metadata, postgres_metadata
from outlive.gateway.rds.requests import Execute
from outlive.gateway.rds.values import Reader, mysql_reader, postgres_reader
from outlive.gateway.rows import Column, Rows

_NULL_FIELD: Final = b'{"isNull":true}'


class Records(Rows):
    """See the module. With `pages`, what is too much is read on and dropped instead of cancelled: PostgreSQL would
    abort the transaction in which its client wants to read it by pages.
    """

    metadata: Callable[[Column], dict[str, Any]]
    reader: Callable[..., Reader]

    def __init__(self, asked: Execute, *, max_rows: int, max_bytes: int, pages: bool) -> None:
        Rows.__init__(
            self, "objects" if asked.format_records_as == "JSON" else "arrays", max_rows=max_rows, max_bytes=max_bytes
        )
        self.asked = asked
        self._pages = pages
        self._readers: list[Reader] = []

    def begin(self, columns: Sequence[Column]) -> None:
        """See `Rows`."""
        Rows.begin(self, columns)
        options = self.asked.result_set_options
        self._readers = [type(self).reader(column.described, options) for column in columns]

    def _overflow(self, limit: str) -> None:
        if self._pages:
            self.on_overflow = _read_on
        Rows._overflow(self, limit)

    def _fields(self, cells: Sequence[bytes | None]) -> bytes:
        found: list[bytes] = []
        plain = self.form == "objects"
        for read, cell in zip(self._readers, cells, strict=True):
            if cell is None or cell is NULL:
                found.append(NULL if plain else _NULL_FIELD)
                continue
            member, value = read(cell)
            found.append(_unwrapped(member, value) if plain else b'{"%b":%b}' % (member, value))
        return Rows._row(self, found)

    def _row(self, cells: list[bytes]) -> bytes:
        return self._fields(cells)

    def _raw_row(self, cells: list[bytes | None]) -> bytes:
        return self._fields(cells)

    def answer(self, done: Done) -> bytes:
        """The response."""
        rows = b"[" + b",".join(self.pieces) + b"]"
        if self.columns is None:
            members = [
                b'"generatedFields":' + generated(done),
                b'"numberOfRecordsUpdated":%d' % (done.rows_affected or 0),
            ]
        elif self.form == "objects":
            members = [b'"formattedRecords":' + msgspec.json.encode(rows.decode()), b'"numberOfRecordsUpdated":0']
        else:
            updated = done.rows_affected or 0  # of INSERT ... RETURNING
            members = [b'"records":' + rows, b'"generatedFields":[]', b'"numberOfRecordsUpdated":%d' % updated]
        if self.columns is not None and self.asked.include_result_metadata:
            found = [type(self).metadata(column) for column in self.columns]
            members.append(b'"columnMetadata":' + msgspec.json.encode(found))
        return b"{" + b",".join(members) + b"}"


class PostgresRecords(Records):
    """Of cells as the server wrote them."""

    raw: ClassVar[bool] = True
    metadata = staticmethod(postgres_metadata)
    reader = staticmethod(postgres_reader)


class MySQLRecords(Records):
    """Of cells as the native API's JSON."""

    metadata = staticmethod(mysql_metadata)
    reader = staticmethod(mysql_reader)


def generated(done: Done) -> bytes:
    """MySQL's LAST_INSERT_ID(); PostgreSQL has RETURNING for it."""
    return b"[]" if done.last_insert_id is None else b'[{"longValue":%d}]' % done.last_insert_id


def _unwrapped(member: bytes, value: bytes) -> bytes:
    """An array is a plain one in JSON."""
    return value if member != b"arrayValue" else msgspec.json.encode(_items(msgspec.json.decode(value)))


def _items(array: dict[str, list[Any]]) -> list[Any]:
    ((member, items),) = array.items()
    return [_items(item) for item in items] if member == "arrayValues" else items


def _read_on() -> None:
    pass
