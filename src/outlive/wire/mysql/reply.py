"""Scans a server's replies on their way to a client, and translates them where the client lacks a capability.

This is the hot path. A chunk is touched once: packet headers are read in place, rows and column definitions are never
looked into, and when nothing has to change the very chunk that came in goes out. Only what tells something (the header
of a result, OK, ERR, the end of rows) is held until it is complete; rows and column definitions pass in pieces.

The server connection always has CLIENT_DEPRECATE_EOF and CLIENT_SESSION_TRACK. For a client without the first an EOF is
inserted after column definitions, everything after it is numbered one higher, and the OK after rows becomes an EOF; for
one without the second the session-state information and its status bit are taken out, otherwise filtered by what the
client asked to see. Source: "Text Protocol", "Prepared Statements" and "Generic Response Packets" of the MySQL protocol
documentation, verified against MySQL 9.7 and MariaDB 10.11.
"""

from functools import lru_cache
from struct import Struct
from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_LOCAL_FILES,
    CLIENT_SESSION_TRACK,
    EOF_HEADER,
    ERR_HEADER,
    LOCAL_INFILE_HEADER,
    MARIADB_SERVER_STATUS_ANSI_QUOTES,
    OK_HEADER,
    SERVER_MORE_RESULTS_EXISTS,
    SERVER_SESSION_STATE_CHANGED,
    SERVER_STATUS_AUTOCOMMIT,
    SERVER_STATUS_CURSOR_EXISTS,
    SERVER_STATUS_IN_TRANS,
    SERVER_STATUS_IN_TRANS_READONLY,
    SERVER_STATUS_LAST_ROW_SENT,
    SERVER_STATUS_NO_BACKSLASH_ESCAPES,
)
from outlive.wire.mysql.ok import ERR, OK, encode_ok, parse_ok
from outlive.wire.mysql.packets import MAX_PAYLOAD, packet, read_lenenc_number
from outlive.wire.mysql.session_track import DEFAULT_POLICY, TrackPolicy, filter_changes

# Kinds of reply, as the command that was sent determines them.
REPLY_QUERY: Final = 0  # COM_QUERY, COM_STMT_EXECUTE, COM_PROCESS_INFO: one result or several
REPLY_PREPARE: Final = 1
REPLY_FETCH: Final = 2
REPLY_FIELD_LIST: Final = 3
REPLY_STATISTICS: Final = 4
REPLY_OK: Final = 5  # everything that is answered by OK (or the EOF of COM_SET_OPTION and COM_DEBUG) or ERR

# What is held until it is complete. A server's error message has 512 bytes; an OK carries session-state information, of
# which a GTID set or a list of variables may reach some 64 KiB; so may the file name of LOAD DATA LOCAL.
HELD_LIMIT_BYTES: Final = 128 * 1024
# What is remembered of an error: servers send at most so much (MYSQL_ERRMSG_SIZE), and each client keeps its last.
MESSAGE_LIMIT_BYTES: Final = 512
# A column definition has six names of at most 256 characters and, in COM_FIELD_LIST, a default of at most 65535 bytes.
DEFINITION_LIMIT_BYTES: Final = 128 * 1024
# MySQL allows 4096 columns and 65535 parameters.
COLUMNS_LIMIT: Final = 65535

# States. Rows first, for they are what most packets are.
_ROWS: Final = 0
_COLUMNS: Final = 1
_FIRST_ROW: Final = 2  # classic client: the EOF after the columns is due, unless a cursor was opened
_CONTINUATION: Final = 3  # the rest of a row of 16 MiB - 1 or more
_RESULT: Final = 4
_PREPARE: Final = 5
_PARAMETER_DEFINITIONS: Final = 6
_COLUMN_DEFINITIONS: Final = 7
_STATISTICS: Final = 8
_OK: Final = 9
_INFILE: Final = 10
_DONE: Final = 11

_FIRST_STATES: Final = (_RESULT, _PREPARE, _ROWS, _ROWS, _STATISTICS, _OK)

# What the EOF after column definitions tells; the rest of the status is known only when the rows have passed.
_LASTING_STATUS: Final = (
    SERVER_STATUS_IN_TRANS
    | SERVER_STATUS_AUTOCOMMIT
    | SERVER_STATUS_NO_BACKSLASH_ESCAPES
    | SERVER_STATUS_IN_TRANS_READONLY
    | MARIADB_SERVER_STATUS_ANSI_QUOTES
)

ANY_SEQUENCE: Final = -1  # for `start`: the reply is taken at its own number
# Header and first byte of a packet in one call: length (low 16 bits, high 8), sequence number, first byte.
_unpack_start: Final = Struct("<HBBB").unpack_from
_pack_eof: Final = Struct("<IBHH").pack  # a whole EOF packet: header, 0xFE, warnings, status
_EOF_BYTES: Final = 5
# An OK whose affected rows and insert id are one byte each: header, both, status, warnings.
_unpack_short_ok: Final = Struct("<BBBHH").unpack_from
_SHORT_OK_BYTES: Final = 7
_LENENC_LONG: Final = 0xFB
# A result set small enough to be read in one go: what fits one segment or two, and numbers that do not wrap.
_SMALL_BYTES: Final = 4096
_SMALL_PACKETS: Final = 250
_END_BYTES: Final = 11
_SMALLEST_BYTES: Final = 5 + _END_BYTES
_ONE_BYTE_FIRST: Final = b"\x01\x00\x00\x01"
_SEVEN_BYTES: Final = b"\x07\x00\x00"
_NOT_SHORT: Final = SERVER_MORE_RESULTS_EXISTS | SERVER_SESSION_STATE_CHANGED | SERVER_STATUS_CURSOR_EXISTS
_OK_STATES: Final = (_RESULT, _OK)
_unpack_prepared: Final = Struct("<IHH").unpack_from
# A procedure's results may each bring some; this is far above what any real one does, and bounds a hostile server.
CHANGES_LIMIT_BYTES: Final = 1024 * 1024


class ReplyReader:
    """Follows the replies to one client, one at a time: `start`, then `feed` until `done`.

    After `done`, and updated with each result: `status`, `warnings`, `affected_rows`, `insert_id` of the last OK or end
    of rows (what lasts of the status, such as IN_TRANS, is there before); `rows` of the last result set (definitions in
    REPLY_FIELD_LIST), -1 when the last result was none; `has_result_set`; `error` (0: none), `error_sqlstate`,
    `error_message` (its first 512 bytes); `changes`, the raw session-state information of each OK of this reply; of
    REPLY_PREPARE `statement_id` (the server's), `parameters`, `columns`; `cursor_open` after an EXECUTE that left a
    cursor. `local_infile`: the server waits for the client's file, see `resume_after_infile`; set `file_expected` after
    `start` where the statement may ask for one, else a server that does is taken for hostile (many drivers send
    whatever file they are asked for). `sequence_shift` is how much higher the client's packet numbers are than the
    server's. After a ProtocolError the reader and both connections are of no more use.
    """

    __slots__ = (
        "_capabilities",
        "_carry",
        "_changes_bytes",
        "_classic",
        "_client_id",
        "_definitions",
        "_kind",
        "_need",
        "_sequence",
        "_skip",
        "_state",
        "affected_rows",
        "changes",
        "columns",
        "cursor_open",
        "done",
        "error",
        "error_message",
        "error_sqlstate",
        "file_expected",
        "has_result_set",
        "insert_id",
        "local_infile",
        "parameters",
        "policy",
        "rows",
        "sequence_shift",
        "statement_id",
        "status",
        "warnings",
    )

    def __init__(self, client_capabilities: int = 0, policy: TrackPolicy = DEFAULT_POLICY) -> None:
        self.client_capabilities = client_capabilities
        self.policy = policy
        self.status = SERVER_STATUS_AUTOCOMMIT
        self.changes: list[bytes] = []
        self._changes_bytes = 0
        self.error_message = self.error_sqlstate = b""
        self.statement_id = self.parameters = self.columns = 0
        self._client_id = self._definitions = 0
        self._carry: bytearray | None = None
        self._need = 0
        self.start(REPLY_OK)
        self.done = True
        self._state = _DONE

    @property
    def client_capabilities(self) -> int:
        """Capabilities of the client's login; setting them decides what is translated."""
        return self._capabilities

    @client_capabilities.setter
    def client_capabilities(self, capabilities: int) -> None:
        self._capabilities = capabilities
        self._classic = not capabilities & CLIENT_DEPRECATE_EOF

    def start(self, kind: int, *, client_id: int = 0, sequence: int = 1) -> None:
        """Expects the reply to a command that was just sent.

        `client_id` replaces the server's statement id in REPLY_PREPARE, unless 0. `sequence` is the number of the
        reply's first packet: one more than that of the command's last, so above 1 after a command of 16 MiB.
        """
        self._kind = kind
        self._state = _FIRST_STATES[kind]
        self._sequence = sequence
        self._skip = self.sequence_shift = self.error = 0
        self.warnings = self.affected_rows = self.insert_id = 0
        self.status &= _LASTING_STATUS
        self._client_id = client_id
        self.done = self.has_result_set = self.local_infile = self.cursor_open = self.file_expected = False
        self.rows = -1 if kind not in (REPLY_FETCH, REPLY_FIELD_LIST) else 0
        if self.changes:
            self.changes = []

    def resume_after_infile(self, sequence: int | None = None) -> None:
        """The client's file, and the empty packet behind it, were sent on.

        `sequence` is that empty packet's number as the server saw it (the client's less `sequence_shift`); without it
        the server's next packet is taken at its own number.
        """
        if self._state != _INFILE:
            raise ProtocolError("a file that the server did not ask for")
        self.local_infile = False
        self._state = _RESULT
        self._sequence = ANY_SEQUENCE if sequence is None else (sequence + 1) & 0xFF

    def feed(self, data: bytes) -> bytes:
        """What goes to the client for what the server sent: `data` itself where nothing changes, b"" while a packet is
        held. Raises ProtocolError on what a server never sends, bytes behind the end of the reply included."""
        if self._carry is not None:
            self._carry += data
            if len(self._carry) < self._need:
                return b""
            data = bytes(self._carry)
            self._carry = None
        size = len(data)
        if self._state == _RESULT and self._sequence == 1 and size <= _SMALL_BYTES and size >= _SMALLEST_BYTES:
            small = self._small_result(data, size - _END_BYTES)
            if small is not None:
                return small
        position = self._skip
        if position:
            if position >= size:
                self._skip = position - size
                return data
            self._skip = 0
        state, sequence, shift, rows = self._state, self._sequence, self.sequence_shift, self.rows
        # When translating, `out` collects what is finished, up to `copied`, and `source` is a renumbered copy of data.
        out: list[bytes | bytearray] | None = None
        copied = 0
        source: bytes | bytearray = data
        unpack_start = _unpack_start
        last = size - 5  # A packet is judged by its header and first byte.
        while position <= last:
            length, length_high, number, first = unpack_start(data, position)
            if length_high:
                length |= length_high << 16
            if number != sequence:
                if sequence != ANY_SEQUENCE:
                    raise ProtocolError(f"the server's packet number {number} where {sequence} is due")
                sequence = number
            end = position + 4 + length
            if state == _ROWS and first < EOF_HEADER and 0 < length < MAX_PAYLOAD:
                # Most of what ever passes: a loop of its own, with the same checks, over the rows that follow.
                if shift and source is data:
                    source = bytearray(data)
                while True:
                    rows += 1
                    if shift:
                        source[position + 3] = sequence + shift & 0xFF  # type: ignore[index]
                    sequence = sequence + 1 & 0xFF
                    position = end
                    if position > last:
                        break
                    length, length_high, number, first = unpack_start(data, position)
                    if length_high:
                        length |= length_high << 16
                    if number != sequence or first >= EOF_HEADER or length == MAX_PAYLOAD or not length:
                        break
                    end = position + 4 + length
                continue
            if state == _ROWS and length == MAX_PAYLOAD:
                rows += 1
                state = _CONTINUATION
            elif state == _COLUMNS and first < 0xFE and 0 < length <= DEFINITION_LIMIT_BYTES:
                self._definitions -= 1
                if not self._definitions:
                    state = _FIRST_ROW if self._classic else _ROWS
            elif state == _RESULT and length == 1 and 0 < first < 0xFB:
                self._definitions = self.columns = first
                self.has_result_set = True
                rows = 0
                state = _COLUMNS
            elif state == _CONTINUATION:
                if length != MAX_PAYLOAD:
                    state = _ROWS
            elif state == _FIRST_ROW and length and (first != 0xFE or length == MAX_PAYLOAD):
                # A row, or an ERR: here the columns end. An end of rows decides by its status, below.
                if out is None:
                    out = []
                out.append(source[copied:position])
                out.append(self._eof(sequence + shift))
                copied = position
                shift += 1
                state = _ROWS
                continue
            elif (
                end == size
                and length >= _SHORT_OK_BYTES
                and (first == EOF_HEADER if state == _ROWS else first == OK_HEADER and state in _OK_STATES)
                and self._short_ok(data, position)
            ):
                # The last packet of most replies, and the one packet of most others.
                state = _DONE
                if first == EOF_HEADER and self._classic:
                    if out is None:
                        out = []
                    out.append(source[copied:position])
                    out.append(
                        _pack_eof(_EOF_BYTES | (sequence + shift & 0xFF) << 24, EOF_HEADER, self.warnings, self.status)
                    )
                    copied = position = end
                    break
                if first == OK_HEADER:
                    rows = -1
            else:
                if not 0 < length <= HELD_LIMIT_BYTES or state >= _INFILE:
                    raise ProtocolError(f"the server's packet of {length} bytes where none such can be")
                if end > size:
                    break
                self._state, self.rows, self.sequence_shift = state, rows, shift
                replaced = self._whole(data[position + 4 : end], sequence + shift)
                state, rows = self._state, self.rows
                if replaced is not None:
                    if out is None:
                        out = []
                    out.append(source[copied:position])
                    out.append(replaced)
                    copied = position = end
                    shift = self.sequence_shift
                    sequence = sequence + 1 & 0xFF
                    continue
            if shift:
                if source is data:
                    source = bytearray(data)
                source[position + 3] = sequence + shift & 0xFF  # type: ignore[index]
            sequence = sequence + 1 & 0xFF
            position = end
        self._state, self._sequence, self.sequence_shift, self.rows = state, sequence, shift, rows
        if position > size:
            self._skip = position - size
            position = size
        elif position < size:
            self._hold(data, position)
        if out is None:
            if source is data:
                return data if position == size else data[:position]
            return bytes(source[:position])
        out.append(source[copied:position])
        return b"".join(out)

    def _small_result(self, data: bytes, end: int) -> bytes | None:
        """A whole small result set in one piece, the most frequent reply of all; None where it is not just that, and
        nothing was taken note of. `end` is where its last packet, an OK of seven bytes, would begin.
        """
        columns = data[4]
        if data[:4] != _ONE_BYTE_FIRST or data[end : end + 3] != _SEVEN_BYTES or not 0 < columns < _LENENC_LONG:
            return None
        position, number, left, rows, rows_at = 5, 2, columns, 0, 0
        while position < end:
            length, length_high, got, first = _unpack_start(data, position)
            if got != number or length_high or first >= EOF_HEADER or not length:
                return None
            position += 4 + length
            number += 1
            if left:
                left -= 1
                rows_at = position
            else:
                rows += 1
        status = self.status
        if position != end or left or data[end + 3] != number or data[end + 4] != EOF_HEADER:
            return None
        if number >= _SMALL_PACKETS or not self._short_ok(data, end):
            return None
        self._state = _DONE
        self.columns = columns
        self.has_result_set = True
        self.rows = rows
        if not self._classic:
            return data
        body = bytearray(data[rows_at:end])
        position = 0
        for renumbered in range(columns + 3, columns + 3 + rows):
            body[position + 3] = renumbered
            position += 4 + (body[position] | body[position + 1] << 8)
        self.sequence_shift = 1
        eof = _pack_eof(_EOF_BYTES | columns + 2 << 24, EOF_HEADER, 0, status & _LASTING_STATUS)
        last = _pack_eof(_EOF_BYTES | number + 1 << 24, EOF_HEADER, self.warnings, self.status)
        return b"".join((data[:rows_at], eof, body, last))

    def _short_ok(self, data: bytes, position: int) -> bool:
        """Reads an OK whose numbers are single bytes, if it ends the reply and tells of no changes of session state."""
        _, affected_rows, insert_id, status, warnings = _unpack_short_ok(data, position + 4)
        if status & _NOT_SHORT or affected_rows >= _LENENC_LONG or insert_id >= _LENENC_LONG:
            return False
        self.affected_rows = affected_rows
        self.insert_id = insert_id
        self.status = status
        self.warnings = warnings
        self.done = True
        return True

    def _hold(self, data: bytes, position: int) -> None:
        """Keeps the beginning of a packet that is needed whole, or too little of one to tell."""
        if self.done:
            raise ProtocolError("the server sent more than its reply")
        self._carry = bytearray(data[position:])
        self._need = 5
        if len(self._carry) >= 5:
            self._need = 4 + int.from_bytes(self._carry[:3], "little")

    def _eof(self, number: int) -> bytes:
        """The EOF packet after column definitions."""
        return _pack_eof(_EOF_BYTES | (number & 0xFF) << 24, EOF_HEADER, 0, self.status & _LASTING_STATUS)

    def _whole(self, payload: bytes, number: int) -> bytes | None:
        """Takes note of a whole packet; returns the packets that replace it, numbered from `number`, or None."""
        state = self._state
        if payload[0] == ERR_HEADER:
            self._err(payload)
            return None
        if state in (_ROWS, _FIRST_ROW):
            return self._end_of_rows(payload, number)
        if state == _RESULT:
            return self._result(payload, number)
        if state == _OK and payload[0] == EOF_HEADER:
            return self._end_of_rows(payload, number)
        if state == _OK and payload[0] == OK_HEADER:
            return self._ok(payload, number)
        if state == _PREPARE:
            return self._prepared(payload, number)
        if state in (_PARAMETER_DEFINITIONS, _COLUMN_DEFINITIONS):
            return self._definition(payload, number)
        if state == _STATISTICS:
            self._finish()
            return None
        raise ProtocolError("the server's packet begins as none does in its place")

    def _finish(self) -> None:
        self._state = _DONE
        self.done = True

    def _err(self, payload: bytes) -> None:
        err = ERR.parse(payload)
        self.error, self.error_sqlstate, self.error_message = err.code, err.sqlstate, err.message[:MESSAGE_LIMIT_BYTES]
        # No ERR has a status: the last one known stays, without what speaks of more to come.
        self.status &= ~(SERVER_MORE_RESULTS_EXISTS | SERVER_STATUS_CURSOR_EXISTS | SERVER_STATUS_LAST_ROW_SENT)
        self.affected_rows = -1
        self.rows = -1
        self._finish()

    def _result(self, payload: bytes, number: int) -> bytes | None:
        """The header of a result: OK, a request for a file, or the number of columns."""
        first = payload[0]
        if first == OK_HEADER:
            self.rows = -1
            return self._ok(payload, number)
        if first == LOCAL_INFILE_HEADER:
            if not (self.file_expected and self._capabilities & CLIENT_LOCAL_FILES):
                raise ProtocolError("the server asks for a file of a client that offers none")
            self._state = _INFILE
            self.local_infile = True
            return None
        columns, position = read_lenenc_number(payload, 0)
        if columns > COLUMNS_LIMIT or len(payload) - position > 1:
            raise ProtocolError("the header of a result is malformed")
        self.columns = self._definitions = columns
        self.has_result_set = True
        self.rows = 0
        # CLIENT_OPTIONAL_RESULTSET_METADATA adds a byte: 0 when no definitions follow.
        if payload[position:] == b"\x00":
            self._state = _FIRST_ROW if self._classic else _ROWS
        else:
            self._state = _COLUMNS
        return None

    def _ok(self, payload: bytes, number: int) -> bytes | None:
        ok = _parsed(payload)
        self._note(ok)
        return self._filtered(ok, number, OK_HEADER)

    def _end_of_rows(self, payload: bytes, number: int) -> bytes | None:
        """An OK that begins with 0xFE."""
        ok = _parsed(payload)
        first_row = self._state == _FIRST_ROW
        rows = self.rows
        self._note(ok)
        self.rows = rows
        self.cursor_open = bool(ok.status & SERVER_STATUS_CURSOR_EXISTS)
        if self._classic:
            status = ok.status & ~SERVER_SESSION_STATE_CHANGED
            if first_row and not self.cursor_open:
                self.sequence_shift += 1
                return self._eof(number) + _pack_eof(
                    _EOF_BYTES | (number + 1 & 0xFF) << 24, EOF_HEADER, ok.warnings, status
                )
            return _pack_eof(_EOF_BYTES | (number & 0xFF) << 24, EOF_HEADER, ok.warnings, status)
        return self._filtered(ok, number, EOF_HEADER)

    def _filtered(self, ok: OK, number: int, header: int) -> bytes | None:
        """The packet without what the client does not see of its session-state information; None when it sees all."""
        if not ok.status & SERVER_SESSION_STATE_CHANGED:
            return None
        shown = _shown(ok.changes, self.policy) if self._capabilities & CLIENT_SESSION_TRACK else b""
        if shown == ok.changes and shown:
            return None
        visible = OK(ok.affected_rows, ok.insert_id, ok.status, ok.warnings, ok.info, shown)
        return packet(number, encode_ok(visible, self._capabilities, header))

    def _note(self, ok: OK) -> None:
        """Takes over what an OK tells and decides whether another result follows."""
        self.status = ok.status
        self.warnings = ok.warnings
        self.affected_rows = ok.affected_rows
        self.insert_id = ok.insert_id
        if ok.changes:
            self._note_changes(ok.changes)
        if ok.status & SERVER_MORE_RESULTS_EXISTS and self._kind == REPLY_QUERY:
            self._state = _RESULT
        else:
            self._finish()

    def _note_changes(self, raw: bytes) -> None:
        if not self.changes:
            self._changes_bytes = 0
        elif self.changes[-1] == raw:
            return
        self._changes_bytes += len(raw)
        if self._changes_bytes > CHANGES_LIMIT_BYTES:
            raise ProtocolError("the server reports more changes of session state than can be")
        self.changes.append(raw)

    def _prepared(self, payload: bytes, number: int) -> bytes | None:
        """COM_STMT_PREPARE_OK: status 0, statement id, columns, parameters, filler, warnings (and a metadata flag)."""
        if payload[0] != OK_HEADER or len(payload) not in (12, 13):
            raise ProtocolError("the reply to COM_STMT_PREPARE is malformed")
        self.statement_id, self.columns, self.parameters = _unpack_prepared(payload, 1)
        self.warnings = int.from_bytes(payload[10:12], "little")
        with_definitions = payload[12:] != b"\x00"
        if self.parameters and with_definitions:
            self._state, self._definitions = _PARAMETER_DEFINITIONS, self.parameters
        elif self.columns and with_definitions:
            self._state, self._definitions = _COLUMN_DEFINITIONS, self.columns
        else:
            self._finish()
        if not self._client_id or self._client_id == self.statement_id:
            return None
        return packet(number, payload[:1] + self._client_id.to_bytes(4, "little") + payload[5:])

    def _definition(self, payload: bytes, number: int) -> bytes | None:
        """A definition of a prepared statement's parameter or column."""
        if payload[0] >= EOF_HEADER:
            raise ProtocolError("a column definition is malformed")
        self._definitions -= 1
        if self._definitions:
            return None
        if self._state == _PARAMETER_DEFINITIONS and self.columns:
            self._state, self._definitions = _COLUMN_DEFINITIONS, self.columns
        else:
            self._finish()
        if not self._classic:
            return None
        self.sequence_shift += 1
        return packet(number, payload) + self._eof(number + 1)


# The changes that each transaction brings (its begin, first read, first write, end) are the same few bytes every time.
_MEMO_ENTRIES: Final = 512
_MEMO_LIMIT_BYTES: Final = 96

_memo_ok = lru_cache(_MEMO_ENTRIES)(parse_ok)
_memo_shown = lru_cache(_MEMO_ENTRIES)(filter_changes)


def _parsed(payload: bytes) -> OK:
    """The OK in a payload, not to be changed. Only those with changes are remembered: insert ids never recur."""
    if not 5 <= len(payload) <= _MEMO_LIMIT_BYTES or not payload[4] & SERVER_SESSION_STATE_CHANGED >> 8:
        return parse_ok(payload)
    return _memo_ok(payload)


def _shown(raw: bytes, policy: TrackPolicy) -> bytes:
    return _memo_shown(raw, policy) if len(raw) <= _MEMO_LIMIT_BYTES else filter_changes(raw, policy)
