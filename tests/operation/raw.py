"""A MySQL client as bare as possible, for what no driver does."""

import socket
from typing import Any

from outlive.auth.mysql.scramble import NATIVE, native_response
from outlive.wire.mysql.constants import (
    CLIENT_CONNECT_WITH_DB,
    CLIENT_PLUGIN_AUTH,
    CLIENT_PROTOCOL_41,
    CLIENT_SECURE_CONNECTION,
    CLIENT_TRANSACTIONS,
)
from outlive.wire.mysql.handshake import Greeting, HandshakeResponse
from outlive.wire.mysql.ok import ERR
from tests.logins.channel import Channel
from tests.servers import OutliveProcess

CAPABILITIES = (
    CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH | CLIENT_TRANSACTIONS | CLIENT_CONNECT_WITH_DB
)


def dial(node: OutliveProcess, *, before: bytes = b"", timeout_s: float = 15) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", node.port), timeout=timeout_s)
    if before:
        sock.sendall(before)
    return sock


def greeted(sock: socket.socket) -> tuple[Channel, Greeting]:
    channel = Channel(sock)
    return channel, Greeting.parse(channel.receive())


def respond(
    channel: Channel, greeting: Greeting, user: str, password: str, *, database: str = "test", **more: Any
) -> bytes:
    """Logs in with mysql_native_password; returns the server's answer."""
    response = HandshakeResponse(
        CAPABILITIES | more.get("capabilities", 0),
        1 << 24,
        45,
        user.encode(),
        native_response(password.encode(), greeting.scramble),
        database.encode(),
        NATIVE,
        {},
    )
    channel.send(response.encode())
    return channel.receive()


def refusal(sock: socket.socket) -> ERR:
    """The error that comes instead of (or as) the next packet."""
    payload = Channel(sock).receive()
    assert payload[0] == 0xFF, payload
    return ERR.parse(payload)


def closed(sock: socket.socket) -> bool:
    """Whether the other end closes, and sends nothing before."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
