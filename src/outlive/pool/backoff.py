"""When to dial again after failures."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

# Full jitter: uniform between nothing and a bound that doubles. A database that comes back must not meet all nodes at
# once, and clients that wait must not wait much longer than it takes to come back.
FIRST_S: Final = 0.1
MOST_S: Final = 5.0


class Backoff:
    """Full-jitter exponential backoff. `retry_at` is the earliest time of the next attempt."""

    __slots__ = ("failures", "random", "retry_at")

    def __init__(self, random: Callable[[], float]) -> None:
        self.random = random
        self.failures = 0
        self.retry_at = -inf

    def failed(self, now: float) -> None:
        bound = min(MOST_S, FIRST_S * 2.0 ** min(self.failures, 16))
        self.failures += 1
        self.retry_at = now + self.random() * bound

    def postpone(self, now: float, bound_s: float) -> None:
        """Wait a little without calling it a failure."""
        self.retry_at = now + self.random() * bound_s

    def succeeded(self) -> None:
        self.failures = 0
        self.retry_at = -inf
