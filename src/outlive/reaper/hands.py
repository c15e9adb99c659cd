"""What the reaper does at a database: takes its lock, and ends a connection if it is still the one that was judged."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import Any

from outlive.census.connection import Connection


class Outcome(StrEnum):
    """What became of a connection that was to end."""

    ENDED = "ended"
    SPARED = "spared"
    """Just before the kill it was another one, or in use again, or had ended by itself."""
    REFUSED = "refused"
    """The database does not let this user end it."""
    REMAINS = "remains"
    """The kill was accepted, and the connection is still listed."""


class Hands(ABC):
    """Over one open session; the lock lasts as long as that."""

    def __init__(self, session: Any) -> None:
        self.session = session

    @abstractmethod
    async def lock(self) -> bool:
        """Whether this is the only reaper of this database now. Raises CensusError."""

    @abstractmethod
    async def end(self, victim: Connection) -> Outcome:
        """Ends it if it is still the same, in the same state, and was not used since. Raises CensusError."""

    @property
    @abstractmethod
    def remedy(self) -> str:
        """What this user lacks where `end` is refused."""
