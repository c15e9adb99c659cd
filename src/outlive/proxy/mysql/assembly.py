"""The MySQL servers and routes of a configuration."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from outlive.config.addresses import Address
from outlive.config.model import Database, Protocol
from outlive.proxy.assembly import Assembly
from outlive.upstream.mysql.dial import MySQLDialer
from outlive.upstream.mysql.key import key_of
from outlive.upstream.mysql.route import MySQLRoute
from outlive.upstream.mysql.server import MySQLServer
from outlive.upstream.users import Users
from outlive.wire.mysql import constants as wire

_USUAL_CAPABILITIES = wire.CLIENT_MULTI_RESULTS | wire.CLIENT_PS_MULTI_RESULTS
"""Of the connections that `min_idle` keeps: what most drivers ask for."""


class MySQLAssembly(Assembly):
    """See `Assembly`."""

    protocol: ClassVar[Protocol] = "mysql"
    control_connections = 1

    def new_server(self, address: Address, database: Database) -> MySQLServer:
        """See `Assembly`."""
        dialer = MySQLDialer(address, Users(), self._node, connect_timeout_s=database.connect_timeout_s, tls=None)
        return MySQLServer(
            address,
            self.limits_of(database),
            dialer,
            self._metrics.server(str(address)),
            dead_man_s=database.dead_man_s,
            prepared_statements=database.prepared_statements,
        )

    def new_route(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> MySQLRoute:
        """See `Assembly`."""
        return MySQLRoute(name, database, servers, writes=writes)

    def usual_key(self, database: Database) -> Hashable:
        """See `Assembly`."""
        return key_of(database.user, _USUAL_CAPABILITIES)
