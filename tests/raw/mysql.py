"""A MySQL client of bare packets: what drivers do not do, and every byte of what comes back.

It speaks by `outlive.wire` only, and keeps no state but what it is told.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from outlive.auth.mysql.server_login import ServerLogin
from outlive.auth.mysql.verdict import Refused
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import ChangeUser, Greeting, HandshakeResponse
from outlive.wire.mysql.ok import ERR, parse_eof, parse_ok
from outlive.wire.mysql.packets import MAX_PAYLOAD, lenenc_bytes, lenenc_int, packet, read_lenenc_number

from ..servers.database import APP, Account

CLASSIC = (
    wire.CLIENT_LONG_PASSWORD
    | wire.CLIENT_LONG_FLAG
    | wire.CLIENT_CONNECT_WITH_DB
    | wire.CLIENT_PROTOCOL_41
    | wire.CLIENT_TRANSACTIONS
    | wire.CLIENT_SECURE_CONNECTION
    | wire.CLIENT_PLUGIN_AUTH
    | wire.CLIENT_MULTI_STATEMENTS
    | wire.CLIENT_MULTI_RESULTS
)
"""With these a client has the same pool key as PyMySQL's, which the thieves are."""
MODERN = CLASSIC | wire.CLIENT_DEPRECATE_EOF
TRACKING = MODERN | wire.CLIENT_SESSION_TRACK | wire.CLIENT_PS_MULTI_RESULTS
ATTRIBUTES = MODERN | wire.CLIENT_QUERY_ATTRIBUTES
CAPABILITIES = {"classic": CLASSIC, "deprecate_eof": MODERN, "session_track": TRACKING, "query_attributes": ATTRIBUTES}

LAST = 0xFFFFFFFF
CURSOR = 1
TINY, LONG, DOUBLE, NULL, LONGLONG, BLOB, STRING = 1, 3, 5, 6, 8, 0xFC, 0xFD


def login_to(greeting: Greeting, account: Account) -> ServerLogin:
    """The exchange of a password in the clear, by whatever method the other side asks for."""
    return ServerLogin(
        account.user.encode(),
        account.password.encode(),
        secure=False,
        scramble=greeting.scramble,
        plugin=greeting.plugin,
    )


def response_to(
    greeting: Greeting, login: ServerLogin, user: str, capabilities: int, database: bytes = b"test"
) -> bytes:
    """The payload of the client's first packet; `login` is at its start."""
    # The collation that SET NAMES utf8mb4 means, so that a replayed session describes its columns alike.
    charset = 45 if greeting.is_mariadb else 255
    return HandshakeResponse(
        capabilities, 1 << 30, charset, user.encode(), login.start(), database, login.plugin
    ).encode()


class Packets:
    """A socket on which the greeting was read; the numbers of the packets must be right."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 60.0, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(timeout_s)
        self.socket.connect((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self.sequence = 0
        self.greeting = Greeting.parse(self.read())

    def log_in(self, account: Account = APP, capabilities: int = MODERN, database: bytes = b"test") -> Self:
        """Raises ConnectionRefusedError."""
        login = login_to(self.greeting, account)
        response = response_to(self.greeting, login, account.user, capabilities, database)
        self.send(response, 1)
        self.authenticate(login)
        return self

    def authenticate(self, login: ServerLogin) -> None:
        """The rest of a login, up to its verdict. Raises ConnectionRefusedError."""
        while True:
            step = login.receive(self.read())
            if isinstance(step.verdict, Refused):
                raise ConnectionRefusedError(step.verdict.code, step.verdict.message)
            if step.verdict is not None:
                return
            for payload in step.send:
                self.send(payload, self.sequence)

    def send(self, payload: bytes, sequence: int = 0) -> None:
        """One payload, in as many packets as it takes."""
        self.sequence = sequence + len(payload) // MAX_PAYLOAD + 1 & 0xFF
        self.socket.sendall(packet(sequence, payload))

    def send_bytes(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def _need(self, count: int) -> None:
        while len(self._buffer) < count:
            data = self.socket.recv(1 << 20)
            if not data:
                raise ConnectionResetError("the other side closed")
            self._buffer += data

    def read(self) -> bytes:
        """One payload. The packets' numbers must be right. Raises ConnectionResetError at the end."""
        payload = b""
        while True:
            self._need(4)
            length, number = int.from_bytes(self._buffer[:3], "little"), self._buffer[3]
            self._need(4 + length)
            assert number == self.sequence, f"packet number {number} where {self.sequence} is due"
            self.sequence = self.sequence + 1 & 0xFF
            payload += bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            if length < MAX_PAYLOAD:
                return payload

    def at_end(self) -> bool:
        """Whether the other side has closed (waits for it)."""
        try:
            while self.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


class Raw(Packets):
    """A logged-in connection. Every reply is a list of payloads."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        account: Account = APP,
        capabilities: int = MODERN,
        database: bytes = b"test",
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__(host, port, timeout_s=timeout_s)
        self.capabilities = capabilities & self.greeting.capabilities
        if not database:
            self.capabilities &= ~wire.CLIENT_CONNECT_WITH_DB
        self.log_in(account, self.capabilities, database)

    def change_user(self, account: Account, database: bytes = b"test") -> None:
        """COM_CHANGE_USER. Raises ConnectionRefusedError."""
        # Both servers expect the response to the scramble of the greeting, or switch.
        login = login_to(self.greeting, account)
        message = ChangeUser(account.user.encode(), login.start(), database, 45, login.plugin)
        self.send(message.encode(self.capabilities))
        self.authenticate(login)

    # -- replies -----------------------------------------------------------------------------------

    def reply(self, file: Callable[[], Iterable[bytes]] | None = None) -> list[bytes]:
        """The reply to COM_QUERY, EXECUTE and what is answered by OK. `file` gives the packets of LOCAL INFILE."""
        found: list[bytes] = []
        while True:
            payload = self.read()
            found.append(payload)
            first = payload[0]
            if first == 0xFF:
                return found
            if first == 0xFB:
                assert file is not None, "a file is asked for"
                self._send_file(file())
                continue
            if (first == 0xFE and len(payload) < 9) or first == 0:
                status = self._status(payload)
            else:
                status = self._result(found, read_lenenc_number(payload, 0)[0])
            if not status & wire.SERVER_MORE_RESULTS_EXISTS:
                return found

    def _send_file(self, packets: Iterable[bytes]) -> None:
        for data in packets:
            self.socket.sendall(packet(self.sequence, data))
            self.sequence = self.sequence + len(data) // MAX_PAYLOAD + 1 & 0xFF
        self.socket.sendall(packet(self.sequence, b""))
        self.sequence = self.sequence + 1 & 0xFF

    def _result(self, found: list[bytes], columns: int) -> int:
        found += [self.read() for _ in range(columns)]
        if not self.capabilities & wire.CLIENT_DEPRECATE_EOF:
            found.append(self.read())
            status = parse_eof(found[-1])[0]
            if status & wire.SERVER_STATUS_CURSOR_EXISTS:
                return status
        return self.rows(found)

    def rows(self, found: list[bytes]) -> int:
        """Rows up to their end; the status of it (0 after an error)."""
        while True:
            payload = self.read()
            found.append(payload)
            if payload[0] == 0xFF:
                return 0
            if payload[0] == 0xFE and len(payload) < MAX_PAYLOAD:
                return self._status(payload)

    def _status(self, payload: bytes) -> int:
        if payload[0] == 0xFE and not self.capabilities & wire.CLIENT_DEPRECATE_EOF:
            return parse_eof(payload)[0]
        return parse_ok(payload, bool(self.capabilities & wire.CLIENT_SESSION_TRACK)).status

    # -- commands ----------------------------------------------------------------------------------

    def command(self, payload: bytes, **options: Any) -> list[bytes]:
        """A command and its reply."""
        self.send(payload)
        return self.reply(**options)

    def query(self, text: str | bytes, attributes: Sequence[tuple[bytes, Any]] = (), **options: Any) -> list[bytes]:
        """COM_QUERY."""
        return self.command(self.query_payload(text, attributes), **options)

    def query_payload(self, text: str | bytes, attributes: Sequence[tuple[bytes, Any]] = ()) -> bytes:
        """The payload of COM_QUERY."""
        raw = text.encode() if isinstance(text, str) else text
        if not self.capabilities & wire.CLIENT_QUERY_ATTRIBUTES:
            return b"\x03" + raw
        body = lenenc_int(len(attributes)) + b"\x01"
        if attributes:
            body += _parameters([value for _, value in attributes], [name for name, _ in attributes], True)
        return b"\x03" + body + raw

    def prepare(self, text: str | bytes) -> tuple[int, list[bytes]]:
        """COM_STMT_PREPARE: the id (0 after an error) and the reply, the id in it blanked."""
        raw = text.encode() if isinstance(text, str) else text
        self.send(b"\x16" + raw)
        return self.prepared()

    def prepared(self) -> tuple[int, list[bytes]]:
        """The reply to a COM_STMT_PREPARE that was sent."""
        head = self.read()
        if head[0] == 0xFF:
            return 0, [head]
        found = [head[:1] + b"????" + head[5:]]
        for count in (int.from_bytes(head[7:9], "little"), int.from_bytes(head[5:7], "little")):
            found += [self.read() for _ in range(count)]
            if count and not self.capabilities & wire.CLIENT_DEPRECATE_EOF:
                found.append(self.read())
        return int.from_bytes(head[1:5], "little"), found

    def execute(self, statement: int, *values: Any, **options: Any) -> list[bytes]:
        """COM_STMT_EXECUTE, see `execute_payload`."""
        return self.command(self.execute_payload(statement, *values, **options))

    def execute_payload(
        self,
        statement: int,
        *values: Any,
        types: bool = True,
        flags: int = 0,
        long: Sequence[int] = (),
        names: Sequence[bytes] = (),
        count: bool = False,
    ) -> bytes:
        """`types=False` leaves the types out; `long` are the indexes of parameters sent before by SEND_LONG_DATA.

        `names` are query attributes', the last values being theirs; `count` sets PARAMETER_COUNT_AVAILABLE.
        """
        named = bool(self.capabilities & wire.CLIENT_QUERY_ATTRIBUTES)
        flags |= 8 if count or names else 0
        body = b"\x17" + statement.to_bytes(4, "little") + bytes((flags,)) + b"\1\0\0\0"
        if named and (values or flags & 8):
            body += lenenc_int(len(values))
        if not values:
            return body
        all_names = [b""] * (len(values) - len(names)) + list(names) if named else None
        return body + _parameters(list(values), all_names, types, long)

    def long_data(self, statement: int, index: int, data: bytes) -> None:
        """COM_STMT_SEND_LONG_DATA, which has no reply."""
        self.send(b"\x18" + statement.to_bytes(4, "little") + index.to_bytes(2, "little") + data)

    def fetch(self, statement: int, rows: int) -> list[bytes]:
        """COM_STMT_FETCH."""
        self.send(b"\x1c" + statement.to_bytes(4, "little") + rows.to_bytes(4, "little"))
        found: list[bytes] = []
        self.rows(found)
        return found

    def reset(self, statement: int) -> list[bytes]:
        """COM_STMT_RESET."""
        return self.command(b"\x1a" + statement.to_bytes(4, "little"))

    def close_statement(self, statement: int) -> None:
        """COM_STMT_CLOSE, which has no reply."""
        self.send(b"\x19" + statement.to_bytes(4, "little"))

    def value(self, text: str) -> bytes:
        """The only value of a text query."""
        found = self.query(text)
        assert found[0] == b"\x01", found
        row = found[3 if not self.capabilities & wire.CLIENT_DEPRECATE_EOF else 2]
        return row[read_lenenc_number(row, 0)[1] :]


def _parameters(values: list[Any], names: list[bytes] | None, types: bool, long: Sequence[int] = ()) -> bytes:
    nulls = bytearray((len(values) + 7) // 8)
    kinds, data = [], []
    for index, value in enumerate(values):
        if value is None:
            nulls[index >> 3] |= 1 << (index & 7)
            kinds.append(NULL)
        elif isinstance(value, int):
            kinds.append(LONGLONG)
            data.append(value.to_bytes(8, "little", signed=True))
        elif isinstance(value, float):
            kinds.append(DOUBLE)
            data.append(struct.pack("<d", value))
        else:
            kinds.append(BLOB if index in long else STRING)
            if index not in long:
                data.append(lenenc_bytes(value))
    described = b""
    if types:
        for index, kind in enumerate(kinds):
            described += bytes((kind, 0)) + (b"" if names is None else lenenc_bytes(names[index]))
    return bytes(nulls) + (b"\1" if types else b"\0") + described + b"".join(data)


def error_of(reply: list[bytes]) -> int:
    """The code of the ERR that ends a reply, 0 where it ends well."""
    return ERR.parse(reply[-1]).code if reply[-1][:1] == b"\xff" else 0
