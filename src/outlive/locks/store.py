"""What the service needs of where locks are kept. Two have it: PostgreSQL (`postgres.py`) and Redis (`redis/`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from outlive.locks.state import Applied, Step

Batch = Mapping[str, list[Step]]


class StoreFailure(Exception):
    """The steps could not be performed. `ran`: they may have been. Each is safe to be sent again."""

    def __init__(self, message: str, *, ran: bool) -> None:
        Exception.__init__(self, message)
        self.message = message
        self.ran = ran


class Store(Protocol):
    """Of one node, whose waiters hear of their grants by `woken`, or by `changed` at the latest."""

    node: str
    """This process, as the others know it."""
    woken: Callable[[str], None]
    """Set by who listens: waiters of this node may have been granted the lock of this key by another node. A hint."""
    batches: int
    """How many batches may be under way at once."""
    batch_keys: int
    """How many keys a batch may have."""

    async def apply(self, batch: Batch) -> dict[str, Applied]:
        """The steps of each key in order and all at once, by the store's clock. Raises StoreFailure."""

    async def listen(self) -> None:
        """Called again and again while somebody waits, `wake_s` apart: brings the hints. Raises StoreFailure."""

    async def changed(self, known: Mapping[str, int]) -> list[str]:
        """Those of the keys whose version is another one. Raises StoreFailure."""

    async def forget(self) -> None:
        """Called once in a while: deletes what is over. Raises StoreFailure."""

    def close(self) -> None:
        """No more of it will be asked."""
