"""Servers and routes of a configuration, at the start and again at each reload: one assembly for each wire protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable
from math import inf
from typing import Any, ClassVar

from outlive.config.addresses import Address
from outlive.config.model import Config, Database, Protocol
from outlive.net.certificates import Certificates, server_certificates
from outlive.observe.metrics import Metrics
from outlive.pool.limits import Limits
from outlive.proxy.routes import READ_ONLY_SUFFIX, Routes
from outlive.upstream.route import Route


class Assembly(ABC):
    """The servers of one protocol by address, and the routes to them."""

    protocol: ClassVar[Protocol]
    control_connections: ClassVar[int]
    """The part of a budget that is reserved for KILL."""

    def __init__(self, metrics: Metrics, node: int) -> None:
        self._metrics = metrics
        self._node = node
        self._kept: set[tuple[Any, Hashable]] = set()
        self._databases: tuple[Database, ...] = ()
        self._leaving: list[Any] = []
        self.servers: dict[Address, Any] = {}
        self.routes: Routes[Any] = Routes()

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    def new_server(self, address: Address, database: Database) -> Any:
        """A server that the configuration names for the first time."""

    @abstractmethod
    def new_route(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> Route:
        """A name that clients may ask for."""

    @abstractmethod
    def usual_key(self, database: Database) -> Hashable:
        """The key of the connections that `min_idle` keeps."""

    def is_kept(self, database: Database) -> bool:
        """Whether there is a user, and all else that a connection without a client needs."""
        return bool(database.user)

    def groups(self, database: Database) -> Callable[[Hashable], Iterable[tuple[Hashable, int]]] | None:
        """What keys have in common, and the most connections of each: see `Limits`."""
        return None

    def login_options(self, database: Database) -> tuple[object, ...]:
        """What a connection cannot change after its login."""
        return (database.tls, database.tls_ca, database.tls_cert, database.tls_key, database.dead_man_s)

    # -- servers -----------------------------------------------------------------------------------

    def certificates(self, config: Config) -> dict[Address, Certificates | None]:
        """What the servers are dialled with. Raises CertificateError: call it before anything is changed."""
        return {
            address: server_certificates(
                database.tls, ca=database.tls_ca, certificate=database.tls_cert, key=database.tls_key
            )
            for address, database in config.servers(self.protocol).items()
        }

    def apply(self, config: Config, certificates: dict[Address, Certificates | None], now: float) -> None:
        """Makes servers and routes what the configuration says.

        Servers that are no longer named are drained; their clients keep what they hold. One that is named again
        meanwhile is taken back: a second pool would have a second budget.
        """
        named = config.servers(self.protocol)
        for address, database in named.items():
            server = self.servers.get(address) or self._take_back(address)
            if server is None:
                server = self.new_server(address, database)
                server.login_options = self.login_options(database)
            else:
                self._change(server, database, now)
            self.servers[address] = server
            server.dialer.tls = certificates[address]
            server.dialer.connect_timeout_s = database.connect_timeout_s
        for address in self.servers.keys() - named.keys():
            server = self.servers.pop(address)
            self._leaving.append(server)
            server.routes.clear()
            server.pool.drain()
            server.stir()
        databases = config.databases_of(self.protocol)
        self._databases = tuple(databases.values())
        self._apply_routes(databases)
        self._apply_users()
        self.keep_idle()
        for server in self.servers.values():
            server.stir()

    def limits_of(self, database: Database) -> Limits:
        """The pool's part of a database's options."""
        return Limits(
            max_connections=database.max_connections,
            control_connections=self.control_connections,
            max_per_key=database.max_per_key,
            groups=self.groups(database),
            max_waiters=database.max_waiters,
            max_age_s=database.max_age_s,
            idle_timeout_s=database.idle_timeout_s,
            # 0 is each time: the clock that tells how long it was idle is up to a second behind.
            check_after_idle_s=database.check_after_idle_s or -inf,
            ping_interval_s=database.ping_interval_s,
            key_switch_after_ms=database.key_switch_after_ms,
        )

    def all_servers(self) -> list[Any]:
        """Those of the configuration, and those that left it and still have connections."""
        for server in [found for found in self._leaving if found.pool.drained]:
            self._leaving.remove(server)
            self._metrics.servers.pop(str(server.address), None)
        return [*self.servers.values(), *self._leaving]

    def _take_back(self, address: Address) -> Any:
        for server in self._leaving:
            if server.address == address:
                self._leaving.remove(server)
                server.pool.reopen()
                return server
        return None

    def _change(self, server: Any, database: Database, now: float) -> None:
        server.pool.set_limits(self.limits_of(database), now)
        server.prepared_statements = database.prepared_statements
        options = self.login_options(database)
        if options != server.login_options:
            # Connections from before have the old bound, or came without the TLS that is asked for now.
            server.pool.retire_all("reload")
        server.set_dead_man(database.dead_man_s)
        server.login_options = options

    # -- routes and users --------------------------------------------------------------------------

    def _apply_routes(self, databases: dict[str, Database]) -> None:
        routes: dict[str, Any] = {}
        for server in self.servers.values():
            server.routes.clear()
            server.dialer.refuses_read_only = False
        for name, database in databases.items():
            self._add(routes, name, database, database.hosts, writes=True)
            if database.replicas:
                self._add(routes, name + READ_ONLY_SUFFIX, database, database.replicas, writes=False)
        self.routes.by_name = routes

    def _add(
        self, routes: dict[str, Any], name: str, database: Database, addresses: tuple[Address, ...], *, writes: bool
    ) -> None:
        servers = [self.servers[address] for address in addresses]
        route = self.routes.by_name.get(name)
        if route is None:
            route = self.new_route(name, database, servers, writes=writes)
        elif route.servers != servers:
            route.lead_to(servers)
        route.configure(database)
        routes[name] = route
        for server in servers:
            server.routes.append(route)
            server.dialer.refuses_read_only |= writes and len(servers) > 1

    def _apply_users(self) -> None:
        for server in self.servers.values():
            server.dialer.users.secrets.clear()
        for database in self._databases:
            for address in (*database.hosts, *database.replicas):
                secrets = self.servers[address].dialer.users.secrets
                if database.user:
                    secrets[database.user] = database.password
                secrets.update(database.users)

    def keep_idle(self) -> None:
        """`min_idle`, and one connection to each server that has not been met yet: clients wait for what it tells."""
        wanted: dict[tuple[Any, Hashable], int] = {}
        for database in self._databases:
            if not self.is_kept(database):
                continue
            key = self.usual_key(database)
            for number, address in enumerate(database.hosts):
                server = self.servers[address]
                least = max(0 if number else database.min_idle, 0 if server.is_known else 1)
                wanted[server, key] = max(least, wanted.get((server, key), 0))
        for server, key in self._kept - wanted.keys():
            server.pool.keep(key, 0)
        for (server, key), least in wanted.items():
            server.pool.keep(key, least)
        self._kept = set(wanted)
