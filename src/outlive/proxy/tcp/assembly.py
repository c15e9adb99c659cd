"""The servers and routes of `tcp://` entries."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, ClassVar

from outlive.config.addresses import Address
from outlive.config.model import Config, Database, Protocol
from outlive.config.rules import CONTROL_CONNECTIONS
from outlive.net.certificates import Certificates
from outlive.pool.limits import Limits
from outlive.proxy.assembly import Assembly
from outlive.upstream.route import Route
from outlive.upstream.tcp.dial import TCPDialer
from outlive.upstream.tcp.key import KEY
from outlive.upstream.tcp.server import TCPServer
from outlive.upstream.users import Users


class TCPAssembly(Assembly):
    """See `Assembly`."""

    protocol: ClassVar[Protocol] = "tcp"
    control_connections = CONTROL_CONNECTIONS["tcp"]

    def apply(self, config: Config, certificates: dict[Address, Certificates | None], now: float) -> None:
        """See `Assembly`."""
        Assembly.apply(self, config, certificates, now)
        for address, database in config.servers(self.protocol).items():
            self.servers[address].dialer.vanished_after_s = database.vanished_after_s

    def limits_of(self, database: Database) -> Limits:
        """See `Assembly`. No lease ends on a connection that serves again, so each client needs a dial of its own."""
        return replace(Assembly.limits_of(self, database), max_dials=database.max_connections)

    def new_server(self, address: Address, database: Database) -> TCPServer:
        """See `Assembly`."""
        dialer = TCPDialer(address, Users(), self._node, connect_timeout_s=database.connect_timeout_s, tls=None)
        metrics = self._metrics.server(str(address))
        return TCPServer(address, self.limits_of(database), dialer, metrics, dead_man_s=database.dead_man_s)

    def new_route(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> Route:
        """See `Assembly`."""
        return Route(name, database, servers, writes=writes)

    def usual_key(self, database: Database) -> Hashable:
        """See `Assembly`."""
        return KEY

    def login_options(self, database: Database) -> tuple[object, ...]:
        """See `Assembly`: a lease lasts as long as its client, so nothing is replaced at a reload."""
        return ()
