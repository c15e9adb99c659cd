"""What was counted in one run. All of it comes from the database's own count and from the functions' requests."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from time import monotonic

from outlive.storm.protocol import Backend


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the database, `at` seconds into the run: its connections, and of them those whose other end is dead
    and those inside a transaction.
    """

    at: float
    connections: int
    dangling: int
    in_transaction: int


@dataclass(frozen=True, slots=True)
class Request:
    """One request that began `at` seconds into the run and took `seconds`; `outcome` is answered, refused (no
    connection to be had) or failed.
    """

    at: float
    generation: int
    outcome: str
    code: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Figures:
    """A run in numbers. Percentiles are of answered requests; `dangling` is of the run's end."""

    functions: int
    requests: int
    answered: int
    refused: int
    failed: int
    p50_ms: float
    p99_ms: float
    handshakes: int
    server_connections_peak: int
    dangling: int
    open_transactions: int
    looks: int

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return asdict(self)


@dataclass(slots=True)
class Record:
    """A run as it goes. Written by the scenario's threads, read by pictures at any time: it only grows."""

    name: str
    limit: int  # the database's max_connections
    budget: int | None  # of Outlive, where it stands between
    generations: int
    began: float = field(default_factory=monotonic)
    looks: list[Look] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    births: list[float] = field(default_factory=list)  # when each generation began, in seconds into the run
    deaths: list[float] = field(default_factory=list)  # when each generation vanished
    functions: int = 0
    handshakes: int = 0
    dangling: int = 0
    open_transactions: int = 0
    unfinished: int = 0  # transactions that functions had begun when they died
    sees_transactions: bool = True  # else the observer may not know of them
    seconds: float = 0.0  # how long it took, when it is over

    def add(self, request: Request) -> None:
        """One more request is over."""
        self.requests.append(request)
        self.outcomes[request.outcome] += 1
        if request.code:
            self.codes[request.code] += 1

    @property
    def at(self) -> float:
        """Now, in seconds into the run."""
        return monotonic() - self.began

    def see(self, backends: Sequence[Backend], dangling: int) -> Look:
        """One more look at the database."""
        look = Look(self.at, len(backends), dangling, sum(backend.in_transaction or False for backend in backends))
        self.sees_transactions = self.sees_transactions and all(each.in_transaction is not None for each in backends)
        self.looks.append(look)
        return look

    @property
    def figures(self) -> Figures:
        """Its numbers so far."""
        seconds = [request.seconds for request in list(self.requests) if request.outcome == "answered"]
        return Figures(
            functions=self.functions,
            requests=self.outcomes.total(),
            answered=self.outcomes["answered"],
            refused=self.outcomes["refused"],
            failed=self.outcomes["failed"],
            p50_ms=round(percentile(seconds, 50) * 1000, 1),
            p99_ms=round(percentile(seconds, 99) * 1000, 1),
            handshakes=self.handshakes,
            server_connections_peak=max((look.connections for look in list(self.looks)), default=0),
            dangling=self.dangling,
            open_transactions=self.open_transactions,
            looks=len(self.looks),
        )


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (the nearest rank); 0.0 of none."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0
