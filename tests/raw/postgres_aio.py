"""A client on a bare asyncio stream: it can pipeline, cancel, and leave in the middle of anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from outlive.auth.postgres import Refused, ServerLogin
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say
from outlive.wire.postgres.errors import parse_error
from outlive.wire.postgres.messages import message

from ..servers import Account
from ..servers.database import APP

Row = tuple[str | None, ...]


class ServerSaid(Exception):
    """An ErrorResponse: `args` are its SQLSTATE and its text."""


@dataclass(slots=True)
class Reply:
    """What a unit was answered: `rows` of each result, `tags`, the error if any, and the transaction's status."""

    rows: list[list[Row]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    notified: list[tuple[str, str]] = field(default_factory=list)
    copied: list[bytes] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """Types of the messages, runs of rows as one."""
    error: tuple[str, str] | None = None
    status: str = ""


class Raw:
    """One connection. `send` and `reply` are apart, so that units can be sent ahead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.pid = 0
        self.key = b""
        self.parameters: dict[str, str] = {}

    @classmethod
    async def connect(cls, host: str, port: int, account: Account = APP, database: str = "test", **startup: str) -> Raw:
        """Raises ServerSaid when it is refused."""
        client = cls(*await asyncio.open_connection(host, port))
        asked = {"user": account.user, "database": database, **startup}
        client.send(say.startup(wire.PROTOCOL_3_0, {name.encode(): value.encode() for name, value in asked.items()}))
        login = ServerLogin(account.user.encode(), password=account.password.encode(), secure=False)
        while True:
            kind, payload = await client._message()
            if kind == wire.AUTHENTICATION:
                answers, verdict = login.receive(payload)
                assert not isinstance(verdict, Refused), verdict
                client.send(b"".join(message(wire.PASSWORD_MESSAGE, answer) for answer in answers))
            elif kind == wire.BACKEND_KEY_DATA:
                client.pid, client.key = say.parse_backend_key_data(payload)
            elif kind == wire.PARAMETER_STATUS:
                client._parameter(payload)
            elif kind == wire.ERROR_RESPONSE:
                raise _error(payload)
            elif kind == wire.READY_FOR_QUERY:
                return client

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def query(self, text: str) -> Reply:
        """The reply to a Query that must succeed; else ServerSaid."""
        return await self.unit(say.query(text.encode()))

    async def unit(self, *messages: bytes) -> Reply:
        """The reply to one unit that must succeed; else ServerSaid."""
        self.send(b"".join(messages))
        reply = await self.reply()
        if reply.error is not None:
            raise ServerSaid(*reply.error)
        return reply

    async def execute(self, text: str, *values: str | None) -> Reply:
        """The unnamed statement."""
        return await self.unit(say.parse(b"", text.encode()), *execution("", values))

    async def reply(self) -> Reply:
        """Up to the next ReadyForQuery. CopyInResponse ends it too: then `status` is "G". A fatal error raises."""
        reply = Reply()
        while True:
            kind, payload = await self._message()
            letter = chr(kind)
            if letter not in "DdSNA" or reply.told[-1:] != [letter]:
                reply.told.append(letter)
            if kind == wire.READY_FOR_QUERY:
                reply.status = payload.decode()
                return reply
            if kind == wire.COPY_IN_RESPONSE:
                reply.status = "G"
                return reply
            if kind == wire.ERROR_RESPONSE:
                error = _error(payload)
                if parse_error(payload).fatal:
                    raise error
                reply.error = reply.error or (error.args[0], error.args[1])
            else:
                self._take(kind, payload, reply)

    def _take(self, kind: int, payload: bytes, reply: Reply) -> None:
        if kind == wire.ROW_DESCRIPTION:
            reply.rows.append([])
        elif kind == wire.DATA_ROW:
            if not reply.rows:  # an Execute whose portal was not described
                reply.rows.append([])
            reply.rows[-1].append(tuple(None if v is None else bytes(v).decode() for v in say.parse_data_row(payload)))
        elif kind == wire.COMMAND_COMPLETE:
            reply.tags.append(payload[:-1].decode())
        elif kind == wire.NOTIFICATION_RESPONSE:
            channel, text, _ = payload[4:].split(b"\0")
            reply.notified.append((channel.decode(), text.decode()))
        elif kind == wire.COPY_DATA:
            reply.copied.append(payload)
        elif kind == wire.PARAMETER_STATUS:
            self._parameter(payload)

    def _parameter(self, payload: bytes) -> None:
        name, value = say.parse_parameter_status(payload)
        self.parameters[name.decode()] = value.decode()

    async def _message(self) -> tuple[int, bytes]:
        head = await self.reader.readexactly(5)
        return head[0], await self.reader.readexactly(int.from_bytes(head[1:], "big") - 4)

    async def cancel(self) -> None:
        """A CancelRequest for this connection; returns when the other side has closed its own."""
        peer = self.writer.get_extra_info("peername")
        await send_cancel(peer[0], peer[1], self.pid, self.key)

    def abort(self) -> None:
        """RST."""
        self.writer.transport.abort()

    def close(self, *, politely: bool = False) -> None:
        """FIN, without Terminate, or with it."""
        if politely:
            self.send(say.TERMINATE)
        self.writer.close()


async def send_cancel(host: str, port: int, pid: int, key: bytes) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(say.cancel_request(pid, key))
    try:
        await reader.read(1)
    except ConnectionError:
        pass
    writer.close()


def execution(name: str, values: Sequence[str | None] = (), *, portal: str = "", sync: bool = True) -> list[bytes]:
    """Bind, Describe, Execute and Sync of a statement."""
    encoded = [None if value is None else value.encode() for value in values]
    where = portal.encode()
    messages = [say.bind(where, name.encode(), encoded), say.describe(wire.PORTAL, where), say.execute(where)]
    return [*messages, say.SYNC] if sync else messages


def _error(payload: bytes) -> ServerSaid:
    error = parse_error(payload)
    return ServerSaid(error.code.decode(), error.message.decode(errors="replace"))
