"""Scans a server's replies on their way to a client.

This is the hot path. A chunk is touched once: heads of messages are read in place, rows are never looked into, and when
nothing has to change the very chunk that came in goes out. Rows, CopyData, notices and notifications pass in pieces,
however large; only what tells something is held until it is complete.

What the server says for the n-th message of the extended protocol ends with exactly one *completion*: ParseComplete,
BindComplete, CloseComplete, RowDescription or NoData (Describe), CommandComplete, EmptyQueryResponse or PortalSuspended
(Execute). So the completions, counted from 0, say which message a reply belongs to, and where the reply to a message
is taken out that the client did not send, or put in that the server did not see: the *edits*. Source: "Extended Query"
and "Pipelining" of the PostgreSQL documentation.
"""

import struct
from bisect import insort
from collections.abc import Callable
from operator import itemgetter
from struct import Struct
from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    BIND_COMPLETE,
    CLOSE_COMPLETE,
    COMMAND_COMPLETE,
    COPY_BOTH_RESPONSE,
    COPY_DATA,
    COPY_DONE,
    COPY_IN_RESPONSE,
    COPY_OUT_RESPONSE,
    DATA_ROW,
    EMPTY_QUERY_RESPONSE,
    ERROR_RESPONSE,
    FAILED_TRANSACTION,
    FUNCTION_CALL_RESPONSE,
    IDLE,
    IN_TRANSACTION,
    NO_DATA,
    NOTICE_RESPONSE,
    NOTIFICATION_RESPONSE,
    PARAMETER_DESCRIPTION,
    PARAMETER_STATUS,
    PARSE_COMPLETE,
    PORTAL_SUSPENDED,
    READY_FOR_QUERY,
    ROW_DESCRIPTION,
)
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import message, parse_parameter_status

# Kinds of unit, as the client's messages determine them.
SIMPLE: Final = 0  # a Query alone
EXTENDED: Final = 1  # messages of the extended protocol up to a Sync, or to a Query in its place
FUNCTION: Final = 2  # a FunctionCall

# Directions of a COPY.
COPY_NONE: Final = 0
COPY_IN: Final = 1  # the client's CopyData are awaited
COPY_OUT: Final = 2
COPY_BOTH: Final = 3

# What is held until it is complete. The longest are a ParameterDescription of 65535 parameters (256 KiB), a
# RowDescription of 1664 columns (134 KiB) and a ParameterStatus, whose value may be a long search_path.
HELD_LIMIT_BYTES: Final = 512 * 1024
# Of an ErrorResponse, which quotes whole statements and has any text that a RAISE gives it, so much is held and looked
# into; the rest of a longer one passes.
ERROR_HELD_BYTES: Final = 64 * 1024
# A server's own tags have at most 64 bytes (COMPLETION_TAG_BUFSIZE).
TAG_LIMIT_BYTES: Final = 1024
# A Query of many statements has a tag for each. So many are kept in order; of those behind them only which kinds.
TAGS_LIMIT: Final = 64
VERBS_LIMIT: Final = 512  # far above the commands there are, and bounds a hostile server
PARAMETERS_LIMIT: Final = 256  # far above the settings that are reported, which extensions may add to
# Servers build messages in memory of at most 1 GiB (MaxAllocSize).
MESSAGE_LIMIT_BYTES: Final = 0x3FFFFFFF

_unpack_head: Final = Struct(">BI").unpack_from
_CUT_SHORT: Final = struct.error
_STATUSES: Final = (IDLE, IN_TRANSACTION, FAILED_TRANSACTION)
# Their length, which counts itself, and a count of columns or parameters.
_SMALLEST_ROW: Final = 6
_SHORTEST_DESCRIPTION: Final = 6

_ANYTIME: Final = frozenset((NOTICE_RESPONSE, NOTIFICATION_RESPONSE, PARAMETER_STATUS, ERROR_RESPONSE))
_ALLOWED: Final = (
    _ANYTIME | frozenset(b"TDCIGHWdcZ"),
    _ANYTIME | frozenset(b"123TtnDCIsGHWdcVZ"),  # V: a FunctionCall may end the unit
    _ANYTIME | frozenset(b"VZ"),
)
_COMPLETIONS: Final = frozenset(b"123TnCIs")
_PASSING: Final = frozenset(b"DdNAV")  # whose content is of no interest
_ROWS: Final = (DATA_ROW, COPY_DATA)
_COPIED: Final = (COPY_DATA, COPY_DONE)
_LOOKED_INTO: Final = (COMMAND_COMPLETE, ERROR_RESPONSE, READY_FOR_QUERY, PARAMETER_STATUS)
_EXTENDED_ONLY: Final = frozenset(b"123n")
_READIES: Final = frozenset(b"Z\0\0\0\x05%c" % status for status in _STATUSES)
_READY_BYTES: Final = 6
_NOTHING: Final = (0, 0)
_BOUND: Final = b"2\0\0\0\x04"
_PARSED_AND_BOUND: Final = b"1\0\0\0\x04" + _BOUND
# The shortest and longest length, which counts itself, of each message.
_EMPTY: Final = (4, 4)
_PASSES: Final = MESSAGE_LIMIT_BYTES
_LENGTHS: Final = {
    PARSE_COMPLETE: _EMPTY,
    BIND_COMPLETE: _EMPTY,
    CLOSE_COMPLETE: _EMPTY,
    NO_DATA: _EMPTY,
    EMPTY_QUERY_RESPONSE: _EMPTY,
    PORTAL_SUSPENDED: _EMPTY,
    COPY_DONE: _EMPTY,
    READY_FOR_QUERY: (5, 5),
    COMMAND_COMPLETE: (5, TAG_LIMIT_BYTES),
    ROW_DESCRIPTION: (_SHORTEST_DESCRIPTION, HELD_LIMIT_BYTES),
    PARAMETER_DESCRIPTION: (_SHORTEST_DESCRIPTION, HELD_LIMIT_BYTES),
    PARAMETER_STATUS: (6, HELD_LIMIT_BYTES),
    COPY_IN_RESPONSE: (7, HELD_LIMIT_BYTES),
    COPY_OUT_RESPONSE: (7, HELD_LIMIT_BYTES),
    COPY_BOTH_RESPONSE: (7, HELD_LIMIT_BYTES),
    ERROR_RESPONSE: (5, _PASSES),
    NOTICE_RESPONSE: (5, _PASSES),
    NOTIFICATION_RESPONSE: (10, _PASSES),
    DATA_ROW: (_SMALLEST_ROW, _PASSES),
    COPY_DATA: (4, _PASSES),
    FUNCTION_CALL_RESPONSE: (8, _PASSES),
}
_COPIES: Final = {COPY_IN_RESPONSE: COPY_IN, COPY_OUT_RESPONSE: COPY_OUT, COPY_BOTH_RESPONSE: COPY_BOTH}

_Insert = tuple[int, bytes]  # ordinal, data
_ordinal: Final = itemgetter(0)


class ReplyReader:
    """Follows the replies to one client, one unit at a time: `start`, then `feed` until `done`.

    `status` is that of the last ReadyForQuery. Of the current unit: `completed`, the completions so far; `tags` of
    its CommandCompletes, and `more_tags` when there were more than TAGS_LIMIT, of which `verbs` has the words without
    counts; `error`, the first, `errors`, how many, and `failed_at`, what `completed` was then (-1: none; the messages
    from that ordinal on were not run); `parameters`, the last value of each setting that was reported; `copy`, the
    direction of a COPY that goes on; `suspended`, when a portal was left with rows.

    `parameter(name, value)` is asked for each ParameterStatus whether the client gets it, or which message it gets in
    its place; None: it gets all. `worded(payload)` gives what a client is told of an ErrorResponse.
    After a ProtocolError the reader and both connections are of no more use.
    """

    __slots__ = (
        "_carry",
        "_dirty",
        "_dropping",
        "_extended",
        "_inserts",
        "_kind",
        "_need",
        "_skip",
        "_special",
        "_swallowed",
        "completed",
        "copy",
        "done",
        "error",
        "errors",
        "failed_at",
        "more_tags",
        "parameter",
        "parameters",
        "status",
        "suspended",
        "tags",
        "verbs",
        "worded",
    )

    def __init__(
        self,
        parameter: Callable[[bytes, bytes], bool | bytes] | None = None,
        worded: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.parameter = parameter
        self.worded = worded
        self.status = IDLE
        self._carry: bytearray | None = None
        self._need = self._skip = 0
        self._dropping = False
        self._kind = SIMPLE
        self._extended = False
        self.tags: list[bytes] = []
        self.completed = 0
        self._reset()
        self.done = True
        self._special = True

    def _reset(self) -> None:
        """What few units change."""
        self._dirty = False
        self._inserts: list[_Insert] = []
        self._swallowed: set[int] = set()
        self.more_tags = False
        self.verbs: set[bytes] = set()
        self.error: ErrorFields | None = None
        self.errors = 0
        self.failed_at = -1
        self.parameters: dict[bytes, bytes] = {}
        self.copy = COPY_NONE
        self.suspended = False

    def start(self, kind: int = EXTENDED) -> None:
        """Expects the reply to a unit, before its first message is sent."""
        self._kind = kind
        self._extended = kind == EXTENDED
        self.completed = 0
        self.done = False
        self._special = self._carry is not None or kind == FUNCTION
        if self.tags:
            self.tags = []
        if self._dirty:
            self._reset()

    def swallow(self, ordinal: int) -> None:
        """What the server says for message `ordinal` of this unit is not forwarded, unless it is an error.

        To be called before that message is sent; the client did not send it. Behind an error the server skips it.
        """
        if self.failed_at >= 0:
            return
        self._swallowed.add(ordinal)
        self._special = self._dirty = True

    def insert(self, ordinal: int, data: bytes) -> bytes:
        """`data` goes out before what the server says for message `ordinal`, that is behind completion `ordinal` - 1.

        Returned at once, for the caller to send, when that completion has passed; else b"". To be called before
        message `ordinal` is sent. An error on an earlier message drops it, for the server would not have got there.
        """
        if self.failed_at >= 0:
            return b""
        if ordinal <= self.completed and not self._skip and not self._inserts:
            return data
        insort(self._inserts, (ordinal, data), key=_ordinal)
        self._special = self._dirty = True
        return b""

    def feed(self, data: bytes) -> bytes:
        """What goes to the client for what the server sent: `data` itself where nothing changes, b"" while all of it
        is held. Raises ProtocolError on what a server does not send in this place."""
        if self._special:
            if self._carry is not None:
                self._carry += data
                if len(self._carry) < self._need:
                    return b""
                data = bytes(self._carry)
                self._carry = None
            if self.done or self._edited() or self._kind == FUNCTION:
                return self._scan(data, 0)
            self._special = False
        size = len(data)
        position = self._skip
        completed = self.completed
        unpack_head = _unpack_head
        if position:
            if position >= size:
                self._skip = position - size
                return data
            self._skip = 0
        elif not completed and data[-_READY_BYTES:] in _READIES:
            # The whole reply to a lone statement, as a rule: nothing is looked at but where its messages end. Every
            # head that is looked at lies before the ReadyForQuery, or is its own.
            ready = size - _READY_BYTES
            if self._extended:
                if data.startswith(_BOUND):
                    position, completed = 5, 1
                elif data.startswith(_PARSED_AND_BOUND):
                    position, completed = 10, 2
            kind, length = unpack_head(data, position)
            if kind == ROW_DESCRIPTION and length >= _SHORTEST_DESCRIPTION:
                position += length + 1
                completed += 1
                kind, length = unpack_head(data, position) if position < ready else _NOTHING
            while kind == DATA_ROW and length >= _SMALLEST_ROW:
                position += length + 1
                kind, length = unpack_head(data, position) if position < ready else _NOTHING
            if (
                kind == COMMAND_COMPLETE
                and position + length + 1 == ready
                and 5 <= length <= TAG_LIMIT_BYTES
                and not data[ready - 1]
            ):
                self.tags.append(data[position + 5 : ready - 1])
                self.completed = completed + 1
                self.status = data[size - 1]
                self.done = self._special = True
                return data
            position = completed = 0
        try:
            while True:
                kind, length = unpack_head(data, position)
                while kind == DATA_ROW and length >= _SMALLEST_ROW:
                    position += length + 1
                    kind, length = unpack_head(data, position)
                end = position + length + 1
                if kind == COMMAND_COMPLETE:
                    if end > size or length > TAG_LIMIT_BYTES or data[end - 1] or len(self.tags) >= TAGS_LIMIT:
                        break
                    self.tags.append(data[position + 5 : end - 1])
                    completed += 1
                elif kind == READY_FOR_QUERY:
                    if end != size or length != 5 or data[position + 5] not in _STATUSES:
                        break
                    self.status = data[position + 5]
                    self.completed = completed
                    self.done = self._special = True
                    return data
                elif length == 4:
                    if kind not in _EXTENDED_ONLY or not self._extended:
                        break
                    completed += 1
                elif kind == ROW_DESCRIPTION:
                    if end > size or not _SHORTEST_DESCRIPTION <= length <= HELD_LIMIT_BYTES:
                        break
                    completed += 1
                elif (
                    kind != PARAMETER_DESCRIPTION
                    or not self._extended
                    or end > size
                    or not _SHORTEST_DESCRIPTION <= length <= HELD_LIMIT_BYTES
                ):
                    break
                position = end
        except _CUT_SHORT:
            pass
        self.completed = completed
        return self._scan(data, position)

    def _edited(self) -> bool:
        """Whether something is taken out or put in, or a COPY goes on, whose end must be noticed."""
        return bool(self._inserts or self._swallowed or self._dropping or self.copy)

    def _scan(self, data: bytes, position: int) -> bytes:
        """As `feed`, for any message and with the edits; what is before `position` was seen and goes out."""
        size = len(data)
        out: list[bytes] = []
        copied = 0
        if self._skip:
            position = min(self._skip, size)
            self._skip -= position
            if self._dropping:
                copied = position
            if self._skip:
                return data[copied:]
            self._dropping = False
        while position <= size:
            if self._inserts and self._inserts[0][0] <= self.completed:
                out.append(data[copied:position])
                copied = position
                out.append(self._inserts.pop(0)[1])
                continue
            if position > size - 5:
                break
            kind, length = _unpack_head(data, position)
            self._judge(kind, length)
            end = position + length + 1
            if kind in _ROWS and not self._swallowed:
                position = _rows_end(data, end, kind)
                continue
            last = min(end, position + ERROR_HELD_BYTES) if kind == ERROR_RESPONSE else end
            if last > size and kind not in _PASSING:
                break
            told = self._told(kind, data[position + 5 : last] if kind in _LOOKED_INTO else b"", last == end)
            if told is not True:
                out.append(data[copied:position])
                if told:
                    out.append(told)
                copied = min(end, size)
                self._dropping = end > size
            position = end
        if position > size:
            self._skip = position - size
            if self._skip > MESSAGE_LIMIT_BYTES:
                raise ProtocolError("a server's message longer than any can be")
            position = size
        elif position < size:
            self._hold(data, position)
        if not out:
            return data[copied:position]
        out.append(data[copied:position])
        return b"".join(out)

    def _judge(self, kind: int, length: int) -> None:
        if kind not in _ALLOWED[self._kind] or (self.done and kind not in _ANYTIME):
            raise ProtocolError(f"a server's message of type {kind} where none such can be")
        shortest, longest = _LENGTHS[kind]
        if not shortest <= length <= longest:
            raise ProtocolError(f"a server's message {chr(kind)} of length {length}")
        if kind in _COPIED and self.copy not in (COPY_OUT, COPY_BOTH):
            raise ProtocolError("a server's CopyData without a COPY")

    def _hold(self, data: bytes, position: int) -> None:
        """Keeps the beginning of a message that is needed whole, or too little of one to tell."""
        self._carry = bytearray(data[position:])
        self._need = 5
        self._special = True
        if len(self._carry) >= 5:
            kind, length = _unpack_head(data, position)
            self._need = min(length + 1, ERROR_HELD_BYTES) if kind == ERROR_RESPONSE else length + 1

    def _told(self, kind: int, payload: bytes, whole: bool) -> bool | bytes:
        """Takes note of a message; whether it is forwarded, or what in its place."""
        if kind == NOTIFICATION_RESPONSE:
            return True
        if kind == ERROR_RESPONSE:
            self._failed(parse_error(payload, whole))
            if self.worded is None or not whole:
                return True
            worded = self.worded(payload)
            return True if worded is payload else message(ERROR_RESPONSE, worded)
        if kind == READY_FOR_QUERY:
            self._ready(payload[0])
            return True
        if kind == PARAMETER_STATUS:
            return self._reported(*parse_parameter_status(payload))
        forwarded = self.completed not in self._swallowed
        if kind in _COMPLETIONS:
            self._complete(kind, payload, forwarded)
        elif kind in _COPIES:
            self.copy = _COPIES[kind]
            self._dirty = self._special = True
        return forwarded

    def _complete(self, kind: int, payload: bytes, forwarded: bool) -> None:
        if kind == COMMAND_COMPLETE:
            if payload[-1]:
                raise ProtocolError("a CommandComplete is not terminated")
            self.copy = COPY_NONE
            if forwarded:
                self._tagged(payload[:-1])
        elif kind == PORTAL_SUSPENDED:
            self.suspended = self._dirty = True
        self._swallowed.discard(self.completed)
        self.completed += 1

    def _tagged(self, tag: bytes) -> None:
        if len(self.tags) < TAGS_LIMIT:
            self.tags.append(tag)
            return
        self.more_tags = self._dirty = True
        self.verbs.add(tag.rstrip(b" 0123456789"))
        if len(self.verbs) > VERBS_LIMIT:
            raise ProtocolError("more kinds of commands than there are")

    def _failed(self, error: ErrorFields) -> None:
        if self.done and not error.fatal:
            raise ProtocolError("an ErrorResponse to nothing that was asked")
        self._dirty = True
        self.errors += 1
        if self.error is None:
            self.error = error
            self.failed_at = self.completed
        # The server skips all that the client sent up to its Sync, and says nothing of it.
        self._inserts.clear()
        self._swallowed.clear()
        self.copy = COPY_NONE

    def _ready(self, status: int) -> None:
        if status not in _STATUSES:
            raise ProtocolError("a ReadyForQuery with a status that there is not")
        if self._inserts or self._swallowed or self.copy:
            raise ProtocolError("a ReadyForQuery before all was answered")
        self.status = status
        self.done = self._special = True

    def _reported(self, name: bytes, value: bytes) -> bool | bytes:
        self.parameters[name] = value
        self._dirty = True
        if len(self.parameters) > PARAMETERS_LIMIT:
            raise ProtocolError("more settings reported than there are")
        return self.parameter is None or self.parameter(name, value)


def _rows_end(data: bytes, position: int, kind: int) -> int:
    """Where the rows, or CopyData, end that go on at `position`; behind the end of `data` when the last one does."""
    smallest = _SMALLEST_ROW if kind == DATA_ROW else 4
    try:
        while True:
            found, length = _unpack_head(data, position)
            if found != kind or length < smallest:
                return position
            position += length + 1
    except _CUT_SHORT:
        return position
