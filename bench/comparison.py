"""Tables in which Outlive stands beside the direct way and another relay."""

import math
from collections.abc import Sequence

from .report import table
from .rounds import Found

OUTLIVE = "Outlive"
DIRECT = "direct"


class Comparison:
    """Rows of figures for `direct`, `peer` (a relay) and Outlive. Ratios are Outlive's figure divided by another's."""

    def __init__(self, peer: str) -> None:
        self.ways = (DIRECT, peer, OUTLIVE)
        self._relays = (peer, OUTLIVE)
        self._peer = peer

    def cost(self, rows: Sequence[tuple[str, Found]]) -> str:
        """A table of throughput, latency and CPU; the ratio is that of the CPU."""
        head = (
            "",
            *(f"{way} /s" for way in self.ways),
            *(f"{way} p95 ms" for way in self.ways),
            *(f"{way} CPU us" for way in self._relays),
            "ratio",
        )
        return table(head, [self._cost(name, found) for name, found in rows])

    def _cost(self, name: str, found: Found) -> list[str]:
        return [
            name,
            *self._rates(found),
            *(f"{found[way].p95_ms:.2f}" for way in self.ways),
            *(f"{found[way].cpu_us:.1f}" for way in self._relays),
            _ratio(found[OUTLIVE].cpu_us, found[self._peer].cpu_us),
        ]

    def speed(self, rows: Sequence[tuple[str, Found]], *, against: Sequence[str]) -> str:
        """A table of throughput and CPU; the ratios are those of the throughput against each way in `against`."""
        ratios = [f"{OUTLIVE} / {way}" for way in against]
        head = ("", *(f"{way} /s" for way in self.ways), *ratios, *(f"{way} CPU us" for way in self._relays))
        return table(head, [self._speed(name, found, against) for name, found in rows])

    def _speed(self, name: str, found: Found, against: Sequence[str]) -> list[str]:
        return [
            name,
            *self._rates(found),
            *(_ratio(found[OUTLIVE].per_second, found[way].per_second) for way in against),
            *(f"{found[way].cpu_us:.0f}" for way in self._relays),
        ]

    def _rates(self, found: Found) -> list[str]:
        return [f"{found[way].per_second:,.0f}" for way in self.ways]


def _ratio(mine: float, other: float) -> str:
    return f"{mine / other if other else math.nan:.2f}"
