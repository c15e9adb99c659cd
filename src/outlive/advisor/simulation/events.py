"""What happens next: a calendar of events in simulated time."""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Any


class Events:
    """Events in the order of their times; those of one time in the order in which they were entered."""

    __slots__ = ("_calendar", "_entered", "now")

    def __init__(self) -> None:
        self.now = 0.0
        """Simulated seconds since the begin."""
        self._calendar: list[tuple[float, int, Callable[[Any], None], Any]] = []
        self._entered = 0

    def at(self, when_s: float, do: Callable[[Any], None], what: Any = None) -> None:
        """`do(what)` at `when_s`, which is not before now."""
        self._entered += 1
        heappush(self._calendar, (when_s, self._entered, do, what))

    @property
    def next_s(self) -> float:
        """When the next one is; infinite without any."""
        return self._calendar[0][0] if self._calendar else inf

    def step(self) -> None:
        """Let the next one happen."""
        self.now, _, do, what = heappop(self._calendar)
        do(what)

    def until(self, when_s: float) -> None:
        """Let all that is due until `when_s` happen; then it is `when_s`."""
        while self.next_s <= when_s:
            self.step()
        self.now = max(self.now, when_s)
