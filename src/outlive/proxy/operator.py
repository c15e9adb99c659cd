"""What the console does: PAUSE, RESUME, RECONNECT, KILL and RELOAD, on all wires of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from outlive.pool.slot import IDLE
from outlive.proxy.reports import Node


class UnknownName(Exception):
    """No database, and no client, has this name or id."""


class Operator(Node):
    """The node in an operator's hands. `reload` is the node's own; False: it was refused, and the log says why."""

    def __init__(self, wires: Any, config: Any, reload: Callable[[], bool]) -> None:
        Node.__init__(self, wires, config)
        self.reload = reload

    def _servers_of(self, name: str) -> list[Any]:
        """The servers of one database, or of all. Raises UnknownName."""
        if not name:
            return [server for _, server in self.servers()]
        for wire in self.wires:
            route = wire.assembly.routes.by_name.get(name)
            if route is not None:
                return list(route.servers)
        raise UnknownName(name)

    def pause(self, name: str) -> Callable[[], bool]:
        """Lends nothing more; the result tells whether all leases have come back, and every connection is closed.

        A server is paused for all its databases: they share its connections.
        """
        servers = self._servers_of(name)
        for server in servers:
            server.pool.pause()
        return lambda: all(_rests(server) for server in servers)

    def resume(self, name: str) -> None:
        """Lends again."""
        for server in self._servers_of(name):
            server.pool.resume()
            server.stir()

    def reconnect(self, name: str) -> None:
        """Every server connection is replaced as soon as it is free."""
        for server in self._servers_of(name):
            server.pool.retire_all("reconnect")
            server.stir()

    def kill(self, name: str) -> None:
        """Ends one client by its id, or all of a database, whose servers are paused. Raises UnknownName."""
        if name.isdecimal():
            for _, client in self.clients():
                if client.channel.connection_id == int(name):
                    client.end("killed")
                    return
            raise UnknownName(name)
        for server in self._servers_of(name):
            server.pool.pause()
        for _, client in list(self.clients()):
            if client.route.name == name:
                client.end("killed")


def _rests(server: Any) -> bool:
    """Whether a paused server has no lease any more; what is idle then is closed, as PAUSE is for its restart."""
    slots = list(server.pool.slots)
    if all(slot.state == IDLE for slot in slots) and slots:
        server.pool.retire_all("reconnect")
        server.stir()
    return not slots
