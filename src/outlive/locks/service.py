"""One node's part of the locks: who waits at it, what goes to the store, and who is told what came of it.

A waiter is a small object and no task, and needs no connection of the store while it waits. Steps on one lock that come
while the store is at work on it go there together; so do those on many locks.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

from outlive.locks.state import US, Ack, Applied, Detach, Grant, Leave, Look, Outcome, Step, Wait
from outlive.locks.store import Store, StoreFailure
from outlive.observe.log import fields
from outlive.observe.metrics import Metrics

log = logging.getLogger("outlive.locks")

_FORGET_S: Final = 60.0
_IDLE_S: Final = 0.25
_AGAIN_S: Final = 0.2
_PATIENCE_S: Final = 5.0
"""How long a step is sent again to a store that fails, before it is told so."""

Heard = Callable[[Outcome | StoreFailure], None]


class Waiting:
    """One who waits at this node. `answer` gets a `Granted`, None where its time is up, or what went wrong.

    `anonymous`: without an id nobody can ask for it again, so it keeps no place and no grant that it was not told of.
    """

    __slots__ = ("anonymous", "answer", "deadline", "is_granted", "is_late", "key", "position", "since", "step")

    def __init__(
        self, key: str, step: Wait, anonymous: bool, since: float, us: int, answer: asyncio.Future[Any]
    ) -> None:
        self.key = key
        self.anonymous = anonymous
        self.step = step
        self.since = since
        self.deadline = since + us / US
        self.answer = answer
        self.position = -1  # not heard of
        self.is_granted = False
        self.is_late = False

    def tell(self, found: object) -> None:
        """Once."""
        if not self.answer.done():
            self.answer.set_result(found)

    def __lt__(self, other: Waiting) -> bool:
        return self.deadline < other.deadline


class Granted(NamedTuple):
    """A waiter's grant, at the time of the store's clock when it was seen."""

    grant: Grant
    now: int


class _Steps:
    """What is to be done on one lock, in order."""

    __slots__ = ("busy", "heard", "ran", "since", "steps")

    def __init__(self, since: float) -> None:
        self.steps: list[Step] = []
        self.heard: list[Heard] = []
        self.busy = False
        self.ran = False
        self.since = since


class Service:
    """See the module. `is_draining` says whether the node stops: then waiters are told so, and nobody waits."""

    def __init__(
        self, store: Store, metrics: Metrics, *, wake_s: float, recheck_s: float, is_draining: Callable[[], bool]
    ) -> None:
        self.store = store
        self.metrics = metrics
        self.is_draining = is_draining
        self._wake_s = wake_s
        self._recheck_s = recheck_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, dict[str, Waiting]] = {}
        self._versions: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._dues: list[tuple[float, str]] = []
        self._deadlines: list[Waiting] = []
        self._todo: dict[str, _Steps] = {}
        self._ready: dict[str, None] = {}
        self._under_way = 0
        self._count = 0
        self._ticker: asyncio.TimerHandle | None = None
        self._ticks_fast = False
        self._flushing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._listened_at = self._checked_at = self._forgot_at = self._loop.time()
        self._busy: set[str] = set()
        store.woken = self._woken
        self._tick_later()

    @property
    def count(self) -> int:
        """How many wait here."""
        return self._count

    # -- steps -------------------------------------------------------------------------------------

    async def perform(self, key: str, step: Step) -> Outcome:
        """One step, as soon as the store has taken it. Raises StoreFailure."""
        future: asyncio.Future[Outcome] = self._loop.create_future()

        def heard(found: Outcome | StoreFailure) -> None:
            if future.done():
                return
            if isinstance(found, StoreFailure):
                future.set_exception(found)
            else:
                future.set_result(found)

        self.submit(key, step, heard)
        return await future

    def submit(self, key: str, step: Step, heard: Heard) -> None:
        """`heard` is called once, with what became of it."""
        todo = self._todo.get(key)
        if todo is None:
            todo = self._todo[key] = _Steps(self._loop.time())
        todo.steps.append(step)
        todo.heard.append(heard)
        if not todo.busy:
            self._ready[key] = None
            self._flush_soon()

    def _flush_soon(self) -> None:
        # In the next turn of the loop: what this one brings goes together.
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        while self._ready and self._under_way < self.store.batches:
            batch: dict[str, _Steps] = {}
            while self._ready and len(batch) < self.store.batch_keys:
                key = next(iter(self._ready))
                del self._ready[key]
                batch[key] = self._todo[key]
            for key, todo in batch.items():
                todo.busy = True
                later = self._todo[key] = _Steps(self._loop.time())
                later.busy = True  # until this one is back
            self._under_way += 1
            self._run(self._apply(batch))

    async def _apply(self, batch: dict[str, _Steps]) -> None:
        try:
            found = await self.store.apply({key: todo.steps for key, todo in batch.items()})
        except StoreFailure as failure:
            self._failed(batch, failure)
            return
        finally:
            self._under_way -= 1
            if self._ready:
                self._flush_soon()
        for key, todo in batch.items():
            applied = found[key]
            for heard, outcome in zip(todo.heard, applied.outcomes, strict=True):
                self.metrics.lock_steps.add(outcome.status)
                heard(outcome)
            self._learn(key, applied)
            self._go_on(key)

    def _go_on(self, key: str) -> None:
        todo = self._todo[key]
        todo.busy = False
        if todo.steps:
            self._ready[key] = None
            self._flush_soon()
        else:
            del self._todo[key]

    def _failed(self, batch: dict[str, _Steps], failure: StoreFailure) -> None:
        """What may be sent again is, for some time: every step is safe to be sent twice."""
        now = self._loop.time()
        self.metrics.lock_steps.add("failed")
        for key, todo in batch.items():
            todo.ran = todo.ran or failure.ran
            if now - todo.since < _PATIENCE_S and not self.is_draining():
                self._loop.call_later(_AGAIN_S, self._again, key, todo)
                continue
            for heard in todo.heard:
                heard(StoreFailure(failure.message, ran=todo.ran))
            self._go_on(key)

    def _again(self, key: str, todo: _Steps) -> None:
        later = self._todo[key]
        todo.steps += later.steps
        todo.heard += later.heard
        todo.busy = False
        self._todo[key] = todo
        self._ready[key] = None
        self._flush_soon()

    def _learn(self, key: str, applied: Applied) -> None:
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        before, self._versions[key] = self._versions.get(key, 0), applied.version
        if applied.version < before:
            # The store has lost its memory, and with it the queue: those who wait here have their places again.
            for waiter in waiting.values():
                self.submit(key, waiter.step, partial(self._heard, waiter))
        if applied.due:
            due = self._loop.time() + max(0.0, (applied.due - applied.now) / US)
            self._due[key] = due
            heappush(self._dues, (due, key))
        for grant in applied.mine:
            found = waiting.get(grant.waiter)
            if found is not None:
                self._granted(found, grant, applied.now)

    def _granted(self, found: Waiting, grant: Grant, now: int) -> None:
        self.metrics.lock_waits.observe(self._loop.time() - found.since)
        self._leave(found)
        found.is_granted = True
        if grant.auto:
            # At most once: it is consumed before the first byte of the answer, and only while this node lives.
            self.submit(found.key, Ack(grant.id, salt()), partial(self._consumed, found, Granted(grant, now)))
        else:
            found.tell(Granted(grant, now))

    @staticmethod
    def _consumed(found: Waiting, granted: Granted, outcome: Outcome | StoreFailure) -> None:
        if isinstance(outcome, StoreFailure):
            found.tell(outcome)
        else:
            found.tell(granted if outcome.status == "acked" else None)

    # -- waiters -----------------------------------------------------------------------------------

    def wait(self, key: str, step: Wait, *, anonymous: bool, here_us: int | None = None) -> Waiting:
        """Begins to wait, here for `here_us`. An earlier question of the same waiter, whose answer nobody seems to
        want, is answered.
        """
        now = self._loop.time()
        us = step.timeout_us if here_us is None else here_us
        found = Waiting(key, step, anonymous, now, us, self._loop.create_future())
        others = self._waiting.setdefault(key, {})
        earlier = others.pop(step.waiter, None)
        others[step.waiter] = found
        if earlier is not None:
            earlier.tell(None)
        else:
            self._count += 1
            self.metrics.lock_waiters = self._count
        heappush(self._deadlines, found)
        self.submit(key, step, partial(self._heard, found))
        if not self._ticks_fast:
            self._tick_later()
        return found

    def _heard(self, found: Waiting, outcome: Outcome | StoreFailure) -> None:
        if isinstance(outcome, StoreFailure) or outcome.status not in ("granted", "pending"):
            self._leave(found)
            found.tell(outcome)
        else:
            found.position = outcome.position  # a grant is told with those of all waiters of the lock
            if outcome.status == "pending" and (found.is_late or found.deadline <= self._loop.time()):
                self.expire(found)

    def _leave(self, found: Waiting) -> None:
        others = self._waiting.get(found.key)
        if others is None or others.get(found.step.waiter) is not found:
            return
        del others[found.step.waiter]
        self._count -= 1
        self.metrics.lock_waiters = self._count
        if not others:
            del self._waiting[found.key]
            self._versions.pop(found.key, None)
            self._due.pop(found.key, None)

    def gone(self, found: Waiting) -> None:
        """Its caller has gone, and nothing has reached it: what it may have been given goes on."""
        others = self._waiting.get(found.key)
        newer = others is not None and others.get(found.step.waiter, found) is not found
        self._leave(found)
        if not newer:
            self.submit(found.key, _farewell(found), _ignore)

    def expire(self, found: Waiting) -> None:
        """Its time is up; but it is not told so before the store was asked at all."""
        if found.is_granted:
            return
        if found.position < 0:
            found.is_late = True
            return
        if not found.anonymous:
            self._leave(found)
            found.tell(None)
            return
        # Nobody comes back for what it would be granted from here on, so first its place is given up.
        self.submit(found.key, _farewell(found), lambda _: self._expired(found))

    def _expired(self, found: Waiting) -> None:
        self._leave(found)
        found.tell(None)

    # -- time --------------------------------------------------------------------------------------

    def _tick_later(self) -> None:
        # Without waiters it only looks for the drain.
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = self._loop.call_later(self._wake_s if self._waiting else _IDLE_S, self._tick)
        self._ticks_fast = bool(self._waiting)

    def _tick(self) -> None:
        """One for all waiters."""
        now = self._loop.time()
        if self.is_draining():
            self._drain()
            return
        while self._deadlines and (self._deadlines[0].deadline <= now or self._deadlines[0].answer.done()):
            found = heappop(self._deadlines)
            if not found.answer.done():
                self.expire(found)
        while self._dues and self._dues[0][0] <= now:
            due, key = heappop(self._dues)
            if self._due.get(key) == due:
                del self._due[key]
                self._woken(key)
        if self._waiting:
            self._once("listen", self._listen)
            if now - self._checked_at >= self._recheck_s:
                self._checked_at = now
                self._once("check", self._check)
        if now - self._forgot_at >= _FORGET_S:
            self._forgot_at = now
            self._once("forget", self.store.forget)
        self._tick_later()

    def _drain(self) -> None:
        for others in list(self._waiting.values()):
            for found in list(others.values()):
                self._leave(found)
                found.tell(None)
        self._deadlines.clear()
        self.store.close()

    def _woken(self, key: str) -> None:
        if key in self._waiting:
            self.submit(key, Look(salt()), _ignore)

    async def _listen(self) -> None:
        await self.store.listen()

    async def _check(self) -> None:
        # Only what was heard of: a lock whose first step is under way will be known by its outcome.
        for key in await self.store.changed(dict(self._versions)):
            self._woken(key)

    def _once(self, name: str, work: Callable[[], Any]) -> None:
        """In the background, never twice at once."""
        if name not in self._busy:
            self._busy.add(name)
            self._run(self._guarded(name, work))

    async def _guarded(self, name: str, work: Callable[[], Any]) -> None:
        try:
            await work()
        except StoreFailure as failure:
            log.warning("the store of locks failed", extra=fields(step=name, ran=failure.ran))
            await asyncio.sleep(self._recheck_s)
        finally:
            self._busy.discard(name)

    def _run(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def salt() -> str:
    """Makes the grants of a step unlike all others."""
    return secrets.token_hex(4)


def _farewell(found: Waiting) -> Step:
    waiter = found.step.waiter
    return Leave(waiter, salt()) if found.anonymous else Detach(waiter, salt())


def _ignore(outcome: object) -> None:
    pass
