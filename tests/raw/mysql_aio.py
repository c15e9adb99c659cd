"""A client on a bare asyncio stream: it can pipeline, and leave in the middle of anything."""

import asyncio
from typing import Any, NoReturn

from outlive.auth.mysql.verdict import Refused
from outlive.wire.mysql.constants import SERVER_MORE_RESULTS_EXISTS
from outlive.wire.mysql.handshake import Greeting
from outlive.wire.mysql.ok import ERR, parse_ok
from outlive.wire.mysql.packets import MAX_PAYLOAD, packet
from outlive.wire.mysql.results import read_text_row

from ..servers import Account
from ..servers.database import APP
from .mysql import MODERN, login_to, response_to

QUERY = b"\x03"
PING = b"\x0e"


class ServerSaid(Exception):
    """An ERR packet: `args[0]` is its code."""


class Raw:
    """One connection. `send` and `reply` are apart, so that commands can be sent ahead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.connection_id = 0
        self.status = 0
        self.insert_id = 0
        self._following = 0

    @classmethod
    async def connect(cls, host: str, port: int, account: Account = APP, database: str = "test") -> "Raw":
        client = cls(*await asyncio.open_connection(host, port))
        first = await client._packet()
        if first[0] == 0xFF:
            _raise(first)
        greeting = Greeting.parse(first)
        client.connection_id = greeting.connection_id
        login = login_to(greeting, account)
        client._write(1, response_to(greeting, login, account.user, MODERN, database.encode()))
        while True:
            step = login.receive(await client._packet())
            if isinstance(step.verdict, Refused):
                raise ServerSaid(step.verdict.code, step.verdict.message.decode(errors="replace"))
            if step.verdict is not None:
                return client
            for payload in step.send:
                client._write(client._following, payload)

    def _write(self, number: int, payload: bytes) -> None:
        self.writer.write(packet(number, payload))

    def send(self, payload: bytes) -> None:
        self._write(0, payload)

    async def query(self, text: str) -> list[Any]:
        """The rows of each result (None for one without rows)."""
        self.send(QUERY + text.encode())
        return await self.reply()

    async def reply(self) -> list[Any]:
        results: list[Any] = []
        while True:
            first = await self._packet()
            if first[0] == 0xFF:
                _raise(first)
            if first[0] == 0:
                self._ok(first)
                results.append(None)
            else:
                results.append(await self._rows(first[0]))
            if not self.status & SERVER_MORE_RESULTS_EXISTS:
                return results

    async def _rows(self, columns: int) -> list[tuple[str | None, ...]]:
        for _ in range(columns):
            await self._packet()
        rows = []
        while True:
            payload = await self._packet()
            if payload[0] == 0xFF:
                _raise(payload)
            if payload[0] == 0xFE and len(payload) < MAX_PAYLOAD:
                self._ok(payload)
                return rows
            values = read_text_row(payload, columns)
            rows.append(tuple(None if value is None else value.decode() for value in values))

    def _ok(self, payload: bytes) -> None:
        ok = parse_ok(payload, False)
        self.insert_id, self.status = ok.insert_id, ok.status

    async def _packet(self) -> bytes:
        header = await self.reader.readexactly(4)
        self._following = header[3] + 1 & 0xFF
        return await self.reader.readexactly(int.from_bytes(header[:3], "little"))

    def abort(self) -> None:
        """RST."""
        self.writer.transport.abort()

    def close(self) -> None:
        """FIN, without COM_QUIT."""
        self.writer.close()


def _raise(payload: bytes) -> NoReturn:
    error = ERR.parse(payload)
    raise ServerSaid(error.code, error.message.decode(errors="replace"))
