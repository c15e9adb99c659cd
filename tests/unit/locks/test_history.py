"""Random interleavings of waiters, releases, deaths and time, whose history is checked after the fact."""

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from outlive.locks.state import US

from .lock import LIMITS, TestLock

WAITERS = st.sampled_from("abcd")
SHORT = settings(max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))


class Times(RuleBasedStateMachine):
    """What both modes have: time, fences, and a queue that is served in order."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = TestLock()
        self.fences: dict[str, int] = {}
        self.queue: list[str] = []
        self.joined = ""
        self.begin()

    def begin(self) -> None:
        raise NotImplementedError

    def gave_up(self, waiter: str) -> None:
        raise NotImplementedError

    @rule(seconds=st.sampled_from([0.001, 0.5, 1, 3, 6, 12]))
    def pass_time(self, seconds: float) -> None:
        self.lock.later(seconds)

    @rule(waiter=WAITERS)
    def vanish(self, waiter: str) -> None:
        self.gave_up(waiter)
        self.lock.detach(waiter)

    @rule(waiter=WAITERS)
    def leave(self, waiter: str) -> None:
        self.gave_up(waiter)
        self.lock.leave(waiter)

    @invariant()
    def who_waits_has_a_reason_and_its_place(self) -> None:
        self.lock.look()
        lock = self.lock.lock
        assert not lock.waiters or (lock.grants if lock.mode == "mutex" else not lock.pending)
        now = [waiter.id for waiter in lock.waiters]
        new = [self.joined] if self.joined in now and self.joined not in self.queue else []
        assert now == [name for name in self.queue if name in now] + new
        self.queue, self.joined = now, ""

    @invariant()
    def fences_rise(self) -> None:
        for grant in self.lock.lock.grants:
            if grant.id not in self.fences:
                assert all(grant.fence > other for other in self.fences.values())
                self.fences[grant.id] = grant.fence
            assert self.fences[grant.id] == grant.fence


class Signals(Times):
    """Nothing that was released is lost or doubled."""

    def begin(self) -> None:
        self.released: dict[str, int] = {}
        self.told: dict[str, Any] = {}
        self.consumed: list[int] = []

    def gave_up(self, waiter: str) -> None:
        """What it was told of it may still acknowledge."""

    @rule(waiter=WAITERS)
    def wait(self, waiter: str) -> None:
        self.joined = waiter
        found = self.lock.wait(waiter, timeout=2)
        if found.status == "granted":
            self.told[waiter] = found

    @rule(again=st.booleans())
    def release(self, again: bool) -> None:
        if again and self.released:
            assert self.lock.signal(next(reversed(self.released)), ttl=100_000) == "duplicate"
            return
        number = len(self.released) + 1
        if self.lock.signal(f"r{number}", str(number), ttl=100_000) == "released":
            self.released[f"r{number}"] = number

    @rule(waiter=WAITERS)
    def ack(self, waiter: str) -> None:
        found = self.told.pop(waiter, None)
        if found is not None and self.lock.ack(found) == "acked":
            self.consumed.append(int(found.grant.release.payload))

    @invariant()
    def each_signal_is_somewhere_once(self) -> None:
        lock = self.lock.lock
        held = [int(grant.release.payload) for grant in lock.grants]
        held += [int(release.payload) for release in lock.pending]
        assert sorted([*held, *self.consumed]) == list(self.released.values())

    def teardown(self) -> None:
        """Whoever comes at the end gets all that was not consumed, in order."""
        self.lock.later((LIMITS.ack_us + LIMITS.grace_us) / US + 3)
        rest = []
        while (found := self.lock.wait("last")).status == "granted":
            rest.append(int(found.grant.release.payload))
            assert self.lock.ack(found) == "acked"
        assert rest == sorted(rest)
        assert sorted([*rest, *self.consumed]) == list(self.released.values())


class Mutexes(Times):
    """Never two who may believe that they hold it."""

    def begin(self) -> None:
        self.told: dict[str, tuple[Any, int]] = {}

    def gave_up(self, waiter: str) -> None:
        """It may still be at work, as a zombie; but it has no right to be."""
        if waiter in self.told:
            self.told[waiter] = (self.told[waiter][0], 0)

    @rule(waiter=WAITERS)
    def wait(self, waiter: str) -> None:
        self.joined = waiter
        found = self.lock.mutex(waiter, timeout=2, lease=4)
        if found.status == "granted":
            self.told[waiter] = (found, found.grant.expires)

    @rule(waiter=WAITERS)
    def unlock(self, waiter: str) -> None:
        found, until = self.told.pop(waiter, (None, 0))
        if found is not None:
            holds = [grant.id for grant in self.lock.lock.grants] == [found.grant.id]
            status = self.lock.unlock(found)
            assert status == ("released" if holds else "stale")
            assert holds or until <= self.lock.now

    @rule(waiter=WAITERS)
    def renew(self, waiter: str) -> None:
        found, _ = self.told.get(waiter, (None, 0))
        if found is not None and self.lock.renew(found, 4) == "renewed":
            self.told[waiter] = (found, self.lock.now + 4 * US)

    @invariant()
    def never_two_holders(self) -> None:
        believers = [found.grant.id for found, until in self.told.values() if until > self.lock.now]
        assert len(believers) <= 1
        assert len(self.lock.lock.grants) <= 1
        assert not believers or believers == [grant.id for grant in self.lock.lock.grants]


SignalHistories = Signals.TestCase
SignalHistories.settings = SHORT
MutexHistories = Mutexes.TestCase
MutexHistories.settings = SHORT
