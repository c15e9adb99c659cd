"""What Redis and Valkey allow. Sources: redis.conf and valkey.conf as they come with the servers, "Redis client
handling" of the documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from outlive.census.connection import Connection
from outlive.census.redis import RedisSession
from outlive.census.session import Session
from outlive.doctor.finding import Finding, Severity, by_share, worse
from outlive.doctor.holders import LONG_IDLE_S, clients_of, holders
from outlive.doctor.machine import Cost, Machine
from outlive.doctor.words import most_held, share, size, span

CONF: Final = "redis.conf and valkey.conf, as they come with the servers"
HANDLING: Final = "Redis documentation, Redis client handling"
RESERVED_FILES: Final = 32
"""Descriptors that the server keeps for itself beside maxclients (CONFIG_MIN_RESERVED_FDS)."""
_SETTINGS: Final = (
    "maxclients",
    "timeout",
    "tcp-keepalive",
    "tcp-backlog",
    "maxmemory",
    "maxmemory-clients",
    "client-query-buffer-limit",
    "client-output-buffer-limit",
)


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What was read. `settings` are None where CONFIG is refused; `awaiting` are blocked and subscribed clients."""

    product: str
    settings: dict[str, str] | None
    info: dict[str, str]
    used: int = 0
    by_user: dict[str, int] = field(default_factory=dict)
    awaiting: int = 0
    machine: Machine | None = None

    def number(self, name: str, default: int = 0) -> int:
        """A setting's value or one of INFO, as a whole number."""
        text = (self.settings or {}).get(name, self.info.get(name, ""))
        return int(text) if text.lstrip("-").isdigit() else default

    @property
    def limit(self) -> int:
        """maxclients: also in INFO, for those who may not ask for CONFIG."""
        return self.number("maxclients", 10_000)

    @property
    def keepalive_s(self) -> float:
        """After how long a peer that is gone is noticed: the first probe after tcp-keepalive seconds, then three, each
        a third of that apart (anetKeepAlive).
        """
        first = self.number("tcp-keepalive")
        return first + 3 * max(1, first // 3) if first > 0 else inf

    @property
    def stays_s(self) -> float:
        """How long a dangling connection stays, in seconds."""
        timeout = self.number("timeout")
        return min(self.keepalive_s, timeout or inf)

    def cost(self) -> Cost:
        """See `Cost`."""
        return Cost(self.limit, self.number("tcp-backlog", 511), "clients of one thread", 0, True)

    def limits_as_json(self) -> dict[str, Any]:
        """The limits themselves, for scripts."""
        known = self.settings is not None
        return {
            "max_connections": self.limit,
            "for_users": self.limit,
            "for_operators": 0,
            "used": self.used,
            "timeout_s": self.number("timeout") if known else None,
            "tcp_keepalive_s": self.number("tcp-keepalive") if known else None,
            "dangling_stays_s": self.stays_s if known and self.stays_s < inf else None,
        }


async def read(session: Session, census: Any, machine: Machine | None) -> RedisFacts:
    """Raises CensusError."""
    assert isinstance(session, RedisSession)
    clients = clients_of(census.connections)
    return RedisFacts(
        session.product,
        await session.settings(*_SETTINGS),
        await session.facts(),
        len(clients),
        {holder.name: holder.connections for holder in holders(clients, "user")},
        sum(1 for each in clients if _waits_long(each)),
        machine,
    )


def _waits_long(found: Connection) -> bool:
    return bool(found.awaits) and (found.idle_s or 0.0) >= LONG_IDLE_S


def _occupancy(facts: RedisFacts) -> Iterator[Finding]:
    refused = facts.number("rejected_connections")
    severity = worse(by_share(facts.used, facts.limit), Severity.WARNING if refused else Severity.GOOD)
    yield Finding(
        severity,
        "places",
        f"{facts.used} of maxclients {facts.limit} are taken ({share(facts.used, facts.limit)}), and {refused} clients"
        f" were turned away as all were taken, since the start {span(facts.number('uptime_in_seconds'))} ago;"
        f" {most_held(facts.by_user)}",
        "Beyond maxclients everybody is told 'max number of clients reached' and closed. No place is kept for"
        " operators: when it is full nobody gets in to look.",
        "outlive reap URL shows the dangling ones; outlive serve URL needs few; CONFIG SET maxclients"
        f" {2 * facts.limit}"
        if severity is not Severity.GOOD
        else "",
        HANDLING,
    )


def _lifetime(facts: RedisFacts) -> Iterator[Finding]:
    if facts.settings is None:
        yield Finding(
            Severity.NOTE,
            "how long a dangling connection stays",
            "CONFIG is refused to this user, so that timeout and tcp-keepalive are not known",
            "They decide for how long a function that vanished without a FIN keeps its place.",
            "ACL SETUSER user +config|get, or look at the provider's parameters",
            CONF,
        )
        return
    timeout, keepalive, stays = facts.number("timeout"), facts.number("tcp-keepalive"), facts.stays_s
    severity = Severity.WARNING if stays > 3600 else Severity.NOTE if stays > 600 else Severity.GOOD
    shown = "until the server ends" if stays == inf else f"{span(stays)} by {_by(facts)}"
    yield Finding(
        severity,
        "how long a dangling connection stays",
        f"{shown}: timeout {span(timeout) if timeout else '0 (off)'}, tcp-keepalive"
        f" {span(keepalive) if keepalive else '0 (off)'}",
        "When a function vanishes without a FIN nothing else ends its connection. timeout does not count for clients"
        " that block or have subscribed; keepalive counts for all, and ends only those whose peer is gone.",
        "CONFIG SET tcp-keepalive 60 (for new connections); CONFIG SET timeout 600 ends living idle ones, too"
        if severity is not Severity.GOOD
        else "",
        f"{CONF}; Linux manual, tcp(7)",
    )


def _by(facts: RedisFacts) -> str:
    return "tcp-keepalive" if facts.keepalive_s <= facts.stays_s else "timeout"


def _awaiting(facts: RedisFacts) -> Iterator[Finding]:
    blocked, held = facts.number("blocked_clients"), facts.awaiting
    if not held and not blocked:
        return
    yield Finding(
        Severity.NOTE if held else Severity.GOOD,
        "clients that wait",
        f"{blocked} are blocked; {held} that block or have subscribed have been silent for {span(LONG_IDLE_S)} or more",
        "A blocked client that is gone is given the next element all the same, and it is lost.",
        "outlive reap URL --alive-hosts FILE (or --probe) tells the dead from the patient" if held else "",
        HANDLING,
    )


def _files(facts: RedisFacts) -> Iterator[Finding]:
    have = facts.machine.open_files_limit if facts.machine is not None else None
    if have is None:
        return
    need = facts.limit + RESERVED_FILES
    yield Finding(
        Severity.WARNING if have < need else Severity.GOOD,
        "file descriptors",
        f"the server may open {have}; maxclients {facts.limit} and its own {RESERVED_FILES} want {need}",
        "With fewer the server lowers maxclients at its start.",
        f"LimitNOFILE={max(need, 65535)} for the server's unit, then restart" if have < need else "",
        HANDLING,
    )


def _memory(facts: RedisFacts) -> Iterator[Finding]:
    if facts.settings is None:
        return
    most, used, clients = (facts.number(name) for name in ("maxmemory", "used_memory", "mem_clients_normal"))
    query = facts.number("client-query-buffer-limit", 1 << 30)
    bounded = bool(facts.number("maxmemory-clients"))
    yield Finding(
        Severity.WARNING if most and by_share(used, most) is Severity.CRITICAL else Severity.GOOD,
        "memory",
        f"{size(used)} of maxmemory {size(most) if most else '0 (no limit)'}; clients take {size(clients)}, one may"
        f" send {size(query)} before it is closed, and all of them together {'have' if bounded else 'have no'}"
        " limit (maxmemory-clients)",
        "Buffers of clients count against maxmemory: keys are evicted for them.",
        "",
        CONF,
    )


CHECKS: Final[tuple[Callable[[RedisFacts], Iterator[Finding]], ...]] = (
    _occupancy,
    _lifetime,
    _awaiting,
    _files,
    _memory,
)
