"""A lock of the model with its own clock, as tests speak to it: times in seconds."""

from outlive.locks.model import apply, end_of
from outlive.locks.state import (
    US,
    Ack,
    Applied,
    Detach,
    Leave,
    Limits,
    Lock,
    Look,
    Outcome,
    Renew,
    Signal,
    Step,
    Unlock,
    Wait,
)

LIMITS = Limits(ack_us=5 * US, grace_us=4 * US, remember_us=60 * US, linger_us=100 * US, max_waiters=5, max_pending=3)
START = 1_000 * US


class TestLock:
    __test__ = False

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.lock = Lock()
        self.limits = limits
        self.now = START
        self.applied: Applied | None = None
        self._count = 0

    def later(self, seconds: float) -> None:
        self.now += int(seconds * US)

    def take(self, step: Step, node: str = "here") -> Outcome:
        self.applied = apply(self.lock, self.now, [step], node, self.limits)
        return self.applied.outcomes[0]

    def _salt(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def wait(
        self, waiter: str, mode: str = "signal", timeout: float = 20, lease: float = 10, node: str = "here", auto=False
    ) -> Outcome:
        return self.take(Wait(waiter, mode, int(timeout * US), int(lease * US), node, self._salt(), auto), node)

    def mutex(self, waiter: str, **options) -> Outcome:
        return self.wait(waiter, "mutex", **options)

    def signal(self, id: str, payload: str = "1", ttl: float = 600) -> str:
        return self.take(Signal(id, payload, int(ttl * US), self._salt())).status

    def unlock(self, granted: Outcome) -> str:
        return self.take(Unlock(granted.grant.id, granted.grant.fence, self._salt())).status

    def ack(self, granted: Outcome) -> str:
        return self.take(Ack(granted.grant.id, self._salt())).status

    def renew(self, granted: Outcome, lease: float = 0) -> str:
        return self.take(Renew(granted.grant.id, int(lease * US), self._salt())).status

    def leave(self, waiter: str) -> str:
        return self.take(Leave(waiter, self._salt())).status

    def detach(self, waiter: str) -> str:
        return self.take(Detach(waiter, self._salt())).status

    def look(self) -> Outcome:
        return self.take(Look(self._salt()))

    def holders(self) -> list[str]:
        return [grant.waiter for grant in self.lock.grants]

    def ends_in(self) -> float:
        return (end_of(self.lock, self.limits) - self.now) / US
