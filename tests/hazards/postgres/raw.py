"""A PostgreSQL client of bare messages: what drivers do not do, and everything that comes back.

It speaks by `outlive.wire.postgres` and keeps no state but what it is told. `shown` makes of a server's message what
two conversations are compared by.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from outlive.auth.postgres import Accepted, Refused, ServerLogin
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.messages import message

from ...servers import OutliveProcess, PostgresServer
from ...servers.database import APP, Account

TIMEOUT_S = 30.0
FIRST_USER_OID = 16384  # FirstNormalObjectId: what a script makes has another number each time
SHOWN_BYTES = 200  # of a longer value its length and digest are compared

Message = tuple[Any, ...]


class LoginError(Exception):
    """The server's, or Outlive's, refusal: the fields of its ErrorResponse."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.fields = fields


class Raw:
    """A logged-in connection. `parameters` are the startup packet's, beside user and database."""

    def __init__(
        self,
        target: PostgresServer | OutliveProcess,
        *,
        account: Account = APP,
        database: str = "test",
        parameters: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        port = target.pg_port if isinstance(target, OutliveProcess) else target.port
        self.socket = socket.create_connection((target.host, port), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._position = 0
        self.pid = 0
        self.key = b""
        asked = {"user": account.user, "database": database, **(parameters or {})}
        self.send(say.startup(wire.PROTOCOL_3_0, {name.encode(): value.encode() for name, value in asked.items()}))
        self.told: dict[str, str] = {}
        """The ParameterStatus messages of the login."""
        self._log_in(ServerLogin(account.user.encode(), password=account.password.encode(), secure=False))

    def _log_in(self, login: ServerLogin) -> None:
        while True:
            kind, payload = self.read()
            if kind == wire.AUTHENTICATION:
                send, verdict = login.receive(payload)
                for answer in send:
                    self.send(message(wire.PASSWORD_MESSAGE, answer))
                assert not isinstance(verdict, Refused), verdict
                assert verdict is None or isinstance(verdict, Accepted)
            elif kind == wire.PARAMETER_STATUS:
                name, value = say.parse_parameter_status(payload)
                self.told[name.decode()] = value.decode()
            elif kind == wire.BACKEND_KEY_DATA:
                self.pid, self.key = say.parse_backend_key_data(payload)
            elif kind == wire.READY_FOR_QUERY:
                return
            elif kind == wire.ERROR_RESPONSE:
                self.close()
                raise LoginError(fields(payload))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> tuple[int, bytes]:
        """Type and payload of the next message. EOFError at the end."""
        self._need(5)
        length = int.from_bytes(self._buffer[self._position + 1 : self._position + 5], "big")
        self._need(1 + length)  # moves the position
        start = self._position
        self._position = start + 1 + length
        return self._buffer[start], bytes(self._buffer[start + 5 : self._position])

    def _need(self, count: int) -> None:
        if len(self._buffer) - self._position >= count:
            return
        del self._buffer[: self._position]
        self._position = 0
        while len(self._buffer) < count:
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError("the other side closed")
            self._buffer += data

    def until(self, last: str = "Z", count: int = 1) -> list[Message]:
        """All messages up to the `count`-th of type `last`, or up to the end of the connection."""
        found: list[Message] = []
        while count:
            try:
                kind, payload = self.read()
            except (EOFError, ConnectionResetError):
                return [*found, ("end",)]
            found.append(shown(chr(kind), payload))
            count -= chr(kind) == last
        return found

    def query(self, text: str | bytes) -> list[Message]:
        """The reply to one Query."""
        self.send(say.query(text.encode() if isinstance(text, str) else text))
        return self.until()

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        """The rows of one Query that must succeed."""
        reply = self.query(text)
        assert not any(found[0] == "E" for found in reply), reply
        return [found[1] for found in reply if found[0] == "D"]

    def close(self) -> None:
        """Terminate, and the end of the socket."""
        try:
            self.socket.sendall(say.TERMINATE)
        except OSError:
            pass
        self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


# -- what a client says ----------------------------------------------------------------------------

SYNC = say.SYNC
FLUSH = say.FLUSH
COPY_DONE = say.COPY_DONE


def parse(name: str, text: str | bytes, *types: int) -> bytes:
    """Parse; `types` are oids."""
    sql = text.encode() if isinstance(text, str) else text
    return say.parse(
        name.encode(), sql, len(types).to_bytes(2, "big") + b"".join(oid.to_bytes(4, "big") for oid in types)
    )


def bind(portal: str, name: str, *values: str | bytes | None, binary: bool = False) -> bytes:
    """Bind with text parameters; `binary` is the results' format."""
    data = [value.encode() if isinstance(value, str) else value for value in values]
    found = say.bind(portal.encode(), name.encode(), data)
    if not binary:
        return found
    return message(wire.BIND, found[5:-2] + b"\0\1\0\1")


def describe(kind: str, name: str = "") -> bytes:
    """Describe of a statement ("S") or portal ("P")."""
    return say.describe(ord(kind), name.encode())


def execute(portal: str = "", rows: int = 0) -> bytes:
    """Execute."""
    return say.execute(portal.encode(), rows)


def close(kind: str, name: str = "") -> bytes:
    """Close of a statement ("S") or portal ("P")."""
    return say.close(ord(kind), name.encode())


def query(text: str | bytes) -> bytes:
    """Query."""
    return say.query(text.encode() if isinstance(text, str) else text)


def copy_data(data: bytes) -> bytes:
    """CopyData."""
    return message(wire.COPY_DATA, data)


def copy_fail(why: str = "no more") -> bytes:
    """CopyFail."""
    return say.copy_fail(why.encode())


def function_call(oid: int, *values: bytes | None, binary: bool = False) -> bytes:
    """FunctionCall with text arguments."""
    arguments = b"".join(
        b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value for value in values
    )
    form = b"\0\1" if binary else b"\0\0"
    return message(
        wire.FUNCTION_CALL,
        oid.to_bytes(4, "big") + b"\0\1" + form + len(values).to_bytes(2, "big") + arguments + form,
    )


# -- what a server says ----------------------------------------------------------------------------


def shown(kind: str, payload: bytes) -> Message:
    """A message as it is compared: without process ids and the oids of what the script made."""
    if kind == "D":
        return kind, tuple(map(_value, say.parse_data_row(payload)))
    if kind == "T":
        return kind, _columns(payload)
    if kind == "t":
        return kind, tuple(_oid(payload, position) for position in range(2, len(payload), 4))
    if kind in "EN":
        return kind, fields(payload)
    if kind == "A":
        channel, position = say.read_string(payload, 4)
        return kind, channel.decode(), say.read_string(payload, position)[0].decode()
    if kind == "S":
        return kind, *(part.decode("utf-8", "backslashreplace") for part in say.parse_parameter_status(payload))
    if kind in "CZ":
        return kind, payload.rstrip(b"\0").decode()
    return (kind, _value(payload)) if payload else (kind,)


def _value(value: bytes | None) -> str | None:
    if value is None:
        return None
    if len(value) <= SHOWN_BYTES:
        return value.decode("utf-8", "backslashreplace")
    return f"{len(value)} bytes {hashlib.sha256(value).hexdigest()[:16]}"


def _oid(payload: bytes, position: int) -> int | str:
    oid = int.from_bytes(payload[position : position + 4], "big")
    return oid if oid < FIRST_USER_OID else "user's"


def _columns(payload: bytes) -> tuple[Any, ...]:
    columns, position = [], 2
    while position < len(payload):
        name, position = say.read_string(payload, position)
        table, kind = _oid(payload, position), _oid(payload, position + 6)
        rest = payload[position + 4 : position + 6] + payload[position + 10 : position + 18]
        columns.append((name.decode("utf-8", "backslashreplace"), table, kind, rest.hex()))
        position += 18
    return tuple(columns)


def fields(payload: bytes) -> dict[str, str]:
    """The fields of an error or a notice, by their letters."""
    return {part[:1].decode(): part[1:].decode("utf-8", "backslashreplace") for part in payload.split(b"\0") if part}


def codes(reply: Sequence[Message]) -> list[str]:
    """The SQLSTATEs of the errors in a reply."""
    return [found[1]["C"] for found in reply if found[0] == "E"]


def types(reply: Sequence[Message]) -> str:
    """The types of the messages in a reply."""
    return "".join(found[0] for found in reply)
