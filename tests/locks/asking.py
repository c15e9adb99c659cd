"""Callers of the locks on sockets of their own, which can be killed at any moment."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

from tests.gateway.caller import KEY

_RST = struct.pack("ii", 1, 0)


class Asked:
    """A request that was sent."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON. Raises OSError or EOFError."""
        try:
            line = await self.reader.readuntil(b"\r\n")
            headers = {}
            while (field := await self.reader.readuntil(b"\r\n")) != b"\r\n":
                name, _, value = field.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = await self.reader.readexactly(int(headers["content-length"]))
            return int(line.split()[1]), headers, json.loads(body)
        finally:
            self.writer.close()

    def kill(self, *, reset: bool = False) -> None:
        """As the kernel does for a process that ends: FIN, or RST where something was not read."""
        if reset:
            sock: socket.socket = self.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
        self.writer.transport.abort()


async def begin(port: int, path: str, body: object = None, method: str = "POST", **headers: str) -> Asked:
    """Sends it; `body` None is none at all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data = b"" if body is None else json.dumps(body).encode()
    fields = {"Host": "t", "Authorization": f"Bearer {KEY}", "Content-Length": str(len(data)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + data)
    return Asked(reader, writer)


async def ask(port: int, path: str, body: object = None, method: str = "POST") -> tuple[int, Any]:
    """Status and JSON."""
    status, _, found = await (await begin(port, path, body, method)).answer()
    return status, found


async def insist(ports: Sequence[int], path: str, body: object) -> tuple[int, Any]:
    """Asks one node after the other with the same words until one has an answer, as a client behind a balancer."""
    turn = 0
    while True:
        port = ports[turn % len(ports)]
        turn += 1
        with contextlib.suppress(OSError, EOFError):
            async with asyncio.timeout(30):  # wait_for may lose a cancellation that comes with the answer
                status, found = await ask(port, path, body)
            if status < 500:
                return status, found
        await asyncio.sleep(0.05)


async def waited(ports: Sequence[int], key: str, waiter: str, timeout_ms: int = 2000, **more: Any) -> Any:
    """What the waiter is granted, however often it has to ask."""
    body = {"waiter_id": waiter, "timeout_ms": timeout_ms, **more}
    turn = 0
    while True:
        ports_now = [*ports[turn % len(ports) :], *ports]
        turn += 1
        status, found = await insist(ports_now, f"/v1/locks/{key}/wait", body)
        if status == 200:
            return found
        assert status == 202, (status, found)
