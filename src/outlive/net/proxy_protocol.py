"""The PROXY protocol, version 2: a load balancer's word on who its client is.

Source: "The PROXY protocol", HAProxy's specification, section 2.2. It is required or off per listener, never
guessed: whoever may send it may claim any address, so it is taken from trusted networks only.
"""

import ipaddress
import socket
from collections.abc import Iterable
from typing import NamedTuple

_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES = 16
# Addresses take at most 216 bytes; the rest are TLVs. Load balancers send some hundred bytes of them, with a
# client's certificate details perhaps a thousand.
_LONGEST_BODY_BYTES = 4096
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED = 0x00
_ADDRESS_BYTES = {0x11: 4, 0x21: 16}
_FAMILY = {0x11: socket.AF_INET, 0x21: socket.AF_INET6}
_UNIX_STREAM, _UNIX_BYTES = 0x31, 216


class ProxyProtocolError(ValueError):
    """The header is not one, or one that is not accepted; the text says why. Close the connection."""


class ProxyHeader(NamedTuple):
    """Who connected to the load balancer, and where. Both None: use the connection's own addresses.

    That is so for the load balancer's own checks (LOCAL), and for clients that have no IP address.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    local: bool


def proxy_header(source: tuple[str, int] | None, destination: tuple[str, int] | None) -> bytes:
    """The header that tells a server whose connection this is: IP addresses and ports of the client, and of where it
    connected. LOCAL where either is not known.
    """
    if source is None or destination is None:
        return _SIGNATURE + bytes((_LOCAL, _UNSPECIFIED, 0, 0))
    addresses = [ipaddress.ip_address(host.partition("%")[0]) for host, _ in (source, destination)]
    code, size = (0x11, 4) if all(address.version == 4 for address in addresses) else (0x21, 16)
    body = b"".join(_packed(address, size) for address in addresses)
    body += b"".join(port.to_bytes(2, "big") for _, port in (source, destination))
    return _SIGNATURE + bytes((_PROXY, code)) + len(body).to_bytes(2, "big") + body


def _packed(address: ipaddress.IPv4Address | ipaddress.IPv6Address, size: int) -> bytes:
    """An IPv4 address beside one of IPv6 is written as that, mapped (RFC 4291, 2.5.5.2)."""
    packed = address.packed
    return packed if len(packed) == size else bytes(10) + b"\xff\xff" + packed


class ProxyHeaderReader:
    """Reads one header from the first bytes of a connection, in whatever pieces they come."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """The header once it is complete, None until then. `rest()` has the bytes behind it.

        Raises ProxyProtocolError as soon as the bytes cannot become an acceptable header.
        """
        buffer = self._buffer = self._buffer + data
        if not _SIGNATURE.startswith(buffer[: len(_SIGNATURE)]):
            raise ProxyProtocolError(_why_no_header(buffer))
        if len(buffer) < _FIXED_BYTES:
            return None
        command, transport = buffer[12], buffer[13]
        if command not in (_LOCAL, _PROXY):
            raise ProxyProtocolError(
                f"PROXY protocol version or command 0x{command:02x} is not version 2's LOCAL or PROXY"
            )
        body_bytes = int.from_bytes(buffer[14:_FIXED_BYTES], "big")
        if body_bytes > _LONGEST_BODY_BYTES:
            raise ProxyProtocolError(f"a PROXY header of {body_bytes} bytes is longer than {_LONGEST_BODY_BYTES}")
        end = _FIXED_BYTES + body_bytes
        if len(buffer) < end:
            return None
        header = _header(command, transport, buffer[_FIXED_BYTES:end])
        self._buffer = buffer[end:]
        return header

    def rest(self) -> bytes:
        """The bytes that follow the header."""
        return self._buffer


def _why_no_header(buffer: bytes) -> str:
    if buffer.startswith(b"PROXY"[: len(buffer)]):
        return "the load balancer sends version 1 of the PROXY protocol: set it to version 2"
    return "no PROXY header: this listener requires one (version 2)"


def _header(command: int, transport: int, body: bytes) -> ProxyHeader:
    if command == _LOCAL:
        return ProxyHeader(None, None, True)
    if transport == _UNSPECIFIED:
        return ProxyHeader(None, None, False)
    if transport == _UNIX_STREAM and len(body) >= _UNIX_BYTES:
        return ProxyHeader(None, None, False)
    size = _ADDRESS_BYTES.get(transport)
    if size is None or len(body) < 2 * size + 4:
        raise ProxyProtocolError("a PROXY header whose addresses are not those of a TCP connection")
    family = _FAMILY[transport]
    hosts = [socket.inet_ntop(family, body[at : at + size]) for at in (0, size)]
    ports = [int.from_bytes(body[at : at + 2], "big") for at in (2 * size, 2 * size + 2)]
    return ProxyHeader((hosts[0], ports[0]), (hosts[1], ports[1]), False)


class TrustedNetworks:
    """Addresses and networks in CIDR notation whose PROXY headers are believed.

    Raises ValueError, naming it, for one that is neither.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(_network(text) for text in networks)

    def trusts(self, host: str) -> bool:
        """Whether this peer, an IP address as the socket gives it, may send a header."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)  # an IPv4 peer of a dual-stack listener
        address = mapped or address
        return any(address in network for network in self._networks)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no IP address and no network in CIDR notation") from None
