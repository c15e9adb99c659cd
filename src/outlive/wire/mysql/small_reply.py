"""The reply to a command of Outlive's own, read whole: a handful of rows at most.

The server connection has CLIENT_DEPRECATE_EOF and CLIENT_SESSION_TRACK, so only that form is read.
"""

from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import SERVER_MORE_RESULTS_EXISTS
from outlive.wire.mysql.ok import ERR, OK, is_eof, is_err, is_ok, parse_ok
from outlive.wire.mysql.packets import read_fixed_int, read_lenenc_number
from outlive.wire.mysql.reply import REPLY_OK, REPLY_PREPARE
from outlive.wire.mysql.results import read_text_row

ROWS_LIMIT: Final = 20_000
"""More than any question of Outlive's own is answered with."""
BYTES_LIMIT: Final = 16 * 1024 * 1024
"""All rows together. SHOW WARNINGS is the longest: max_error_count is 64, or what a client set it to."""

_DIGITS_MAX: Final = 20  # of an unsigned BIGINT

_FIRST: Final = 0
_DEFINITIONS: Final = 1
_ROWS: Final = 2


class SmallReply:
    """`add` its payloads until it says that the reply is complete; then `err`, or `ok` with `rows`, or
    `statement_id`.
    """

    __slots__ = ("_bytes", "_columns", "_kind", "_left", "_state", "err", "ok", "parameters", "rows", "statement_id")

    def __init__(self, kind: int = REPLY_OK) -> None:
        self._kind = kind
        self._state = _FIRST
        self._bytes = self._columns = self._left = 0
        self.ok: OK | None = None
        self.err: ERR | None = None
        self.rows: list[tuple[bytes | None, ...]] = []
        self.statement_id = b""
        self.parameters = 0

    def add(self, payload: bytes) -> bool:
        """Takes the next payload; True when the reply is complete. Raises ProtocolError."""
        if self._state == _DEFINITIONS:
            self._left -= 1
            if self._left:
                return False
            self._state = _ROWS
            return self._kind == REPLY_PREPARE
        if is_err(payload):
            self.err = ERR.parse(payload)
            return True
        if self._state == _FIRST:
            return self._first(payload)
        if is_eof(payload):
            return self._end(payload)
        self._bytes += len(payload)
        if len(self.rows) >= ROWS_LIMIT or self._bytes > BYTES_LIMIT:
            raise ProtocolError("more rows than the question can have")
        self.rows.append(read_text_row(payload, self._columns))
        return False

    def row(self, columns: int) -> tuple[bytes | None, ...]:
        """The only row of a question that has one, with `columns` values.
        Raises ProtocolError where it is otherwise."""
        if len(self.rows) != 1 or len(self.rows[0]) != columns:
            raise ProtocolError(f"an answer that is not one row of {columns}")
        return self.rows[0]

    def value(self) -> bytes:
        """The only value of a question that has one; b"" for NULL. Raises ProtocolError."""
        return self.row(1)[0] or b""

    def number(self) -> int:
        """The only value, which is a number. Raises ProtocolError."""
        value = self.value() or b"0"
        if not value.isdigit() or len(value) > _DIGITS_MAX:
            raise ProtocolError("an answer that is not a number")
        return int(value)

    def _first(self, payload: bytes) -> bool:
        if self._kind == REPLY_PREPARE:
            if not is_ok(payload):
                raise ProtocolError("the reply to COM_STMT_PREPARE is malformed")
            return self._prepared(payload)
        if is_ok(payload) or is_eof(payload):
            return self._end(payload)
        self._columns, _ = read_lenenc_number(payload, 0)
        self._left = self._columns
        self._state = _DEFINITIONS
        if not self._left:
            raise ProtocolError("a result set without columns")
        return False

    def _prepared(self, payload: bytes) -> bool:
        self.statement_id = payload[1:5]
        columns, position = read_fixed_int(payload, 5, 2)
        self.parameters, position = read_fixed_int(payload, position, 2)
        self._left = columns + self.parameters
        self._state = _DEFINITIONS
        return not self._left

    def _end(self, payload: bytes) -> bool:
        self.ok = parse_ok(payload)
        self._state = _FIRST
        return not self.ok.status & SERVER_MORE_RESULTS_EXISTS
