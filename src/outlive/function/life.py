"""How long a connection lives, on clocks that run while a function is frozen."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from outlive.function import drivers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
# The bound of what is said beside the caller's own statements.
SETTLE_S = 5.0


def now() -> tuple[float, float]:
    """The wall clock's and the boot clock's seconds."""
    return time.time(), time.clock_gettime(_BOOT)


def elapsed_s(since: tuple[float, float]) -> float:
    """The larger of both clocks' differences. Infinite when the boot clock went back: it is another machine's."""
    wall, boot = now()
    return float("inf") if boot < since[1] else max(wall - since[0], boot - since[1])


def fraction() -> float:
    """In [0, 1); instances of one snapshot share the state of `random`."""
    return int.from_bytes(os.urandom(6), "big") / (1 << 48)


class Policy:
    """When a connection is replaced. ValueError for what is out of range. None: no limit.

    `per_request`: `max_uses=1`. `ttl_s`: longest age, less up to `jitter` of it. `max_idle_s`: longest time without
    use. `ping_after_idle_s`: pinged first.
    """

    def __init__(
        self,
        *,
        per_request: bool = False,
        ttl_s: float | None = 180.0,
        jitter: float = 0.2,
        max_uses: int | None = None,
        max_idle_s: float | None = None,
        ping_after_idle_s: float | None = 30.0,
    ) -> None:
        self.ttl_s, self.jitter, self.max_uses = ttl_s, jitter, 1 if per_request else max_uses
        self.max_idle_s, self.ping_after_idle_s = max_idle_s, ping_after_idle_s
        positive = all(value is None or value >= 0 for value in vars(self).values())
        if not positive or jitter > 1 or max_uses == 0 or (per_request and max_uses):
            raise ValueError(f"a policy out of range: {vars(self)}")


class Life:
    """A connection's. `mode`: how to wait for it."""

    keeper: Any = None
    ended = False
    uses = 0

    def __init__(self, connection: Any, policy: Policy, mode: Any) -> None:
        self.connection, self.policy, self.mode, self.pid = connection, policy, mode, os.getpid()
        self.opened = self.rested = now()
        self.ttl_s = None if policy.ttl_s is None else policy.ttl_s * (1 - policy.jitter * fraction())

    def inherited(self) -> bool:
        return self.pid != os.getpid()

    def used(self) -> None:
        self.uses += 1
        self.rested = now()

    def used_up(self) -> bool:
        return _reached(self.uses, self.policy.max_uses)

    def over(self) -> bool:
        idle = _reached(elapsed_s(self.rested), self.policy.max_idle_s)
        return idle or self.used_up() or _reached(elapsed_s(self.opened), self.ttl_s)

    def uncertain(self) -> bool:
        return _reached(elapsed_s(self.rested), self.policy.ping_after_idle_s)

    async def works(self, *functions: Any) -> bool:
        with suppress(Exception):
            for function in functions:
                await self.mode.call(lambda function=function: function(self.connection), SETTLE_S)
            return not drivers.is_closed(self.connection)
        return False

    async def close(self, *, in_doubt: bool) -> None:
        for doubt in (in_doubt, True):
            with suppress(Exception):
                await self.mode.call(lambda doubt=doubt: drivers.close(self.connection, in_doubt=doubt), SETTLE_S)
                break
        if self.mode.loop:
            await self.mode.pause(0)  # its socket is closed in the loop's next round, and there may be no more


def _reached(value: float, limit: float | None) -> bool:
    return limit is not None and value >= limit
