"""The hosts that are known to live: one a line, an address, a network (10.0.3.0/24) or a name; # begins a comment.

`address:port` is one client: where a host's clients are listed so, those that are not listed are dead, even if the host
lives.
"""

from __future__ import annotations

import ipaddress
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from outlive.census.sockets import plain_address
from outlive.config.addresses import is_loopback, parse_address

MAX_BYTES: Final = 16 * 1024 * 1024
"""A million hosts; more is a wrong file."""
STANDARD_INPUT: Final = "-"

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostsError(Exception):
    """The list cannot be used: one sentence and the remedy."""


class Hosts:
    """A set of hosts; of some of them a set of clients, by port."""

    __slots__ = ("_names", "_networks", "_ports")

    def __init__(
        self, names: frozenset[str], networks: tuple[_Network, ...], ports: Mapping[str, frozenset[int]]
    ) -> None:
        self._names = names
        self._networks = networks
        self._ports = ports

    def __len__(self) -> int:
        return len(self._names) + len(self._networks) + sum(map(len, self._ports.values()))

    def __contains__(self, host: object) -> bool:
        """Whether the host is listed as a whole."""
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

    def ports(self, host: str) -> frozenset[int] | None:
        """The ports of this host's clients, where they are listed one by one; else None."""
        return self._ports.get(plain_address(host))

    @property
    def names_loopback(self) -> bool:
        """Whether it is about the database's own machine, too."""
        hosts = (*self._names, *self._ports)
        return any(map(is_loopback, hosts)) or any(network.is_loopback for network in self._networks)


def parse_hosts(text: str) -> Hosts:
    """Raises HostsError, which names the line."""
    names: set[str] = set()
    networks: list[_Network] = []
    ports: defaultdict[str, set[int]] = defaultdict(set)
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        try:
            _take(entry, names, networks, ports)
        except ValueError:
            raise HostsError(
                f"Line {number} of a list of hosts is none: write one address, network (10.0.3.0/24), name or"
                " address:port a line."
            ) from None
    return Hosts(frozenset(names), tuple(networks), {host: frozenset(found) for host, found in ports.items()})


def _take(entry: str, names: set[str], networks: list[_Network], ports: defaultdict[str, set[int]]) -> None:
    """Raises ValueError."""
    if "/" in entry:
        networks.append(ipaddress.ip_network(entry, strict=False))
    elif entry.startswith("[") or entry.count(":") == 1:
        host, port = parse_address(entry)
        ports[plain_address(host)].add(port)
    elif len(entry.split()) == 1:
        names.add(plain_address(entry))
    else:
        raise ValueError("several words")


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
