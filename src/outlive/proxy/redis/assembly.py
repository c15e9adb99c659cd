"""The Redis servers and the route of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, ClassVar, Final

from outlive.config.addresses import Address
from outlive.config.model import Config, Database, Protocol
from outlive.config.rules import CONTROL_CONNECTIONS
from outlive.net.certificates import Certificates
from outlive.proxy.assembly import Assembly
from outlive.upstream.redis.dial import RedisDialer
from outlive.upstream.redis.key import HELD, UPLOAD, as_key, key_of
from outlive.upstream.redis.route import RedisRoute
from outlive.upstream.redis.sentinel import Sentinels
from outlive.upstream.redis.server import RedisServer
from outlive.upstream.users import Users

_RESERVED: Final = 2
"""Connections that blocked clients leave to those that feed them: one for what is shared, one for transactions."""
_NOT_FOR_UPLOADS: Final = 1
"""What those leave, too, who feed them with large values: they may stall for as long as they like."""


class RedisAssembly(Assembly):
    """See `Assembly`."""

    protocol: ClassVar[Protocol] = "redis"
    control_connections = CONTROL_CONNECTIONS["redis"]

    def new_server(self, address: Address, database: Database) -> RedisServer:
        """See `Assembly`."""
        dialer = RedisDialer(address, Users(), self._node, connect_timeout_s=database.connect_timeout_s, tls=None)
        metrics = self._metrics.server(str(address))
        return RedisServer(address, self.limits_of(database), dialer, metrics, dead_man_s=database.dead_man_s)

    def new_route(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> RedisRoute:
        """See `Assembly`."""
        return RedisRoute(name, database, servers, writes=writes)

    def usual_key(self, database: Database) -> Hashable:
        """See `Assembly`."""
        return key_of(database.user, int(database.database or 0), 3)

    def apply(self, config: Config, certificates: dict[Address, Certificates | None], now: float) -> None:
        """See `Assembly`."""
        Assembly.apply(self, config, certificates, now)
        databases = config.servers(self.protocol)
        for address, server in self.servers.items():
            sentinels, name = databases[address].sentinels, databases[address].sentinel_master
            server.dialer.sentinels = Sentinels(sentinels, name) if sentinels else None
            server.lines.most = databases[address].shared_connections
            server.message_bytes_max = databases[address].client_output_buffer_bytes

    def groups(self, database: Database) -> Callable[[Hashable], Iterable[tuple[Hashable, int]]] | None:
        """See `Assembly`: what may block, what is large and slow perhaps, and what only tries a password."""
        held = max(1, database.max_connections - _RESERVED)
        kept = max(1, database.max_connections - _NOT_FOR_UPLOADS)

        def groups_of(key: Hashable) -> list[tuple[Hashable, int]]:
            found = as_key(key)
            if found.attempt:
                return [("passthrough", 1)]
            if found.use == HELD:
                return [("held", held), ("kept", kept)]
            return [("kept", kept)] if found.use == UPLOAD else []

        return groups_of
