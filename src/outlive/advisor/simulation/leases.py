"""A few connections for many, with a queue: first come first served, each with a deadline."""

from collections import deque
from collections.abc import Callable

from outlive.advisor.simulation.events import Events
from outlive.advisor.simulation.model import Places, Request


class Waiter:
    """One in the queue. `granted(request, new)` or `expired(request)` is called once, at the time at which that is so;
    `new`: whether its connection is opened now.
    """

    __slots__ = ("expired", "granted", "over", "request")

    def __init__(
        self, request: Request, granted: Callable[[Request, bool], None], expired: Callable[[Request], None]
    ) -> None:
        self.request = request
        self.granted = granted
        self.expired = expired
        self.over = False


class Leases:
    """At most `size` connections of `places`, opened when first wanted and kept."""

    def __init__(self, events: Events, places: Places, size: int) -> None:
        self._events = events
        self._places = places
        self._size = size
        self._open = 0
        self._idle = 0
        self._queue: deque[Waiter] = deque()

    def ask(self, waiter: Waiter, until_s: float) -> None:
        """A connection for `waiter` as soon as it is its turn, `until_s` at the latest."""
        if self._idle:
            self._idle -= 1
            waiter.granted(waiter.request, False)
        elif self._open < self._size and self._places.take():
            self._open += 1
            waiter.granted(waiter.request, True)
        else:
            self._queue.append(waiter)
            self._events.at(max(until_s, self._events.now), self._expire, waiter)

    def give_back(self, _: object = None) -> None:
        """A lease is over: the first who waits has the connection."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.over:
                waiter.over = True
                waiter.granted(waiter.request, False)
                return
        self._idle += 1

    def replace(self, _: object = None) -> None:
        """A lease is over and its connection closed: another is opened when it is wanted."""
        self._places.give_back()
        self._open -= 1
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.over:
                if not self._places.take():
                    self._queue.appendleft(waiter)
                    return
                waiter.over = True
                self._open += 1
                waiter.granted(waiter.request, True)
                return

    def forget(self) -> int:
        """All that are idle are the pool's no longer; how many they are."""
        forgotten, self._idle = self._idle, 0
        self._open -= forgotten
        return forgotten

    def _expire(self, waiter: Waiter) -> None:
        if not waiter.over:
            waiter.over = True
            waiter.expired(waiter.request)
