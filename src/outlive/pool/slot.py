"""A slot: the right to one server connection, and what the pool knows of that connection."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from outlive.pool.keypool import KeyPool

# The states. Only IDLE may be lent; each but CLOSED counts against the budget.
DIALING: Final = 0  # Dial was planned (or acquire_control returned a new slot); the login is not over
IDLE: Final = 1  # nobody's; in its KeyPool's `idle`
LEASED: Final = 2  # a client's (for a control slot: the caller's)
CHECKING: Final = 3  # Ping was planned; still in its KeyPool's `idle`, to keep its place there, but not lent
CONVERTING: Final = 4  # Convert was planned; `key` is still the old one
CLOSING: Final = 5  # Close was planned, or the caller said so; the server has not closed it yet
CLOSED: Final = 6  # the server's EOF was seen: no longer in the pool

STATE_NAMES: Final = ("dialing", "idle", "leased", "checking", "converting", "closing", "closed")


class Slot:
    """Base of the server connection. The caller writes `settings` and `residue_of`, while it holds the slot.

    Everything else is written by the pool. A slot lives through: planned (`Dial`) -> `ready` -> lent and
    released any number of times -> `Close` or `closing` -> `closed`, and is never used again after that.
    """

    __slots__ = (
        "control",
        "expected_since",
        "expires_at",
        "idle_since",
        "incoming_to",
        "key",
        "keypool",
        "owner",
        "residue_of",
        "retired",
        "review_at",
        "seen_at",
        "settings",
        "state",
        "switched_at",
        "uses",
    )

    keypool: KeyPool[Any, Any]  # set when the pool makes the slot

    def __init__(self, key: Hashable) -> None:
        self.key: Hashable = key
        """User, and capabilities that cannot be replayed. Changes at `ready` after a `Convert`."""
        self.settings: object = None
        """The session settings that are in force on the connection, interned: compared by identity."""
        self.owner: object | None = None
        """The client that holds it, or held it last (None after a conversion)."""
        self.residue_of: object | None = None
        """The client whose uncaptured soft state (warnings) it still carries. Whoever else gets it, by acquire, Lend,
        Convert or Close, must capture that for this client first, and then set it to None."""
        self.state: int = DIALING
        self.control: bool = False
        """In the reserved part of the budget, never lent to a waiter."""
        self.retired: str | None = None
        """Why it is to be closed as soon as it is released."""
        self.uses: int = 0
        """Times it was lent to a waiter or acquired afresh (the own last slot again does not count)."""
        self.seen_at: float = -inf
        """Last known sign of life: dialled, released or pinged."""
        self.idle_since: float = -inf
        self.switched_at: float = -inf
        """When it began to serve its present key."""
        self.expires_at: float = inf
        # The pool's own. `review_at` is the one question that the hot path of `release` asks about age, retirement
        # and a lowered budget: from then on a release goes the slow way, which finds out which it was.
        self.review_at: float = inf
        self.incoming_to: KeyPool[Any, Any] | None = None
        self.expected_since: float = -inf

    @property
    def has_served(self) -> bool:
        """Whether it was ever logged in: the end of a dial that was refused frees no place at the server."""
        return self.switched_at > -inf

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.key} {STATE_NAMES[self.state]}>"
