"""Random clients, a random server and a random operator around one pool: the budget holds and no waiter is lost."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outlive.pool import (
    CHECKING,
    CLOSED,
    CLOSING,
    CONVERTING,
    DIALING,
    IDLE,
    LEASED,
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

KEYS = st.sampled_from("abc")
SETTINGS = [object(), object()]
PICK = st.integers(min_value=0, max_value=10**6)
# Keys that share a limit: as those of one user in two databases, and those of one database.
GROUPS = {
    "a": (("ab", 1),),
    "b": (("ab", 1), ("bc", 2)),
    "c": (("bc", 2),),
}
WIDER = {"a": (("abc", 2),), "b": (("abc", 2), ("b", 1)), "c": (("abc", 2),)}
LIMITS = st.builds(
    Limits,
    max_connections=st.integers(2, 5),
    control_connections=st.integers(0, 1),
    max_per_key=st.sampled_from([None, None, 1, 2]),
    groups=st.sampled_from([None, None, GROUPS.__getitem__, WIDER.__getitem__]),
    max_waiters=st.sampled_from([3, 100]),
    max_age_s=st.sampled_from([2.0, 1800.0]),
    idle_timeout_s=st.sampled_from([1.5, 300.0]),
    ping_interval_s=st.sampled_from([1.0, 20.0]),
    key_switch_after_ms=st.sampled_from([0.0, 50.0]),
)


class Client(Waiter):
    __slots__ = ("answers", "last", "slot")

    def __init__(self, key: str, settings: object, deadline: float) -> None:
        super().__init__(key, settings, deadline)
        self.slot: Slot | None = None
        self.last: Slot | None = None
        self.answers = 0


class PoolMachine(RuleBasedStateMachine):
    @initialize(limits=LIMITS, convertible=st.booleans(), random=st.randoms(use_true_random=False))
    def begin(self, limits: Limits, convertible: bool, random: Any) -> None:
        self.now = 0.0
        self.pool: Pool[Slot, Client] = Pool(limits, random.random, Slot, lambda slot, key: convertible)
        self.connections: dict[Slot, None] = {}  # what the server may count
        self.under_way: dict[Slot, str] = {}  # dial, convert, ping, close, as planned; control
        self.queue: list[Client] = []
        self.holders: dict[Slot, Client] = {}
        self.control_held: dict[Slot, None] = {}
        self.clients: list[Client] = []
        self.budget = limits.max_connections
        self.groups = limits.groups  # None, too, when a reload has brought others: what is over them ends as it may

    # The caller's part

    def settle(self) -> None:
        for _ in range(50):
            if not self.pool.stirred:
                break
            self.plan()
        else:
            raise AssertionError("plan stirs itself")
        for action in self.plan():
            # A lease that leaves a key below its min_idle stirs nothing, on the hot path; the next plan sees to it.
            assert isinstance(action, Dial), "a plan left something to do at once"
            assert not self.queue
        wakeup = self.pool.next_wakeup(self.now)
        assert wakeup > self.now or not self.queue, "the timer spins"

    def plan(self) -> list[Any]:
        actions = self.pool.plan(self.now)
        for action in actions:
            match action:
                case Dial(slot):
                    assert slot.state == DIALING
                    self.opened(slot)
                    self.under_way[slot] = "dial"
                case Convert(slot, key):
                    assert slot.state == CONVERTING
                    assert slot.key != key
                    self.under_way[slot] = "convert"
                case Ping(slot):
                    assert slot.state == CHECKING
                    self.under_way[slot] = "ping"
                case Close(slot):
                    assert slot.state == CLOSING
                    self.under_way[slot] = "close"
                case Lend(slot, client):
                    self.got(client, slot)
                case Expire(client):
                    assert client.deadline <= self.now
                    self.queue.remove(client)
                case Refuse(client, refusal):
                    assert refusal == "refused"
                    self.queue.remove(client)
        return actions

    def opened(self, slot: Slot) -> None:
        assert slot not in self.connections
        self.connections[slot] = None
        assert len(self.connections) <= self.budget

    def got(self, client: Client | None, slot: Slot) -> None:
        if client is None:
            return
        same_key = [other for other in self.queue if other.key == client.key]
        assert same_key[0] is client, "not first come first served within its key"
        self.queue.remove(client)
        self.hold(client, slot)

    def hold(self, client: Client, slot: Slot) -> None:
        assert slot.state == LEASED
        assert slot.key == client.key
        assert slot.owner is client
        assert not slot.control
        assert slot not in self.holders, "one connection, two clients"
        assert client.slot is None
        client.slot = client.last = slot
        self.holders[slot] = client
        slot.settings = client.settings
        slot.residue_of = None

    def let_go(self, slot: Slot) -> Client:
        client = self.holders.pop(slot)
        client.slot = None
        return client

    def gone(self, slot: Slot) -> None:
        del self.connections[slot]
        self.under_way.pop(slot, None)
        self.control_held.pop(slot, None)
        self.pool.closed(slot, self.now)

    def pick(self, number: int, *jobs: str) -> Slot | None:
        slots = [slot for slot, job in self.under_way.items() if job in jobs]
        return slots[number % len(slots)] if slots else None

    # Clients

    @rule(key=KEYS, settings_number=st.integers(0, 1), timeout_s=st.sampled_from([0.3, 5.0]))
    def new_client(self, key: str, settings_number: int, timeout_s: float) -> None:
        client = Client(key, SETTINGS[settings_number], self.now + timeout_s)
        self.clients.append(client)
        self.ask(client, timeout_s)

    @rule(number=PICK, timeout_s=st.sampled_from([0.3, 5.0]))
    def client_again(self, number: int, timeout_s: float) -> None:
        resting = [client for client in self.clients if client.slot is None and client not in self.queue]
        if resting:
            self.ask(resting[number % len(resting)], timeout_s)

    def ask(self, client: Client, timeout_s: float) -> None:
        client.deadline = self.now + timeout_s
        slot = self.pool.acquire(client.key, client.settings, client.last, client)
        if slot is not None:
            assert not [other for other in self.queue if other.key == client.key]
            self.hold(client, slot)
        elif self.pool.wait(client, self.now):
            self.queue.append(client)
        self.settle()

    @rule(number=PICK, residue=st.booleans())
    def release(self, number: int, residue: bool) -> None:
        if self.holders:
            slot = list(self.holders)[number % len(self.holders)]
            client = self.let_go(slot)
            slot.residue_of = client if residue else None
            self.got(self.pool.release(slot, self.now), slot)
            self.settle()

    @rule(number=PICK)
    def proves_dead_and_waits_again(self, number: int) -> None:
        if self.holders:
            slot = list(self.holders)[number % len(self.holders)]
            client = self.let_go(slot)
            self.gone(slot)
            assert self.pool.wait(client, self.now, again=True)
            self.queue.insert(0, client)
            self.settle()

    @rule(number=PICK)
    def doubt(self, number: int) -> None:
        if self.holders:
            slot = list(self.holders)[number % len(self.holders)]
            self.let_go(slot)
            self.pool.closing(slot)
            self.under_way[slot] = "close"
            assert self.pool.release(slot, self.now) is None
            self.settle()

    @rule(number=PICK)
    def cancel(self, number: int) -> None:
        if self.queue:
            client = self.queue.pop(number % len(self.queue))
            assert self.pool.cancel(client)
            self.settle()

    @rule()
    def control(self) -> None:
        slot = self.pool.acquire_control("root", self.now)
        if slot is not None and slot.state == DIALING:
            self.opened(slot)
            self.under_way[slot] = "control"
        elif slot is not None:
            self.control_held[slot] = None
        self.settle()

    @precondition(lambda self: self.control_held)
    @rule()
    def release_control(self) -> None:
        slot, _ = self.control_held.popitem()
        assert self.pool.release(slot, self.now) is None
        self.settle()

    # The server

    @rule(number=PICK)
    def succeeds(self, number: int) -> None:
        slot = self.pick(number, "dial", "convert", "ping", "control")
        if slot is not None:
            job = self.under_way.pop(slot)
            client = self.pool.ready(slot, self.now)
            if job == "control":
                assert client is None
                self.control_held[slot] = None
            self.got(client, slot)
            self.settle()

    @rule(number=PICK, how=st.sampled_from(["no route", "refused", "server full", "eof"]), later=st.booleans())
    def fails(self, number: int, how: str, later: bool) -> None:
        slot = self.pick(number, "dial", "convert", "ping", "control")
        if slot is not None:
            job = self.under_way.pop(slot)
            if job != "ping" and how != "eof":
                refusal = "refused" if how == "refused" and job != "control" else None
                self.pool.dial_failed(slot, self.now, refusal=refusal, server_full=how == "server full")
                if later:
                    self.under_way[slot] = "close"
                    self.settle()
                    return
            self.gone(slot)
            self.settle()

    @rule(number=PICK)
    def eof(self, number: int) -> None:
        slot = self.pick(number, "close")
        if slot is not None:
            self.gone(slot)
            self.settle()

    @rule(number=PICK)
    def dies_idle(self, number: int) -> None:
        slots = [slot for slot in self.connections if slot.state == IDLE]
        if slots:
            self.gone(slots[number % len(slots)])
            self.settle()

    @rule(seconds=st.sampled_from([0.001, 0.01, 0.06, 0.5, 1.0, 3.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(2000):
            wakeup = self.pool.next_wakeup(self.now)
            if wakeup > end:
                break
            self.now = max(self.now, wakeup)
            self.plan()
            self.settle()
        else:
            raise AssertionError("the timer spins")
        self.now = end

    # The operator

    @rule(limits=LIMITS)
    def reload(self, limits: Limits) -> None:
        self.pool.set_limits(limits, self.now)
        # What is over a lowered budget ends as it is released; until then nothing may be opened beside it.
        self.budget = limits.max_connections
        self.groups = limits.groups if limits.groups is self.groups else None
        self.settle()

    @rule(key=KEYS, minimum=st.integers(0, 2))
    def keep(self, key: str, minimum: int) -> None:
        self.pool.keep(key, minimum)
        self.settle()

    @rule()
    def retire_all(self) -> None:
        self.pool.retire_all("restarted")
        self.settle()
        assert not [slot for slot in self.connections if slot.state == IDLE and slot.retired]

    @rule()
    def pause_and_resume(self) -> None:
        if self.pool.paused:
            self.pool.resume()
        else:
            self.pool.pause()
        self.settle()

    # What always holds

    @invariant()
    def the_books_agree(self) -> None:
        pool = self.pool
        assert set(self.connections) == {*pool.slots, *pool.control}
        assert {slot for slot in pool.slots if slot.state == LEASED} == set(self.holders)
        assert {slot for slot in pool.control if slot.state == LEASED} == set(self.control_held)
        waiting = sorted((w for keypool in pool.waiting.values() for w in keypool.waiters), key=lambda w: w.ticket)
        assert waiting == self.queue
        assert pool.waiters == len(self.queue)
        assert pool.obstacles == len(self.queue) + pool.paused
        assert pool.closing_count == sum(slot.state == CLOSING for slot in pool.slots)
        assert sum(slot.state == DIALING for slot in pool.slots) <= 1
        for keypool in [*pool.keypools.values(), pool.control_pool]:
            mine = [slot for slot in self.connections if slot.keypool is keypool]
            assert keypool.size == len(mine)
            assert set(keypool.idle) == {slot for slot in mine if slot.state in (IDLE, CHECKING)}
            assert keypool.incoming == sum(slot.incoming_to is keypool for slot in self.connections)
        for slot in self.connections:
            assert slot.state != CLOSED
            if slot.state in (DIALING, CONVERTING, CHECKING, CLOSING):
                assert slot in self.under_way

    @invariant()
    def groups_keep_to_their_limits(self) -> None:
        groups = self.groups
        if groups is not None:
            for group, most in {found for key in "abc" for found in groups(key)}:
                assert sum((group, most) in groups(slot.keypool.key) for slot in self.pool.slots) <= most

    @invariant()
    def nobody_waits_beside_an_idle_slot_of_its_key(self) -> None:
        if not self.pool.paused:
            for keypool in self.pool.waiting.values():
                assert not [slot for slot in keypool.idle if slot.state == IDLE]

    def teardown(self) -> None:
        """From whatever state: with a server that answers again, everybody who waits is served or told."""
        if not hasattr(self, "pool"):
            return
        self.pool.resume()
        self.settle()
        # Forty turns of a second: longer than any deadline, and shorter ones would be cut by the backoff.
        for _ in range(40):
            for slot, job in list(self.under_way.items()):
                if job == "close":
                    self.gone(slot)
                elif self.under_way.pop(slot, None):
                    client = self.pool.ready(slot, self.now)
                    if job == "control":
                        self.control_held[slot] = None
                    self.got(client, slot)
            for slot in list(self.holders):
                self.let_go(slot)
                self.got(self.pool.release(slot, self.now), slot)
            self.settle()
            self.the_books_agree()
            self.time_passes(1.0)
        assert not self.queue
        self.pool.drain()
        for _ in range(40):
            self.settle()
            for slot in list(self.control_held):
                del self.control_held[slot]
                self.pool.release(slot, self.now)
            for slot, job in list(self.under_way.items()):
                if job == "close":
                    self.gone(slot)
                else:
                    self.under_way.pop(slot)
                    assert self.pool.ready(slot, self.now) is None
        assert self.pool.drained
        assert not self.connections


PoolMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPool = PoolMachine.TestCase
