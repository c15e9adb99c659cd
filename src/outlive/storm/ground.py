"""Where a storm's functions are: behind links of their own that are cut, or on this host, frozen. And how far away."""

import ipaddress
import itertools
import subprocess
import sys
import time
from dataclasses import replace
from typing import Final, Literal, Protocol

from outlive.storm import doorway, room
from outlive.storm.children import Child, environment
from outlive.storm.doorway import Doorway
from outlive.storm.errors import ScenarioError
from outlive.storm.hosts import LOOPBACK, FarHost, FrozenHost, Host
from outlive.storm.knock import line_of
from outlive.storm.links import Ends, Link
from outlive.storm.plan import Target

RttBy = Literal["netem", "relay", "none"]
_KNOCK_TIMEOUT_S: Final = 15.0
_PROMPT_S: Final = 1.0
"""A login from an address that the server has to look up first (MySQL asks DNS for names) takes longer: then it must
not see these addresses."""
_MOST_ROUND_TRIPS: Final = 10  # of a login


class Ground(Protocol):
    """Where functions live. `deaths` says in words how they vanish, `rtt_by` what makes their way long, and `relay_s`
    is the round-trip time that their own relay has to add. `masked`: servers see all of them under one address.
    """

    deaths: str
    rtt_by: RttBy
    relay_s: float
    masked: bool
    listen: str
    """Where a proxy has to listen, so that functions reach it."""
    before: tuple[str, ...]
    """What is put before the command of a process of functions."""

    def host(self, child: Child) -> Host:
        """The host on which this process runs."""

    def seen(self, target: Target, host: Host | None) -> Target:
        """`target` as functions on this host reach it."""

    def close(self) -> None:
        """Remove all of it. Idempotent."""


_CUT: Final = "each generation's network links are cut, then its processes are killed: not one FIN reaches the servers"
_OWN_NETWORK: Final = ("unshare", "--net", "--")


class Links:
    """Every process of functions is a host of its own, whose link is cut."""

    deaths = _CUT
    listen = LOOPBACK
    before: tuple[str, ...] = _OWN_NETWORK

    def __init__(self, loopback: str, rtt_s: float, *, masked: bool) -> None:
        self.masked = masked
        self._doorway = Doorway(loopback, masked=masked)
        self._netem_s = rtt_s if rtt_s > 0 and _has_netem() else 0.0
        self.rtt_by: RttBy = "none" if rtt_s <= 0 else "netem" if self._netem_s else "relay"
        self.relay_s = rtt_s if self.rtt_by == "relay" else 0.0

    def host(self, child: Child) -> Host:
        link = self._doorway.link(child.pid)
        if self._netem_s:
            link.delay(self._netem_s / 2)
        return _Linked(child, link, self._doorway)

    def seen(self, target: Target, host: Host | None) -> Target:
        assert host is not None
        return replace(target, host=host.server)

    def close(self) -> None:
        self._doorway.close()


class _Linked(FarHost):
    def __init__(self, child: Child, link: Link, way: Doorway) -> None:
        super().__init__(child, link)
        self._way: Doorway | None = way

    def close(self) -> None:
        self._child.kill()
        way, self._way = self._way, None
        if way is not None:
            way.remove(self._link)


class InRoom:
    """The same in a room (room.py), where servers listen on all addresses: links lead to them without a doorway."""

    deaths = _CUT
    masked = False
    listen = room.EVERYWHERE
    before: tuple[str, ...] = _OWN_NETWORK

    def __init__(self, rtt_s: float) -> None:
        self.rtt_by: RttBy = "relay" if rtt_s > 0 else "none"
        self.relay_s = rtt_s
        self._numbers = itertools.count()

    def host(self, child: Child) -> Host:
        number = next(self._numbers)
        server, address = (str(_ROOM_NETWORK[4 * number + host]) for host in (1, 2))
        return FarHost(child, Link(Ends(f"near{number}", f"far{number}", server, address), child.pid))

    def seen(self, target: Target, host: Host | None) -> Target:
        assert host is not None
        return replace(target, host=host.server)

    def close(self) -> None:
        """The kernel removes a room with its last process."""


_ROOM_NETWORK: Final = ipaddress.IPv4Network("198.18.0.0/15")  # for benchmarks (RFC 2544): routed nowhere


class Frozen:
    """Functions run on this host and are frozen: no root needed. Their sockets stay, and the kernel answers for them,
    as it does for a function that its platform has paused.
    """

    masked = True
    listen = LOOPBACK
    before: tuple[str, ...] = ()

    def __init__(self, reason: str, rtt_s: float) -> None:
        self.deaths = (
            "each generation is frozen by SIGSTOP, its sockets stay open and no FIN is sent "
            f"({reason}, so their network cannot be cut)"
        )
        self.rtt_by: RttBy = "relay" if rtt_s > 0 else "none"
        self.relay_s = rtt_s

    def host(self, child: Child) -> Host:
        return FrozenHost(child)

    def seen(self, target: Target, host: Host | None) -> Target:
        return target

    def close(self) -> None:
        """Nothing stays of it."""


def ground_for(target: Target, rtt_s: float, *, loopback: str, reason: str = "") -> Ground:
    """Links where this host allows them and the database, at `loopback`, lets functions in through one; it is tried.

    `reason` is why there must be none. Without links functions are frozen, and the reason is in `deaths`.
    """
    if room.inside():
        return InRoom(rtt_s)
    why = reason or doorway.obstacle()
    if why:
        return Frozen(why, rtt_s)
    # Under their own addresses functions can be told apart; a database may know its users under this host's only.
    for masked in (False, True):
        try:
            made = Links(loopback, rtt_s, masked=masked)
        except ScenarioError as error:
            return Frozen(str(error), rtt_s)
        within_s = _KNOCK_TIMEOUT_S if masked else _PROMPT_S + _MOST_ROUND_TRIPS * rtt_s
        if _lets_in(made, target, within_s):
            return made
        made.close()
    return Frozen("the database cannot be reached through a link", rtt_s)


def _lets_in(ground: Links, target: Target, within_s: float) -> bool:
    """Whether a function behind a link gets a connection in this time."""
    said: list[str] = []
    child = Child(
        [sys.executable, "-m", "outlive.storm.knock", target.scheme],
        said.append,
        before=ground.before,
        environment=environment(),
    )
    host: Host | None = None
    try:
        _wait(child, said, "ready")
        host = ground.host(child)
        began = time.monotonic()
        child.tell(line_of(replace(target, host=host.server)))
        _wait(child, said, "in")
        return "in" in said and time.monotonic() - began < within_s
    except ScenarioError:
        return False
    finally:
        child.kill()
        if host is not None:
            host.close()


def _wait(child: Child, said: list[str], word: str) -> None:
    deadline = time.monotonic() + _KNOCK_TIMEOUT_S
    while word not in said and not child.ended.wait(0.02) and time.monotonic() < deadline:
        continue


def _has_netem() -> bool:
    """Tried in a network that goes with the program."""
    command = ["unshare", "--net", "--", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
