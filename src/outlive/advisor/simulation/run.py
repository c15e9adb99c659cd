"""One run: generations come and vanish under one policy, and what came of their requests is counted."""

from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from math import ceil
from typing import Final

from outlive.advisor.simulation.events import Events
from outlive.advisor.simulation.means import means_of
from outlive.advisor.simulation.model import Database, Instance, Places, Request, Timing
from outlive.advisor.simulation.recovery import served_after
from outlive.advisor.simulation.setting import Outcome, Setting
from outlive.storm.load import Load
from outlive.storm.policy import Policy

SETTLE_S: Final = 2.5
"""How long after the last death the storm looks at the database."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a storm would count, in the storm's own words. Percentiles are of answered requests (0 of none);
    `server_connections_peak` is of the whole run, `dangling` of its end. `handshakes` are the functions' own, with the
    database or what stands before it; `server_handshakes` those with the database. `recovery_s`: recovery.py.
    """

    requests: int
    answered: int
    refused: int
    failed: int
    p50_ms: float
    p99_ms: float
    server_connections_peak: int
    dangling: int
    handshakes: int
    server_handshakes: int
    recovery_s: float | None
    refused_by_generation: tuple[int, ...]

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


def simulate(
    load: Load, policy: Policy, database: Database, timing: Timing, *, generations: int | None = None
) -> Predicted:
    """Run `load` under `policy`, whose lifetimes are the run's own (Policy.scaled).

    `generations`: only so many are simulated, and the rest are counted as the last of them. Memory: that of one
    generation's requests, one float for each connection that dangles, one for each latency.
    """
    return _Run(load, policy, database, timing).run(generations or load.generations)


class _Run:
    def __init__(self, load: Load, policy: Policy, database: Database, timing: Timing) -> None:
        self._load = load
        self._database = database
        self._timing = timing
        self._events = Events()
        self._places = Places(database.places)
        self._setting = Setting(self._events, load, policy, timing, self._places, database.sees_hosts, self._finish)
        self._means = means_of(self._setting)
        self._serial = policy.connection != "pool"
        """Whether an instance serves one request at a time: a process with a pool serves many."""
        self._pending = 0
        self._counts: Counter[str] = Counter()
        self._latencies = array("d")
        self._came: list[tuple[float, bool]] = []
        if database.idle_timeout_s is not None:
            self._events.at(database.idle_timeout_s / 8, self._end_idle)

    def run(self, generations: int) -> Predicted:
        refused: list[int] = []
        waits: list[float | None] = []
        last: Counter[str] = Counter()
        for number in range(generations):
            before = self._counts.copy()
            self._came = []
            began_s = self._events.now
            self._generation(number)
            last = self._counts - before
            refused.append(last["refused"])
            waits.append(served_after(self._came, began_s))
        self._events.until(self._events.now + SETTLE_S)
        missing = self._load.generations - generations
        for name, count in last.items():
            self._counts[name] += missing * count
        refused += [last["refused"]] * missing
        return self._predicted(refused, waits[1:])

    def _predicted(self, refused: list[int], waits: list[float | None]) -> Predicted:
        known = [each for each in waits if each is not None]
        ordered = sorted(self._latencies)
        counts = self._counts
        return Predicted(
            requests=counts["answered"] + counts["refused"] + counts["failed"],
            answered=counts["answered"],
            refused=counts["refused"],
            failed=counts["failed"],
            p50_ms=_percentile_ms(ordered, 50),
            p99_ms=_percentile_ms(ordered, 99),
            server_connections_peak=self._places.peak,
            dangling=len(self._places.dead) + self._means.held_by_dead,
            handshakes=counts["handshakes"],
            server_handshakes=counts["server_handshakes"],
            recovery_s=round(max(known), 3) if known and len(known) == len(waits) else None,
            refused_by_generation=tuple(refused),
        )

    def _generation(self, number: int) -> None:
        events = self._events
        began_s = events.now
        instances = {each: Instance(each) for each in self._load.members(number)}
        before = self._setting.handshakes, self._places.handshakes
        for invocation in self._load.arrivals(number):
            came_s = began_s + invocation.at_s
            events.until(came_s)
            self._pending += 1
            gives_up_s = came_s + invocation.function_s + self._load.timeout_s
            request = Request(instances[invocation.function], invocation, came_s, gives_up_s)
            if request.instance.busy and self._serial:
                request.instance.waiting.append(request)
            else:
                self._begin(request)
        events.until(began_s + self._load.lifetime_s)
        while self._pending:
            events.step()
        self._means.vanish(instances.values())
        self._counts["handshakes"] += self._setting.handshakes - before[0]
        self._counts["server_handshakes"] += self._places.handshakes - before[1]
        events.until(events.now + self._timing.between_s)

    def _begin(self, request: Request) -> None:
        request.instance.busy = True
        if self._events.now >= request.gives_up_s:
            # It has waited for its instance, and not yet asked for a connection.
            self._finish(request, "failed")
            return
        self._events.at(self._events.now + request.invocation.function_s, self._means.start, request)

    def _finish(self, request: Request, outcome: Outcome) -> None:
        self._pending -= 1
        self._counts[outcome] += 1
        self._came.append((request.came_s, outcome == "answered"))
        if outcome == "answered":
            # What the function does beside the database is its own, as in the storm.
            self._latencies.append(self._events.now - request.came_s - request.invocation.function_s)
        instance = request.instance
        instance.busy = False
        if instance.waiting:
            self._begin(instance.waiting.popleft())

    def _end_idle(self, _: None) -> None:
        timeout_s = self._database.idle_timeout_s
        assert timeout_s is not None
        self._places.end_dead(self._events.now - timeout_s)
        self._events.at(self._events.now + timeout_s / 8, self._end_idle)


def _percentile_ms(ordered: list[float], percent: float) -> float:
    """The nearest rank, as storm/record.py takes it."""
    return round(ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] * 1000, 1) if ordered else 0.0
