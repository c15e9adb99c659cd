"""A MySQL server in a few lines: enough for Outlive to log in, set up and relay; and it can be told to misbehave."""

import os
from collections.abc import Callable
from typing import Any

from outlive.upstream.mysql.key import ALWAYS
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.constants import MYSQL_TYPE_VAR_STRING
from outlive.wire.mysql.handshake import Greeting
from outlive.wire.mysql.ok import ERR, OK, encode_ok
from outlive.wire.mysql.packets import PacketReader, packet
from outlive.wire.mysql.results import Column, column_definition, text_result

from .transport import Wire

CAPABILITIES = ALWAYS | wire.CLIENT_FOUND_ROWS | wire.CLIENT_LOCAL_FILES | wire.CLIENT_CONNECT_WITH_DB
CAPABILITIES |= wire.CLIENT_MULTI_RESULTS | wire.CLIENT_PS_MULTI_RESULTS | wire.CLIENT_QUERY_ATTRIBUTES

VARIABLES = {
    b"autocommit": b"ON",
    b"character_set_client": b"utf8mb4",
    b"character_set_connection": b"utf8mb4",
    b"character_set_results": b"utf8mb4",
    b"collation_connection": b"utf8mb4_general_ci",
    b"sql_mode": b"STRICT_TRANS_TABLES",
    b"time_zone": b"SYSTEM",
    b"wait_timeout": b"28800",
    b"interactive_timeout": b"28800",
    b"session_track_schema": b"ON",
    b"session_track_system_variables": b"autocommit,character_set_client",
    b"session_track_state_change": b"OFF",
    b"session_track_transaction_info": b"OFF",
}
COLLATIONS = [
    [b"45", b"utf8mb4_general_ci", b"utf8mb4", b"utf8mb4_general_ci", b"4"],
    [b"8", b"latin1_swedish_ci", b"latin1", b"latin1_swedish_ci", b"1"],
]
_AUTOCOMMIT = wire.SERVER_STATUS_AUTOCOMMIT
_BOOLEAN = {b"ON": b"1", b"OFF": b"0"}

Mutation = Callable[[bytes], list[bytes]]


class FakeMySQL:
    """The server's end of one `Wire`.

    `held`: nothing is answered until `release`. `mutation` makes what is really said of each answer. `commands` are the
    payloads it was given after the login; `log_ins` counts logins.
    """

    def __init__(self, owner: "FakeServers", transport: Wire) -> None:
        self.owner = owner
        self.transport = transport
        self.commands: list[bytes] = []
        self.in_transaction = False
        self.broken = False
        """It said something wrong, or left something out: it may have gone silent for its client's good."""
        self._packets = PacketReader(1 << 24)
        self._state = "login"
        self._statements: dict[int, int] = {}
        self._held: list[bytes] = []
        transport.listener = self.data_received
        greeting = Greeting(
            owner.version,
            7,
            os.urandom(20).replace(b"\0", b"1"),
            CAPABILITIES,
            45,
            _AUTOCOMMIT,
            b"mysql_native_password",
        )
        self.say(packet(0, greeting.encode()))

    def say(self, data: bytes) -> None:
        if self.owner.held:
            self._held.append(data)
            return
        pieces = [data] if self.owner.mutation is None else self.owner.mutation(data)
        self.broken |= b"".join(pieces) != data
        for piece in pieces:
            self.transport.loop.call_soon(self._say, piece)

    def _say(self, piece: bytes) -> None:
        if not self.transport.lost:
            self.transport.say(piece)

    def blurt(self, data: bytes) -> None:
        """Says what nobody asked for."""
        self.broken = True
        self._say(data)

    def release(self) -> None:
        held, self._held = self._held, []
        for data in held:
            self.say(data)

    def data_received(self, data: bytes | None) -> None:
        if data is None:
            if not self.owner.ignores_eof:
                self.transport.hang_up()
            return
        self._packets.feed(data)
        while True:
            if self._state == "login":
                self._packets.sequence = 1
            elif self._state == "command":
                self._packets.sequence = 0
            try:
                payload = self._packets.next()
            except ProtocolError:
                self.transport.hang_up()
                return
            if payload is None:
                return
            self._receive(payload)

    def _receive(self, payload: bytes) -> None:
        if self._state == "login":
            self.owner.logins += 1
            self._state = "command"
            self.say(packet(2, self._ok()))
        elif self._state == "file":
            if not payload:
                self._state = "command"
                self.say(packet(self._packets.sequence, self._ok()))
        else:
            self._command(payload)

    def _ok(self, **values: Any) -> bytes:
        status = _AUTOCOMMIT | (wire.SERVER_STATUS_IN_TRANS if self.in_transaction else 0)
        return encode_ok(OK(status=values.pop("status", 0) | status, **values), CAPABILITIES)

    def _command(self, payload: bytes) -> None:
        self.commands.append(payload)
        self.owner.commands.append(payload)
        code = payload[0] if payload else 0
        if code == wire.COM_QUIT:
            self.transport.hang_up()
        elif code == wire.COM_QUERY:
            self.say(self._query(payload[1:]))
        elif code == wire.COM_STMT_PREPARE:
            self.say(self._prepare(payload[1:]))
        elif code == wire.COM_STMT_EXECUTE:
            self.say(_rows([[b"1"]]))
        elif code == wire.COM_STATISTICS:
            self.say(packet(1, b"Uptime: 1"))
        elif code == wire.COM_FIELD_LIST:
            self.say(packet(1, encode_ok(OK(status=_AUTOCOMMIT), CAPABILITIES, 0xFE)))
        elif code == wire.COM_STMT_FETCH:
            self.say(packet(1, ERR(1421, b"HY000", b"no cursor").encode()))
        elif code in (wire.COM_STMT_CLOSE, wire.COM_STMT_SEND_LONG_DATA):
            pass
        else:
            if code in (wire.COM_RESET_CONNECTION, wire.COM_CHANGE_USER):
                self.in_transaction = False
            self.say(packet(1, self._ok()))

    def _prepare(self, sql: bytes) -> bytes:
        number = len(self._statements) + 1
        parameters = min(sql.count(b"?"), 100)
        self._statements[number] = parameters
        head = b"\0" + number.to_bytes(4, "little") + b"\1\0" + parameters.to_bytes(2, "little") + b"\0\0\0"
        definitions = [column_definition(Column(b"?", MYSQL_TYPE_VAR_STRING))] * (parameters + 1)
        return b"".join(packet(1 + index, payload) for index, payload in enumerate((head, *definitions)))

    def _query(self, sql: bytes) -> bytes:
        sql = sql.removeprefix(b"\x00\x01")  # no query attributes
        upper = sql.upper()
        if upper.startswith(b"SHOW SESSION VARIABLES"):
            return _rows([[name, value] for name, value in VARIABLES.items()])
        if b"COLLATION_NAME" in upper:
            width = upper.partition(b" FROM ")[0].count(b",") + 1
            return _rows([row[:width] for row in COLLATIONS])
        if upper.startswith(b"SELECT @@GLOBAL.READ_ONLY"):
            return _rows([[b"0"]])
        if upper.startswith(b"SELECT @@"):
            names = sql[7:].lower().split(b",")
            values = [VARIABLES.get(name.strip().removeprefix(b"@@"), b"") for name in names]
            return _rows([[_BOOLEAN.get(value, value) for value in values]])
        if upper.startswith(b"SHOW WARNINGS"):
            return _rows([[b"Warning", b"1000", b"text"]])
        if b"LOCAL INFILE" in upper:
            self._state = "file"
            self._packets.sequence = 2
            return packet(1, b"\xfbfile")
        if upper.startswith(b"BAD"):
            return packet(1, ERR(1064, b"42000", b"syntax").encode())
        if upper.startswith((b"BEGIN", b"START")):
            self.in_transaction = True
        elif upper.startswith((b"COMMIT", b"ROLLBACK")):
            self.in_transaction = False
        elif upper.startswith(b"SELECT"):
            status = _AUTOCOMMIT | (wire.SERVER_STATUS_IN_TRANS if self.in_transaction else 0)
            return _rows([[b"1"], [b"2"]], status)
        elif upper.startswith(b"WARN"):
            return packet(1, self._ok(warnings=1))
        elif upper.startswith(b"SET SQL_MODE"):
            return packet(1, self._tracked(b"sql_mode", b"ANSI_QUOTES"))
        elif upper.startswith(b"INSERT"):
            return packet(1, self._ok(insert_id=5, affected_rows=1))
        return packet(1, self._ok())

    def _tracked(self, name: bytes, value: bytes) -> bytes:
        pair = bytes((len(name),)) + name + bytes((len(value),)) + value
        changes = b"\0" + bytes((len(pair),)) + pair
        return self._ok(status=wire.SERVER_SESSION_STATE_CHANGED, changes=changes)


def _rows(rows: list[list[bytes]], status: int = _AUTOCOMMIT) -> bytes:
    columns = [(b"c", MYSQL_TYPE_VAR_STRING)] * len(rows[0])
    return text_result(columns, rows, capabilities=CAPABILITIES, status=status)


class FakeServers:
    """Every connection that was dialled."""

    def __init__(self, version: bytes = b"8.4.0") -> None:
        self.version = version
        self.held = False
        self.ignores_eof = False
        self.mutation: Mutation | None = None
        self.opened: list[FakeMySQL] = []
        self.commands: list[bytes] = []
        self.logins = 0

    @property
    def open(self) -> list[FakeMySQL]:
        return [server for server in self.opened if not server.transport.lost]

    def release(self) -> None:
        """Answers what was asked meanwhile, and everything from here on."""
        self.held = False
        for server in self.open:
            server.release()
