"""A client on a bare asyncio stream: it can pipeline, and leave in the middle of anything."""

import asyncio
import hashlib
import struct
from typing import Any

from ..servers import Account
from ..servers.database import APP

_CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x10000 | 0x20000 | 0x80000 | 0x1000000
"""LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, MULTI_STATEMENTS,
MULTI_RESULTS, PLUGIN_AUTH, DEPRECATE_EOF."""
_MORE_RESULTS = 0x8
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

    @classmethod
    async def connect(cls, host: str, port: int, account: Account = APP, database: str = "test") -> "Raw":
        client = cls(*await asyncio.open_connection(host, port))
        greeting = await client._packet()
        if greeting[0] == 0xFF:
            raise _error(greeting)
        position = greeting.index(b"\0", 1) + 1
        client.connection_id = int.from_bytes(greeting[position : position + 4], "little")
        scramble = greeting[position + 4 : position + 12] + greeting[position + 31 : position + 43]
        plugin = greeting[position + 44 :].rstrip(b"\0")
        proof = (
            native_proof(account.password, scramble)
            if plugin.startswith(b"mysql_native")
            else sha2_proof(account, scramble)
        )
        payload = struct.pack("<IIB23x", _CAPABILITIES, 1 << 24, 45) + account.user.encode() + b"\0"
        payload += bytes((len(proof),)) + proof + database.encode() + b"\0" + plugin + b"\0"
        client.writer.write(len(payload).to_bytes(3, "little") + b"\1" + payload)
        while True:
            answer = await client._packet()
            if answer[0] == 0xFF:
                raise _error(answer)
            if answer[0] == 0:
                return client
            assert answer[:2] == b"\x01\x03", answer  # fast authentication has succeeded: OK follows

    def send(self, payload: bytes) -> None:
        self.writer.write(len(payload).to_bytes(3, "little") + b"\0" + payload)

    async def query(self, text: str) -> list[Any]:
        """The rows of each result (None for one without rows)."""
        self.send(QUERY + text.encode())
        return await self.reply()

    async def reply(self) -> list[Any]:
        results: list[Any] = []
        while True:
            first = await self._packet()
            if first[0] == 0xFF:
                raise _error(first)
            if first[0] == 0:
                self._ok(first)
                results.append(None)
            else:
                results.append(await self._rows(first[0]))
            if not self.status & _MORE_RESULTS:
                return results

    async def _rows(self, columns: int) -> list[tuple[str | None, ...]]:
        for _ in range(columns):
            await self._packet()
        rows = []
        while True:
            packet = await self._packet()
            if packet[0] == 0xFF:
                raise _error(packet)
            if packet[0] == 0xFE and len(packet) < 0xFFFFFF:
                self._ok(packet)
                return rows
            rows.append(_row(packet))

    def _ok(self, packet: bytes) -> None:
        position = 1
        _, position = lenenc(packet, position)
        self.insert_id, position = lenenc(packet, position)
        self.status = int.from_bytes(packet[position : position + 2], "little")

    async def _packet(self) -> bytes:
        header = await self.reader.readexactly(4)
        return await self.reader.readexactly(int.from_bytes(header[:3], "little"))

    def abort(self) -> None:
        """RST."""
        self.writer.transport.abort()

    def close(self) -> None:
        """FIN, without COM_QUIT."""
        self.writer.close()


def _row(packet: bytes) -> tuple[str | None, ...]:
    values: list[str | None] = []
    position = 0
    while position < len(packet):
        if packet[position] == 0xFB:
            values.append(None)
            position += 1
        else:
            length, position = lenenc(packet, position)
            values.append(packet[position : position + length].decode())
            position += length
    return tuple(values)


def lenenc(packet: bytes, position: int) -> tuple[int, int]:
    first = packet[position]
    if first < 0xFB:
        return first, position + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[position + 1 : position + 1 + size], "little"), position + 1 + size


def _error(packet: bytes) -> ServerSaid:
    return ServerSaid(int.from_bytes(packet[1:3], "little"), packet[3:].decode(errors="replace"))


def native_proof(password: str, scramble: bytes) -> bytes:
    one = hashlib.sha1(password.encode()).digest()
    two = hashlib.sha1(scramble + hashlib.sha1(one).digest()).digest()
    return bytes(a ^ b for a, b in zip(one, two, strict=True))


def sha2_proof(account: Account, scramble: bytes) -> bytes:
    one = hashlib.sha256(account.password.encode()).digest()
    two = hashlib.sha256(hashlib.sha256(one).digest() + scramble).digest()
    return bytes(a ^ b for a, b in zip(one, two, strict=True))
