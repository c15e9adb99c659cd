"""The hosts that are known to live: one a line, an address, a network (10.0.3.0/24) or a name; # begins a comment.

`address:port` is one client: where a host's clients are listed so, those that are not listed are dead, even if the host
lives.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from outlive.census.sockets import plain_address
from outlive.config.addresses import is_loopback, parse_address

MAX_BYTES: Final = 16 * 1024 * 1024
"""A million hosts; more is a wrong file."""
STANDARD_INPUT: Final = "-"

_NAME: Final = re.compile(r"(?![0-9.]*\Z)[A-Za-z0-9_]([A-Za-z0-9_-]|\.(?!\.)){0,252}\Z")
"""What is all digits and dots is a mistyped address."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class HostsError(Exception):
    """The list cannot be used: one sentence and the remedy."""


class Hosts:
    """A set of hosts; of some of them a set of clients, by port."""

    __slots__ = ("_names", "_networks", "_ports", "_prefixes")

    def __init__(
        self, names: frozenset[str], networks: tuple[_Network, ...], ports: Mapping[str, frozenset[int]]
    ) -> None:
        self._names = names
        self._networks = networks
        self._ports = ports
        # By length, so that a list of a hundred thousand networks is not walked through for each connection.
        prefixes: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for network in networks:
            bits = network.max_prefixlen - network.prefixlen
            prefixes[network.version, bits].add(int(network.network_address) >> bits)
        self._prefixes = dict(prefixes)

    def __len__(self) -> int:
        return len(self._names) + len(self._networks) + sum(map(len, self._ports.values()))

    def __contains__(self, host: object) -> bool:
        """Whether the host is listed as a whole."""
        if not isinstance(host, str):
            return False
        plain = plain_address(host)
        if plain in self._names:
            return True
        if not self._prefixes:
            return False
        try:
            address = ipaddress.ip_address(plain)
        except ValueError:
            return False
        number = int(address)
        return any(
            version == address.version and number >> bits in found for (version, bits), found in self._prefixes.items()
        )

    @property
    def by_name(self) -> frozenset[str]:
        """Hosts that are listed by a name, which a database that shows addresses never shows."""
        return frozenset(host for host in (*self._names, *self._ports) if not is_address(host))

    @property
    def by_port(self) -> frozenset[str]:
        """Hosts of which single clients are listed."""
        return frozenset(self._ports)

    def with_addresses(self, addresses: Mapping[str, Iterable[str]]) -> Hosts:
        """The same, and each listed name's addresses beside it."""
        names = {place for name, places in addresses.items() if name in self._names for place in places}
        ports = {place: self._ports[name] for name in self._ports.keys() & addresses for place in addresses[name]}
        for place in ports.keys() & self._ports:
            ports[place] |= self._ports[place]
        return Hosts(self._names | names, self._networks, {**self._ports, **ports})

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
    else:
        plain = plain_address(entry)
        if not is_address(plain) and not _NAME.match(plain):
            raise ValueError("neither an address nor a name")
        names.add(plain.rstrip("."))


def is_address(host: str) -> bool:
    """Else it is a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


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
    found = parse_hosts(content.decode("utf-8-sig", "replace"))
    if not found:
        raise HostsError(
            "The list of living hosts names no host, so it is not believed: name at least one that lives, for example"
            " the database's own, and replace the file in one step (write another one, then rename it)."
        )
    return found
