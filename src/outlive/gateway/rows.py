"""Rows on their way from a server's reply to JSON: each cell is a piece of JSON already, no dictionary is built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final, Literal, NamedTuple

import msgspec

Form = Literal["objects", "arrays"]
HELD_BYTES: Final = 256 * 1024
"""How much of a stream waits for its reader before reading from the server connection pauses."""


class Column(NamedTuple):
    """A column of a result: its name, and its type as the database calls it. `described` is all that the protocol says
    of it: a ColumnDescription (PostgreSQL) or a Definition (MySQL).
    """

    name: str
    type: str
    described: Any = None


class Rows:
    """The rows of one statement, collected up to `max_rows` and `max_bytes`.

    What goes beyond is counted, not kept: `overflow` says which limit it was, and `on_overflow` is called once.
    """

    raw: ClassVar[bool] = False
    """Whether cells come to `add_raw` as the server wrote them, instead of to `add` as JSON."""

    def __init__(self, form: Form, *, max_rows: int, max_bytes: int) -> None:
        self.form: Form = form
        self.columns: list[Column] | None = None
        self.count = 0
        self.overflow = ""
        self.on_overflow: Callable[[], None] = _nothing
        self.on_pause: Callable[[bool], None] = _ignore
        self.held_bytes = 0
        self.pieces: list[bytes] = []
        self._names: list[bytes] = []
        self._max_rows = max_rows
        self._max_bytes = max_bytes

    def begin(self, columns: Sequence[Column]) -> None:
        """The columns, before the first row."""
        self.columns = list(columns)
        self._names = [msgspec.json.encode(column.name) + b":" for column in columns]

    def add(self, cells: list[bytes]) -> None:
        """A row; its cells are JSON."""
        if self._has_room():
            self._keep(self._row(cells))

    def add_raw(self, cells: list[bytes | None]) -> None:
        """A row as the server wrote it, None for NULL."""
        if self._has_room():
            self._keep(self._raw_row(cells))

    def _has_room(self) -> bool:
        if not self.overflow and self.count >= self._max_rows:
            self._overflow(f"max_rows ({self._max_rows})")
        return not self.overflow

    def _row(self, cells: list[bytes]) -> bytes:
        if self.form == "arrays":
            return b"[" + b",".join(cells) + b"]"
        return b"{" + b",".join([name + cell for name, cell in zip(self._names, cells, strict=True)]) + b"}"

    def _raw_row(self, cells: list[bytes | None]) -> bytes:
        raise NotImplementedError  # of those that are `raw`

    def _keep(self, row: bytes) -> None:
        self.count += 1
        self.held_bytes += len(row) + 1
        self.pieces.append(row)
        self._added()

    def _added(self) -> None:
        if self.held_bytes > self._max_bytes:
            self._overflow(f"response_max_bytes ({self._max_bytes})")

    def _overflow(self, limit: str) -> None:
        self.overflow = limit
        self.pieces.clear()
        self.held_bytes = 0
        self.on_overflow()

    def head(self) -> bytes:
        """The columns as JSON; null where the statement has no result set."""
        if self.columns is None:
            return b"null"
        return msgspec.json.encode([{"name": column.name, "type": column.type} for column in self.columns])


class Stream(Rows):
    """Rows that are taken while they come. While HELD_BYTES wait, the server connection is not read."""

    def __init__(self, form: Form, *, max_rows: int) -> None:
        Rows.__init__(self, form, max_rows=max_rows, max_bytes=0)
        self.changed = asyncio.Event()
        self._paused = False

    def begin(self, columns: Sequence[Column]) -> None:
        """See `Rows`."""
        Rows.begin(self, columns)
        self.changed.set()

    def _added(self) -> None:
        self.changed.set()
        if self.held_bytes > HELD_BYTES and not self._paused:
            self._paused = True
            self.on_pause(True)

    def _overflow(self, limit: str) -> None:
        self.overflow = limit  # what was kept before it still goes out
        self.on_overflow()

    def take(self) -> bytes:
        """What has come, as lines; reading from the server goes on."""
        pieces, self.pieces = self.pieces, []
        self.held_bytes = 0
        self.changed.clear()
        if self._paused:
            self._paused = False
            self.on_pause(False)
        return b"\n".join(pieces) + b"\n" if pieces else b""

    def discard(self) -> None:
        """Nobody reads any more: what still comes goes nowhere."""
        self.overflow = self.overflow or "the caller has gone"
        self.take()


def _nothing() -> None:
    pass


def _ignore(paused: bool) -> None:
    pass
