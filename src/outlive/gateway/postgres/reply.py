"""Reads the reply to one statement: its rows as JSON, its outcome, its error.

Source: "Message Formats" of the PostgreSQL documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Final

from outlive.gateway.cells import NULL
from outlive.gateway.conversation import Done
from outlive.gateway.failure import Failure, lost
from outlive.gateway.postgres.types import Encoder, encoder, name_of
from outlive.gateway.rows import Column, Rows
from outlive.proxy.postgres.errors import LOST
from outlive.wire import ProtocolError
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import parse_columns

_unpack_head = Struct(">BI").unpack_from
_unpack_length = Struct(">i").unpack_from
_ROW, _DESCRIPTION, _COMPLETE, _ERROR, _READY, _COPY_IN, _COPY_OUT, _PARAMETERS = b"DTCEZGHt"
_COUNTED: Final = frozenset((b"INSERT", b"UPDATE", b"DELETE", b"MERGE", b"COPY"))
COPY_REFUSED: Final = Failure(
    400, "not_supported", "COPY FROM STDIN and COPY TO STDOUT need a connection of the PostgreSQL protocol."
)


class PostgresReply:
    """Up to ReadyForQuery. `copies` is called where the statement turns out to be a COPY from or to the client."""

    def __init__(self, rows: Rows, copies: Callable[[bool], None]) -> None:
        self.error: ErrorFields | None = None
        self.tag = b""
        self.copied = False
        self._rows = rows
        self._copies = copies
        self._buffer = bytearray()
        self._encoders: list[Encoder] = []

    def feed(self, data: bytes) -> bool:
        """See `Reply`."""
        buffer = self._buffer
        buffer += data
        position, size = 0, len(buffer)
        while size - position >= 5:
            kind, length = _unpack_head(buffer, position)
            end = position + 1 + length
            if length < 4:
                raise ProtocolError("a message of impossible length")
            if end > size:
                break
            if kind == _ROW:
                self._row(buffer, position + 5)
            elif kind == _READY:
                return True
            else:
                self._other(kind, bytes(buffer[position + 5 : end]))
            position = end
        del buffer[:position]
        return False

    def _row(self, data: bytearray, position: int) -> None:
        if self._rows.raw:
            self._rows.add_raw(_cells(data, position + 2, len(self._encoders)))
            return
        cells: list[bytes] = []
        position += 2
        for encode in self._encoders:
            (length,) = _unpack_length(data, position)
            position += 4
            if length < 0:
                cells.append(NULL)
            else:
                cells.append(encode(bytes(data[position : position + length])))
                position += length
        self._rows.add(cells)

    def _other(self, kind: int, payload: bytes) -> None:
        if kind == _DESCRIPTION:
            columns = parse_columns(payload)
            self._encoders = [encoder(found.type) for found in columns]
            self._rows.begin([Column(_text(found.name), name_of(found.type), found) for found in columns])
        elif kind == _COMPLETE:
            self.tag = payload[:-1]
        elif kind == _ERROR and self.error is None:
            self.error = parse_error(payload)
        elif kind in (_COPY_IN, _COPY_OUT):
            self.copied = True
            self._copies(kind == _COPY_IN)

    def lost(self) -> Failure:
        """See `Reply`."""
        return lost() if self.error is None else self.failure(self.error)

    def done(self) -> Done:
        """Raises Failure where the statement failed."""
        if self.copied:
            raise Failure(COPY_REFUSED.status, COPY_REFUSED.code, COPY_REFUSED.message, outcome="failed")
        if self.error is not None:
            raise self.failure(self.error)
        words = self.tag.split(b" ")
        counted = words[0] in _COUNTED or (words[0] == b"SELECT" and self._rows.columns is None)
        return Done(
            int(words[-1]) if counted and words[-1].isdigit() else None,
            " ".join(word.decode() for word in words if not word.isdigit()) or None,
            tag=self.tag,
        )

    def failure(self, error: ErrorFields) -> Failure:
        """The server's words."""
        if error.code == LOST.code and error.message == LOST.message:
            return lost()
        text, details = _text(error.message), _details(error)
        return Failure(400, "database_error", text, outcome="failed", details=details, said=error)


class DescribeReply(PostgresReply):
    """To Parse and Describe: the types of the `parameters`; the columns are where `rows` has them."""

    def __init__(self, rows: Rows, copies: Callable[[bool], None]) -> None:
        PostgresReply.__init__(self, rows, copies)
        self.parameters: list[str] = []

    def _other(self, kind: int, payload: bytes) -> None:
        if kind == _PARAMETERS:
            numbers = (int.from_bytes(payload[at : at + 4], "big") for at in range(2, len(payload), 4))
            self.parameters = [name_of(number) for number in numbers]
        else:
            PostgresReply._other(self, kind, payload)


def _cells(data: bytearray, position: int, count: int) -> list[bytes | None]:
    cells: list[bytes | None] = []
    for _ in range(count):
        (length,) = _unpack_length(data, position)
        position += 4
        if length < 0:
            cells.append(None)
        else:
            cells.append(bytes(data[position : position + length]))
            position += length
    return cells


def _details(error: ErrorFields) -> dict[str, object]:
    found: dict[str, object] = {"sqlstate": _text(error.code), "severity": _text(error.severity)}
    for name, value in (("detail", error.detail), ("hint", error.hint)):
        if value:
            found[name] = _text(value)
    if error.position.isdigit():
        found["position"] = int(error.position)
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
