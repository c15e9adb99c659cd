"""The pool's state and the single moves on it. The rules that choose the moves are in `switching`, `upkeep`, `pool`."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Final, Generic

from outlive.pool.actions import KEY_SWITCH, Action, Close, Convert, Refuse, S, W
from outlive.pool.backoff import Backoff
from outlive.pool.keypool import KeyPool
from outlive.pool.limits import Limits
from outlive.pool.slot import CHECKING, CLOSED, CLOSING, CONVERTING, DIALING, IDLE, LEASED, Slot

# This part of the age is left to chance: connections that were dialled together must not end together.
AGE_JITTER: Final = 0.2


class PoolError(Exception):
    """A call that the slot's state does not allow: a bug in the caller, nothing that a client or server can cause."""


class Books(Generic[S, W]):
    """Which slots there are and who waits. A slot is in `slots` or `control` from before its dial until `closed`."""

    __slots__ = (
        "actions",
        "backoff",
        "closing_count",
        "control",
        "control_backoff",
        "control_pool",
        "convertible",
        "dialing",
        "draining",
        "earliest_deadline",
        "first_ticket",
        "kept",
        "keypools",
        "last_closed_at",
        "last_ticket",
        "limits",
        "new_slot",
        "next_expiry",
        "next_sweep",
        "now",
        "obstacles",
        "paused",
        "random",
        "server_full",
        "slots",
        "stirred",
        "waiting",
    )

    def __init__(
        self,
        limits: Limits,
        random: Callable[[], float],
        new_slot: Callable[[Hashable], S],
        convertible: Callable[[S, Hashable], bool],
    ) -> None:
        self.limits = limits
        self.random = random
        self.new_slot = new_slot
        self.convertible = convertible
        self.slots: dict[S, None] = {}
        self.control: dict[S, None] = {}
        self.control_pool: KeyPool[S, W] = KeyPool("control", random)
        self.keypools: dict[Hashable, KeyPool[S, W]] = {}
        self.waiting: dict[Hashable, KeyPool[S, W]] = {}
        """The key pools that have waiters."""
        self.kept: dict[Hashable, KeyPool[S, W]] = {}
        """The key pools with a min_idle."""
        # The number of waiters, plus one while paused, plus one while draining: the one question of the hot path.
        self.obstacles = 0
        self.paused = False
        self.draining = False
        self.dialing: dict[S, None] = {}
        self.closing_count = 0
        self.last_closed_at = -inf
        self.server_full = False
        """The last dial was answered with "too many connections"."""
        self.backoff = Backoff(random)
        self.control_backoff = Backoff(random)
        self.actions: list[Action[S, W]] = []
        self.stirred = False
        """Something happened that `plan` may have an answer to."""
        self.now = -inf
        self.last_ticket = 0
        self.first_ticket = 0
        self.earliest_deadline = inf
        """No waiter's deadline is before this."""
        self.next_expiry = -inf
        self.next_sweep = -inf

    # Slots

    def keypool(self, key: Hashable) -> KeyPool[S, W]:
        found = self.keypools.get(key)
        if found is None:
            found = self.keypools[key] = KeyPool(key, self.random)
        return found

    def open(self, key: Hashable, *, control: bool = False) -> S:
        """A new slot, counted from here on."""
        slot = self.new_slot(key)
        keypool = self.control_pool if control else self.keypool(key)
        slot.state = DIALING
        slot.control = control
        slot.keypool = keypool
        keypool.size += 1
        if control:
            self.control[slot] = None
        else:
            self.slots[slot] = None
            self.dialing[slot] = None
            self.expect(slot, keypool)
        return slot

    def expect(self, slot: Slot, keypool: KeyPool[S, W] | None) -> None:
        """From now on `slot` counts as on its way to `keypool`, or to none."""
        if slot.incoming_to is not None:
            slot.incoming_to.incoming -= 1
        if keypool is not None:
            keypool.incoming += 1
        slot.incoming_to = keypool
        slot.expected_since = self.now

    def take(self, slot: S) -> None:
        """Take it out of whatever its state holds it in, before it gets another state."""
        if slot.state in (IDLE, CHECKING):
            del slot.keypool.idle[slot]
        elif slot.state == DIALING:
            self.dialing.pop(slot, None)  # one of the control connections is not in it
        self.expect(slot, None)

    def lend(self, slot: S, waiter: W) -> None:
        if slot.state != LEASED:  # one just released is in nothing
            self.take(slot)
        self.leave(waiter)
        slot.state = LEASED
        slot.owner = waiter
        slot.uses += 1

    def rest(self, slot: S, now: float) -> None:
        """Make it idle. One that was only checked keeps its place, or else the idle would never grow old."""
        if slot.state != CHECKING:
            self.take(slot)
            slot.keypool.idle[slot] = None
            slot.idle_since = now
        slot.seen_at = now
        slot.state = IDLE
        if self.obstacles:
            self.stirred = True

    def begin_closing(self, slot: S) -> None:
        self.take(slot)
        slot.state = CLOSING
        if not slot.control:
            self.closing_count += 1
        self.stirred = True

    def close(self, slot: S, why: str) -> None:
        self.begin_closing(slot)
        self.actions.append(Close(slot, why))

    def convert(self, slot: S, keypool: KeyPool[S, W]) -> None:
        """Give the slot to another key, by a login on the same connection where that is possible."""
        if not self.convertible(slot, keypool.key):
            self.close(slot, KEY_SWITCH)
            self.expect(slot, keypool)
            return
        self.take(slot)
        slot.keypool.size -= 1
        keypool.size += 1
        slot.keypool = keypool
        slot.state = CONVERTING
        slot.owner = None
        self.expect(slot, keypool)
        self.actions.append(Convert(slot, keypool.key))
        self.stirred = True

    def forget(self, slot: S, now: float) -> None:
        """The server has closed it: only now its slot is free."""
        if slot.state != CLOSING:
            self.begin_closing(slot)
        self.expect(slot, None)
        slot.state = CLOSED
        slot.keypool.size -= 1
        self.stirred = True
        if slot.control:
            del self.control[slot]
        else:
            del self.slots[slot]
            self.closing_count -= 1
            if slot.has_served:
                self.last_closed_at = now

    def began(self, slot: S, now: float) -> None:
        """It is logged in for its key, freshly dialled or converted, and no longer on its way there."""
        if slot.state == DIALING:
            slot.expires_at = now + self.limits.max_age_s * (1.0 - AGE_JITTER * self.random())
            slot.review_at = min(slot.review_at, slot.expires_at)
        self.take(slot)
        slot.state = LEASED  # to the pool itself, until it is placed
        if not slot.control:
            slot.key = slot.keypool.key
        slot.switched_at = slot.seen_at = now
        slot.residue_of = None
        slot.keypool.refusal = None
        slot.keypool.backoff.succeeded()

    @property
    def over_budget(self) -> int:
        return len(self.slots) - self.closing_count - self.limits.lendable

    @property
    def has_room(self) -> bool:
        """Whether a slot for clients is free. A reload may leave more control connections than are reserved."""
        return len(self.slots) + max(len(self.control), self.limits.control_connections) < self.limits.max_connections

    @property
    def may_open(self) -> bool:
        """Growth is one dial at a time where slots are released: they serve most of a burst meanwhile, and no server is
        stormed.
        """
        return len(self.dialing) < self.limits.max_dials and self.has_room and not self.paused

    @property
    def has_idle(self) -> bool:
        """Whether a slot of any key rests, or is checked."""
        for keypool in self.keypools.values():  # noqa: SIM110 (asked at every wait: a generator costs as much as the rest)
            if keypool.idle:
                return True
        return False

    def idle_slots(self) -> list[S]:
        """Those that could be lent, converted or closed, of every key."""
        return [slot for keypool in self.keypools.values() for slot in keypool.idle if slot.state == IDLE]

    # Waiters

    @property
    def waiters(self) -> int:
        return self.obstacles - self.paused - self.draining

    def enter(self, waiter: W, keypool: KeyPool[S, W], *, at_head: bool) -> None:
        """The waiter joins the queue of its key's pool."""
        keypool.waiters[waiter] = None
        if at_head:
            self.first_ticket -= 1
            waiter.ticket = self.first_ticket
            keypool.waiters.move_to_end(waiter, last=False)
        else:
            self.last_ticket += 1
            waiter.ticket = self.last_ticket
        if len(keypool.waiters) == 1:
            self.waiting[keypool.key] = keypool
        self.obstacles += 1
        self.earliest_deadline = min(self.earliest_deadline, waiter.deadline)

    def leave(self, waiter: W) -> None:
        keypool = self.keypools[waiter.key]
        del keypool.waiters[waiter]
        if not keypool.waiters:
            del self.waiting[keypool.key]
        waiter.ticket = 0
        self.obstacles -= 1

    def leave_first(self, keypool: KeyPool[S, W]) -> W:
        """As `leave`, of whoever waits longest for this key."""
        waiter, _ = keypool.waiters.popitem(last=False)
        if not keypool.waiters:
            del self.waiting[keypool.key]
        waiter.ticket = 0
        self.obstacles -= 1
        return waiter

    def refuse_hopeless(self, keypool: KeyPool[S, W], now: float) -> None:
        """Its login is refused, and no connection of before will be released to its waiters: tell them at once."""
        if self.hopeless(keypool, now):
            for waiter in list(keypool.waiters):
                self.leave(waiter)
                self.actions.append(Refuse(waiter, keypool.refusal))
                self.stirred = True

    def hopeless(self, keypool: KeyPool[S, W], now: float) -> bool:
        if keypool.refusal is None or now >= keypool.backoff.retry_at:
            return False
        return not any(
            slot.keypool is keypool and slot.state in (IDLE, LEASED, CHECKING) and slot.retired is None
            for slot in self.slots
        )
