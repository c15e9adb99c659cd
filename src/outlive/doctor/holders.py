"""Who holds connections, and how many have been idle since when: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from math import inf
from typing import Any, Final

from outlive.census.connection import Connection, Kind, State
from outlive.doctor.finding import Finding, Severity
from outlive.doctor.words import share, span

BOUNDS_S: Final = (1.0, 10.0, 60.0, 600.0, 3600.0, 28800.0, 86400.0, inf)
"""Of the histogram; 28800 s is MySQL's usual wait_timeout."""
LONG_IDLE_S: Final = 600.0
"""Nobody who works leaves a connection for so long; frozen and dead functions do."""
LONG_TRANSACTION_S: Final = 60.0

BY: Final[dict[str, Callable[[Connection], str]]] = {
    "user": lambda found: found.user,
    "program": lambda found: found.program,
    "host": lambda found: found.host or "unix socket",
}


@dataclass(slots=True)
class Holder:
    """Connections of one user, program or host; `longest_idle_s` in seconds."""

    name: str
    connections: int = 0
    active: int = 0
    idle: int = 0
    in_transaction: int = 0
    longest_idle_s: float = 0.0

    def add(self, found: Connection) -> None:
        """Counts one."""
        self.connections += 1
        self.active += found.state is State.ACTIVE
        self.idle += found.state is State.IDLE
        self.in_transaction += found.state is State.IN_TRANSACTION
        self.longest_idle_s = max(self.longest_idle_s, found.idle_s or 0.0)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {**asdict(self), "longest_idle_s": round(self.longest_idle_s, 3)}


def clients_of(connections: Iterable[Connection]) -> list[Connection]:
    """Those that take a client's place."""
    return [found for found in connections if found.kind in (Kind.CLIENT, Kind.HIDDEN, Kind.LOGIN)]


def holders(connections: Iterable[Connection], by: str) -> list[Holder]:
    """By user, program or host, those with most first."""
    found: defaultdict[str, Holder] = defaultdict(lambda: Holder(""))
    for connection in connections:
        name = BY[by](connection)
        holder = found[name]
        holder.name = name
        holder.add(connection)
    return sorted(found.values(), key=lambda holder: (-holder.connections, holder.name))


def histogram(connections: Iterable[Connection]) -> list[tuple[float, int]]:
    """How many have been idle for at most so many seconds (and more than the bound before), also in a transaction."""
    counts = [0] * len(BOUNDS_S)
    for found in connections:
        if found.idle_s is not None:
            counts[next(number for number, bound in enumerate(BOUNDS_S) if found.idle_s <= bound)] += 1
    return list(zip(BOUNDS_S, counts, strict=True))


def check_use(clients: list[Connection], limit: int) -> Iterator[Finding]:
    """Whether those that hold connections use them."""
    idle = [found for found in clients if (found.idle_s or 0.0) >= LONG_IDLE_S]
    if idle:
        longest = max(found.idle_s or 0.0 for found in idle)
        yield Finding(
            Severity.WARNING if len(idle) * 4 >= limit else Severity.NOTE,
            "idle connections",
            f"{len(idle)} of {len(clients)} connections ({share(len(idle), limit)} of the places) have been idle for"
            f" {span(LONG_IDLE_S)} or more, one for {span(round(longest))}",
            "They keep others out. Their owners work seldom, are frozen, or are gone; the list cannot tell which.",
            "outlive reap URL --alive-hosts FILE (or --probe) tells, and --apply ends those whose owners are gone;"
            " outlive serve URL lets all of them share a few connections",
            "Outlive's documentation, docs/remedies/reap.md",
        )
    stuck = [found for found in clients if _waits_in_transaction(found)]
    if stuck:
        oldest = max(found.transaction.age_s if found.transaction else 0.0 for found in stuck)
        yield Finding(
            Severity.WARNING,
            "idle in transaction",
            f"{len(stuck)} connections have been idle inside a transaction for {span(LONG_TRANSACTION_S)} or more; the"
            f" oldest transaction is {span(round(oldest))} old",
            "Their locks block others, and old row versions cannot be cleared away while they are open.",
            "outlive reap URL --transactions 10m --alive-hosts FILE",
            "PostgreSQL manual, 24.1 Routine Vacuuming; MySQL manual, 17.3 InnoDB Multi-Versioning",
        )


def _waits_in_transaction(found: Connection) -> bool:
    in_transaction = found.state is State.IN_TRANSACTION or found.transaction is not None
    return in_transaction and (found.idle_s or 0.0) >= LONG_TRANSACTION_S
