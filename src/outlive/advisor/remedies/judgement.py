"""What is said of a remedy."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from typing import Final

from outlive.advisor.arithmetic import Arithmetic, Line

TIGHT: Final = 0.8
"""Above this share of its places a database is close to full: no load is known to a fifth."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What a remedy comes to. Connections are the database's, at their most; `handshakes_per_s` and `refused_share` are
    of the busiest minute; latencies are what a request takes longer than with a connection that is open and its own.
    """

    connections: int
    dangling: int
    handshakes_per_s: float
    added_mean_ms: float
    added_p99_ms: float
    refused_share: float

    def as_json(self) -> dict[str, object]:
        """For `--json`: what never ends is null there."""
        return {name: None if value == inf else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Judgement:
    """One remedy. `obstacles`: why it is not open here or does not hold; none: it fits."""

    name: str
    title: str
    policy: str | None
    """The name of the storm's policy that is it."""
    figures: Figures
    lines: Sequence[Line]
    costs: str
    stops: str
    how: str
    obstacles: Sequence[str] = ()
    pool_size: int | None = None
    tight: bool = field(default=False)

    @property
    def fits(self) -> bool:
        """Whether it holds for this load, and is open."""
        return not self.obstacles

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {**asdict(self), "figures": self.figures.as_json(), "fits": self.fits}


Judge = Callable[[Arithmetic], Judgement]


def obstacles_of(arithmetic: Arithmetic, figures: Figures, *others: str) -> list[str]:
    """What is against a remedy: what may not be changed, connections, latency."""
    question = arithmetic.question
    found = [each for each in others if each]
    if figures.connections > question.places:
        found.append(f"it needs up to {figures.connections} connections, and {question.places} are left")
    if figures.handshakes_per_s > question.bears_per_s:
        found.append(
            f"it makes {figures.handshakes_per_s:,.0f} new connections a second, and the database is taken to bear "
            f"{question.bears_per_s:,.0f}"
        )
    if question.added_latency_ms < figures.added_p99_ms < inf:
        found.append(
            f"it adds {figures.added_p99_ms:.3g} ms at p99, and {question.added_latency_ms:.3g} ms are tolerated"
        )
    return found


def is_tight(arithmetic: Arithmetic, figures: Figures) -> bool:
    """Whether little is left."""
    return figures.connections > TIGHT * arithmetic.question.places


def needs(arithmetic: Arithmetic, change: str) -> str:
    """The obstacle, if the functions may not be changed that far."""
    allowed = {"nothing": 0, "address": 1, "code": 2}
    if allowed[arithmetic.question.client_change] >= allowed[change]:
        return ""
    return {
        "address": "the functions would connect to another address, which may not be changed",
        "code": "it changes the functions' code, which may not be changed",
    }[change]
