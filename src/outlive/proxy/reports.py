"""What the console shows: tables over all wires of a node. Columns have the names that PgBouncer's users know."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from outlive import __version__
from outlive.config.model import Config
from outlive.config.secrets import Secret
from outlive.pool.slot import IDLE, LEASED, STATE_NAMES
from outlive.proxy.phases import PHASE_NAMES, READY, WAITING

if TYPE_CHECKING:
    from outlive.proxy.client import ProxiedClient
    from outlive.proxy.wire import Wire

Value = str | int | None
Table = tuple[tuple[str, ...], list[tuple[Value, ...]]]

_US: Final = 1_000_000


class Node:
    """What the reports look at."""

    def __init__(self, wires: Sequence[Wire], config: Callable[[], Config]) -> None:
        self.wires = wires
        self._config = config

    @property
    def config(self) -> Config:
        """The one in force."""
        return self._config()

    def servers(self) -> Iterator[tuple[Wire, Any]]:
        """All servers, with the wire they are of."""
        for wire in self.wires:
            for server in wire.assembly.all_servers():
                yield wire, server

    def clients(self) -> Iterator[tuple[Wire, ProxiedClient]]:
        """All clients whose login is over."""
        for wire in self.wires:
            for channel in list(wire.services.channels.values()):
                if channel.client is not None and not channel.client.is_operator:
                    yield wire, channel.client


def pools(node: Node) -> Table:
    """A row for each key (user and database) of each server."""
    columns = (
        *("database", "user", "cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login"),
        *("maxwait", "maxwait_us", "pool_mode", "server", "pinned", "budget"),
    )
    rows: list[tuple[Value, ...]] = []
    for wire, server in node.servers():
        clients = [client for found, client in node.clients() if found is wire and client.server is server]
        keys = dict.fromkeys([slot.key for slot in server.pool.slots] + [client.key for client in clients])
        mode = "session" if any(route.database.pool_mode == "session" for route in server.routes) else "transaction"
        for key in keys:
            own = [client for client in clients if client.key == key]
            slots = [slot.state for slot in server.pool.slots if slot.key == key]
            waits = [server.time() - client.waiting_since for client in own if client.phase == WAITING]
            longest = int(max(waits, default=0.0) * _US)
            rows.append(
                (
                    getattr(key, "database", ""),
                    key.user,
                    sum(client.connection is not None for client in own),
                    len(waits),
                    slots.count(LEASED),
                    slots.count(IDLE),
                    0,
                    sum(STATE_NAMES[state] == "checking" for state in slots),
                    sum(STATE_NAMES[state] in ("dialing", "converting") for state in slots),
                    longest // _US,
                    longest % _US,
                    mode,
                    str(server.address),
                    sum(bool(client.pins) for client in own),
                    server.pool.limits.max_connections,
                )
            )
    return columns, rows


def clients(node: Node) -> Table:
    """A row for each client."""
    columns = (
        *("type", "user", "database", "state", "addr", "wait", "wait_us", "idle_s", "link", "tls", "id", "protocol"),
        "pins",
    )
    rows: list[tuple[Value, ...]] = []
    for wire, client in node.clients():
        now = wire.services.time()
        waits = int((now - client.waiting_since) * _US) if client.phase == WAITING else 0
        state = "idle" if client.phase == READY and client.connection is None else PHASE_NAMES[client.phase]
        rows.append(
            (
                "C",
                client.session.user,
                client.route.name,
                "active" if client.phase == READY and client.connection is not None else state,
                client.channel.peer,
                waits // _US,
                waits % _US,
                max(0, int(now - client.active_at)),
                "" if client.connection is None else str(client.server.address),
                "" if client.channel.tls is None else "TLS",
                client.channel.connection_id,
                wire.protocol,
                ",".join(client.pins),
            )
        )
    return columns, rows


def servers(node: Node) -> Table:
    """A row for each server connection."""
    columns = ("type", "user", "database", "state", "addr", "port", "link", "remote_pid", "tls", "uses", "idle_s")
    rows: list[tuple[Value, ...]] = []
    for _, server in node.servers():
        for slot in [*server.pool.slots, *server.pool.control]:
            lessee = slot.lessee
            rows.append(
                (
                    "S",
                    slot.key.user,
                    getattr(slot.key, "database", ""),
                    STATE_NAMES[slot.state],
                    server.address.host,
                    server.address.port,
                    str(lessee.channel.connection_id) if hasattr(lessee, "channel") else "",
                    slot.thread_id,
                    "" if slot.tls is None else "TLS",
                    slot.uses,
                    max(0, int(server.time() - slot.idle_since)) if slot.state == IDLE else 0,
                )
            )
    return columns, rows


def stats(node: Node) -> Table:
    """A row for each server; totals only grow. A lease is a transaction, or what a pin held."""
    columns = (
        *("database", "total_xact_count", "total_received", "total_sent", "total_wait_time", "total_wait_count"),
        *("wait_timeouts", "queue_full", "dials", "dial_failures", "kills"),
    )
    rows: list[tuple[Value, ...]] = []
    for _, server in node.servers():
        found = server.metrics
        rows.append(
            (
                str(server.address),
                found.leases,
                found.bytes_to_server,
                found.bytes_from_server,
                int(found.waits.sum_s * _US),
                found.waits.count,
                found.wait_timeouts,
                found.queue_full,
                found.dials,
                sum(found.dial_failures.values()),
                sum(found.kills.values()),
            )
        )
    return columns, rows


def pins(node: Node) -> Table:
    """A row for each client that holds a server connection beyond its transaction, and why."""
    rows: list[tuple[Value, ...]] = [
        (
            client.channel.connection_id,
            client.session.user,
            client.route.name,
            reason,
            int(held),
            str(client.server.address),
        )
        for wire, client in node.clients()
        for held in (wire.services.time() - client.leased_at,)
        for reason in client.pins
    ]
    return ("id", "user", "database", "reason", "held_s", "server"), rows


def databases(node: Node) -> Table:
    """A row for each name that clients may ask for."""
    columns = (
        *("name", "host", "port", "database", "pool_size", "pool_mode", "max_connections", "current_connections"),
        *("paused", "protocol"),
    )
    rows: list[tuple[Value, ...]] = []
    for wire in node.wires:
        for name, route in wire.assembly.routes.by_name.items():
            server = route.server()
            rows.append(
                (
                    name,
                    server.address.host,
                    server.address.port,
                    route.database.database,
                    server.pool.limits.lendable,
                    route.database.pool_mode,
                    server.pool.limits.max_connections,
                    len(server.pool.slots),
                    int(server.pool.paused),
                    wire.protocol,
                )
            )
    return columns, rows


def lists(node: Node) -> Table:
    """How many there are of what."""
    found = list(node.clients())
    slots = [slot for _, server in node.servers() for slot in server.pool.slots]
    rows: list[tuple[Value, ...]] = [
        ("databases", sum(len(wire.assembly.routes.by_name) for wire in node.wires)),
        ("servers", len(list(node.servers()))),
        ("free_clients", sum(client.connection is None for _, client in found)),
        ("used_clients", sum(client.connection is not None for _, client in found)),
        ("login_clients", sum(len(wire.services.gates) for wire in node.wires)),
        ("free_servers", sum(slot.state == IDLE for slot in slots)),
        ("used_servers", sum(slot.state == LEASED for slot in slots)),
    ]
    return ("list", "items"), rows


def config(node: Node) -> Table:
    """Every option in force; secrets are not shown."""
    now = node.config
    rows = [*_options("", now, Config()), *_options("listen.", now.listen, Config().listen)]
    for name, database in now.databases.items():
        rows += _options(f"databases.{name}.", database, None)
    return ("key", "value", "default", "changeable"), rows


_NOT_OPTIONS: Final = frozenset(("databases", "listen", "origin"))


def _options(prefix: str, options: msgspec.Struct, defaults: msgspec.Struct | None) -> Iterator[tuple[Value, ...]]:
    by_name = {field.name: field.default for field in msgspec.structs.fields(type(options))}
    for name in options.__struct_fields__:
        if name in _NOT_OPTIONS:
            continue
        value = getattr(options, name)
        default = by_name[name] if defaults is None else getattr(defaults, name)
        fixed = prefix == "listen." or (not prefix and name == "node")
        yield f"{prefix}{name}", _shown(value), _shown(default), "no" if fixed else "yes"


def _shown(value: object) -> str:
    if isinstance(value, Secret):
        return "********"
    if value is None or value is msgspec.NODEFAULT:
        return ""
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    if isinstance(value, dict):
        return ",".join(sorted(value))  # users: their names
    return str(value)


def version(node: Node) -> Table:
    """Of Outlive."""
    return ("version",), [(f"Outlive {__version__}",)]


REPORTS: Final[dict[str, Callable[[Node], Table]]] = {
    "POOLS": pools,
    "CLIENTS": clients,
    "SERVERS": servers,
    "STATS": stats,
    "PINS": pins,
    "CONFIG": config,
    "DATABASES": databases,
    "LISTS": lists,
    "VERSION": version,
}
