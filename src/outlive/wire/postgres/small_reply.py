"""The reply to a question of Outlive's own, read whole: preludes that replay settings, and reads of a few rows."""

from struct import Struct
from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    COMMAND_COMPLETE,
    DATA_ROW,
    ERROR_RESPONSE,
    FAILED_TRANSACTION,
    IDLE,
    IN_TRANSACTION,
    NOTICE_RESPONSE,
    NOTIFICATION_RESPONSE,
    PARAMETER_STATUS,
    READY_FOR_QUERY,
    ROW_DESCRIPTION,
)
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import message, parse_data_row, parse_parameter_status, parse_row_description

ROWS_LIMIT: Final = 20_000
"""More than any question of Outlive's own is answered with."""
BYTES_LIMIT: Final = 16 * 1024 * 1024
"""Of the whole reply. The settings of a session are the longest; a client may set one to a long text."""

_ALLOWED: Final = frozenset(b"123tTnDCIsENASZ")
_STATUSES: Final = (IDLE, IN_TRANSACTION, FAILED_TRANSACTION)
_unpack_head: Final = Struct(">BI").unpack_from


class SmallReply:
    """`feed` it what the server sends until it says that the reply is complete, with its `ends`-th ReadyForQuery.

    `columns` and `rows` are those of the last result, `tags` of all; `error` is the first; `status` that of the last
    ReadyForQuery; `parameters` the last value of each setting that was reported. `notifications` are whole messages
    that came in between and are the client's. Notices are dropped.
    """

    __slots__ = (
        "_bytes",
        "_carry",
        "_ends",
        "_need",
        "columns",
        "done",
        "error",
        "notifications",
        "parameters",
        "rows",
        "status",
        "tags",
    )

    def __init__(self, ends: int = 1) -> None:
        self._ends = ends
        self._carry = bytearray()
        self._bytes = self._need = 0
        self.done = False
        self.status = IDLE
        self.columns: list[tuple[bytes, int]] = []
        self.rows: list[tuple[bytes | None, ...]] = []
        self.tags: list[bytes] = []
        self.parameters: dict[bytes, bytes] = {}
        self.notifications: list[bytes] = []
        self.error: ErrorFields | None = None

    def feed(self, data: bytes) -> bool:
        """Adds what was received; True when the reply is complete. Raises ProtocolError, also on anything but
        asynchronous messages behind it.
        """
        self._bytes += len(data)
        if self._bytes > BYTES_LIMIT:
            raise ProtocolError("an answer longer than the question can have")
        if self._need:
            self._carry += data
            if len(self._carry) < self._need:
                return self.done
            data = bytes(self._carry)
            self._carry.clear()
            self._need = 0
        position, size = 0, len(data)
        while position <= size - 5:
            kind, length = _unpack_head(data, position)
            if length < 4 or length > BYTES_LIMIT or kind not in _ALLOWED:
                raise ProtocolError("a message that answers no question of ours")
            end = position + 1 + length
            if end > size:
                self._need = end - position
                break
            self._add(kind, data, position, end)
            position = end
        if position < size:
            self._carry += data[position:]
            self._need = self._need or 5
        return self.done

    def add(self, kind: int, payload: bytes) -> bool:
        """As `feed`, for one message that a MessageReader took: what follows the reply stays there."""
        self._bytes += len(payload) + 5
        if self._bytes > BYTES_LIMIT:
            raise ProtocolError("an answer longer than the question can have")
        if kind not in _ALLOWED:
            raise ProtocolError("a message that answers no question of ours")
        self._add(kind, message(kind, payload), 0, len(payload) + 5)
        return self.done

    def row(self, columns: int) -> tuple[bytes | None, ...]:
        """The only row of a question that has one, with `columns` values. Raises ProtocolError where it is
        otherwise.
        """
        if len(self.rows) != 1 or len(self.rows[0]) != columns:
            raise ProtocolError(f"an answer that is not one row of {columns}")
        return self.rows[0]

    def value(self) -> bytes:
        """The only value of a question that has one; b"" for NULL. Raises ProtocolError."""
        return self.row(1)[0] or b""

    def _add(self, kind: int, data: bytes, start: int, end: int) -> None:
        payload = data[start + 5 : end]
        if kind == NOTIFICATION_RESPONSE:
            self.notifications.append(data[start:end])
        elif kind == PARAMETER_STATUS:
            name, value = parse_parameter_status(payload)
            self.parameters[name] = value
        elif kind == ERROR_RESPONSE:
            error = parse_error(payload)
            if self.done and not error.fatal:
                raise ProtocolError("an error behind the end of an answer")
            self.error = self.error or error
        elif self.done and kind != NOTICE_RESPONSE:
            raise ProtocolError("more than an answer")
        elif kind == DATA_ROW:
            if len(self.rows) >= ROWS_LIMIT:
                raise ProtocolError("more rows than the question can have")
            self.rows.append(parse_data_row(payload))
        elif kind == COMMAND_COMPLETE:
            self.tags.append(payload.rstrip(b"\0"))
        elif kind == ROW_DESCRIPTION:
            self.columns = parse_row_description(payload)
            self.rows = []
        elif kind == READY_FOR_QUERY:
            self._ready(payload)

    def _ready(self, payload: bytes) -> None:
        if len(payload) != 1 or payload[0] not in _STATUSES:
            raise ProtocolError("a ReadyForQuery with a status that there is not")
        self.status = payload[0]
        self._ends -= 1
        self.done = not self._ends
