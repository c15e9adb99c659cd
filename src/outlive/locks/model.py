"""The rules of signal and mutex, as pure functions over one lock's state; the time is passed in, in microseconds.

First in, first out. A fence is higher than every one before it, and never lower than the clock: so it also rises where
a store has lost its memory, as long as its clock has not.
"""

from __future__ import annotations

from copy import copy
from typing import Final

from outlive.locks.state import (
    Ack,
    Applied,
    Detach,
    Grant,
    Leave,
    Limits,
    Lock,
    Outcome,
    Release,
    Renew,
    Signal,
    Step,
    Unlock,
    Wait,
    Waiter,
)

_OVER: Final = "over:"
"""Before the ids of grants that are over, to keep them from those of releases."""
_RELEASE: Final = "release:"


def apply(lock: Lock, now: int, steps: list[Step], node: str, limits: Limits) -> Applied:
    """Performs the steps in order, for the node that asks. `lock` is changed; its version is the store's."""
    turn = Turn(lock, now, limits)
    outcomes = [turn.take(step) for step in steps]
    return Applied(
        0,
        now,
        turn.due,
        outcomes,
        [grant for grant in lock.grants if grant.node == node],
        sorted(turn.granted_at - {node}),
    )


def end_of(lock: Lock, limits: Limits) -> int:
    """When nothing of it is worth to be kept any more."""
    times = [lock.fence, *(waiter.stays_until for waiter in lock.waiters), *lock.known.values()]
    times += [release.expires for release in lock.pending]
    for grant in lock.grants:
        times.append(grant.expires if grant.release is None else max(grant.expires, grant.release.expires))
    return max(times) + limits.linger_us


def _is_consumed(grant: Grant) -> bool:
    return grant.auto and grant.told


class Turn:
    """Some steps on a lock, all at one time."""

    def __init__(self, lock: Lock, now: int, limits: Limits) -> None:
        self.lock = lock
        self.now = now
        self.limits = limits
        self.granted_at: set[str] = set()

    def take(self, step: Step) -> Outcome:
        """Performs one."""
        self._expire()
        self._dispatch(step.salt)
        outcome = self._perform(step)
        self._dispatch(step.salt)
        if isinstance(step, Wait) and outcome.status == "pending":
            return self._stand(step.waiter)
        return outcome

    @property
    def due(self) -> int:
        """See `Applied`."""
        if not self.lock.waiters:
            return 0
        return min((grant.expires for grant in self.lock.grants if not _is_consumed(grant)), default=0)

    # -- what time does ----------------------------------------------------------------------------

    def _expire(self) -> None:
        lock, now = self.lock, self.now
        over = [grant for grant in lock.grants if grant.expires <= now]
        if over:
            lock.grants = [grant for grant in lock.grants if grant.expires > now]
            for grant in over:
                if not _is_consumed(grant):
                    self._put_back(grant)
        lock.pending = [release for release in lock.pending if release.expires > now]
        lock.waiters = [waiter for waiter in lock.waiters if waiter.stays_until > now]
        lock.known = {id: until for id, until in lock.known.items() if until > now}
        if not (lock.grants or lock.pending or lock.waiters):
            lock.mode = ""

    def _put_back(self, grant: Grant) -> None:
        """A signal that was not consumed is before all that were released later."""
        release = grant.release
        if release is not None:
            self.lock.pending.append(release)
            self.lock.pending.sort(key=lambda found: found.order)

    def _dispatch(self, salt: str) -> None:
        """Gives what there is to those who are first."""
        lock, now = self.lock, self.now
        while lock.waiters and (lock.pending if lock.mode == "signal" else not lock.grants):
            waiter = lock.waiters.pop(0)
            release = lock.pending.pop(0) if lock.mode == "signal" else None
            # A holder who is between two questions has to come for its lease soon.
            claim_us = self.limits.ack_us if release is not None else waiter.lease_us
            if release is None and waiter.asks_until <= now:
                claim_us = min(claim_us, self.limits.ack_us)
            lock.fence = max(lock.fence + 1, now)
            id = f"{lock.fence}-{salt}"
            grant = Grant(id, lock.fence, waiter.id, waiter.node, now + claim_us, waiter.lease_us, waiter.auto, False)
            grant.release = release
            lock.grants.append(grant)
            self.granted_at.add(waiter.node)

    # -- steps -------------------------------------------------------------------------------------

    def _perform(self, step: Step) -> Outcome:
        if isinstance(step, Wait):
            return self._wait(step)
        if isinstance(step, Signal):
            return self._signal(step)
        if isinstance(step, Unlock):
            return self._unlock(step)
        if isinstance(step, Ack):
            return self._ack(step)
        if isinstance(step, Renew):
            return self._renew(step)
        if isinstance(step, Leave):
            return self._leave(step)
        if isinstance(step, Detach):
            return self._detach(step)
        return self._look()

    def _wait(self, step: Wait) -> Outcome:
        lock, now = self.lock, self.now
        if lock.mode not in ("", step.mode):
            return self._say("other_mode")
        asks_until = now + step.timeout_us
        held = self._held_by(step.waiter)
        if held is not None:
            # Who asks again lives: a signal has its time again, a mutex its lease.
            own_us = self.limits.ack_us if held.release is not None else held.lease_us
            held.expires = max(held.expires, now + own_us)
            held.node = step.node
            held.told = held.told or not held.auto
            return self._say("granted", grant=held)
        found = next((waiter for waiter in lock.waiters if waiter.id == step.waiter), None)
        if found is None:
            if len(lock.waiters) >= self.limits.max_waiters:
                return self._say("full")
            found = Waiter(step.waiter, 0, 0, step.lease_us, step.node, step.auto)
            lock.waiters.append(found)
            lock.mode = step.mode
        found.asks_until = asks_until
        # Nobody would come back for its place.
        found.stays_until = asks_until + (0 if step.auto else self.limits.grace_us)
        found.lease_us = step.lease_us
        found.node = step.node
        return self._stand(step.waiter)

    def _stand(self, waiter: str) -> Outcome:
        held = self._held_by(waiter)
        if held is not None:
            return self._say("granted", grant=held)
        place = next((at for at, found in enumerate(self.lock.waiters, 1) if found.id == waiter), 0)
        return self._say("pending", place)

    def _signal(self, step: Signal) -> Outcome:
        lock, limits = self.lock, self.limits
        id = _RELEASE + step.release_id
        if id in lock.known:
            return self._say("duplicate")
        if lock.mode not in ("", "signal"):
            return self._say("other_mode")
        if (
            len(lock.pending) + len(lock.grants) >= limits.max_pending
            or len(lock.known) >= limits.max_ids
            or self._bytes() + len(step.payload.encode()) > limits.max_bytes
        ):
            return self._say("full")
        lock.mode = "signal"
        lock.released += 1
        expires = self.now + step.ttl_us
        lock.pending.append(Release(lock.released, expires, step.payload))
        lock.known[id] = max(expires, self.now + limits.remember_us)
        return self._say("released")

    def _bytes(self) -> int:
        grants = (grant.release for grant in self.lock.grants if grant.release is not None)
        return sum(len(release.payload.encode()) for release in (*self.lock.pending, *grants))

    def _unlock(self, step: Unlock) -> Outcome:
        lock = self.lock
        over = _OVER + step.grant_id
        if over in lock.known:
            return self._say("duplicate")
        held = self._found(step.grant_id)
        if held is None or held.release is not None or held.fence != step.fence:
            return self._say("stale")
        lock.grants.remove(held)
        self._remember(over)
        return self._say("released")

    def _ack(self, step: Ack) -> Outcome:
        over = _OVER + step.grant_id
        held = self._found(step.grant_id)
        if held is None:
            return self._say("duplicate" if over in self.lock.known else "stale")
        if held.release is None:
            held.told = True
        elif held.auto:
            # Kept for a while: its node gives it back if it sees that the waiter is gone.
            held.told = True
            held.expires = self.now + self.limits.ack_us
        else:
            self.lock.grants.remove(held)
            self._remember(over)
        return self._say("acked")

    def _renew(self, step: Renew) -> Outcome:
        held = self._found(step.grant_id)
        if held is None:
            return self._say("stale")
        held.expires = self.now + (step.lease_us or held.lease_us)
        held.told = True
        return self._say("renewed", grant=held)

    def _leave(self, step: Leave) -> Outcome:
        lock = self.lock
        before = len(lock.waiters) + len(lock.grants)
        lock.waiters = [waiter for waiter in lock.waiters if waiter.id != step.waiter]
        held = self._held_by(step.waiter)
        if held is not None:
            lock.grants.remove(held)
            self._put_back(held)
        return self._say("left" if len(lock.waiters) + len(lock.grants) < before else "absent")

    def _detach(self, step: Detach) -> Outcome:
        now, limits = self.now, self.limits
        for waiter in self.lock.waiters:
            if waiter.id == step.waiter:
                waiter.asks_until = now
                waiter.stays_until = now + limits.grace_us
                return self._say("left")
        held = self._held_by(step.waiter)
        if held is None:
            return self._say("absent")
        if held.release is None and not held.told:
            held.expires = min(held.expires, now + limits.ack_us)
        return self._say("left")

    def _look(self) -> Outcome:
        return self._say("seen", len(self.lock.waiters), next(iter(self.lock.grants), None))

    def _remember(self, over: str) -> None:
        """A grant that is over. Of very many the oldest are forgotten: then a retry is told `stale`, which is safe."""
        known = self.lock.known
        ended = [id for id in known if id.startswith(_OVER)]
        if len(ended) >= self.limits.max_ended:
            del known[min(ended, key=lambda id: (known[id], id))]
        known[over] = self.now + self.limits.remember_us

    # -- words -------------------------------------------------------------------------------------

    def _held_by(self, waiter: str) -> Grant | None:
        return next((grant for grant in self.lock.grants if grant.waiter == waiter), None)

    def _found(self, grant_id: str) -> Grant | None:
        return next((grant for grant in self.lock.grants if grant.id == grant_id), None)

    def _say(self, status: str, position: int = 0, grant: Grant | None = None) -> Outcome:
        lock = self.lock
        fence = grant.fence if grant is not None else lock.fence
        told = copy(grant)  # the steps behind this one may change it
        return Outcome(status, position, lock.mode, fence, len(lock.pending), len(lock.grants), told)  # type: ignore[arg-type]
