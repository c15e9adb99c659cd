"""The load of a storm: who comes when, and what each asks. Pure: the same seed gives the same load everywhere, in the
storm that runs it and in a simulation that computes it.

It is an open model (Schroeder, Wierman, Harchol-Balter: "Open Versus Closed", NSDI 2006): requests come at their own
times, whether or not the ones before are over, and a request's latency counts from when it came.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from random import Random
from types import MappingProxyType
from typing import Final

TRANSACTION_ROUND_TRIPS: Final = 4
"""Of one request's transaction, in text protocol: BEGIN, a write, a read, COMMIT. The connection is held from the first
until the answer to the last: for all of them but half a round trip at either end.
"""

HANDSHAKE_ROUND_TRIPS: Final[Mapping[str, int]] = MappingProxyType({"mysql": 3, "postgresql": 4})
"""Until a new connection can take a request, without TLS: TCP, the greeting (MySQL) or the choice of SCRAM
(PostgreSQL), and the login, which is two with SCRAM. Measured with aiomysql and psycopg; others say more to begin with.
"""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request for the function instance `function` (numbered over all generations), which comes `at_s` seconds
    after its generation's begin. The instance takes `function_s` beside the database, and its transaction `database_s`
    at the database beside round trips. `cold`: it is the instance's first.
    """

    at_s: float
    function: int
    turn: int
    cold: bool
    function_s: float
    database_s: float


@dataclass(frozen=True, slots=True)
class Load:
    """What comes. Times are seconds of the run: lifetimes are `time_scale` times shorter than the world's, round trips
    and transactions are as long as there.

    An instance is one function on one host, as platforms run them: it starts because a request came (that one meets a
    cold start), serves one request at a time, is frozen between them and vanishes with its generation, at `lifetime_s`
    or when its last request is over, whichever is later. ValueError for a load that cannot be.
    """

    functions: int = 1000
    """Instances in all, as evenly over the generations as it goes."""
    generations: int = 10
    """They come and vanish in so many groups, one after the other."""
    lifetime_s: float = 3.0
    """From a generation's begin until no more requests come for it."""
    arrival_s: float = 0.8
    """A generation's instances start within this time of its begin, at random (a Poisson process of known count)."""
    rate_per_s: float = 1.0
    """Further requests for one instance a second, after the one that started it: a Poisson process."""
    invocation_s: float = 0.02
    """Mean time that a request takes in the function, beside the database (exponential)."""
    database_s: float = 0.005
    """Mean time that its transaction takes at the database, beside round trips (exponential)."""
    rtt_s: float = 0.02
    """Round-trip time between functions and the database, or what stands before it."""
    timeout_s: float = 5.0
    """After which a function gives a request up."""
    time_scale: float = 200.0
    """So many seconds of the world's lifetimes are one second of the run: ten minutes become 3 s."""
    unfinished_every: int = 10
    """Each so many-th instance starts one more transaction at its end, locks a row, and dies inside it; 0: none."""
    seed: int = 1

    def __post_init__(self) -> None:
        positive = (self.functions, self.generations, self.lifetime_s, self.timeout_s, self.time_scale)
        others = (
            self.arrival_s,
            self.rate_per_s,
            self.invocation_s,
            self.database_s,
            self.rtt_s,
            self.unfinished_every,
        )
        if min(positive) <= 0 or min(others) < 0:
            raise ValueError("A load's counts and times must be positive.")
        if self.generations > self.functions:
            raise ValueError("A generation has at least one function.")
        if self.arrival_s > self.lifetime_s:
            raise ValueError("Instances cannot start after their generation's end.")

    def members(self, generation: int) -> range:
        """The numbers of the instances of a generation (0 is the first)."""
        first, end = (self.functions * number // self.generations for number in (generation, generation + 1))
        return range(first, end)

    def arrivals(self, generation: int) -> tuple[Invocation, ...]:
        """All requests of a generation, in the order in which they come."""
        members = self.members(generation)
        # A string seeds by its SHA-512: the same numbers in every process and version.
        starts = Random(f"{self.seed} {generation}")
        start_s = sorted(starts.uniform(0, self.arrival_s) for _ in members)
        invocations = [
            invocation
            for function, at_s in zip(members, start_s, strict=True)
            for invocation in self._life(function, at_s)
        ]
        return tuple(sorted(invocations, key=lambda each: (each.at_s, each.function)))

    def _life(self, function: int, start_s: float) -> list[Invocation]:
        drawn = Random(f"{self.seed} function {function}")
        life: list[Invocation] = []
        at_s = start_s
        while not life or at_s < self.lifetime_s:
            times = _exponential(drawn, self.invocation_s), _exponential(drawn, self.database_s)
            life.append(Invocation(at_s, function, len(life), not life, *times))
            if self.rate_per_s == 0:
                break
            at_s += drawn.expovariate(self.rate_per_s)
        return life

    def unfinished(self, function: int) -> bool:
        """Whether this instance dies inside a transaction."""
        return self.unfinished_every > 0 and function % self.unfinished_every == 0

    @property
    def requests_per_function(self) -> float:
        """The mean number of requests of one instance: the one that started it, and those that came after."""
        return 1.0 + self.rate_per_s * (self.lifetime_s - self.arrival_s / 2)

    @property
    def cold_share(self) -> float:
        """Of the requests, those that meet a new instance, whose connection is opened while they wait (0 to 1)."""
        return 1.0 / self.requests_per_function

    def as_json(self) -> dict[str, object]:
        """Every field, and what follows from them."""
        return {**asdict(self), "cold_share": round(self.cold_share, 4)}


def _exponential(drawn: Random, mean_s: float) -> float:
    return drawn.expovariate(1.0) * mean_s
