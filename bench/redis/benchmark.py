"""Runs of redis-benchmark: what is offered, and what it counted."""

import csv
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.servers.processes import program, run

from ..rounds import say
from ..route import Route

VALUE_BYTES = 100
_KEYS = 10_000
_CALIBRATION = 3_000


@dataclass(frozen=True, slots=True)
class Load:
    """A command (`get` or `set`), the number of clients, and how many commands each sends at once."""

    command: str
    clients: int
    pipeline: int

    def __str__(self) -> str:
        clients = "1 client" if self.clients == 1 else f"{self.clients:,} clients"
        return f"{self.command.upper()}, {clients}, pipelines of {self.pipeline}"


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one run: commands a second, the latency that 99 of 100 kept, and the relay's CPU for each."""

    per_second: float
    p99_ms: float
    cpu_us: float


def measure(route: Route, load: Load, seconds: float) -> Figures:
    """Offers a load for about `seconds`. ServerError where redis-benchmark fails."""
    rate = _run(route, load, max(_CALIBRATION, load.clients * load.pipeline * 2))[0]
    count = max(int(rate * seconds), load.clients * load.pipeline * 2)
    before = route.cpu_s()
    per_second, p99_ms = _run(route, load, count)
    return Figures(per_second, p99_ms, (route.cpu_s() - before) / count * 1e6)


def _run(route: Route, load: Load, count: int) -> tuple[float, float]:
    options = {"-t": load.command, "-c": load.clients, "-P": load.pipeline, "-n": count, "-d": VALUE_BYTES, "-r": _KEYS}
    words = [str(word) for pair in options.items() for word in pair]
    where = ["-h", route.host, "-p", str(route.port)]
    text = run([program("redis-benchmark", "redis-tools"), *where, *words, "--csv"], timeout_s=300)
    lines = [line for line in text.splitlines() if line.startswith('"')]
    found = next(csv.DictReader(lines))
    return float(found["rps"]), float(found["p99_latency_ms"])


def medians(ways: Sequence[Route], what: str, one: Callable[[Route], Figures], rounds: int) -> dict[str, Figures]:
    """The median of each figure by the way's name; the ways take turns, every other round backwards."""
    runs: defaultdict[str, list[Figures]] = defaultdict(list)
    for turn in range(rounds):
        for way in ways if turn % 2 == 0 else reversed(ways):
            runs[way.name].append(one(way))
    found = {
        name: Figures(*(statistics.median(getattr(each, field) for each in of) for field in Figures.__slots__))
        for name, of in runs.items()
    }
    say(f"{what}: " + ", ".join(f"{name} {of.per_second:.0f}/s {of.cpu_us:.1f} us" for name, of in found.items()))
    return found
