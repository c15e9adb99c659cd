"""A waiter: a client in the queue for a lease."""

from __future__ import annotations

from collections.abc import Hashable


class Waiter:
    """Base of the client. The caller sets `key`, `settings` and `deadline` before `Pool.wait`, not while it waits."""

    __slots__ = ("deadline", "key", "settings", "ticket", "waiting_since")

    def __init__(self, key: Hashable = None, settings: object = None, deadline: float = 0.0) -> None:
        self.key: Hashable = key
        self.settings: object = settings
        self.deadline: float = deadline
        """On the clock of `now`: from then on `Pool.plan` expires it. If a slot is at hand it is lent: better late."""
        self.waiting_since: float = 0.0
        self.ticket: int = 0
        """Its place in the one FIFO over all keys; 0 while it does not wait. Written by the pool."""

    @property
    def waits(self) -> bool:
        return self.ticket != 0
