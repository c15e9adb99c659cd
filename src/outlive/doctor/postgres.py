"""What PostgreSQL allows. Sources: the PostgreSQL manual's chapter 20, Server Configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from outlive.census.postgres import PostgresSession
from outlive.census.session import Session
from outlive.doctor.finding import Finding, Severity, by_share, worse
from outlive.doctor.holders import clients_of, holders
from outlive.doctor.machine import Cost, Machine
from outlive.doctor.words import most_held, share, size, span

CONNECTIONS: Final = "PostgreSQL manual, 20.3 Connections and Authentication"
CLIENTS: Final = "PostgreSQL manual, 20.11 Client Connection Defaults"
BACKEND_BYTES: Final = 4 << 20
"""What a backend has of its own when it has done little: caches of the catalog, stack, buffers (3 to 4 MiB measured on
15 and 18; with many tables it is more)."""
_SETTINGS: Final = (
    "max_connections",
    "superuser_reserved_connections",
    "reserved_connections",
    "shared_buffers",
    "work_mem",
    "hash_mem_multiplier",
    "temp_buffers",
    "maintenance_work_mem",
    "autovacuum_max_workers",
    "max_files_per_process",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "idle_session_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
    "statement_timeout",
    "client_connection_check_interval",
    "authentication_timeout",
)
_TIMEOUTS: Final = ("idle_session_timeout", "idle_in_transaction_session_timeout", "transaction_timeout")
_UNITS: Final = {"B": 1, "kB": 1024, "8kB": 8192, "MB": 1 << 20, "GB": 1 << 30, "ms": 1, "s": 1000, "min": 60_000}


@dataclass(frozen=True, slots=True)
class PostgresFacts:
    """What was read. `settings` are in bytes and milliseconds where they are sizes and times."""

    product: str
    settings: dict[str, float]
    roles: tuple[tuple[str, int], ...] = ()
    """Roles with a connection limit of their own."""
    databases: tuple[tuple[str, int], ...] = ()
    own_timeouts: tuple[str, ...] = ()
    """Timeouts that a role or a database has of its own, as `app: idle_session_timeout=5min`."""
    used: int = 0
    by_user: dict[str, int] = field(default_factory=dict)
    by_database: dict[str, int] = field(default_factory=dict)
    superusers: int = 0
    """Connections of superusers, without the doctor's."""
    machine: Machine | None = None

    def number(self, name: str) -> float:
        """0 where the server does not know the setting."""
        return self.settings.get(name, 0.0)

    @property
    def limit(self) -> int:
        """max_connections."""
        return int(self.number("max_connections"))

    @property
    def reserved(self) -> int:
        """Places that ordinary roles do not get."""
        return int(self.number("superuser_reserved_connections") + self.number("reserved_connections"))

    @property
    def for_users(self) -> int:
        """Places that they get."""
        return max(0, self.limit - self.reserved)

    @property
    def bytes_each(self) -> int:
        """What one connection takes with a statement of one sort or hash in its full work_mem."""
        return BACKEND_BYTES + int(self.number("work_mem") * max(1.0, self.number("hash_mem_multiplier")))

    @property
    def keepalive_s(self) -> float:
        """After how long keepalive ends a connection whose peer is gone, in seconds."""
        idle, interval = self.number("tcp_keepalives_idle") / 1000, self.number("tcp_keepalives_interval") / 1000
        return (idle or 7200.0) + (interval or 75.0) * (self.number("tcp_keepalives_count") or 9)

    def cost(self) -> Cost:
        """See `Cost`. The postmaster asks for twice max_connections (pqcomm.c)."""
        return Cost(self.limit, 2 * self.limit, "processes", self.bytes_each, False)

    def limits_as_json(self) -> dict[str, Any]:
        """The limits themselves, for scripts."""
        return {
            "max_connections": self.limit,
            "for_users": self.for_users,
            "for_operators": self.reserved,
            "used": self.used,
            "per_user": dict(self.roles),
            "per_database": dict(self.databases),
            "idle_session_timeout_s": self.number("idle_session_timeout") / 1000,
            "keepalive_s": self.keepalive_s,
            "bytes_each_at_worst": self.bytes_each,
        }


async def read(session: Session, census: Any, machine: Machine | None) -> PostgresFacts:
    """Raises CensusError."""
    assert isinstance(session, PostgresSession)
    wanted = ",".join(f"'{name}'" for name in _SETTINGS)
    rows = await session.rows(f"SELECT name, setting, coalesce(unit, '') FROM pg_settings WHERE name IN ({wanted})")
    settings = {row[0] or "": float(row[1] or 0) * _UNITS.get(row[2] or "", 1) for row in rows}
    roles = await session.rows("SELECT rolname, rolconnlimit FROM pg_roles WHERE rolconnlimit >= 0 AND rolcanlogin")
    databases = await session.rows("SELECT datname, datconnlimit FROM pg_database WHERE datconnlimit >= 0")
    own = await session.rows(
        "SELECT coalesce(r.rolname, d.datname, 'all') || ': ' || c FROM pg_db_role_setting AS s"
        " LEFT JOIN pg_roles AS r ON r.oid = s.setrole LEFT JOIN pg_database AS d ON d.oid = s.setdatabase,"
        f" unnest(s.setconfig) AS c WHERE split_part(c, '=', 1) IN ({','.join(repr(name) for name in _TIMEOUTS)})"
    )
    clients = clients_of(census.connections)
    superusers = {row[0] for row in await session.rows("SELECT rolname FROM pg_roles WHERE rolsuper")}
    return PostgresFacts(
        session.product,
        settings,
        tuple((row[0] or "", int(row[1] or 0)) for row in roles),
        tuple((row[0] or "", int(row[1] or 0)) for row in databases),
        tuple(row[0] or "" for row in own),
        len(clients),
        {holder.name: holder.connections for holder in holders(clients, "user")},
        _by_database(clients),
        sum(found.user in superusers for found in clients),
        machine,
    )


def _by_database(clients: list[Any]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for found in clients:
        counts[found.database] = counts.get(found.database, 0) + 1
    return counts


def _occupancy(facts: PostgresFacts) -> Iterator[Finding]:
    used, limit = facts.used, facts.for_users
    severity = by_share(used, limit)
    yield Finding(
        severity,
        "places",
        f"{used} of {limit} are taken ({share(used, limit)}); max_connections {facts.limit} less {facts.reserved}"
        " reserved",
        "Beyond them everybody gets 53300 (too many clients already). Every function takes a place until its connection"
        " ends, also when it does nothing, and when it is gone.",
        "outlive reap URL shows the dangling ones; outlive serve URL needs few; ALTER SYSTEM SET max_connections ="
        f" {2 * facts.limit} and a restart take more of everything below"
        if severity is not Severity.GOOD
        else "",
        CONNECTIONS,
    )


def _door(facts: PostgresFacts) -> Iterator[Finding]:
    kept = int(facts.number("superuser_reserved_connections"))
    also = int(facts.number("reserved_connections"))
    knows = "reserved_connections" in facts.settings
    taken = facts.superusers >= kept > 0
    yield Finding(
        worse(Severity.NOTE if taken else Severity.GOOD, Severity.WARNING if not kept and not also else Severity.GOOD),
        "the operators' door",
        f"{kept} places are kept for superusers"
        + (f", {also} for roles with pg_use_reserved_connections" if knows else "")
        + f"; {facts.superusers} connections are superusers' now",
        "They are what an operator gets in by when all others are taken. Applications and monitoring that log in as"
        " superusers take them.",
        (
            "ALTER SYSTEM SET superuser_reserved_connections = 3, then restart"
            if not kept
            else "give applications roles that are no superusers"
            + (", and monitoring pg_use_reserved_connections with reserved_connections = 2" if knows else "")
        )
        if taken or not (kept or also)
        else "",
        CONNECTIONS,
    )


def _own_limits(facts: PostgresFacts) -> Iterator[Finding]:
    for what, limits, used_by in (
        ("role", facts.roles, facts.by_user),
        ("database", facts.databases, facts.by_database),
    ):
        for name, most in limits:
            used = used_by.get(name, 0)
            severity = by_share(used, most)
            if severity is not Severity.GOOD:
                yield Finding(
                    severity,
                    f"places of {what} {name}",
                    f"{used} of {most} are taken",
                    f"Beyond its own limit this {what} gets 53300, whatever else is free.",
                    f"outlive reap URL; ALTER {what.upper()} {name} CONNECTION LIMIT {2 * most}",
                    f"PostgreSQL manual, ALTER {what.upper()}",
                )
    free = not facts.roles and not facts.databases
    yield Finding(
        Severity.NOTE if free else Severity.GOOD,
        "limits per role and database",
        f"{len(facts.roles)} roles and {len(facts.databases)} databases have one; {most_held(facts.by_user)}",
        "Without one, the functions of one application can take every place from all others.",
        f"ALTER ROLE app CONNECTION LIMIT {max(1, facts.for_users // 2)}" if free else "",
        "PostgreSQL manual, ALTER ROLE; ALTER DATABASE",
    )


def _memory(facts: PostgresFacts) -> Iterator[Finding]:
    shared = int(facts.number("shared_buffers"))
    total = shared + facts.limit * facts.bytes_each
    have = facts.machine.memory_bytes if facts.machine is not None else None
    over = have is not None and total > have
    yield Finding(
        Severity.WARNING if over else Severity.GOOD if have else Severity.NOTE,
        "memory",
        f"{size(shared)} for all, and {size(facts.bytes_each)} a connection with one sort or hash in its full work_mem"
        f" ({size(facts.number('work_mem'))}): {size(total)} with {facts.limit} of them"
        f"{f', of {size(have)} that the machine has' if have else ''}",
        "max_connections is a promise of memory, and a statement may take work_mem several times. The kernel ends a"
        " backend for want of memory, and then the server ends all others, too.",
        f"ALTER SYSTEM SET max_connections = {max(20, int((have - shared) / facts.bytes_each))}, or a smaller work_mem"
        if have is not None and over
        else "",
        "PostgreSQL manual, 20.4 Resource Consumption; 18.4.4 Linux Memory Overcommit",
    )


def _processes(facts: PostgresFacts) -> Iterator[Finding]:
    files = int(facts.number("max_files_per_process"))
    most = None if facts.machine is None else facts.machine.file_max
    short = most is not None and files * facts.limit > most
    yield Finding(
        Severity.NOTE if facts.limit > 500 or short else Severity.GOOD,
        "processes",
        f"one for each connection, up to {facts.limit}, each with up to {files} open files"
        + (f" ({files * facts.limit} in all, of {most} that the kernel allows)" if short else ""),
        "A process costs a fork at each login and memory of its own, and every snapshot looks at all connections, idle"
        " ones too.",
        "outlive serve URL in front, and a smaller max_connections" if facts.limit > 500 or short else "",
        "PostgreSQL manual, How Connections Are Established; 18.4.3 Resource Limits",
    )


def _lifetime(facts: PostgresFacts) -> Iterator[Finding]:
    idle_s = facts.number("idle_session_timeout") / 1000
    keepalive_s = facts.keepalive_s
    stays = min(idle_s or keepalive_s, keepalive_s)
    own = f"; of their own: {', '.join(facts.own_timeouts[:5])}" if facts.own_timeouts else ""
    yield Finding(
        Severity.WARNING if stays > 3600 else Severity.NOTE if stays > 600 else Severity.GOOD,
        "how long a dangling connection stays",
        f"{span(stays)}: idle_session_timeout {span(idle_s) if idle_s else 'off'}, keepalive {span(keepalive_s)}{own}",
        "When a function vanishes without a FIN nothing else ends its connection. Within this time every generation of"
        " functions adds its own.",
        "ALTER SYSTEM SET tcp_keepalives_idle = 60, and tcp_keepalives_interval = 10, tcp_keepalives_count = 3 (ends"
        " only those whose peer is gone); ALTER ROLE app SET idle_session_timeout = '10min' (ends living idle ones,"
        " too); then SELECT pg_reload_conf()"
        if stays > 600
        else "",
        f"{CONNECTIONS} (20.3.2 TCP Settings); {CLIENTS}",
    )
    open_s = facts.number("idle_in_transaction_session_timeout") / 1000
    yield Finding(
        Severity.NOTE if not open_s else Severity.GOOD,
        "transactions of functions that are gone",
        f"idle_in_transaction_session_timeout is {span(open_s) if open_s else 'off'}",
        "Their locks block others, and VACUUM clears nothing away that they might still see.",
        "ALTER SYSTEM SET idle_in_transaction_session_timeout = '60s'; SELECT pg_reload_conf()" if not open_s else "",
        CLIENTS,
    )
    check_s = facts.number("client_connection_check_interval") / 1000
    yield Finding(
        Severity.NOTE if not check_s else Severity.GOOD,
        "statements of functions that are gone",
        f"client_connection_check_interval is {span(check_s) if check_s else 'off'}",
        "A statement whose client has closed runs to its end without it, and keeps its place.",
        "ALTER SYSTEM SET client_connection_check_interval = '10s'; SELECT pg_reload_conf()" if not check_s else "",
        CONNECTIONS,
    )


CHECKS: Final[tuple[Callable[[PostgresFacts], Iterator[Finding]], ...]] = (
    _occupancy,
    _door,
    _own_limits,
    _memory,
    _processes,
    _lifetime,
)
