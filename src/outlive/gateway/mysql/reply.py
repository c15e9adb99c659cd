"""Reads the replies to COM_STMT_PREPARE, COM_STMT_EXECUTE and COM_QUERY.

Source: "Command Phase" of the MySQL protocol documentation. CLIENT_DEPRECATE_EOF is on: there is no EOF between the
columns and the rows, and an OK ends them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from outlive.gateway.cells import NULL
from outlive.gateway.conversation import Done
from outlive.gateway.failure import Failure, lost
from outlive.gateway.mysql.types import (
    Definition,
    Value,
    binary_value,
    column,
    parse_definition,
    raw_row,
    read_affected,
    text_value,
)
from outlive.gateway.rows import Rows
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import SERVER_MORE_RESULTS_EXISTS
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import HEADER_BYTES, MAX_PAYLOAD, read_lenenc_number

_LOST = 2013


class MySQLReply(ABC):
    """A reply as payloads; what they mean is the subclass's."""

    def __init__(self) -> None:
        self.error: ERR | None = None
        self._buffer = bytearray()
        self._part = bytearray()

    def feed(self, data: bytes) -> bool:
        """See `Reply`."""
        buffer = self._buffer
        buffer += data
        position, size = 0, len(buffer)
        complete = False
        while size - position >= HEADER_BYTES and not complete:
            length = buffer[position] | buffer[position + 1] << 8 | buffer[position + 2] << 16
            end = position + HEADER_BYTES + length
            if end > size:
                break
            payload = bytes(buffer[position + HEADER_BYTES : end])
            position = end
            if length == MAX_PAYLOAD:
                self._part += payload
                continue
            if self._part:
                payload = bytes(self._part) + payload
                self._part.clear()
            complete = self._payload(payload)
        del buffer[:position]
        return complete

    @abstractmethod
    def _payload(self, payload: bytes) -> bool:
        """Whether the reply is complete with it."""

    def lost(self) -> Failure:
        """See `Reply`."""
        return lost() if self.error is None else self.failure(self.error)

    def failure(self, error: ERR) -> Failure:
        """The server's words."""
        if error.code == _LOST:
            return lost()
        return Failure(
            400,
            "database_error",
            error.message.decode("utf-8", "replace"),
            outcome="failed",
            details={"sqlstate": error.sqlstate.decode("ascii", "replace"), "errno": error.code},
            said=error,
        )

    def check(self) -> None:
        """Raises Failure where the server answered with an error."""
        if self.error is not None:
            raise self.failure(self.error)


class PrepareReply(MySQLReply):
    """`statement_id` and the number of `parameters`; the definitions are not needed: an execution sends them again."""

    def __init__(self) -> None:
        MySQLReply.__init__(self)
        self.statement_id = 0
        self.parameters = 0
        self._definitions = -1

    def _payload(self, payload: bytes) -> bool:
        if self._definitions >= 0:
            self._definitions -= 1
        elif payload[:1] == b"\xff":
            self.error = ERR.parse(payload)
            return True
        elif len(payload) < 9 or payload[0]:
            raise ProtocolError("this is no answer to COM_STMT_PREPARE")
        else:
            self.statement_id = int.from_bytes(payload[1:5], "little")
            self.parameters = int.from_bytes(payload[7:9], "little")
            self._definitions = int.from_bytes(payload[5:7], "little") + self.parameters
        return self._definitions == 0


class DescribeReply(PrepareReply):
    """With the `definitions`, as they came: of the parameters, then of the columns."""

    def __init__(self) -> None:
        PrepareReply.__init__(self)
        self.definitions: list[bytes] = []

    def _payload(self, payload: bytes) -> bool:
        if self._definitions >= 0:
            self.definitions.append(payload)
        return PrepareReply._payload(self, payload)


class ResultReply(MySQLReply):
    """The results of one statement: the first result set goes to `rows`, further ones (of a CALL) are counted."""

    def __init__(self, rows: Rows, *, binary: bool) -> None:
        MySQLReply.__init__(self)
        self.infile = False
        self._rows = rows
        self._binary = binary
        self._definitions: list[Definition] = []
        self._due = -1
        """Definitions to come; -1 before a result, 0 among rows."""
        self._values: list[Value] = []
        self._result_sets = 0
        self._affected = 0
        self._insert_id = 0

    def _payload(self, payload: bytes) -> bool:
        if payload[:1] == b"\xff" and self._due <= 0:
            self.error = ERR.parse(payload)
            return True
        if self._due < 0:
            return self._first(payload)
        if self._due > 0:
            self._define(payload)
        elif payload[:1] == b"\xfe" and len(payload) < MAX_PAYLOAD:
            return self._ends(payload)
        elif self._result_sets == 1:
            self._row(payload)
        return False

    def _first(self, payload: bytes) -> bool:
        if payload[:1] == b"\0":
            return self._ends(payload)
        if payload[:1] == b"\xfb":
            raise ProtocolError("LOAD DATA LOCAL over HTTP")
        self._due, _ = read_lenenc_number(payload, 0)
        self._definitions = []
        self._result_sets += 1
        return False

    def _define(self, payload: bytes) -> None:
        self._definitions.append(parse_definition(payload))
        self._due -= 1
        if not self._due and self._result_sets == 1:
            read = binary_value if self._binary else text_value
            self._values = [read(found) for found in self._definitions]
            self._rows.begin([column(found) for found in self._definitions])

    def _row(self, payload: bytes) -> None:
        if self._rows.raw:
            self._rows.add_raw(raw_row(payload, len(self._values)))
            return
        cells: list[bytes] = []
        if not self._binary:
            position = 0
            for read in self._values:
                cell, position = read(payload, position)
                cells.append(cell)
        else:
            position = 1 + (len(self._values) + 9) // 8
            for index, read in enumerate(self._values, 2):  # the bitmap begins with two unused bits
                if payload[1 + (index >> 3)] >> (index & 7) & 1:
                    cells.append(NULL)
                else:
                    cell, position = read(payload, position)
                    cells.append(cell)
        self._rows.add(cells)

    def _ends(self, payload: bytes) -> bool:
        self._due = -1
        affected, insert_id, status = read_affected(payload)
        self._affected += affected
        self._insert_id = insert_id or self._insert_id
        return not status & SERVER_MORE_RESULTS_EXISTS

    def done(self) -> Done:
        """Raises Failure where the statement failed."""
        self.check()
        if self._result_sets:
            return Done(further_results=self._result_sets - 1)
        return Done(self._affected, last_insert_id=self._insert_id or None)
