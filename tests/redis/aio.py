"""A client of Redis on asyncio that reads its replies by itself, with nothing of Outlive's or a driver's."""

import asyncio
from typing import Any

from .talk import encode


class ServerSaid(Exception):
    """An error reply."""


class Gone(ServerSaid):
    """The other end closed."""


class Aio:
    """One connection. Of RESP3 push messages go to `pushes`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.pushes: list[Any] = []
        self.number = 0

    @classmethod
    async def connect(cls, port: int, protocol: int = 3) -> "Aio":
        try:
            client = cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))
            found = await client.ask("HELLO", protocol)
        except OSError as error:
            raise Gone(str(error)) from error
        client.number = dict(zip(found[::2], found[1::2], strict=True))[b"id"]
        return client

    def send(self, *words: Any) -> None:
        self.writer.write(encode(*words))

    async def ask(self, *words: Any) -> Any:
        self.send(*words)
        return await self.reply()

    async def reply(self) -> Any:
        """A value; errors are raised, and inside of others they are ServerSaid."""
        try:
            found = await self._read()
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Gone(str(error)) from error
        if isinstance(found, ServerSaid):
            raise found
        return found

    async def push(self) -> Any:
        """The next push message, when none is awaited with a reply."""
        while not self.pushes:
            try:
                line = await self.reader.readuntil(b"\r\n")
                if line[:1] != b">":
                    raise ServerSaid(line[1:-2].decode())
                self.pushes.append([await self._read() for _ in range(int(line[1:]))])
            except (OSError, asyncio.IncompleteReadError) as error:
                raise Gone(str(error)) from error
        return self.pushes.pop(0)

    async def _read(self) -> Any:
        line = await self.reader.readuntil(b"\r\n")
        kind, text = line[:1], line[1:-2]
        if kind in b"$=":
            if text == b"-1":
                return None
            return (await self.reader.readexactly(int(text) + 2))[:-2]
        if kind == b":":
            return int(text)
        if kind == b"-":
            return ServerSaid(text.decode())
        if kind in b"*~%":
            if text == b"-1":
                return None
            return [await self._read() for _ in range(int(text) * (2 if kind == b"%" else 1))]
        if kind == b">":
            self.pushes.append([await self._read() for _ in range(int(text))])
            return await self._read()
        return None if kind == b"_" else text

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()
