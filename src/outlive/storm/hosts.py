"""Hosts of functions, and how they vanish: without a FIN either way."""

from typing import Final, Protocol

from outlive.storm.children import Child
from outlive.storm.links import Link

LOOPBACK: Final = "127.0.0.1"


class Host(Protocol):
    """The host of one generation. `server` is the servers' address as it sees them."""

    server: str

    def vanish(self) -> None:
        """End the generation without a word to its servers."""

    def close(self) -> None:
        """Remove what is left of it. Idempotent."""


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


class FrozenHost:
    """This host itself, and a process on it that stops."""

    server = LOOPBACK

    def __init__(self, child: Child) -> None:
        self._child = child

    def vanish(self) -> None:
        self._child.freeze()

    def close(self) -> None:
        self._child.kill()
