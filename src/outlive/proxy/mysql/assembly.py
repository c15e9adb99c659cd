"""Servers and routes of a configuration, at the start and again at each reload."""

from __future__ import annotations

from math import inf

from outlive.config.addresses import Address
from outlive.config.model import Config, Database
from outlive.net.certificates import server_certificates
from outlive.observe.metrics import Metrics
from outlive.pool.limits import Limits
from outlive.proxy.mysql.routes import READ_ONLY_SUFFIX, Routes
from outlive.upstream.mysql.dial import Dialer, Users
from outlive.upstream.mysql.key import Key, key_of
from outlive.upstream.mysql.route import Route
from outlive.upstream.mysql.server import Server
from outlive.wire.mysql import constants as wire

_USUAL_CAPABILITIES = wire.CLIENT_MULTI_RESULTS | wire.CLIENT_PS_MULTI_RESULTS
"""Of the connections that `min_idle` keeps: what most drivers ask for."""


def limits_of(database: Database) -> Limits:
    """The pool's part of a database's options."""
    return Limits(
        max_connections=database.max_connections,
        control_connections=1,
        max_per_key=database.max_per_key,
        max_waiters=database.max_waiters,
        max_age_s=database.max_age_s,
        idle_timeout_s=database.idle_timeout_s,
        # Held against the sweep's clock, which is up to a second behind: 0 would mean "if it is looked at in time".
        check_after_idle_s=database.check_after_idle_s or -inf,
        ping_interval_s=database.ping_interval_s,
        key_switch_after_ms=database.key_switch_after_ms,
    )


class Assembly:
    """The servers of a node by address, and the routes to them."""

    def __init__(self, metrics: Metrics, node: int) -> None:
        self._metrics = metrics
        self._node = node
        self._kept: set[tuple[Server, Key]] = set()
        self._databases: tuple[Database, ...] = ()
        self._leaving: list[Server] = []
        self.servers: dict[Address, Server] = {}
        self.routes = Routes()

    def apply(self, config: Config, now: float) -> None:
        """Makes servers and routes what the configuration says. Raises CertificateError before anything is changed.

        Servers that are no longer named are drained; their clients keep what they hold. One that is named again
        meanwhile
        is taken back: a second pool would have a second budget.
        """
        certificates = {
            address: server_certificates(
                database.tls, ca=database.tls_ca, certificate=database.tls_cert, key=database.tls_key
            )
            for address, database in config.servers().items()
        }
        for address, database in config.servers().items():
            server = self.servers.get(address) or self._take_back(address)
            if server is None:
                server = self._server(address, database)
            else:
                self._change(server, database, now)
            self.servers[address] = server
            server.dialer.tls = certificates[address]
            server.dialer.connect_timeout_s = database.connect_timeout_s
        for address in self.servers.keys() - config.servers().keys():
            server = self.servers.pop(address)
            self._leaving.append(server)
            server.routes.clear()
            server.pool.drain()
            server.stir()
        self._databases = tuple(config.databases.values())
        self._apply_routes(config)
        self._apply_users(config)
        self.keep_idle()
        for server in self.servers.values():
            server.stir()

    def all_servers(self) -> list[Server]:
        """Those of the configuration, and those that left it and still have connections."""
        for server in [found for found in self._leaving if found.pool.drained]:
            self._leaving.remove(server)
            self._metrics.servers.pop(str(server.address), None)
        return [*self.servers.values(), *self._leaving]

    def _take_back(self, address: Address) -> Server | None:
        for server in self._leaving:
            if server.address == address:
                self._leaving.remove(server)
                server.pool.reopen()
                return server
        return None

    def _change(self, server: Server, database: Database, now: float) -> None:
        server.pool.set_limits(limits_of(database), now)
        server.prepared_statements = database.prepared_statements
        if _login_options(database) != server.login_options:
            # Connections from before have the old bound, or came without the TLS that is asked for now.
            server.pool.retire_all("reload")
        server.dead_man_s = database.dead_man_s
        if server.facts is not None:
            server.facts.dead_man_s = database.dead_man_s
        server.login_options = _login_options(database)

    def _server(self, address: Address, database: Database) -> Server:
        dialer = Dialer(address, Users(), self._node, connect_timeout_s=database.connect_timeout_s, tls=None)
        server = Server(
            address,
            limits_of(database),
            dialer,
            self._metrics.server(str(address)),
            dead_man_s=database.dead_man_s,
            prepared_statements=database.prepared_statements,
        )
        server.login_options = _login_options(database)
        return server

    def _apply_routes(self, config: Config) -> None:
        routes: dict[str, Route] = {}
        for server in self.servers.values():
            server.routes.clear()
            server.dialer.refuses_read_only = False
        for name, database in config.databases.items():
            self._add(routes, name, database, database.hosts, writes=True)
            if database.replicas:
                self._add(routes, name + READ_ONLY_SUFFIX, database, database.replicas, writes=False)
        self.routes.by_name = routes

    def _add(
        self, routes: dict[str, Route], name: str, database: Database, addresses: tuple[Address, ...], *, writes: bool
    ) -> None:
        servers = [self.servers[address] for address in addresses]
        route = self.routes.by_name.get(name)
        if route is None:
            route = Route(name, database, servers, writes=writes)
        elif route.servers != servers:
            route.lead_to(servers)
        route.configure(database)
        routes[name] = route
        for server in servers:
            server.routes.append(route)
            server.dialer.refuses_read_only |= writes and len(servers) > 1

    def _apply_users(self, config: Config) -> None:
        for server in self.servers.values():
            server.dialer.users.secrets.clear()
        for database in config.databases.values():
            for address in (*database.hosts, *database.replicas):
                server = self.servers[address]
                if database.user:
                    server.dialer.users.secrets[database.user] = database.password
                server.dialer.users.secrets.update(database.users)

    def keep_idle(self) -> None:
        """`min_idle`, and one connection to each server that has not been met yet: clients wait for its greeting."""
        wanted: dict[tuple[Server, Key], int] = {}
        for database in self._databases:
            if not database.user:
                continue
            key = key_of(database.user, _USUAL_CAPABILITIES)
            for number, address in enumerate(database.hosts):
                server = self.servers[address]
                least = max(0 if number else database.min_idle, 1 if server.facts is None else 0)
                wanted[server, key] = max(least, wanted.get((server, key), 0))
        for server, key in self._kept - wanted.keys():
            server.pool.keep(key, 0)
        for (server, key), least in wanted.items():
            server.pool.keep(key, least)
        self._kept = set(wanted)


def _login_options(database: Database) -> tuple[object, ...]:
    return (database.tls, database.tls_ca, database.tls_cert, database.tls_key, database.dead_man_s)
