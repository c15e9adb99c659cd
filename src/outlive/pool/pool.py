"""The pool of one server: who may use which of its connections now.

Pure: no sockets, no clock (`now` is monotonic seconds, never less than in the call before), no randomness of its own.
Who calls what, when:

- A client needs a connection: `acquire`. None -> `wait`; the client then gets its slot from the return value of
  somebody's `release` or `ready`, or from a `Lend` of `plan`; or it ends with `Expire` or `Refuse`, or by `cancel`.
- A lease ends on a clean connection: `release`. On any doubt: `closing`, close it, `closed`.
- After any call: if `stirred`, run `plan` and carry out its actions in order, until it is not stirred. Do not call
  `plan` while carrying out. Then set the timer to `next_wakeup`, and call `plan` when it fires.
- `closed` is the last call for every slot, exactly once, when the server's EOF or RST was seen (or there never was a
  connection): until then the slot counts against the budget, whatever else was said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Final, Generic

from outlive.pool import upkeep
from outlive.pool.actions import AGE, BUDGET, DRAIN, KEY_SWITCH, Action, Refuse, S, W
from outlive.pool.books import Books, PoolError
from outlive.pool.groups import over_groups
from outlive.pool.limits import Limits
from outlive.pool.slot import CHECKING, CLOSED, CLOSING, CONVERTING, DIALING, IDLE, LEASED, STATE_NAMES
from outlive.pool.switching import choose, head_of_queue, serve_waiters, switch_at

# A server frees the place of a connection a little after it closed the socket: "too many connections" within this time
# of an EOF is no failure, and is tried again within FREED_RETRY_S.
FREED_WITHIN_S: Final = 1.0
FREED_RETRY_S: Final = 0.05


def never_convertible(slot: object, key: Hashable) -> bool:
    """For protocols that cannot change the user of a connection."""
    return False


class Pool(Books[S, W], Generic[S, W]):
    """The mutable state is the queue of waiters and the set of slots; `repr` shows both.

    `new_slot(key)` makes the object of a slot (a `Slot` of the caller's class); it must not open anything, the `Dial`
    that carries it does. `random()` is uniform in [0, 1). `convertible(slot, key)` tells whether `Convert` can work;
    where not, the slot is closed and dialled anew after its EOF. A key must contain everything that decides whether
    a login succeeds.
    """

    __slots__ = ("wakeup",)

    def __init__(
        self,
        limits: Limits,
        random: Callable[[], float],
        new_slot: Callable[[Hashable], S],
        convertible: Callable[[S, Hashable], bool] = never_convertible,
    ) -> None:
        super().__init__(limits, random, new_slot, convertible)
        self.wakeup = inf

    # Leases

    def acquire(self, key: Hashable, settings: object, last: S | None, owner: object) -> S | None:
        """An idle slot, now leased to `owner`; or None: then `wait`.

        `last` is the slot the owner had last, or None; it is preferred as long as nobody had it since. Else a slot
        whose `settings` are identical is preferred, and one with another client's residue is the last choice.
        None while others wait, except within `key_switch_after_ms` of a head of another key. None while paused or
        draining.
        """
        # Keys that are equal but not the same object take the slow way, with the same result.
        if last is not None and last.owner is owner and last.state == IDLE and last.key is key and not self.obstacles:
            last.state = LEASED
            del last.keypool.idle[last]
            return last
        return self._acquire_any(key, settings, last, owner)

    def release(self, slot: S, now: float) -> W | None:
        """End a lease on a clean connection (no reply outstanding, no transaction).

        Returns the waiter that has the slot now (`slot.owner` too): go on with it at once, or release again.
        None: the slot is idle, or `plan` has a `Close` or `Convert` for it. No effect on a slot that is closing
        or closed. Raises PoolError if the slot is not leased.
        """
        if slot.state != LEASED:
            self._check_closing(slot, "release")
            return None
        if now >= slot.review_at:
            return self._place(slot, now)
        if self.obstacles:
            keypool = slot.keypool
            if not keypool.waiters or len(self.waiting) > 1 or self.paused or self.draining:
                return self._place(slot, now)
            # What `_place` comes to where all who wait want this key, in fewer calls: under load every lease ends so.
            self.now = slot.seen_at = now
            slot.owner = waiter = self.leave_first(keypool)
            slot.uses += 1
            return waiter
        slot.state = IDLE
        slot.idle_since = slot.seen_at = now
        slot.keypool.idle[slot] = None
        return None

    def stale(self, slot: S, now: float) -> bool:
        """Whether a slot just acquired or lent must show that it lives before a statement goes out on it.

        If it does not: `closed`, then `acquire` again, then `wait` with `again`.
        """
        return now - slot.seen_at >= self.limits.check_after_idle_s

    # The queue

    def wait(self, waiter: W, now: float, *, again: bool = False) -> bool:
        """Queue a client that `acquire` had nothing for. False: the queue is full (or draining), tell the client so.

        `again` puts it at the head, full or not, and keeps its `waiting_since`: for one that was lent a connection
        that proved dead. Its `deadline` is the caller's to set. Raises PoolError if it waits already.
        """
        if waiter.ticket:
            raise PoolError("this client waits already")
        if not again and (self.draining or self.waiters >= self.limits.max_waiters):
            return False
        self.now = now
        if not again:
            waiter.waiting_since = now
        keypool = self.keypool(waiter.key)
        if keypool.refusal is not None and self.hopeless(keypool, now):
            self.actions.append(Refuse(waiter, keypool.refusal))
            self.stirred = True
            return True
        self.enter(waiter, keypool, at_head=again)
        # When every slot is leased the next release will see to it, and there is nothing to plan.
        if waiter.deadline < self.wakeup or self.has_room or self.has_idle:
            self.stirred = True
        return True

    def queued(self) -> list[W]:
        """The waiters of all keys, first come first."""
        waiters = (waiter for keypool in self.waiting.values() for waiter in keypool.waiters)
        return sorted(waiters, key=lambda waiter: waiter.ticket)

    def cancel(self, waiter: W) -> bool:
        """The client is gone, or wants nothing any more. False if it does not wait: it may have been lent a slot."""
        if not waiter.ticket:
            return False
        self.leave(waiter)
        # It may have been what the idle slots of others were held for.
        self.stirred = True
        return True

    # What became of an action

    def ready(self, slot: S, now: float) -> W | None:
        """A `Dial`, `Convert` or `Ping` has succeeded. Returns as `release` does; a new control slot is the caller's.

        After Dial and Convert set `slot.settings` before this call. No effect on a slot that is closing or closed.
        Raises PoolError if nothing was under way.
        """
        if slot.state in (DIALING, CONVERTING):
            return self._begun(slot, now)
        if slot.state == CHECKING:
            return self._place(slot, now)
        self._check_closing(slot, "ready")
        return None

    def dial_failed(self, slot: S, now: float, *, refusal: object | None = None, server_full: bool = False) -> None:
        """A `Dial` or `Convert` has failed; `closed` must follow, at once if there is no connection to the server.

        Without more, all dials to the server are put off, with full jitter between 0 and 0.1 s, doubling to 5 s;
        waiters wait on. `refusal`: the server will not have this key's user (1045): its waiters get `Refuse` with
        it, unless the key has connections that still serve; new waiters get the same until the key's own backoff is
        over. `server_full`: too many connections (1040): no failure within 1 s of an EOF, and tried again soon after
        the next one.
        """
        if slot.state not in (DIALING, CONVERTING):
            self._check_closing(slot, "dial_failed")
            return
        keypool = slot.keypool
        dialed = slot.state == DIALING
        self.begin_closing(slot)
        if slot.control:
            self.control_backoff.failed(now)
        elif refusal is not None:
            keypool.refusal = refusal
            keypool.backoff.failed(now)
            self.refuse_hopeless(keypool, now)
        elif dialed:
            self._put_dials_off(now, server_full)

    def closing(self, slot: S) -> None:
        """The caller is about to close it, for a reason of its own, from whatever state. `closed` must follow."""
        if slot.state not in (CLOSING, CLOSED):
            self.begin_closing(slot)

    def closed(self, slot: S, now: float) -> None:
        """The server's EOF or RST was seen, expected or not: the slot is free. Its client, if any, is the caller's.

        While dialing it counts as a failed dial. Called again it has no effect.
        """
        if slot.state == CLOSED:
            return
        if slot.state == DIALING:
            self.dial_failed(slot, now)
        self.forget(slot, now)
        if self.server_full and slot.has_served and not slot.control and self.backoff.retry_at > now:
            self.backoff.retry_at = min(self.backoff.retry_at, now + self.random() * FREED_RETRY_S)
        self.refuse_hopeless(slot.keypool, now)

    # Control connections

    def acquire_control(self, key: Hashable, now: float) -> S | None:
        """A connection for KILL, out of the reserved part of the budget; no `Dial` is planned for it.

        In state DIALING it is new: dial it, then `ready` (it is leased to the caller then) or `dial_failed`,
        `closed`. In state LEASED it is ready for use. None: all are in use, or of another key (then an idle one is
        closed), or dials have just failed: try again later, at the latest when one was released or closed. `release` it
        for the next time; an idle one is pinged, aged and closed as others are.
        """
        idle = [slot for slot in self.control_pool.idle if slot.state == IDLE]
        for slot in idle:
            if slot.key == key:
                self.take(slot)
                slot.state = LEASED
                slot.uses += 1
                return slot
        if now < self.control_backoff.retry_at:
            return None
        connections = len(self.slots) + len(self.control)
        if len(self.control) < self.limits.control_connections and connections < self.limits.max_connections:
            return self.open(key, control=True)
        if idle:
            self.close(idle[0], KEY_SWITCH)
        return None

    # Planning

    def plan(self, now: float) -> list[Action[S, W]]:
        """What the caller has to do now. Each action is given once; the state already counts on its being done."""
        self.now = now
        upkeep.sweep(self, now)
        upkeep.expire_waiters(self, now)
        if not self.paused:
            if self.waiting:
                serve_waiters(self, now)
            upkeep.grow(self, now)
        upkeep.close_drained(self)
        actions, self.actions = self.actions, []
        self.stirred = False
        return actions

    def next_wakeup(self, now: float) -> float:
        """When `plan` is to be called next if nothing happens before; `inf` for never."""
        self.wakeup = now if self.stirred else upkeep.next_wakeup(self, now)
        return self.wakeup

    # Changes from outside

    def keep(self, key: Hashable, min_idle: int) -> None:
        """Have at least `min_idle` idle connections of this key as long as the budget and the waiters allow."""
        keypool = self.keypool(key)
        keypool.min_idle = min_idle
        if min_idle:
            self.kept[key] = keypool
        else:
            self.kept.pop(key, None)
        self.stirred = True

    def set_limits(self, limits: Limits, now: float) -> None:
        """Reload. A lower budget closes idle slots first, least recently used first, then leased ones when released."""
        self.limits = limits
        self.now = now
        idle = sorted(self.idle_slots(), key=lambda slot: slot.idle_since)
        for slot in idle[: max(0, self.over_budget)]:
            self.close(slot, BUDGET)
        for slot in idle:
            if slot.state == IDLE and over_groups(self, slot.keypool.key):
                self.close(slot, BUDGET)
        surplus = max(0, len(self.control) - limits.control_connections)
        for slot in list(self.control_pool.idle)[:surplus]:
            self.retire(slot, BUDGET)
        for slot in [*self.slots, *self.control]:
            slot.review_at = -inf
        self.next_sweep = now
        self.stirred = True

    def forgive(self, serves: Callable[[Hashable], bool]) -> None:
        """Logins of these keys may succeed again, as a password was renewed: forget that they were refused."""
        for key, keypool in self.keypools.items():
            if keypool.refusal is not None and serves(key):
                keypool.refusal = None
                keypool.backoff.succeeded()
                self.stirred = True

    def retire(self, slot: S, why: str) -> None:
        """Close it now if it is idle, else as soon as what it is used for is over."""
        if slot.state == IDLE:
            self.close(slot, why)
        elif slot.state not in (CLOSING, CLOSED):
            slot.retired = why
            slot.review_at = -inf

    def retire_all(self, why: str) -> None:
        """Retire every connection, also those being dialled: the server was demoted, replaced or restarted."""
        for slot in [*self.slots, *self.control]:
            self.retire(slot, why)

    def pause(self) -> None:
        """Lend and dial nothing until `resume`; clients wait, until their deadlines."""
        if not self.paused:
            self.paused = True
            self.obstacles += 1

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.obstacles -= 1
            self.stirred = True

    def drain(self) -> None:
        """Until `reopen`, if ever: no new waiters, those in the queue are served still, and what is idle or
        released is closed.
        """
        if not self.draining:
            self.draining = True
            self.obstacles += 1
            self.stirred = True

    def reopen(self) -> None:
        """The server is wanted again, after a reload that had left it out."""
        if self.draining:
            self.draining = False
            self.obstacles -= 1
            self.stirred = True

    @property
    def drained(self) -> bool:
        return not self.slots and not self.control

    # What is seen from outside

    def states(self) -> dict[str, int]:
        """The number of server connections by the name of their state, control connections included."""
        counts = dict.fromkeys(STATE_NAMES[:CLOSED], 0)
        for slot in [*self.slots, *self.control]:
            counts[STATE_NAMES[slot.state]] += 1
        return counts

    def __repr__(self) -> str:
        parts = [f"{len(self.slots)}+{len(self.control)} of {self.limits.max_connections}"]
        slots = sorted([*self.slots, *self.control], key=lambda slot: slot.state)
        for state, name in enumerate(STATE_NAMES):
            keys = " ".join(f"{slot.key}{'!' if slot.control else ''}" for slot in slots if slot.state == state)
            if keys:
                parts.append(f"{name} {keys}")
        queue = self.queued()
        if queue:
            parts.append("waiting " + " ".join(str(waiter.key) for waiter in queue))
        parts += [name for name, on in (("paused", self.paused), ("draining", self.draining)) if on]
        return f"<Pool {' | '.join(parts)}>"

    # The slow ways

    def _acquire_any(self, key: Hashable, settings: object, last: S | None, owner: object) -> S | None:
        keypool = self.keypools.get(key)
        if keypool is None or not keypool.idle or keypool.waiters or self.paused or self.draining:
            return None
        if last is not None and last.state == IDLE and last.owner is owner and last.keypool is keypool:
            slot: S | None = last
        else:
            slot = keypool.best_idle(settings, owner)
        if slot is None:
            return None
        if self.waiting:
            head = head_of_queue(self, at_hand=slot)
            # The clock may be behind here; but when the head's time comes `plan` is called, and takes the slot.
            if head is not None and switch_at(self, slot, head) <= self.now:
                return None
        self.take(slot)
        slot.state = LEASED
        slot.owner = owner
        slot.uses += 1
        return slot

    def _check_closing(self, slot: S, call: str) -> None:
        if slot.state not in (CLOSING, CLOSED):
            raise PoolError(f"{call}, but the slot was {STATE_NAMES[slot.state]}")

    def _begun(self, slot: S, now: float) -> W | None:
        dialed = slot.state == DIALING
        self.began(slot, now)
        if slot.control:
            self.control_backoff.succeeded()
            return None
        if dialed:
            self.backoff.succeeded()
            self.server_full = False
        self.stirred = True
        return self._place(slot, now)

    def _place(self, slot: S, now: float) -> W | None:
        """Decide about a slot at hand: close it, lend it, switch it or let it rest."""
        self.now = now
        if now >= slot.review_at or self.draining:
            why = self._reason_to_close(slot, now)
            if why is not None:
                self.close(slot, why)
                return None
            slot.review_at = slot.expires_at
        slot.seen_at = now
        if self.waiting and not self.paused and not slot.control:
            waiter = choose(self, slot, now)
            if waiter is not None or slot.state in (CONVERTING, CLOSING):
                return waiter
        self.rest(slot, now)
        return None

    def _reason_to_close(self, slot: S, now: float) -> str | None:
        if slot.retired is not None:
            return slot.retired
        if not slot.control and (self.over_budget > 0 or over_groups(self, slot.keypool.key)):
            return BUDGET
        if slot.control and len(self.control) > self.limits.control_connections:
            return BUDGET
        if self.draining and not self.waiting and (not slot.control or not self.slots):
            return DRAIN
        # While the server refuses dials an old connection is better than none.
        if now >= slot.expires_at and not self.backoff.failures:
            return AGE
        return None

    def _put_dials_off(self, now: float, server_full: bool) -> None:
        self.server_full = server_full
        if server_full and now - self.last_closed_at < FREED_WITHIN_S:
            self.backoff.postpone(now, FREED_RETRY_S)
        else:
            self.backoff.failed(now)
