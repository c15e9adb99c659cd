"""A client's first packets: they have no type byte, and decide what the connection is for.

Source: "Start-up", "Canceling Requests in Progress" and "SSL Session Encryption" of the PostgreSQL documentation.
"""

from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, TLS_HANDSHAKE
from outlive.wire.postgres.messages import KEY_BYTES_MAX, KEY_BYTES_MIN, read_string

STARTUP_LIMIT_BYTES: Final = 16 * 1024
"""PostgreSQL itself takes 10000 (MAX_STARTUP_PACKET_LENGTH); nothing longer can be of use."""

_MAJOR: Final = 3
_OPTION_PREFIX: Final = b"_pq_."


class Startup:
    """StartupMessage: `version` (PROTOCOL_3_0 or another minor), `parameters` in the order given, of equal names the
    last, and `options`, those of the protocol itself (`_pq_.name`).
    """

    __slots__ = ("options", "parameters", "version")

    def __init__(self, version: int, parameters: dict[bytes, bytes], options: dict[bytes, bytes]) -> None:
        self.version = version
        self.parameters = parameters
        self.options = options


class UnsupportedVersion:
    """A StartupMessage of another major version, whose layout is not known."""

    __slots__ = ("version",)

    def __init__(self, version: int) -> None:
        self.version = version

    def __str__(self) -> str:
        return f"{self.version >> 16}.{self.version & 0xFFFF}"


class SSLRequest:
    """Wants TLS; answered with one byte. Whatever came behind it before the answer was not encrypted: see `rest`."""

    __slots__ = ()


class GSSENCRequest:
    """Wants GSSAPI encryption; answered with one byte."""

    __slots__ = ()


class CancelRequest:
    """Wants the statement cancelled that runs under this process id. The key is a secret."""

    __slots__ = ("key", "pid")

    def __init__(self, pid: int, key: bytes) -> None:
        self.pid = pid
        self.key = key


class DirectTLS:
    """The connection begins with a TLS handshake, without an SSLRequest; nothing of it was taken."""

    __slots__ = ()


FirstPacket = Startup | UnsupportedVersion | SSLRequest | GSSENCRequest | CancelRequest | DirectTLS


class StartupReader:
    """`feed` it, then `next`: exactly one packet is taken and what follows stays untouched, see `rest`.

    A packet above the limit, known from its first bytes, and a malformed one raise ProtocolError.
    """

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Adds what was received."""
        self._buffer += data

    def next(self) -> FirstPacket | None:
        """The packet, or None while it is incomplete."""
        buffer = self._buffer
        if buffer and buffer[0] == TLS_HANDSHAKE:  # No length of a packet that is within the limit begins so.
            return DirectTLS()
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "big")
        if not 8 <= length <= STARTUP_LIMIT_BYTES:
            raise ProtocolError("a first packet of impossible length")
        if len(buffer) < length:
            return None
        packet = bytes(buffer[4:length])
        del buffer[:length]
        return _first_packet(packet)

    def rest(self) -> bytes:
        """Takes the unread bytes out. Behind an SSLRequest there must be none: they would be taken for encrypted."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    @property
    def pending(self) -> int:
        """Unread bytes."""
        return len(self._buffer)


def _first_packet(packet: bytes) -> FirstPacket:
    code = int.from_bytes(packet[:4], "big")
    if code in (SSL_REQUEST, GSSENC_REQUEST):
        if len(packet) != 4:
            raise ProtocolError("a request for encryption with more than its code")
        return SSLRequest() if code == SSL_REQUEST else GSSENCRequest()
    if code == CANCEL_REQUEST:
        if not 8 + KEY_BYTES_MIN <= len(packet) <= 8 + KEY_BYTES_MAX:
            raise ProtocolError("a CancelRequest of impossible length")
        return CancelRequest(int.from_bytes(packet[4:8], "big"), packet[8:])
    if code >> 16 != _MAJOR:
        return UnsupportedVersion(code)
    return _startup(code, packet)


def _startup(version: int, packet: bytes) -> Startup:
    parameters: dict[bytes, bytes] = {}
    options: dict[bytes, bytes] = {}
    position = 4
    while True:
        name, position = read_string(packet, position)
        if not name:
            break
        value, position = read_string(packet, position)
        (options if name.startswith(_OPTION_PREFIX) else parameters)[name] = value
    if position != len(packet):
        raise ProtocolError("a StartupMessage goes on behind its end")
    return Startup(version, parameters, options)
