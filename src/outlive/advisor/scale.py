"""A question as a load for the simulation, of a size that it can run; and what was left out, in sentences.

Three things make a large system small enough, and each is said with the result:
- Time: of each instance's life only a piece is simulated, with its birth, its death and a few requests, at the real
  rate (`time_scale`, as the storm does it). What happens once a life is then too large a share of the requests.
- Numbers, above `most` requests: each instance stands for `weight`, and the database's places and the pools are divided
  by it. What is refused keeps its share (an error of about one over the root of what is simulated); waits in a pool get
  somewhat longer than they are, as a small pool queues more than a large one at the same load.
- Repetition, where places or pools are too few to be divided: only the first generations are simulated, and the others
  are counted as the last of these. With so few places all is decided in the first one or two.
"""

from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from outlive.advisor.answer import Answer
from outlive.advisor.arithmetic import Arithmetic, number
from outlive.advisor.remedies.direct import TTL_MARGIN
from outlive.advisor.simulation.model import Database, Timing
from outlive.advisor.simulation.run import Predicted, simulate
from outlive.storm.load import Load
from outlive.storm.policy import POLICIES, Policy

MOST: Final = 100_000
"""Requests that one run simulates, about."""
FEWEST_PLACES: Final = 10
"""A database is not divided below this: rounding would matter more than chance."""
FEWEST_POOLED: Final = 100
"""A pool that others share is not divided below this: of two at the same load the smaller one queues far more."""
FEWEST_PROCESSES: Final = 2
GENERATIONS: Final = 12
"""After which a database that does nothing is either full or as full as it gets, in nearly all loads."""
REQUESTS: Final = 4.0
"""Of one instance, about."""


UNFINISHED_EVERY: Final = 1000
"""Each so many-th instance dies inside a transaction: platforms end instances that are idle, and nearly all of those
are idle in the database, too."""
_COUNTS: Final = (
    "requests",
    "answered",
    "refused",
    "failed",
    "server_connections_peak",
    "dangling",
    "handshakes",
    "server_handshakes",
)


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was simulated of a remedy: `predicted` are the real system's counts. `policy`: with the world's lifetimes.
    Each instance simulated stands for `weight`, in so many `generations`.
    """

    policy: Policy
    predicted: Predicted
    weight: int
    generations: int

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {**self.predicted.as_json(), "weight": self.weight, "generations_simulated": self.generations}


@dataclass(frozen=True, slots=True)
class World:
    """A question as a load, before it is thinned out."""

    load: Load
    database: Database
    scheme: str
    notes: tuple[str, ...]


def world_of(arithmetic: Arithmetic, functions: int | None = None, seed: int = 1) -> World:
    """The load of a question. `functions`: instances in all, in place of what the question comes to."""
    question = arithmetic.question
    asked = ceil(question.timeout_s / question.lifetime_s) + 2
    generations = max(3, min(asked, GENERATIONS))
    total = max(generations, functions or arithmetic.alive * generations)
    alive = total / generations
    # More instances than the question comes to share its requests: each has at least the one that started it.
    rate_per_s = question.requests_per_s / alive
    lifetime_s = min(question.lifetime_s, max(REQUESTS / rate_per_s, 20 * question.function_ms / 1000))
    # Where an instance has hardly more than its first request, these are the load: they come all the time.
    arrival_s = lifetime_s * min(1.0, max(0.25, 1 / (rate_per_s * lifetime_s)))
    time_scale = question.lifetime_s / lifetime_s
    # Its first request is one of them.
    further = max(0.0, rate_per_s * lifetime_s - 1) / (lifetime_s - arrival_s / 2)
    load = Load(
        functions=total,
        generations=generations,
        lifetime_s=lifetime_s,
        arrival_s=arrival_s,
        rate_per_s=further,
        invocation_s=question.function_ms / 1000 - arithmetic.transaction_s,
        database_s=arithmetic.working_s,
        rtt_s=arithmetic.rtt_s,
        time_scale=time_scale,
        unfinished_every=UNFINISHED_EVERY,
        seed=seed,
    )
    notes = [
        "each instance's requests come at random, as in the storm: a platform that picks an idle one waits less",
        f"{total:,} instances in {generations} generations of {alive:,.0f}, which vanish at once, as at a deployment",
        f"of each life of {number(question.lifetime_s)} s, {number(lifetime_s)} s are simulated, at the real rate: "
        f"first requests are {load.cold_share:.0%} of all, more than in the real system",
        f"one instance of {UNFINISHED_EVERY} dies inside a transaction",
    ]
    if asked > generations:
        notes.append(
            f"the database keeps the dead for {asked - 2} generations; {generations} are looked at, and what is full "
            "stays full"
        )
    return World(load, Database(question.places, question.timeout_s / time_scale), question.database, tuple(notes))


def counted(answer: Answer, world: World) -> Timing:
    """What things take by their round trips alone."""
    server = answer.question.server
    timing = Timing.of(world.load, world.scheme)
    return replace(timing, handshake_s=server.handshake_round_trips(tls=answer.question.tls) * world.load.rtt_s)


def confirm(answer: Answer, world: World, timing: Timing, *, most: int = MOST) -> dict[str, Simulated]:
    """Every remedy of `answer` that is a policy, simulated."""
    found: dict[str, Simulated] = {}
    for judgement in answer.ranked:
        if judgement.policy is not None:
            policy = _sized(POLICIES[judgement.policy], judgement.pool_size, judgement.figures.connections)
            found[judgement.name] = thinned(world, policy, timing, most)
    return found


def thinned(world: World, policy: Policy, timing: Timing, most: int = MOST) -> Simulated:
    """One policy (with the world's lifetimes), so that about `most` requests are simulated."""
    requests = world.load.functions * world.load.requests_per_function
    weight = max(1, min(ceil(requests / most), _most_weight(world, policy)))
    generations = max(3, min(world.load.generations, ceil(world.load.generations * most * weight / requests)))
    load = replace(world.load, functions=max(world.load.generations, round(world.load.functions / weight)))
    small = replace(
        policy.scaled(load.time_scale),
        budget=policy.budget and round(policy.budget / weight),
        pool_processes=policy.pool_processes and round(policy.pool_processes / weight),
    )
    database = replace(world.database, places=round(world.database.places / weight))
    if policy.connection == "ttl" and database.idle_timeout_s is not None and small.ttl_s is not None:
        # The remedy has the database end what is idle for longer than any connection may be old.
        database = replace(database, idle_timeout_s=min(database.idle_timeout_s, TTL_MARGIN * small.ttl_s))
    predicted = simulate(load, small, database, timing_of(policy, timing, load), generations=generations)
    return Simulated(policy, _times(predicted, weight), weight, generations)


def _most_weight(world: World, policy: Policy) -> int:
    """Pools of processes are divided by having fewer processes; all else by being smaller."""
    if policy.pool_processes is not None:
        return policy.pool_processes // FEWEST_PROCESSES
    weight = world.database.places // FEWEST_PLACES
    return weight if policy.budget is None else min(weight, policy.budget // FEWEST_POOLED)


def timing_of(policy: Policy, timing: Timing, load: Load) -> Timing:
    """What things take under a policy: over HTTP a transaction is one round trip, and holds for none."""
    if policy.name != "http":
        return timing
    return replace(timing, handshake_s=2 * load.rtt_s, transaction_s=load.rtt_s, lease_s=0.0)


def _sized(policy: Policy, pool_size: int | None, connections: int) -> Policy:
    if pool_size is None:
        return policy
    if policy.connection == "pool":
        return replace(policy, pool_size=pool_size, pool_processes=max(1, connections // (2 * pool_size)))
    return replace(policy, budget=pool_size)


def _times(predicted: Predicted, weight: int) -> Predicted:
    return replace(
        predicted,
        **{name: getattr(predicted, name) * weight for name in _COUNTS},
        refused_by_generation=tuple(each * weight for each in predicted.refused_by_generation),
    )
