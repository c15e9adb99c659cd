"""A simulated server and its clients around a real pool: `python -m tests.unit.pool.simulation` prints the score.

A scenario's score is 100 x efficiency x fairness. Efficiency: the time that leases took, over what the budget could
have given. Fairness: Jain's index over what each key got. Nothing here waits: the clock is the event queue's.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count

from outlive.pool import (
    CHECKING,
    Close,
    Convert,
    Dial,
    Expire,
    Lend,
    Limits,
    Ping,
    Pool,
    Refuse,
    Slot,
    Waiter,
)


class Connection(Slot):
    """Its `alive` is what the server thinks of it."""

    __slots__ = ("number",)
    numbers = count(1)

    def __init__(self, key: Hashable) -> None:
        super().__init__(key)
        self.number = next(self.numbers)

    def __repr__(self) -> str:
        return f"#{self.number}"


class Client(Waiter):
    """Asks again `think_s` after each lease of `hold_s`."""

    __slots__ = ("asked_at", "gone", "hold_s", "last", "name", "slot", "think_s", "timeout_s")

    def __init__(self, name: str, key: Hashable, hold_s: float, think_s: float, timeout_s: float = 10.0) -> None:
        super().__init__(key)
        self.name = name
        self.hold_s = hold_s
        self.think_s = think_s
        self.timeout_s = timeout_s
        self.last: Connection | None = None
        self.slot: Connection | None = None
        self.asked_at = 0.0
        self.gone = False

    def __repr__(self) -> str:
        return self.name


@dataclass
class Result:
    leases: Counter[Hashable] = field(default_factory=Counter)
    leased_s: float = 0.0
    waits_s: dict[Hashable, list[float]] = field(default_factory=dict)
    expired: int = 0
    refused: int = 0
    dials: int = 0
    conversions: int = 0
    most_connections: int = 0
    unanswered: int = 0
    seconds: float = 0.0

    def worst_wait_s(self, key: Hashable) -> float:
        return max(self.waits_s[key])


class World:
    """One server, one pool, and an event queue."""

    def __init__(
        self,
        limits: Limits,
        *,
        seed: int = 1,
        dial_s: float = 0.010,
        convert_s: float = 0.002,
        close_s: float = 0.002,
        convertible: bool = True,
        dial_error: Callable[[float], str | None] = lambda now: None,
        jitter: float = 0.2,
    ) -> None:
        self.random = random.Random(seed)
        self.pool: Pool[Connection, Client] = Pool(
            limits, self.random.random, Connection, lambda slot, key: convertible
        )
        self.dial_s, self.convert_s, self.close_s = dial_s, convert_s, close_s
        self.dial_error = dial_error
        self.jitter = jitter
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = count()
        self.tick_at = float("inf")
        self.open: set[Connection] = set()  # what the server counts
        self.result = Result()

    # The clock

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (self.now + seconds, next(self.order), what))

    def run(self, seconds: float) -> Result:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            self.now, _, what = heapq.heappop(self.events)
            what()
            self.settle()
        self.now = end
        self.result.seconds += seconds
        return self.result

    def settle(self) -> None:
        while self.pool.stirred:
            for action in self.pool.plan(self.now):
                self.carry_out(action)
        wakeup = self.pool.next_wakeup(self.now)
        if wakeup < self.tick_at:
            self.tick_at = max(wakeup, self.now + 1e-6)
            self.after(self.tick_at - self.now, self.tick)

    def tick(self) -> None:
        self.tick_at = float("inf")
        for action in self.pool.plan(self.now):
            self.carry_out(action)

    # The server

    def carry_out(self, action: object) -> None:
        match action:
            case Dial(slot):
                self.result.dials += 1
                self.open.add(slot)
                self.result.most_connections = max(self.result.most_connections, len(self.open))
                self.after(self.dial_s, lambda: self.dialed(slot))
            case Convert(slot, _):
                self.result.conversions += 1
                self.after(self.convert_s, lambda: self.lent(slot, self.pool.ready(slot, self.now)))
            case Ping(slot):
                self.after(0.001, lambda: self.lent(slot, self.pool.ready(slot, self.now)))
            case Close(slot, _):
                self.after(self.close_s, lambda: self.eof(slot))
            case Lend(slot, client):
                self.lent(slot, client)
            case Expire(client):
                self.result.expired += 1
                self.answered(client)
            case Refuse(client, _):
                self.result.refused += 1
                self.answered(client)

    def dialed(self, slot: Connection) -> None:
        error = self.dial_error(self.now)
        if error is None:
            self.lent(slot, self.pool.ready(slot, self.now))
            return
        self.pool.dial_failed(
            slot, self.now, refusal=error if error == "refused" else None, server_full=error == "server full"
        )
        self.eof(slot)

    def eof(self, slot: Connection) -> None:
        self.open.discard(slot)
        self.pool.closed(slot, self.now)

    # The clients

    def start(self, client: Client, after_s: float = 0.0) -> None:
        self.after(after_s, lambda: self.ask(client))

    def ask(self, client: Client) -> None:
        if client.gone:
            return
        client.asked_at = self.now
        client.deadline = self.now + client.timeout_s
        self.result.unanswered += 1
        slot = self.pool.acquire(client.key, client.settings, client.last, client)
        if slot is not None:
            self.lent(slot, client)
        elif not self.pool.wait(client, self.now):
            self.result.refused += 1
            self.answered(client)

    def lent(self, slot: Connection, client: Client | None) -> None:
        if client is None:
            return
        assert slot.key == client.key
        assert slot in self.open
        self.result.unanswered -= 1
        self.result.waits_s.setdefault(client.key, []).append(self.now - client.asked_at)
        client.slot = client.last = slot
        hold_s = client.hold_s * (1 + self.jitter * (self.random.random() - 0.5))
        self.after(hold_s, lambda: self.done(client, slot, hold_s))

    def done(self, client: Client, slot: Connection, held_s: float) -> None:
        if client.slot is not slot:
            return
        client.slot = None
        self.result.leases[client.key] += 1
        self.result.leased_s += held_s
        self.start(client, client.think_s)
        self.lent(slot, self.pool.release(slot, self.now))

    def answered(self, client: Client) -> None:
        self.result.unanswered -= 1
        self.start(client, client.think_s + 0.01)

    def die(self, client: Client) -> None:
        """Its connection is doubtful and is closed; the server takes its time."""
        client.gone = True
        if self.pool.cancel(client):
            self.result.unanswered -= 1
        slot, client.slot = client.slot, None
        if slot is not None:
            self.pool.closing(slot)
            self.after(self.close_s, lambda: self.eof(slot))

    def server_restarts(self) -> None:
        for slot in [slot for slot in self.open if slot.state in (1, 2, CHECKING)]:
            owner = slot.owner
            if isinstance(owner, Client) and owner.slot is slot:
                owner.slot = None
                self.start(owner, owner.think_s)
            self.eof(slot)


def jain(shares: list[float]) -> float:
    total = sum(shares)
    return total**2 / (len(shares) * sum(share**2 for share in shares)) if total else 0.0


def no_control(connections: int, **others: float) -> Limits:
    return Limits(max_connections=connections, control_connections=0, **others)  # type: ignore[arg-type]


def alternating(convertible: bool = True) -> tuple[Result, float]:
    """Two keys on a budget of one, each with clients that come straight back."""
    world = World(no_control(1), convertible=convertible)
    for key in "ab":
        for number in range(5):
            world.start(Client(f"{key}{number}", key, 0.001, 0.0005))
    result = world.run(20)
    return result, result.leased_s / 20 * jain([result.leases["a"], result.leases["b"]])


def many_keys() -> tuple[Result, float]:
    """Ten keys on five connections."""
    world = World(no_control(5))
    for key in "abcdefghij":
        for number in range(10):
            world.start(Client(f"{key}{number}", key, 0.005, 0.01))
    result = world.run(20)
    return result, result.leased_s / 100 * jain([float(result.leases[key]) for key in "abcdefghij"])


def starving() -> tuple[Result, float]:
    """One lonely client of a key beside two hundred of another: it must fare as they do, at no cost to them."""
    world = World(no_control(5))
    for number in range(200):
        world.start(Client(f"a{number}", "a", 0.005, 0.0))
    world.start(Client("lonely", "b", 0.005, 0.0), 1.0)
    result = world.run(20)
    mean = {key: sum(waits) / len(waits) for key, waits in result.waits_s.items()}
    return result, result.leased_s / 100 * min(1.0, mean["a"] / mean["b"])


def bursting() -> tuple[Result, float]:
    """A thousand at once on twenty connections that do not exist yet, then silence, and again."""
    world = World(no_control(20))
    clients = [Client(f"a{number}", "a", 0.010, 100.0) for number in range(1000)]
    for client in clients:
        world.start(client)
        world.start(client, 30.0)
    result = world.run(60)
    ideal_s = 1000 * 0.010 / 20
    worst = sorted(result.waits_s["a"])[-1]
    return result, min(1.0, ideal_s / worst) if result.leases["a"] == 2000 else 0.0


def dying() -> tuple[Result, float]:
    """Clients die all the time, half of them with a lease; others take their place."""
    world = World(no_control(10), close_s=0.010)

    def churn(number: int, client: Client | None) -> None:
        if client is not None:
            world.die(client)
        fresh = Client(f"a{number}", "ab"[number % 2], 0.005, 0.001)
        world.start(fresh)
        world.after(0.2 + world.random.random(), lambda: churn(number, fresh))

    for number in range(100):
        churn(number, None)
    result = world.run(20)
    return result, result.leased_s / 200 * jain([result.leases["a"], result.leases["b"]])


def database_away() -> tuple[Result, float]:
    """The server is away for ten of thirty seconds, its connections lost: the score is what was used of the rest."""
    world = World(no_control(10), dial_error=lambda now: "no route" if 5 <= now < 15 else None)
    for number in range(50):
        world.start(Client(f"a{number}", "a", 0.005, 0.0, timeout_s=30.0))
    world.after(5.0, world.server_restarts)
    result = world.run(30)
    return result, result.leased_s / 200


SCENARIOS: dict[str, Callable[[], tuple[Result, float]]] = {
    "alternating keys, budget 1": alternating,
    "the same, not convertible": lambda: alternating(convertible=False),
    "ten keys, budget 5": many_keys,
    "one lonely client of 201": starving,
    "bursts of 1,000": bursting,
    "dying clients": dying,
    "database away": database_away,
}


if __name__ == "__main__":
    scores = []
    for name, scenario in SCENARIOS.items():
        result, score = scenario()
        scores.append(score)
        worst = {key: round(max(waits) * 1000) for key, waits in sorted(result.waits_s.items())}
        print(
            f"{100 * score:5.1f}  {name:28} leases {sum(result.leases.values()):6} dials {result.dials:5} "
            f"conversions {result.conversions:5} expired {result.expired} worst wait (ms) {worst}"
        )
    print(f"{100 * sum(scores) / len(scores):5.1f}  in all")
