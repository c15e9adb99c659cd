"""Neon's form of a result: PostgreSQL's own text in each cell, and the fields as the server described them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from outlive.gateway.cells import NULL, document, number, text
from outlive.gateway.conversation import Done
from outlive.gateway.postgres.types import Encoder, boolean, encoder
from outlive.gateway.rows import Column, Form, Rows

_NATIVE: Final[dict[int, Encoder]] = {
    16: boolean,
    21: bytes,
    23: bytes,
    114: document,
    700: number,
    701: number,
    3802: document,
}
"""What is not text without Neon-Raw-Text-Output; arrays of these too."""
_OLD_INSERT_WORDS: Final = 3


class NeonRows(Rows):
    """See the module. `as_text`: Neon-Raw-Text-Output."""

    raw = True

    def __init__(self, form: Form, *, as_text: bool, max_rows: int, max_bytes: int) -> None:
        Rows.__init__(self, form, max_rows=max_rows, max_bytes=max_bytes)
        self._as_text = as_text
        self._encoders: list[Encoder] = []

    def begin(self, columns: Sequence[Column]) -> None:
        """See `Rows`."""
        Rows.begin(self, columns)
        self._encoders = [text if self._as_text else encoder(column.described.type, _NATIVE) for column in columns]

    def _raw_row(self, cells: list[bytes | None]) -> bytes:
        return self._row(
            [NULL if cell is None else encode(cell) for encode, cell in zip(self._encoders, cells, strict=True)]
        )


def result(rows: Rows, done: Done) -> bytes:
    """One statement's result."""
    command, count = _tag(done.tag.decode("utf-8", "replace"))
    head = {
        "command": command,
        "rowCount": count,
        "rowAsArray": rows.form == "arrays",
        "fields": [_field(column) for column in rows.columns or ()],
    }
    return msgspec.json.encode(head)[:-1] + b',"rows":[' + b",".join(rows.pieces) + b"]}"


def _tag(tag: str) -> tuple[str, int | None]:
    """`INSERT 0 5` has an oid before the number of rows."""
    words = tag.split(" ")
    counted = words[-1].isdigit() and len(words) == (_OLD_INSERT_WORDS if words[0] == "INSERT" else 2)
    return words[0], int(words[-1]) if counted else None


def _field(column: Column) -> dict[str, Any]:
    found = column.described
    return {
        "name": column.name,
        "dataTypeID": found.type,
        "tableID": found.table,
        "columnID": found.number,
        "dataTypeSize": found.size,
        "dataTypeModifier": found.modifier,
        "format": "text",
    }
