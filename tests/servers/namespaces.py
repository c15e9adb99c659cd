"""Two hosts on a link that can be cut, as the tests use them: no FIN or RST is sent when one vanishes. Needs root."""

import atexit
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .hosts import Hosts, in_namespace
from .processes import Process, ServerError

T = TypeVar("T")

_live: "set[Network]" = set()


class Namespace:
    """One host: a network namespace with a loopback and a link to the other host. It has no route to anywhere else."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address

    def popen(self, command: Sequence[str], *, name: str = "host", **options: Any) -> Process:
        """Start a program on this host."""
        return Process(command, name=name, namespace=self.name, **options)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run `function` in this process, on a thread that is on this host: sockets that it makes stay there."""
        return in_namespace(self.name, function, *arguments)

    def connect(self, host: str, port: int, timeout_s: float = 5.0) -> socket.socket:
        """A TCP connection made from this host."""
        return self.call(socket.create_connection, (host, port), timeout_s)


class Network:
    """Two hosts, `server` and `client`, joined by one link that can be cut. No packet can leave them."""

    def __init__(self) -> None:
        if not Network.possible():
            raise ServerError("network namespaces need root and the Debian package iproute2")
        self._hosts = Hosts()
        _live.add(self)
        try:
            self._client = self._hosts.add_client()
        except BaseException:
            self.close()
            raise
        self.server = Namespace(self._hosts.server, self._client.server)
        self.client = Namespace(self._client.name, self._client.address)

    @staticmethod
    def possible() -> bool:
        """Whether this process may make network namespaces."""
        return Hosts.possible()

    def cut(self) -> None:
        """From now on every packet between the two is lost, without any sign to either."""
        self._client.cut()

    def restore(self) -> None:
        """Undo `cut`: what either end still has to send arrives now."""
        self._client.restore()

    def close(self) -> None:
        """Remove both hosts. Programs that still run there keep their namespaces until they end. Idempotent."""
        _live.discard(self)
        self._hosts.close()

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@atexit.register
def _close_networks() -> None:
    for network in list(_live):
        network.close()
