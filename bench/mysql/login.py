"""A MySQL client's login and one query, in a few lines: ten thousand clients of a driver would need threads and
gigabytes.
"""

import asyncio
import hashlib
import ssl

from tests.servers.database import APP

# CLIENT_PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB
CLIENT_PROTOCOL = 0x00000200 | 0x00008000 | 0x00080000 | 0x00000008
CLIENT_SSL = 0x00000800


async def client(host: str, port: int, context: ssl.SSLContext | None) -> asyncio.StreamWriter:
    """A connection that has logged in as `app` and run a query; over TLS when `context` is given. ConnectionError when
    it is refused.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=4096)
    greeting = await _packet(reader)
    flags = CLIENT_PROTOCOL | (CLIENT_SSL if context else 0)
    head = flags.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x2d" + bytes(23)
    sequence = 1
    if context:
        writer.write(_frame(sequence, head))
        await writer.start_tls(context, server_hostname="localhost")
        sequence += 1
    answer = _native(APP.password.encode(), _scramble(greeting))
    names = APP.user.encode() + b"\0" + bytes([len(answer)]) + answer + b"test\0mysql_native_password\0"
    writer.write(_frame(sequence, head + names))
    reply = await _packet(reader)
    if reply[:1] == b"\xfe":
        scramble = reply[reply.index(b"\0") + 1 :].rstrip(b"\0")
        writer.write(_frame(sequence + 2, _native(APP.password.encode(), scramble)))
        reply = await _packet(reader)
    if reply[:1] != b"\0":
        raise ConnectionError(f"login refused: {reply!r}")
    writer.write(_frame(0, b"\x03SELECT 1"))
    for _ in range(5):  # count, column, EOF, row, EOF
        reply = await _packet(reader)
        if reply[:1] == b"\xff":
            raise ConnectionError(f"query refused: {reply!r}")
    return writer


async def _packet(reader: asyncio.StreamReader) -> bytes:
    header = await reader.readexactly(4)
    return await reader.readexactly(int.from_bytes(header[:3], "little"))


def _frame(sequence: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def _native(password: bytes, scramble: bytes) -> bytes:
    stage = hashlib.sha1(password).digest()
    mask = hashlib.sha1(scramble + hashlib.sha1(stage).digest()).digest()
    return bytes(a ^ b for a, b in zip(stage, mask, strict=True))


def _scramble(greeting: bytes) -> bytes:
    start = greeting.index(b"\0", 1) + 5
    return greeting[start : start + 8] + greeting[start + 27 : start + 39]
