"""HOST:PORT as people write it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

_PORT: Final = re.compile(r"[0-9]{1,5}\Z")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}\Z")  # a DNS name (RFC 1035 length) or IPv4 address, not resolved here
_IPV6: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,15})?\Z")


class Address(NamedTuple):
    """A host (a name, or an IPv4 or IPv6 address without brackets) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str, default_port: int | None = None, *, lowest_port: int = 1) -> Address:
    """`host:port`, `[v6]:port`, or a bare host where there is a default port. Raises ValueError with a sentence."""
    text = text.strip()
    if "@" in text:
        raise ValueError("An address has no user or password in it.")  # not quoted: it would show them
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _IPV6.match(host) or ":" not in host or (rest and not rest.startswith(":")):
            raise ValueError(f"{text!r} is not an address.")
        port_text = rest[1:] if rest else ""
    else:
        host, _, port_text = text.rpartition(":") if ":" in text else (text, "", "")
        if ":" in host:
            raise ValueError(f"{text!r} is not an address; an IPv6 address stands in brackets.")
        if not _HOST.match(host):
            raise ValueError(f"{text!r} has no valid host." if host else f"{text!r} has no host.")
        host = host.lower()  # names compare without case, and two spellings must not make two budgets
    if not port_text and default_port is not None and not text.endswith(":"):
        return Address(host, default_port)
    if not _PORT.match(port_text) or not lowest_port <= int(port_text) <= 65535:
        raise ValueError(f"{text!r} has no valid port ({lowest_port} to 65535).")
    return Address(host, int(port_text))


def is_loopback(host: str) -> bool:
    """Whether this is the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
