"""Where the primary is, asked of Sentinels.

Source: "Guidelines for Redis clients with support for Redis Sentinel": they are asked in turn at each dial, the first
that answers is asked first from then on, and what they name has to say by itself that it is the primary.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from outlive.config.addresses import Address
from outlive.wire.redis.decoding import decoded
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import command

_SHARE: Final = 3
"""So many of them may hang before connect_timeout_s has passed."""
_REPLY_BYTES_MAX: Final = 4096


class Sentinels:
    """Those of one entry. They are asked over short connections, which count for no budget."""

    def __init__(self, addresses: tuple[Address, ...], name: str) -> None:
        self._addresses = list(addresses)
        self._name = name

    async def primary(self, context: ssl.SSLContext | None, timeout_s: float) -> Address:
        """Raises OSError where none of them knows."""
        problem = ""
        for address in list(self._addresses):
            try:
                async with asyncio.timeout(timeout_s / _SHARE):
                    found = await self._ask(address, context)
            except TimeoutError:
                problem = "no answer"
                continue
            except (OSError, ValueError) as error:
                problem = getattr(error, "strerror", None) or str(error)
                continue
            if found is None:
                problem = f"{self._name} is unknown there"
                continue
            self._addresses.remove(address)
            self._addresses.insert(0, address)
            return found
        raise OSError(0, f"no Sentinel says where the primary is: {problem}")

    async def _ask(self, address: Address, context: ssl.SSLContext | None) -> Address | None:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, ssl=context, limit=_REPLY_BYTES_MAX, server_hostname=context and address.host
        )
        try:
            writer.write(command(b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", self._name.encode()))
            reply = decoded(await _one_reply(reader))
        finally:
            writer.close()
        if isinstance(reply, Exception):
            raise ValueError(str(reply))
        return None if reply is None else Address(reply[0].decode(), int(reply[1]))


async def _one_reply(reader: asyncio.StreamReader) -> bytes:
    """Raises ValueError and OSError."""
    scanner = ReplyScanner()
    whole = b""
    while len(whole) < _REPLY_BYTES_MAX:
        data = await reader.read(_REPLY_BYTES_MAX)
        if not data:
            raise OSError(0, "it closed the connection")
        _, done = scanner.scan(data, 0, 1)
        whole += data
        if done:
            return whole
    raise ValueError("a reply that is too long")
