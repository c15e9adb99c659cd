"""A blocking client that shows all of an answer: columns, rows as bytes, counts, ids, status, reports of state."""

import socket
import struct
from typing import Any

from ..servers import Account
from .raw import lenenc, native_proof, sha2_proof

LONG = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x10000 | 0x20000 | 0x40000 | 0x80000
SESSION_TRACK, DEPRECATE_EOF = 0x800000, 0x1000000
_MORE_RESULTS = 0x8
_LONGLONG = 8
_CHARSETS = {**dict.fromkeys((45, 46, 224, 255), 45), **dict.fromkeys((8, 47), 8)}
"""utf8mb4 and latin1: SET NAMES ... COLLATE shows in the results' metadata, and in no variable that could tell of it."""
_SESSION_STATE_CHANGED = 0x4000
_OF_TRANSACTIONS = (4, 5)
"""Reports of where transactions begin and end, which MySQL gives, by its own counting, to those who did not ask."""
_SHOWN_STATUS = 0x1 | 0x2 | 0x8 | 0x40 | 0x80 | 0x200 | 0x2000 | 0x4000
"""IN_TRANS, AUTOCOMMIT, MORE_RESULTS, CURSOR, LAST_ROW, NO_BACKSLASH_ESCAPES, IN_TRANS_READONLY, SESSION_STATE_CHANGED."""
COM_QUIT, COM_INIT_DB, COM_QUERY, COM_PING, COM_STMT_PREPARE, COM_STMT_EXECUTE, COM_STMT_CLOSE, COM_SET_OPTION, COM_RESET = (
    1, 2, 3, 14, 22, 23, 25, 27, 31,
)  # fmt: skip


class Lost(Exception):
    """The connection ended."""


class Connection:
    """`schema` and `who` stand for {schema} and {who} in statements, and are written back in what it answers."""

    def __init__(self, host: str, port: int, account: Account, schema: str, who: str, *, modern: bool) -> None:
        self.schema = schema
        self.lock = f"{who}_{schema[-1]}"
        self.modern = modern
        self.statements: dict[int, tuple[int, int]] = {}
        self.bound: set[int] = set()
        self.socket = socket.create_connection((host, port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self._log_in(account)

    def _log_in(self, account: Account) -> None:
        greeting = self._packet()
        position = greeting.index(b"\0", 1) + 1
        scramble = greeting[position + 4 : position + 12] + greeting[position + 31 : position + 43]
        plugin = greeting[position + 44 :].rstrip(b"\0")
        proof = (
            native_proof(account.password, scramble)
            if plugin.startswith(b"mysql_native")
            else sha2_proof(account, scramble)
        )
        capabilities = LONG | (SESSION_TRACK | DEPRECATE_EOF if self.modern else 0)
        payload = struct.pack("<IIB23x", capabilities, 1 << 24, 45) + account.user.encode() + b"\0"
        payload += bytes((len(proof),)) + proof + self.schema.encode() + b"\0" + plugin + b"\0"
        self._write(payload, 1)
        answer = self._packet()
        while answer[0] != 0:
            assert answer == b"\x01\x03", answer
            answer = self._packet()

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
        self._write(bytes((COM_RESET,)))
        return self._results(binary=False)

    def prepare(self, number: int, text: str, parameters: int) -> Any:
        self.close_statement(number)
        self._write(bytes((COM_STMT_PREPARE,)) + text.encode())
        answer = self._packet()
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
        self.file.close()
        self.socket.close()

    # Answers

    def _results(self, *, binary: bool) -> Any:
        results = []
        while True:
            first = self._packet()
            if first[0] == 0xFF:
                return [*results, self._shown(first)]
            if first[0] in (0, 0xFE):
                results.append(self._ok(first))
            else:
                columns = self._definitions(first[0])
                rows = []
                while not ((packet := self._packet())[0] in (0xFE, 0xFF) and len(packet) < 0xFFFFFF):
                    rows.append(self._row(packet, binary))
                end = self._shown(packet) if packet[0] == 0xFF else self._end(packet)
                results.append((columns, rows, end))
            if not self.status & _MORE_RESULTS:
                return results

    def _definitions(self, count: int) -> list[Any]:
        found = []
        for _ in range(count):
            packet = self._packet()
            names, position = [], 0
            for _ in range(6):
                length, position = lenenc(packet, position)
                names.append(self._shown(packet[position : position + length]))
                position += length
            charset, length, kind, flags, decimals = struct.unpack_from("<HIBHB", packet, position + 1)
            # In prepared texts Outlive writes a variable for ROW_COUNT(): as wide as may be, else the same.
            charset = _CHARSETS.get(charset, charset)
            found.append((*names[1:], charset, 0 if kind == _LONGLONG else length, kind, flags, decimals))
        if not self.modern:
            self._end(self._packet())
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
        affected, position = lenenc(packet, 1)
        insert_id, position = lenenc(packet, position)
        self.status, warnings = struct.unpack_from("<HH", packet, position)
        message, changes = self._reports(packet, position + 4)
        shown = self.status & (_SHOWN_STATUS if changes else _SHOWN_STATUS & ~_SESSION_STATE_CHANGED)
        return affected, insert_id, shown, warnings, message, changes

    def _reports(self, packet: bytes, position: int) -> Any:
        """The message, and the reported changes of state; those of variables come in no order."""
        if not self.modern or position == len(packet):
            return self._shown(packet[position:]), []
        length, position = lenenc(packet, position)
        message = packet[position : position + length]
        position += length
        changes = []
        if self.status & _SESSION_STATE_CHANGED:
            _end, position = lenenc(packet, position)
            while position < len(packet):
                start = position
                length, position = lenenc(packet, position + 1)
                position += length
                if packet[start] not in _OF_TRANSACTIONS:
                    changes.append(self._shown(packet[start:position]))
        return self._shown(message), sorted(changes)

    def _row(self, packet: bytes, binary: bool) -> Any:
        if binary:
            return self._shown(packet)
        values: list[bytes | None] = []
        position = 0
        while position < len(packet):
            if packet[position] == 0xFB:
                values.append(None)
                position += 1
            else:
                length, position = lenenc(packet, position)
                values.append(self._shown(packet[position : position + length]))
                position += length
        return tuple(values)

    def _shown(self, data: bytes) -> bytes:
        """Without what differs by design: the schema's name."""
        return data.replace(self.schema.encode(), b"{schema}").replace(self.lock.encode(), b"{who}")

    def _write(self, payload: bytes, sequence: int = 0) -> None:
        try:
            self.socket.sendall(len(payload).to_bytes(3, "little") + bytes((sequence,)) + payload)
        except OSError:
            raise Lost from None

    def _packet(self) -> bytes:
        try:
            header = self.file.read(4)
            data = self.file.read(int.from_bytes(header[:3], "little"))
        except OSError:
            raise Lost from None
        if len(header) < 4:
            raise Lost
        return data
