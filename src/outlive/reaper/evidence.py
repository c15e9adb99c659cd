"""What is known of the owners of connections, from outside the database: pure, gathered by `round.py`."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from outlive.census.sockets import Fate, SocketTable, plain_address
from outlive.config.addresses import is_loopback
from outlive.reaper.alive_hosts import Hosts


class Answer(StrEnum):
    """How a host took a TCP connection that was tried to it."""

    LIVES = "lives"
    """It accepted, or refused with RST: its kernel is there."""
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


class Weight(StrEnum):
    """What a reason is worth. Later ones win over earlier ones; `rules.judge` says it in words."""

    NOTHING = "nothing"
    DEAD = "dead"
    LIVES = "lives"
    GONE = "gone"
    """Certain: this very client has ended, whatever its host does."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is known of a connection's owner, with its reason for people."""

    weight: Weight
    text: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of one round. What was not asked is None or empty.

    `answers` are of probes, by address; `addresses` the addresses of hosts that the database shows by name.
    """

    alive: Hosts | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    sockets: SocketTable | None = None
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, host: str, port: int) -> list[Finding]:
        """All that is known of the client at this host and port."""
        places = self.places(host)
        listed, kernel = self._by_list(places, port), self._by_kernel(places, port)
        if listed is not None and kernel is not None and kernel.weight is Weight.LIVES:
            # The kernel speaks of this very socket, now; a list of clients may be old.
            listed = listed if listed.weight is not Weight.GONE else Finding(Weight.DEAD, listed.text)
        return [finding for finding in (listed, kernel, self._by_probe(places)) if finding is not None]

    def places(self, host: str) -> tuple[str, ...]:
        """The host as the database shows it, and its addresses where that is a name."""
        return (host, *self.addresses.get(host, ()))

    def _by_list(self, places: tuple[str, ...], port: int) -> Finding | None:
        alive = self.alive
        if alive is None:
            return None
        if any(place in alive for place in places):
            return Finding(Weight.LIVES, f"{places[0]} is listed as alive")
        listed = [ports for place in places if (ports := alive.ports(place)) is not None]
        if any(port in ports for ports in listed):
            return Finding(Weight.LIVES, f"{places[0]}:{port} is listed as alive")
        if listed:
            return Finding(Weight.GONE, f"{places[0]}:{port} is not among the clients there that are listed as alive")
        if not alive.names_loopback and any(map(is_loopback, places)):
            return Finding(Weight.NOTHING, "it comes from the database's own machine, which the list is not about")
        return Finding(Weight.DEAD, f"{places[0]} is not listed as alive")

    def _by_kernel(self, places: tuple[str, ...], port: int) -> Finding | None:
        if self.sockets is None:
            return None
        weights = {Fate.LIVES: Weight.LIVES, Fate.GONE: Weight.GONE, Fate.SILENT: Weight.DEAD}
        for place in places:
            fate, text = self.sockets.fate(place, port)
            if text:
                return Finding(weights.get(fate, Weight.NOTHING), text)
        return None

    def _by_probe(self, places: tuple[str, ...]) -> Finding | None:
        """Silence counts only where a host of the same network answered in the same round: else it may be a firewall,
        or our own network, that keeps the answers away.
        """
        known = [
            (place, self.answers[plain_address(place)]) for place in places if plain_address(place) in self.answers
        ]
        if not known:
            return None
        for place, answer in known:
            if answer is Answer.LIVES:
                return Finding(Weight.LIVES, f"{place} answered a probe")
        place, answer = known[0]
        if answer is Answer.UNKNOWN:
            return None
        other = self._neighbour_that_answered(place)
        how = "is unreachable" if answer is Answer.UNREACHABLE else "did not answer a probe"
        if other is None:
            return Finding(Weight.NOTHING, f"{place} {how}, but no host of its network did, so that says nothing")
        return Finding(Weight.DEAD, f"{place} {how}, while {other} of the same network answered")

    def _neighbour_that_answered(self, place: str) -> str | None:
        network = network_of(place)
        return next(
            (host for host, said in self.answers.items() if said is Answer.LIVES and network_of(host) == network), None
        )


def network_of(host: str) -> str:
    """Hosts of one network are of one kind, behind the same firewalls: the /24 of IPv4, the /64 of IPv6."""
    try:
        address = ipaddress.ip_address(plain_address(host))
    except ValueError:
        return host
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))
