"""A PostgreSQL client's login (SCRAM-SHA-256, RFC 7677) and one query, in a few lines: ten thousand clients of a driver
would need threads and gigabytes.
"""

import asyncio
import base64
import functools
import hashlib
import hmac
import secrets
import ssl

from tests.servers.database import APP

PROTOCOL = 196_608  # 3.0
SSL_REQUEST = 80_877_103
# Kinds of Authentication messages.
OK, SASL, SASL_CONTINUE, SASL_FINAL = 0, 10, 11, 12


async def client(host: str, port: int, context: ssl.SSLContext | None) -> asyncio.StreamWriter:
    """A connection that has logged in as `app` and run a query; over TLS when `context` is given. ConnectionError when
    it is refused.
    """
    reader, writer = await asyncio.open_connection(host, port, limit=4096)
    if context:
        writer.write(_first(SSL_REQUEST, b""))
        if await reader.readexactly(1) != b"S":
            raise ConnectionError("TLS refused")
        await writer.start_tls(context, server_hostname="localhost")
    writer.write(_first(PROTOCOL, b"user\0" + APP.user.encode() + b"\0database\0test\0\0"))
    await _authenticate(reader, writer)
    await _ready(reader)
    writer.write(_message(b"Q", b"SELECT 1\0"))
    await _ready(reader)
    return writer


async def _authenticate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # n,, = no channel binding, which is for the relay to ask for: this certificate is not verified anyway.
    bare = b"n=,r=" + base64.b64encode(secrets.token_bytes(18))
    await _authentication(reader, SASL)
    first = b"n,," + bare
    writer.write(_message(b"p", b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first))
    challenge = await _authentication(reader, SASL_CONTINUE)
    fields = dict(field.split(b"=", 1) for field in challenge.split(b","))
    salted = _salted(fields[b"s"], int(fields[b"i"]))
    without_proof = b"c=biws,r=" + fields[b"r"]
    client_key = _hmac(salted, b"Client Key")
    signature = _hmac(hashlib.sha256(client_key).digest(), b",".join((bare, challenge, without_proof)))
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    writer.write(_message(b"p", without_proof + b",p=" + base64.b64encode(proof)))
    await _authentication(reader, SASL_FINAL)
    await _authentication(reader, OK)


async def _authentication(reader: asyncio.StreamReader, kind: int) -> bytes:
    letter, payload = await _read(reader)
    if letter != b"R" or int.from_bytes(payload[:4], "big") != kind:
        raise ConnectionError(f"login refused: {letter!r} {payload!r}")
    return payload[4:]


async def _ready(reader: asyncio.StreamReader) -> None:
    letter = b""
    while letter != b"Z":
        letter, payload = await _read(reader)
        if letter == b"E":
            raise ConnectionError(f"refused: {payload!r}")


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


@functools.cache  # it takes long on purpose, and a relay has the same salt for all of them
def _salted(salt: bytes, iterations: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", APP.password.encode(), base64.b64decode(salt), iterations)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")


def _message(letter: bytes, payload: bytes) -> bytes:
    return letter + (len(payload) + 4).to_bytes(4, "big") + payload


def _first(code: int, payload: bytes) -> bytes:
    return (len(payload) + 8).to_bytes(4, "big") + code.to_bytes(4, "big") + payload
