"""How many requests a principal may send: a bucket of `burst` tokens, of which `rate` come back each second."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from outlive.config.http import Principal
from outlive.gateway.failure import Failure

WAIT_MAX_S: Final = 3600


class Rates:
    """Of one node. There is a bucket for each principal that has a rate, so they are few."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}  # what was in it, and when

    def take(self, name: str, principal: Principal) -> None:
        """One request. Raises Failure (429) with the seconds until there is a token."""
        rate, burst = principal.rate, float(principal.burst)
        if not rate:
            return
        now = self._clock()
        held, at = self._buckets.get(name, (burst, now))
        held = min(burst, held + (now - at) * rate)
        if held >= 1:
            self._buckets[name] = (held - 1, now)
            return
        self._buckets[name] = (held, now)
        failure = Failure(429, "too_many_requests", f"{name} has sent more than its rate ({rate:g} requests a second).")
        failure.wait_s = min(max(math.ceil((1 - held) / rate), 1), WAIT_MAX_S)
        raise failure
