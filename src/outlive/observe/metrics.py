"""The figures of a node, as plain integers that the hot path adds to.

Nothing here knows Prometheus, takes a lock or reads a clock: `exposition.py` reads the same attributes when it is
scraped. All of it belongs to the one event loop of the node.

    metrics = Metrics()
    metrics.bytes_from_clients += len(data)
    server = metrics.server("db.example:3306")
    server.leases += 1
    server.waits.observe(0.013)
    server.pins.add("get_lock")
    server.snapshot = lambda: Snapshot(leases=3, waiters=0, connections={"leased": 3, "idle": 2})
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Final

# A wait is a few turns of the loop, or up to acquire_timeout_s (10 s by default, seldom more than 30).
WAIT_BOUNDS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

MAX_LABELS: Final = 64  # labels are constants of the code; error codes of a hostile server must not grow memory
OTHER: Final = "other"


class Tally(dict[str, int]):
    """Counts by a label. Beyond MAX_LABELS different ones the rest is counted as OTHER."""

    __slots__ = ()

    def add(self, label: str, count: int = 1) -> None:
        """Add `count`, which may be negative for a gauge."""
        if label in self:
            self[label] += count
        elif len(self) < MAX_LABELS:
            self[label] = count
        else:
            self[OTHER] = self.get(OTHER, 0) + count


class Histogram:
    """Seconds in fixed bounds; `counts` has one more entry than `bounds`, for what is above the last."""

    __slots__ = ("bounds", "counts", "sum_s")

    def __init__(self, bounds: tuple[float, ...] = WAIT_BOUNDS_S) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        """Count one value; equal to a bound counts as within it, as Prometheus has it (`le`)."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.sum_s += seconds

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)


class Snapshot:
    """What a pool holds at the moment it is asked. `connections` is by state (dialing, idle, leased, closing, ...)."""

    __slots__ = ("budget", "connections", "leases", "waiters")

    def __init__(self, leases: int = 0, waiters: int = 0, connections: dict[str, int] | None = None, budget: int = 0):
        self.leases = leases
        self.waiters = waiters
        self.connections = connections if connections is not None else {}
        self.budget = budget


def _nothing() -> Snapshot:
    return Snapshot()


class ServerMetrics:
    """The figures of one server (one host and port). Counters only grow; `pinned` and `snapshot` are of now."""

    __slots__ = (
        "bytes_from_server",
        "bytes_to_server",
        "closes",
        "conversions",
        "dial_failures",
        "dials",
        "errors",
        "kills",
        "leases",
        "logins_ok",
        "logins_refused",
        "name",
        "pinned",
        "pins",
        "queue_full",
        "snapshot",
        "wait_timeouts",
        "waits",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.snapshot: Callable[[], Snapshot] = _nothing
        self.leases = 0
        self.waits = Histogram()  # leases that had to wait; those without a wait are `leases - waits.count`
        self.wait_timeouts = 0
        self.queue_full = 0
        self.dials = 0
        self.dial_failures = Tally()  # by what failed: name, refused, timeout, tls, login, too_many_connections
        self.logins_ok = 0
        self.logins_refused = 0
        self.conversions = 0
        self.closes = Tally()  # by reason
        self.pins = Tally()  # by reason, ever
        self.pinned = Tally()  # by reason, now
        self.kills = Tally()  # by cause: client, client_gone, ...
        self.errors = Tally()  # by kind
        self.bytes_to_server = 0
        self.bytes_from_server = 0


class Metrics:
    """The figures of one node: its clients, and `servers` by name."""

    __slots__ = (
        "accepted",
        "bytes_from_clients",
        "bytes_to_clients",
        "clients",
        "draining",
        "errors",
        "evictions",
        "lock_steps",
        "lock_waiters",
        "lock_waits",
        "logins_ok",
        "logins_refused",
        "refused",
        "reloads_failed",
        "reloads_ok",
        "rules_refused",
        "servers",
    )

    def __init__(self) -> None:
        self.clients = 0  # of now
        self.draining = False
        self.accepted = 0
        self.refused = Tally()  # connections closed before a login, by reason: max_clients, proxy_protocol, ...
        self.logins_ok = 0
        self.logins_refused = Tally()  # by reason: access_denied, timeout, protocol, ...
        self.evictions = 0
        self.errors = Tally()  # errors that Outlive itself gave clients, by kind
        self.bytes_from_clients = 0
        self.bytes_to_clients = 0
        self.reloads_ok = 0
        self.reloads_failed = 0
        self.rules_refused = Tally()  # statements over HTTP that a principal's rules refused, by rule
        self.lock_waiters = 0  # of now
        self.lock_steps = Tally()  # steps on locks by what became of them: granted, pending, released, ...
        self.lock_waits = Histogram()  # from a waiter's question to its grant
        self.servers: dict[str, ServerMetrics] = {}

    def server(self, name: str) -> ServerMetrics:
        """The figures of that server, made at the first call. Names are of the configuration, so they are few."""
        found = self.servers.get(name)
        if found is None:
            found = self.servers[name] = ServerMetrics(name)
        return found
