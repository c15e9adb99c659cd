"""The storm: the same load on one database under every remedy, one after the other."""

import resource
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from outlive.config.model import Database
from outlive.storm.errors import ScenarioError
from outlive.storm.ground import Ground, ground_for
from outlive.storm.janitor import Janitor
from outlive.storm.load import Load
from outlive.storm.plan import Target
from outlive.storm.policy import POLICIES, Policy
from outlive.storm.protocol import Observer, observer_of
from outlive.storm.record import Record
from outlive.storm.remedies import REMEDIES
from outlive.storm.results import Result
from outlive.storm.run import Run
from outlive.storm.stage import Stage, loopback_of, observed_target

BUDGET_SHARE: Final = 0.6
"""Of the places that are free the default budget takes so many: others want some, too."""
MOST_BUDGET: Final = 100
LEAST_BUDGET: Final = 2  # of MySQL one is the control connection's
LEAST_TRANSACTION_IDLE_S: Final = 0.5
"""Of a run: however short lives are, the way to the database is as long as ever, and silence is not death."""


@dataclass(slots=True)
class Storm:
    """`run` fills in the rest; `results` are there to be read meanwhile. `tell` gets a line for people at each step.

    `budget` 0: chosen from what the database has free. `reason`: why no links are to be cut, if they are not.
    """

    database: Database
    load: Load
    remedies: Sequence[str]
    budget: int = 0
    reason: str = ""
    tell: Callable[[str], None] = lambda line: None
    results: list[Result] = field(default_factory=list)
    product: str = ""
    scheme: str = ""
    limit: int = 0
    reserved: int = 0
    others: int = 0
    deaths: str = ""
    rtt_by: str = ""
    masked: bool = True
    seconds: float = 0.0

    def run(self) -> None:
        """All remedies. ScenarioError when it cannot run here; what it made is removed in any case."""
        began = time.monotonic()
        _allow_many_files()
        observed = observed_target(self.database)
        self.scheme = observed.scheme
        # First of all: when the database is full it is too late.
        observer = observer_of(observed, "")
        try:
            janitor = Janitor(observed)
            try:
                self._run(observed, observer, janitor)
            finally:
                # Refused once (its lock may be a dead transaction's), the janitor would try again; it must not.
                with suppress(Exception):
                    observer.remove()
                janitor.close()
        finally:
            observer.close()
            self.seconds = time.monotonic() - began

    def _run(self, observed: Target, observer: Observer, janitor: Janitor) -> None:
        self.product, self.limit, self.reserved = observer.version, observer.limit(), observer.reserved()
        others = frozenset(backend.number for backend in observer.look())
        self.others = len(others) + 1  # and the observer's own
        self.budget = self.budget or self._default_budget()
        if self.budget > self.places:
            raise ScenarioError(
                f"A budget of {self.budget} does not fit: of {self.limit} connections {self.places} are free. Name a "
                "smaller one with --budget, or end what holds the others."
            )
        self.tell("Trying how functions can vanish here ...")
        ground = self._ground(observed)
        self.deaths, self.rtt_by, self.masked = ground.deaths, ground.rtt_by, ground.masked
        self.tell(f"Functions vanish so: {ground.deaths}. {self.seen}")
        try:
            # What is on the way is this host: it was the observer that verified the server.
            target = observed if observed.tls == "disabled" else replace(observed, tls="required")
            stage = Stage(observed, target, self.load, self.budget, ground, self.tell)
            for name in self.remedies:
                self._remedy(name, stage, observer, janitor, others)
        finally:
            ground.close()

    @property
    def seen(self) -> str:
        """What the database sees of the functions' hosts, in a sentence."""
        if self.masked:
            return "The database sees all functions under this host's address."
        return "The database sees each process of functions under an address of its own."

    def _ground(self, observed: Target) -> Ground:
        loopback = loopback_of(observed.host)
        reason = self.reason or ("" if loopback else "the database is not on this host's IPv4 loopback")
        return ground_for(observed, self.load.rtt_s, loopback=loopback, reason=reason)

    @property
    def places(self) -> int:
        """How many connections functions could have."""
        return max(0, self.limit - self.reserved - self.others)

    def _default_budget(self) -> int:
        return max(LEAST_BUDGET, min(MOST_BUDGET, int(self.places * BUDGET_SHARE)))

    def policy(self, name: str) -> Policy:
        """As it runs here: lifetimes in seconds of the run, and with the budget."""
        policy = POLICIES[name].scaled(self.load.time_scale)
        if policy.transaction_idle_s is not None:
            idle_s = max(policy.transaction_idle_s, LEAST_TRANSACTION_IDLE_S, 10 * self.load.rtt_s)
            policy = replace(policy, transaction_idle_s=idle_s)
        if policy.budget is not None:
            policy = replace(policy, budget=self.budget)
        if policy.pool_processes is not None and policy.pool_size is not None:
            policy = replace(policy, pool_size=max(1, min(policy.pool_size, self.budget // policy.pool_processes)))
        return policy

    def _remedy(self, name: str, stage: Stage, observer: Observer, janitor: Janitor, others: frozenset[int]) -> None:
        remedy = REMEDIES[name](self.policy(name), stage)
        obstacle = remedy.obstacle()
        if obstacle:
            self.tell(f"{name}: skipped, as {obstacle}.")
            self.results.append(Result(remedy.policy, skipped=obstacle))
            return
        self.tell(f"{name}: {remedy.policy.title}")
        record = Record(name, self.limit, remedy.policy.budget, self.load.generations)
        result = Result(remedy.policy, record)
        self.results.append(result)
        run = Run(stage, remedy, observer, janitor, record, others)
        try:
            run.run()
        except ScenarioError as error:
            if record.births:
                raise
            # What stands between did not start: that is its own matter, and the others can run.
            self.tell(f"{name}: skipped, as it did not start: {error}")
            result.record, result.skipped = None, str(error)
        finally:
            run.close()
        shared = remedy.shares
        result.server_handshakes = len(run.server_connections) if shared else record.handshakes

    def as_json(self) -> dict[str, object]:
        """The one object of `--json`."""
        return {
            "database": self.product,
            "scheme": self.scheme,
            "max_connections": self.limit,
            "reserved": self.reserved,
            "others": self.others,
            "places": self.places,
            "budget": self.budget,
            "load": self.load.as_json(),
            "rtt_by": self.rtt_by,
            "deaths": self.deaths,
            "seconds": round(self.seconds, 1),
            "remedies": {result.name: result.as_json() for result in self.results},
        }


def _allow_many_files() -> None:
    """For this process and those that it starts: a thousand functions in one need as many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def names(text: str) -> list[str]:
    """The remedies of `a,b`. ValueError names one that is not known."""
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in found if name not in POLICIES]
    if unknown or not found:
        raise ValueError(f"There is no remedy {unknown[0]!r}." if unknown else "No remedy is named.")
    return found
