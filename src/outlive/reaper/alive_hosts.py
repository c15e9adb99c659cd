"""The hosts that are known to live: one a line, an address, a network (10.0.3.0/24) or a name; # begins a comment."""

from __future__ import annotations

import ipaddress
import sys
from pathlib import Path
from typing import Final

from outlive.census.sockets import plain_address

MAX_BYTES: Final = 16 * 1024 * 1024
"""A million hosts; more is a wrong file."""
STANDARD_INPUT: Final = "-"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostsError(Exception):
    """The list cannot be used: one sentence and the remedy."""


class Hosts:
    """A set of hosts."""

    __slots__ = ("_names", "_networks")

    def __init__(self, names: frozenset[str], networks: tuple[_Network, ...]) -> None:
        self._names = names
        self._networks = networks

    def __len__(self) -> int:
        return len(self._names) + len(self._networks)

    def __contains__(self, host: object) -> bool:
        if not isinstance(host, str):
            return False
        plain = plain_address(host)
        if plain in self._names:
            return True
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(plain)
        except ValueError:
            return False
        return any(address.version == network.version and address in network for network in self._networks)


def parse_hosts(text: str) -> Hosts:
    """Raises HostsError, which names the line."""
    names: set[str] = set()
    networks: list[_Network] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        if len(entry.split()) > 1:
            raise HostsError(f"Line {number} of the list of living hosts has more than one word: write one a line.")
        if "/" in entry:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                raise HostsError(
                    f"Line {number} of the list of living hosts is no network: write 10.0.3.0/24."
                ) from None
        else:
            names.add(plain_address(entry))
    return Hosts(frozenset(names), tuple(networks))


def read_hosts(path: str) -> Hosts:
    """The list as it is now. Raises HostsError, also where it names nobody.

    A list that is empty is rather one that is being written, or whose source failed, than a world without functions.
    """
    try:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise HostsError(f"The list of living hosts {path} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES:
        raise HostsError(f"The list of living hosts has more than {MAX_BYTES} bytes: is it the right file?")
    found = parse_hosts(content.decode("utf-8", "replace"))
    if not found:
        raise HostsError(
            "The list of living hosts names no host, so it is not believed: name at least one that lives, for example"
            " the database's own, and replace the file in one step (write another one, then rename it)."
        )
    return found
