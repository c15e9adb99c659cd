"""The PostgreSQL servers and routes of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar

from outlive.config.addresses import Address
from outlive.config.model import Config, Database, Protocol
from outlive.config.rules import CONTROL_CONNECTIONS
from outlive.net.certificates import Certificates
from outlive.proxy.assembly import Assembly
from outlive.upstream.postgres.dial import PostgresDialer
from outlive.upstream.postgres.key import as_key, key_of
from outlive.upstream.postgres.route import PostgresRoute
from outlive.upstream.postgres.server import PostgresServer
from outlive.upstream.users import Users


class PostgresAssembly(Assembly):
    """See `Assembly`."""

    protocol: ClassVar[Protocol] = "postgresql"
    control_connections = CONTROL_CONNECTIONS["postgresql"]

    def new_server(self, address: Address, database: Database) -> PostgresServer:
        """See `Assembly`."""
        dialer = PostgresDialer(address, Users(), self._node, connect_timeout_s=database.connect_timeout_s, tls=None)
        return PostgresServer(
            address,
            self.limits_of(database),
            dialer,
            self._metrics.server(str(address)),
            dead_man_s=database.dead_man_s,
            prepared_statements=database.prepared_statements,
        )

    def new_route(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> PostgresRoute:
        """See `Assembly`."""
        return PostgresRoute(name, database, servers, writes=writes)

    def usual_key(self, database: Database) -> Hashable:
        """See `Assembly`."""
        return key_of(database.user, database.database)

    def is_kept(self, database: Database) -> bool:
        """See `Assembly`. The entry `*` has no database of its own."""
        return Assembly.is_kept(self, database) and bool(database.database)

    def apply(self, config: Config, certificates: dict[Address, Certificates | None], now: float) -> None:
        """See `Assembly`."""
        Assembly.apply(self, config, certificates, now)
        databases = config.servers(self.protocol)
        for address, server in self.servers.items():
            server.dialer.requires_channel_binding = databases[address].channel_binding == "require"
            server.dialer.slow_client_s = max(route.database.client_write_timeout_s for route in server.routes)

    def groups(self, database: Database) -> Callable[[Hashable], Iterable[tuple[Hashable, int]]] | None:
        """See `Assembly`: a user's connections over all databases, a database's over all users."""
        by_user, by_database = database.max_per_user, database.max_per_database
        if by_user is None and by_database is None:
            return None

        def groups_of(key: Hashable) -> list[tuple[Hashable, int]]:
            found = as_key(key)
            groups: list[tuple[Hashable, int]] = []
            if by_user is not None:
                groups.append((f"user {found.user}", by_user))
            if by_database is not None:
                groups.append((f"database {found.database}", by_database))
            return groups

        return groups_of

    def login_options(self, database: Database) -> tuple[object, ...]:
        """See `Assembly`."""
        return (*Assembly.login_options(self, database), database.channel_binding)
