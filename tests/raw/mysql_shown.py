"""A client that shows all of an answer: columns, rows as bytes, counts, ids, status, reports of state."""

import struct
from typing import Any

from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_PS_MULTI_RESULTS,
    CLIENT_SESSION_TRACK,
    COM_INIT_DB,
    COM_PING,
    COM_QUERY,
    COM_QUIT,
    COM_RESET_CONNECTION,
    COM_SET_OPTION,
    COM_STMT_CLOSE,
    COM_STMT_EXECUTE,
    COM_STMT_PREPARE,
    SERVER_MORE_RESULTS_EXISTS,
)
from outlive.wire.mysql.packets import MAX_PAYLOAD, read_lenenc_bytes, read_lenenc_number
from outlive.wire.mysql.results import read_text_row

from ..servers import Account
from .mysql import CLASSIC, Packets

LONG = CLASSIC | CLIENT_PS_MULTI_RESULTS
_LONGLONG = 8
_CHARSETS = {**dict.fromkeys((45, 46, 224, 255), 45), **dict.fromkeys((8, 47), 8)}
"""utf8mb4 and latin1: SET NAMES ... COLLATE shows in the results' metadata, and in no variable that could tell."""
_SESSION_STATE_CHANGED = 0x4000
_OF_TRANSACTIONS = (4, 5)
"""Reports of where transactions begin and end, which MySQL gives, by its own counting, to those who did not ask."""
_SHOWN_STATUS = 0x1 | 0x2 | 0x8 | 0x40 | 0x80 | 0x200 | 0x2000 | 0x4000
"""IN_TRANS, AUTOCOMMIT, MORE_RESULTS, CURSOR, LAST_ROW, NO_BACKSLASH_ESCAPES, IN_TRANS_READONLY and
SESSION_STATE_CHANGED.
"""


class Lost(Exception):
    """The connection ended."""


class Connection(Packets):
    """`schema` and `who` stand for {schema} and {who} in statements, and are written back in what it answers."""

    def __init__(self, host: str, port: int, account: Account, schema: str, who: str, *, modern: bool) -> None:
        self.schema = schema
        self.lock = f"{who}_{schema[-1]}"
        self.modern = modern
        self.statements: dict[int, tuple[int, int]] = {}
        self.bound: set[int] = set()
        super().__init__(host, port, timeout_s=30)
        capabilities = LONG | (CLIENT_SESSION_TRACK | CLIENT_DEPRECATE_EOF if self.modern else 0)
        self.log_in(account, capabilities, schema.encode())

    # Commands

    def query(self, text: str) -> Any:
        text = text.replace("{schema}", self.schema).replace("{who}", self.lock)
        self._write(bytes((COM_QUERY,)) + text.encode())
        return self._results(binary=False)

    def ping(self) -> Any:
        self._write(bytes((COM_PING,)))
        return self._results(binary=False)

    def init_db(self, other: bool) -> Any:
        self._write(bytes((COM_INIT_DB,)) + self.schema.encode() + b"_other" * other)
        return self._without_warnings()

    def _without_warnings(self) -> Any:
        """These OKs count the warnings of the statement before, which may have been on another connection."""
        results = self._results(binary=False)
        return [
            found if isinstance(found, bytes) else found[1:] if len(found) == 2 else (*found[:3], *found[4:])
            for found in results
        ]

    def set_option(self, on: bool) -> Any:
        self._write(bytes((COM_SET_OPTION, 0 if on else 1, 0)))
        return self._without_warnings()

    def reset(self) -> Any:
        self.statements.clear()
        self._write(bytes((COM_RESET_CONNECTION,)))
        return self._results(binary=False)

    def prepare(self, number: int, text: str, parameters: int) -> Any:
        self.close_statement(number)
        self._write(bytes((COM_STMT_PREPARE,)) + text.encode())
        answer = self._next()
        if answer[0] == 0xFF:
            return self._shown(answer)
        statement, columns, found = struct.unpack_from("<IHH", answer, 1)
        self.statements[number] = statement, parameters
        definitions = [self._definitions(count) for count in (found, columns) if count]
        return columns, found, definitions

    def execute(self, number: int, value: int, *, types: bool) -> Any:
        """Types are bound at the first execution, and later only if `types`."""
        if number not in self.statements:
            return None
        statement, parameters = self.statements[number]
        payload = struct.pack("<BIBI", COM_STMT_EXECUTE, statement, 0, 1)
        if parameters:
            bind = types or number not in self.bound
            payload += b"\0" + (b"\1\x08\0" if bind else b"\0") + struct.pack("<q", value)
            self.bound.add(number)
        self._write(payload)
        return self._results(binary=True)

    def close_statement(self, number: int) -> Any:
        self.bound.discard(number)
        if number in self.statements:
            self._write(struct.pack("<BI", COM_STMT_CLOSE, self.statements.pop(number)[0]))

    def end(self, politely: bool) -> None:
        try:
            if politely:
                self._write(bytes((COM_QUIT,)))
        except Lost:
            pass
        self.close()

    # Answers

    def _results(self, *, binary: bool) -> Any:
        results = []
        while True:
            first = self._next()
            if first[0] == 0xFF:
                return [*results, self._shown(first)]
            if first[0] in (0, 0xFE):
                results.append(self._ok(first))
            else:
                columns = self._definitions(first[0])
                rows = []
                while not ((packet := self._next())[0] in (0xFE, 0xFF) and len(packet) < MAX_PAYLOAD):
                    rows.append(self._row(packet, first[0], binary))
                end = self._shown(packet) if packet[0] == 0xFF else self._end(packet)
                results.append((columns, rows, end))
            if not self.status & SERVER_MORE_RESULTS_EXISTS:
                return results

    def _definitions(self, count: int) -> list[Any]:
        found = []
        for _ in range(count):
            packet = self._next()
            names, position = [], 0
            for _ in range(6):
                name, position = read_lenenc_bytes(packet, position)
                names.append(self._shown(name or b""))
            charset, length, kind, flags, decimals = struct.unpack_from("<HIBHB", packet, position + 1)
            # In prepared texts Outlive writes a variable for ROW_COUNT(): as wide as may be, else the same.
            charset = _CHARSETS.get(charset, charset)
            found.append((*names[1:], charset, 0 if kind == _LONGLONG else length, kind, flags, decimals))
        if not self.modern:
            self._end(self._next())
        return found

    def _end(self, packet: bytes) -> Any:
        if self.modern:
            return self._ok(packet)
        warnings, self.status = struct.unpack_from("<HH", packet, 1)
        # Without CLIENT_SESSION_TRACK MySQL reports a change now and then all the same, to nobody's use.
        return warnings, self.status & _SHOWN_STATUS & ~_SESSION_STATE_CHANGED

    def _ok(self, packet: bytes) -> Any:
        if packet[0] == 0xFE and not self.modern:
            return self._end(packet)
        affected, position = read_lenenc_number(packet, 1)
        insert_id, position = read_lenenc_number(packet, position)
        self.status, warnings = struct.unpack_from("<HH", packet, position)
        message, changes = self._reports(packet, position + 4)
        shown = self.status & (_SHOWN_STATUS if changes else _SHOWN_STATUS & ~_SESSION_STATE_CHANGED)
        return affected, insert_id, shown, warnings, message, changes

    def _reports(self, packet: bytes, position: int) -> Any:
        """The message, and the reported changes of state; those of variables come in no order."""
        if not self.modern or position == len(packet):
            return self._shown(packet[position:]), []
        message, position = read_lenenc_bytes(packet, position)
        changes = []
        if self.status & _SESSION_STATE_CHANGED:
            _end, position = read_lenenc_number(packet, position)
            while position < len(packet):
                start = position
                length, position = read_lenenc_number(packet, position + 1)
                position += length
                if packet[start] not in _OF_TRANSACTIONS:
                    changes.append(self._shown(packet[start:position]))
        return self._shown(message or b""), sorted(changes)

    def _row(self, packet: bytes, columns: int, binary: bool) -> Any:
        if binary:
            return self._shown(packet)
        return tuple(None if value is None else self._shown(value) for value in read_text_row(packet, columns))

    def _shown(self, data: bytes) -> bytes:
        """Without what differs by design: the schema's name."""
        return data.replace(self.schema.encode(), b"{schema}").replace(self.lock.encode(), b"{who}")

    def _write(self, payload: bytes) -> None:
        try:
            self.send(payload)
        except OSError:
            raise Lost from None

    def _next(self) -> bytes:
        try:
            return self.read()
        except OSError:
            raise Lost from None
