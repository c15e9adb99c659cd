"""What the pool keeps for each key."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import islice
from typing import Final, Generic

from outlive.pool.actions import S, W
from outlive.pool.backoff import Backoff
from outlive.pool.slot import IDLE

# How many idle connections are looked at for one whose settings match. A replayed difference costs one exchange with
# the server, about as much as looking at some hundreds.
LOOK_AT_MOST: Final = 64


class KeyPool(Generic[S, W]):
    """The idle slots and the waiters of one key. Plain state: the rules are the pool's."""

    __slots__ = ("backoff", "idle", "incoming", "key", "min_idle", "refusal", "size", "waiters")

    def __init__(self, key: Hashable, random: Callable[[], float]) -> None:
        self.key = key
        self.idle: dict[S, None] = {}
        """Slots IDLE or CHECKING, least recently used first."""
        # An OrderedDict and not a dict: taking the first of a dict passes over all entries deleted before it.
        self.waiters: OrderedDict[W, None] = OrderedDict()
        self.size = 0
        """Slots of this key in any state, and those converting to it."""
        self.incoming = 0
        """Slots that will be this key's soon: dialing, converting to it, or closing to be dialled for it."""
        self.min_idle = 0
        self.backoff = Backoff(random)
        """Of logins that this key's user was refused."""
        self.refusal: object | None = None

    def best_idle(self, settings: object, owner: object) -> S | None:
        """The most recently used idle slot of the best kind: own residue or these settings, any, another's residue."""
        any_settings: S | None = None
        another_residue: S | None = None
        for slot in islice(reversed(self.idle), LOOK_AT_MOST):
            if slot.state != IDLE:
                continue
            residue_of = slot.residue_of
            if residue_of is None:
                if slot.settings is settings:
                    return slot
                if any_settings is None:
                    any_settings = slot
            elif residue_of is owner:
                return slot
            elif another_residue is None:
                another_residue = slot
        return any_settings if any_settings is not None else another_residue

    def first_uncovered(self) -> W | None:
        """The first waiter for whom no slot is on its way."""
        return next(islice(self.waiters, self.incoming, None), None)

    @property
    def forgettable(self) -> bool:
        return not (self.size or self.waiters or self.incoming or self.min_idle)
