"""What MySQL and MariaDB allow. Sources: the manuals' chapters on server system variables and on connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from outlive.census.mysql import MySQLSession
from outlive.census.session import Session
from outlive.doctor.finding import Finding, Severity, by_share, worse
from outlive.doctor.holders import clients_of, holders
from outlive.doctor.machine import Cost, Machine
from outlive.doctor.words import most_held, share, size, span

MANUAL: Final = "MySQL manual, 7.1.8 Server System Variables; MariaDB documentation, Server System Variables"
CONNECTIONS: Final = "MySQL manual, 7.1.12 Connection Management; MariaDB documentation, Handling Too Many Connections"
KERNEL_KEEPALIVE_S: Final = 7200 + 9 * 75
"""Linux's defaults, where the machine's own are not known (tcp(7))."""
_STATUS: Final = (
    "Threads_connected",
    "Max_used_connections",
    "Connection_errors_max_connections",
    "Aborted_clients",
    "Aborted_connects",
    "Uptime",
)
_BUFFERS: Final = (
    "sort_buffer_size",
    "join_buffer_size",
    "read_buffer_size",
    "read_rnd_buffer_size",
    "thread_stack",
    "net_buffer_length",
    "binlog_cache_size",
)
"""What one connection may take at worst, once each (a statement may take several of some)."""
_GLOBAL: Final = ("innodb_buffer_pool_size", "key_buffer_size", "innodb_log_buffer_size", "aria_pagecache_buffer_size")


@dataclass(frozen=True, slots=True)
class MySQLFacts:
    """What was read. `limits` are accounts with a limit of their own; None where this user may not see them."""

    product: str
    variables: dict[str, str]
    status: dict[str, str]
    limits: tuple[tuple[str, int], ...] | None = None
    used: int = 0
    """Clients' connections, without the doctor's."""
    by_user: dict[str, int] = field(default_factory=dict)
    machine: Machine | None = None

    def number(self, name: str, default: int = 0) -> int:
        """A variable's or a status's value, as a whole number."""
        text = self.variables.get(name, self.status.get(name, ""))
        try:
            return int(float(text))
        except ValueError:
            return default

    def has(self, name: str) -> bool:
        """Whether this server knows the variable."""
        return name in self.variables

    @property
    def is_mariadb(self) -> bool:
        """By its product."""
        return self.product.startswith("MariaDB")

    @property
    def limit(self) -> int:
        """max_connections."""
        return self.number("max_connections", 151)

    @property
    def bytes_each(self) -> int:
        """What one connection may take at worst, as far as variables bound it."""
        return sum(self.number(name) for name in _BUFFERS)

    @property
    def keepalive_s(self) -> int:
        """After how long keepalive ends a connection whose peer is gone."""
        if self.number("tcp_keepalive_time"):
            interval, probes = self.number("tcp_keepalive_interval", 75), self.number("tcp_keepalive_probes", 9)
            return self.number("tcp_keepalive_time") + (interval or 75) * (probes or 9)
        return (self.machine and self.machine.keepalive_s) or KERNEL_KEEPALIVE_S

    def cost(self) -> Cost:
        """See `Cost`."""
        threads = (
            "threads" if self.variables.get("thread_handling") != "pool-of-threads" else "sessions of a thread pool"
        )
        return Cost(self.limit, self.number("back_log") or None, threads, self.bytes_each, True)

    def limits_as_json(self) -> dict[str, Any]:
        """The limits themselves, for scripts."""
        return {
            "max_connections": self.limit,
            "for_users": self.limit,
            "for_operators": 1,
            "used": self.used,
            "max_user_connections": self.number("max_user_connections"),
            "per_user": dict(self.limits or ()),
            "wait_timeout_s": self.number("wait_timeout"),
            "open_files_limit": self.number("open_files_limit"),
            "bytes_each_at_worst": self.bytes_each,
        }


async def read(session: Session, census: Any, machine: Machine | None) -> MySQLFacts:
    """Raises CensusError."""
    assert isinstance(session, MySQLSession)
    variables = {row[0] or "": row[1] or "" for row in await session.rows("SHOW GLOBAL VARIABLES")}
    wanted = ",".join(f"'{name}'" for name in _STATUS)
    rows = await session.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({wanted})")
    status = {row[0] or "": row[1] or "" for row in rows}
    limits = await session.optional(
        "SELECT CONCAT(User, '@', Host), max_user_connections FROM mysql.user WHERE max_user_connections > 0"
    )
    clients = clients_of(census.connections)
    return MySQLFacts(
        session.product,
        variables,
        status,
        None if limits is None else tuple((row[0] or "", int(row[1] or 0)) for row in limits),
        max(len(clients), int(status.get("Threads_connected", "1")) - 1),
        {holder.name: holder.connections for holder in holders(clients, "user")},
        machine,
    )


def _occupancy(facts: MySQLFacts) -> Iterator[Finding]:
    used, limit = facts.used, facts.limit
    peak, refused = facts.number("Max_used_connections"), facts.number("Connection_errors_max_connections")
    severity = worse(by_share(used, limit), Severity.WARNING if refused else Severity.GOOD)
    yield Finding(
        severity,
        "places",
        f"{used} of {limit} are taken ({share(used, limit)}), at most {peak} at a time since the start"
        f" {span(facts.number('Uptime'))} ago, and {refused} logins were refused as all were taken",
        "Beyond max_connections everybody gets error 1040. Every function takes a place until its connection ends, also"
        " when it does nothing, and when it is gone.",
        "outlive reap URL shows the dangling ones; outlive serve URL needs few; SET GLOBAL max_connections = "
        f"{2 * limit} takes more of everything below"
        if severity is not Severity.GOOD
        else "",
        MANUAL,
    )


def _door(facts: MySQLFacts) -> Iterator[Finding]:
    if facts.is_mariadb:
        port, name = facts.number("extra_port"), "extra_port"
        mend = "extra_port = 3307 and extra_max_connections = 3 in the configuration, then restart"
    else:
        port = facts.number("admin_port") if facts.variables.get("admin_address") else 0
        name, mend = "admin_address", "admin_address = 127.0.0.1 in the configuration, then restart (port 33062)"
    kept = "one place above max_connections is kept for CONNECTION_ADMIN (SUPER on MariaDB before 10.5)"
    yield Finding(
        Severity.GOOD if port else Severity.NOTE,
        "the operators' door",
        f"{kept}; {name} is {f'port {port}' if port else 'not set'}",
        "One place is soon taken, by monitoring for example. On a port of its own an operator gets in however full the"
        " other one is.",
        "" if port else mend,
        CONNECTIONS,
    )


def _per_user(facts: MySQLFacts) -> Iterator[Finding]:
    every = facts.number("max_user_connections")
    own = "not shown to this user" if facts.limits is None else f"{len(facts.limits)} accounts have limits of their own"
    near = [
        (name, facts.by_user.get(name.rpartition("@")[0], 0), most)
        for name, most in facts.limits or ()
        if by_share(facts.by_user.get(name.rpartition("@")[0], 0), most) is not Severity.GOOD
    ]
    for name, used, most in near:
        yield Finding(
            by_share(used, most),
            f"places of {name}",
            f"{used} of {most} are taken",
            "Beyond its own limit this account gets error 1226, whatever else is free.",
            f"outlive reap URL --user '{name.rpartition('@')[0]}'; ALTER USER ... WITH MAX_USER_CONNECTIONS {2 * most}",
            "MySQL manual, 8.2.21 Setting Account Resource Limits",
        )
    free = not every and not facts.limits
    yield Finding(
        Severity.NOTE if free and facts.limits is not None else Severity.GOOD,
        "limits per user",
        f"max_user_connections is {every or 'not set'}; {own}; {most_held(facts.by_user)}",
        "Without one, the functions of one application can take every place from all others.",
        f"ALTER USER 'app'@'%' WITH MAX_USER_CONNECTIONS {max(1, facts.limit // 2)}" if free else "",
        "MySQL manual, 8.2.21 Setting Account Resource Limits",
    )


def _files(facts: MySQLFacts) -> Iterator[Finding]:
    have, tables = facts.number("open_files_limit"), facts.number("table_open_cache")
    need = 10 + facts.limit + 2 * tables
    if not have:
        return
    short = have < max(need, 5 * facts.limit) and have < need
    yield Finding(
        Severity.WARNING if short else Severity.GOOD,
        "file descriptors",
        f"open_files_limit is {have}; max_connections {facts.limit} and table_open_cache {tables} want {need}",
        "With fewer the server lowers max_connections or table_open_cache at its start, or fails to open tables.",
        f"LimitNOFILE={max(need, 65535)} for the server's unit, open_files_limit beside it, then restart"
        if short
        else "",
        "MySQL manual, 10.4.3.1 How MySQL Opens and Closes Tables; 7.1.8 on open_files_limit",
    )


def _memory(facts: MySQLFacts) -> Iterator[Finding]:
    shared = sum(facts.number(name) for name in _GLOBAL)
    total = shared + facts.limit * facts.bytes_each
    have = facts.machine.memory_bytes if facts.machine is not None else None
    over = have is not None and total > have
    yield Finding(
        Severity.WARNING if over else Severity.GOOD if have else Severity.NOTE,
        "memory",
        f"{size(shared)} for all, and up to {size(facts.bytes_each)} a connection (each buffer once): {size(total)}"
        f" with {facts.limit} of them{f', of {size(have)} that the machine has' if have else ''}",
        "max_connections is a promise of memory. A server that has promised too much is ended by the kernel, with all"
        " connections.",
        f"SET GLOBAL max_connections = {max(10, int((have - shared) / max(1, facts.bytes_each)))}, or smaller buffers"
        if have is not None and over
        else "",
        "MySQL manual, 10.12.3.1 How MySQL Uses Memory",
    )


def _threads(facts: MySQLFacts) -> Iterator[Finding]:
    model = facts.variables.get("thread_handling", "one-thread-per-connection")
    many = model == "one-thread-per-connection" and facts.limit > 2000
    cache = facts.number("thread_cache_size")
    yield Finding(
        Severity.NOTE if many else Severity.GOOD,
        "threads",
        f"{model}; {cache} threads are kept for the next connections",
        "One thread each costs a stack and the scheduler's time when many work at once; what a connection costs when it"
        " does nothing is its place and its memory.",
        ("thread_handling = pool-of-threads in the configuration (MariaDB), or " if facts.is_mariadb else "")
        + "outlive serve URL in front"
        if many
        else "",
        "MySQL manual, 7.1.12.1 Connection Interfaces; MariaDB documentation, Thread Pool",
    )


def _lifetime(facts: MySQLFacts) -> Iterator[Finding]:
    wait, interactive = facts.number("wait_timeout"), facts.number("interactive_timeout")
    stays = min(wait, facts.keepalive_s)
    by = "keepalive" if stays < wait else "wait_timeout"
    known = facts.machine is not None or facts.number("tcp_keepalive_time")
    yield Finding(
        Severity.WARNING if stays > 3600 else Severity.NOTE if stays > 600 else Severity.GOOD,
        "how long a dangling connection stays",
        f"{span(stays)} by {by}: wait_timeout {span(wait)}, interactive_timeout {span(interactive)}, keepalive"
        f" {span(facts.keepalive_s)}{'' if known else ' (Linux defaults: its machine was not asked)'}",
        "When a function vanishes without a FIN nothing else ends its connection. Within this time every generation of"
        " functions adds its own.",
        (
            "SET GLOBAL tcp_keepalive_time = 60, tcp_keepalive_interval = 10, tcp_keepalive_probes = 3 (ends only those"
            " whose peer is gone); "
            if facts.has("tcp_keepalive_time")
            else "sysctl -w net.ipv4.tcp_keepalive_time=60 net.ipv4.tcp_keepalive_intvl=10"
            " net.ipv4.tcp_keepalive_probes=3 on the database's machine; "
        )
        + "SET GLOBAL wait_timeout = 600 (ends living idle ones, too; counts for new sessions)"
        if stays > 600
        else "",
        f"{MANUAL}; Linux manual, tcp(7)",
    )


def _network(facts: MySQLFacts) -> Iterator[Finding]:
    names = ("connect_timeout", "net_read_timeout", "net_write_timeout", "net_retry_count")
    yield Finding(
        Severity.GOOD,
        "other timeouts",
        ", ".join(f"{name} {facts.number(name)}" for name in names),
        "A login that hangs keeps a place for connect_timeout; a client that stops reading in the middle of a result"
        " keeps one for net_write_timeout.",
        "",
        MANUAL,
    )
    if facts.has("idle_transaction_timeout") and not facts.number("idle_transaction_timeout"):
        yield Finding(
            Severity.NOTE,
            "transactions of functions that are gone",
            "idle_transaction_timeout is 0: they stay open as long as their connection",
            "Their locks block others meanwhile.",
            "SET GLOBAL idle_transaction_timeout = 60",
            "MariaDB documentation, Server System Variables, idle_transaction_timeout",
        )
    aborted = facts.number("Aborted_clients")
    if aborted:
        yield Finding(
            Severity.NOTE,
            "connections that were not closed in order",
            f"{aborted} since the start (Aborted_clients); {facts.number('Aborted_connects')} logins failed",
            "Functions that end without closing are counted here, when the server notices at last.",
            "close connections where the platform says that it ends (SIGTERM), or let outlive serve hold them",
            "MySQL manual, B.3.2.9 Communication Errors and Aborted Connections",
        )


def _names(facts: MySQLFacts) -> Iterator[Finding]:
    if facts.variables.get("skip_name_resolve") == "OFF":
        yield Finding(
            Severity.NOTE,
            "name lookups",
            "skip_name_resolve is OFF: the server asks DNS for the name of each new address",
            "Functions come from ever new addresses. A login holds its place while DNS is slow, and a burst of them"
            " fills the server.",
            "skip_name_resolve = ON in the configuration, then restart (accounts by host name stop working)",
            "MySQL manual, 7.1.12.3 DNS Lookups and the Host Cache",
        )


CHECKS: Final[tuple[Callable[[MySQLFacts], Iterator[Finding]], ...]] = (
    _occupancy,
    _door,
    _per_user,
    _files,
    _memory,
    _threads,
    _lifetime,
    _network,
    _names,
)
