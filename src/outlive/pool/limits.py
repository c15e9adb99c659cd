"""What a pool may use, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one server's pool, in seconds (`_s`) and milliseconds (`_ms`). Impossible ones raise ValueError."""

    max_connections: int = 20
    """The budget: server connections of every kind and state, from before the dial to the server's EOF."""
    control_connections: int = 1
    """The part of the budget that only `Pool.acquire_control` may use (0 where KILL needs no connection)."""
    max_per_key: int | None = None
    """The most connections of one key, None for no limit but the budget."""
    groups: Callable[[Hashable], Iterable[tuple[Hashable, int]]] | None = None
    """The groups that a key belongs to, as all keys of one user, and the most connections of each of them."""
    max_dials: int = 1
    """The most dials under way at once. Above 1 only where no lease ever ends on a connection that serves again."""
    max_waiters: int = 10_000
    max_age_s: float = 1800.0
    """A connection ends at between 80 % and 100 % of this, so that those dialled together do not end together."""
    idle_timeout_s: float = 300.0
    check_after_idle_s: float = 5.0
    """After this long without a sign of life `Pool.stale` tells the borrower to check before it sends a statement; -inf
    for every time."""
    ping_interval_s: float = 20.0
    """An idle connection is pinged this often; must be below the dead man's bound (the session's wait_timeout)."""
    key_switch_after_ms: float = 50.0
    """How long waiters of a connection's own key may overtake the head of the queue, when that has another key."""

    def __post_init__(self) -> None:
        if self.control_connections < 0 or self.max_connections <= self.control_connections:
            raise ValueError(
                f"max_connections is {self.max_connections}: it must leave at least one connection beside the "
                f"{self.control_connections} reserved for control"
            )
        if self.max_per_key is not None and self.max_per_key < 1:
            raise ValueError(f"max_per_key is {self.max_per_key}: it must be at least 1")
        if self.max_dials < 1:
            raise ValueError(f"max_dials is {self.max_dials}: it must be at least 1")
        if self.max_waiters < 0:
            raise ValueError(f"max_waiters is {self.max_waiters}: it must not be negative")
        for name in ("max_age_s", "idle_timeout_s", "ping_interval_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be above 0")
        for name in ("check_after_idle_s", "key_switch_after_ms"):
            if -inf < getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must not be negative")

    @property
    def lendable(self) -> int:
        """The part of the budget that clients share."""
        return self.max_connections - self.control_connections
