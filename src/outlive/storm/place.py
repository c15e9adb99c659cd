"""Where servers and functions are, and how functions vanish there: without a FIN either way."""

import itertools
import socket
from collections.abc import Iterator
from typing import Protocol

from outlive.storm import room
from outlive.storm.children import Child
from outlive.storm.errors import ScenarioError
from outlive.storm.links import Ends, Link, open_loopback

LOOPBACK = "127.0.0.1"
MOST_LINKS = 63  # networks of four addresses in 192.0.2.0/24, the range for documentation (RFC 5737)


class Host(Protocol):
    """The host of one generation. `server` is the servers' address as it sees them."""

    server: str

    def vanish(self) -> None:
        """End the generation without a word to its servers."""

    def close(self) -> None:
        """Remove what is left of it. Idempotent."""


class Place(Protocol):
    """Where the scenario runs. `deaths` says in words how functions vanish; servers listen on `listen`."""

    deaths: str
    listen: str
    before: tuple[str, ...]
    """What is put before the command of a generation."""

    def port(self, usual: int) -> int:
        """A port for a server."""

    def host(self, child: Child) -> Host:
        """The host on which this generation's process runs."""


class Room:
    """Every generation is on a host of its own, whose link is cut."""

    deaths = "each generation's network link is cut, then its processes are killed: not one FIN reaches the servers"
    listen = "0.0.0.0"  # noqa: S104 - of this room; nothing leads into it
    before: tuple[str, ...] = ("unshare", "--net", "--")

    def __init__(self) -> None:
        open_loopback()
        self._numbers: Iterator[int] = itertools.count()

    def port(self, usual: int) -> int:
        return usual  # nobody else is here

    def host(self, child: Child) -> Host:
        number = next(self._numbers)
        if number >= MOST_LINKS:
            raise ScenarioError(f"At most {MOST_LINKS} generations of functions: name fewer.")
        server, address = f"192.0.2.{4 * number + 1}", f"192.0.2.{4 * number + 2}"
        return FarHost(child, Link(Ends(f"near{number}", f"far{number}", server, address), child.pid))


class FarHost:
    """Behind a link of its own."""

    def __init__(self, child: Child, link: Link) -> None:
        self._child = child
        self._link = link
        self.server = link.server
        self.address = link.address

    def vanish(self) -> None:
        self._link.cut()
        self._child.kill()  # the FINs of its sockets are lost

    def close(self) -> None:
        self._child.kill()
        self._link.close()


class Machine:
    """Functions run beside the servers, and are frozen: their sockets stay, and the kernel answers for them, as it does
    for a function that its platform has paused.
    """

    listen = LOOPBACK
    before: tuple[str, ...] = ()

    def __init__(self, reason: str) -> None:
        self.deaths = (
            f"each generation is frozen by SIGSTOP, its sockets stay open and no FIN is sent ({reason}, "
            "so their network cannot be cut)"
        )

    def port(self, usual: int) -> int:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port: int = probe.getsockname()[1]
            return port

    def host(self, child: Child) -> Host:
        return _FrozenHost(child)


class _FrozenHost:
    server = LOOPBACK

    def __init__(self, child: Child) -> None:
        self._child = child

    def vanish(self) -> None:
        self._child.freeze()

    def close(self) -> None:
        self._child.kill()


def place(reason: str) -> Place:
    """This process's room, if it is in one; else the machine, for `reason`."""
    return Room() if room.inside() else Machine(reason)
