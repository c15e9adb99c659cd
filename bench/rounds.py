"""Rounds in which the ways to a database take turns, and the medians over them."""

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .route import Route


@dataclass(frozen=True, slots=True)
class Options:
    """How much is measured: rounds of each, the seconds of a run, and how many clients are idle."""

    rounds: int
    seconds: int
    idle_clients: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: events a second, the latency that 95 of 100 events kept (ms), and CPU microseconds of the relay an
    event.
    """

    per_second: float
    p95_ms: float
    cpu_us: float


Found = dict[str, Measured]


def say(line: str) -> None:
    """Progress, for who waits."""
    print(line, file=sys.stderr, flush=True)


def medians(ways: Sequence[Route], what: str, measure: Callable[[Route], Measured], rounds: int) -> Found:
    """The median of each figure by the way's name, over rounds in which the ways take turns, so that a slow moment hits
    all of them.
    """
    runs: defaultdict[str, list[Measured]] = defaultdict(list)
    for turn in range(rounds):
        # Every other round backwards: none always follows the same one.
        for way in ways if turn % 2 == 0 else reversed(ways):
            runs[way.name].append(measure(way))
    result = {name: _median(found) for name, found in runs.items()}
    told = ", ".join(f"{name} {found.per_second:.0f}/s {found.cpu_us:.1f} us" for name, found in result.items())
    say(f"{what}: {told}")
    return result


def _median(runs: Sequence[Measured]) -> Measured:
    return Measured(*(statistics.median(getattr(run, name) for run in runs) for name in Measured.__slots__))
