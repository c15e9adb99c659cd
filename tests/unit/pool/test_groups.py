"""Limits that several keys have in common: keys are (user, database), and a user or a database may have so many."""

from collections import Counter
from collections.abc import Hashable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.pool import Close, Convert, Dial, Lend, Limits, Pool, Slot, Waiter

Key = tuple[str, str]
ANNA_X, ANNA_Y, BERT_X = ("anna", "x"), ("anna", "y"), ("bert", "x")


class Client(Waiter):
    __slots__ = ()

    def __init__(self, key: Key) -> None:
        super().__init__(key, None, 100.0)


def make_pool(
    connections: int, *, user: int | None = None, database: int | None = None, convertible: bool = True
) -> Pool[Slot, Client]:
    return Pool(limits(connections, user, database), lambda: 0.5, Slot, lambda slot, key: convertible)


def limits(connections: int, user: int | None = None, database: int | None = None) -> Limits:
    def groups(key: Hashable) -> list[tuple[Hashable, int]]:
        assert isinstance(key, tuple)
        most = ((f"user {key[0]}", user), (f"database {key[1]}", database))
        return [(group, count) for group, count in most if count is not None]

    return Limits(max_connections=connections, control_connections=0, groups=groups, key_switch_after_ms=0)


def lease(pool: Pool[Slot, Client], key: Key, now: float = 0.0) -> Slot:
    client = Client(key)
    assert pool.wait(client, now)
    (dial,) = pool.plan(now)
    assert isinstance(dial, Dial)
    assert pool.ready(dial.slot, now) is client
    pool.plan(now)
    return dial.slot


def test_a_full_group_waits_and_others_do_not() -> None:
    pool = make_pool(5, user=1)
    held = lease(pool, ANNA_X)
    waiter = Client(ANNA_Y)
    assert pool.wait(waiter, 0.0)
    assert pool.plan(0.0) == []
    assert pool.next_wakeup(0.0) > 0.0
    lease(pool, BERT_X)
    assert waiter.waits
    # The one it waits for comes free: it is switched, for it may not be dialled anew beside it.
    assert pool.release(held, 1.0) is None
    (convert,) = pool.plan(1.0)
    assert isinstance(convert, Convert)
    assert pool.ready(convert.slot, 1.0) is waiter
    assert repr(pool) == f"<Pool 2+0 of 5 | leased {ANNA_Y} {BERT_X}>"


def test_one_that_rests_in_a_full_group_is_given_up() -> None:
    pool = make_pool(5, user=1, convertible=False)
    resting = lease(pool, ANNA_X)
    pool.release(resting, 0.0)
    waiter = Client(ANNA_Y)
    assert pool.wait(waiter, 1.0)
    (close,) = pool.plan(1.0)
    assert isinstance(close, Close)
    assert close.slot is resting
    assert pool.plan(1.0) == []  # until the server has closed it
    pool.closed(resting, 1.1)
    (dial,) = pool.plan(1.1)
    assert isinstance(dial, Dial)
    assert pool.ready(dial.slot, 1.2) is waiter


def test_others_resting_connections_are_of_no_use_to_a_full_group() -> None:
    pool = make_pool(5, user=1)
    lease(pool, ANNA_X)
    resting = lease(pool, BERT_X)
    pool.release(resting, 0.0)
    assert pool.wait(Client(ANNA_Y), 1.0)
    assert pool.plan(1.0) == []
    assert pool.next_wakeup(1.0) > 1.0
    # And its own clients have it at once, whoever waits ahead of them for another.
    assert pool.acquire(BERT_X, None, None, object()) is resting


def test_a_key_in_two_groups_needs_a_place_in_both() -> None:
    pool = make_pool(5, user=1, database=1)
    anna = lease(pool, ANNA_Y)
    bert = lease(pool, BERT_X)
    waiter = Client(ANNA_X)  # her user's place and this database's are taken, by two connections
    assert pool.wait(waiter, 0.0)
    pool.release(anna, 0.1)
    (close,) = pool.plan(0.1)
    assert isinstance(close, Close)
    assert close.slot is anna
    pool.closed(anna, 0.2)
    assert pool.plan(0.2) == []
    assert pool.release(bert, 0.3) is None
    (close,) = pool.plan(0.3)
    assert isinstance(close, Convert)  # one place is left to make, and this is it
    assert pool.ready(bert, 0.3) is waiter


def test_the_first_of_two_places_is_kept_for_who_waits_for_the_second() -> None:
    pool = make_pool(5, user=1, database=1, convertible=False)
    anna = lease(pool, ANNA_Y)
    bert = lease(pool, BERT_X)
    waiter, late = Client(ANNA_X), Client(ANNA_Y)
    pool.wait(waiter, 0.0)
    pool.wait(late, 0.0)
    assert pool.release(anna, 0.1) is None
    pool.plan(0.1)
    pool.closed(anna, 0.2)
    assert pool.plan(0.2) == []
    # Not for ever, though: bert may take his time.
    (dial,) = pool.plan(1.1)
    assert isinstance(dial, Dial)
    assert pool.ready(dial.slot, 1.1) is late
    assert pool.release(dial.slot, 2.1) is None
    pool.plan(2.1)
    pool.closed(dial.slot, 2.2)
    assert pool.release(bert, 2.3) is None
    pool.plan(2.3)
    pool.closed(bert, 2.4)
    (dial,) = pool.plan(2.4)
    assert isinstance(dial, Dial)
    assert pool.ready(dial.slot, 2.4) is waiter


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_crowds_of_two_users_in_two_databases_are_all_served(seed: int) -> None:
    """Short leases, more clients than places: nobody waits for long, and no group has more than it may."""
    random = Random(seed)
    pool = make_pool(6, user=2, database=2, convertible=random.random() < 0.5)
    keys = [(user, database) for user in ("anna", "bert") for database in ("x", "y")]
    idle = [Client(random.choice(keys)) for _ in range(12)]
    leased: list[tuple[float, Slot]] = []
    later: list[tuple[float, Slot, str]] = []
    longest = now = 0.0

    def begin(waiter: Client, slot: Slot) -> None:
        nonlocal longest
        longest = max(longest, now - waiter.waiting_since)
        leased.append((now + random.uniform(0.001, 0.05), slot))

    while now < 12.0:
        now += 0.005
        for client in [client for client in idle if random.random() < 0.5]:
            idle.remove(client)
            client.deadline = now + 100.0
            client.waiting_since = now
            slot = pool.acquire(client.key, None, None, client)
            if slot is not None:
                begin(client, slot)
            else:
                pool.wait(client, now)
        for at, slot in [found for found in leased if found[0] <= now]:
            leased.remove((at, slot))
            assert isinstance(slot.owner, Client)
            idle.append(slot.owner)
            if (waiter := pool.release(slot, now)) is not None:
                begin(waiter, slot)
        for at, slot, what in [found for found in later if found[0] <= now]:
            later.remove((at, slot, what))
            if what == "closed":
                pool.closed(slot, now)
            elif (waiter := pool.ready(slot, now)) is not None:
                begin(waiter, slot)
        while True:
            for action in pool.plan(now):
                if isinstance(action, Lend):
                    begin(action.waiter, action.slot)
                else:
                    assert isinstance(action, Dial | Close | Convert)
                    what = "closed" if isinstance(action, Close) else "ready"
                    later.append((now + random.uniform(0.001, 0.02), action.slot, what))
            if not pool.stirred:
                break
        for name in (0, 1):
            counts = Counter(
                end for slot in pool.slots if isinstance(slot.keypool.key, tuple) for end in [slot.keypool.key[name]]
            )
            assert all(count <= 2 for count in counts.values())
    waits = [now - waiter.waiting_since for waiter in pool.queued()]
    assert max([longest, *waits]) < 5.0


def test_within_a_group_the_queue_is_one() -> None:
    pool = make_pool(5, user=1)
    held = lease(pool, ANNA_X)
    first, second = Client(ANNA_Y), Client(ANNA_X)
    pool.wait(first, 0.0)
    pool.wait(second, 0.0)
    assert pool.release(held, 1.0) is None
    (convert,) = pool.plan(1.0)
    assert isinstance(convert, Convert)
    assert pool.ready(held, 1.0) is first
    assert pool.release(held, 2.0) is None
    (convert,) = pool.plan(2.0)
    assert isinstance(convert, Convert)
    assert pool.ready(held, 2.0) is second


def test_min_idle_keeps_to_the_group() -> None:
    pool = make_pool(5, user=1)
    lease(pool, ANNA_X)
    pool.keep(ANNA_Y, 1)
    assert pool.plan(0.0) == []
    pool.keep(BERT_X, 1)
    (dial,) = pool.plan(0.0)
    assert isinstance(dial, Dial)
    assert dial.slot.key == BERT_X


def test_a_lower_limit_closes_what_rests_and_then_what_is_released() -> None:
    pool = make_pool(5, user=3)
    slots = [lease(pool, key) for key in (ANNA_X, ANNA_Y, ANNA_X, BERT_X)]
    pool.release(slots[0], 0.0)
    pool.set_limits(limits(5, user=1), 1.0)
    (close,) = pool.plan(1.0)
    assert isinstance(close, Close)
    assert close.slot is slots[0]
    assert pool.release(slots[1], 2.0) is None
    (close,) = pool.plan(2.0)
    assert isinstance(close, Close)
    assert pool.release(slots[2], 3.0) is None
    assert pool.plan(3.0) == []
    assert pool.release(slots[3], 3.0) is None
    assert pool.plan(3.0) == []


def test_without_groups_nothing_is_asked() -> None:
    pool: Pool[Slot, Client] = Pool(Limits(max_connections=2, control_connections=0), lambda: 0.5, Slot)
    slot = lease(pool, ANNA_X)
    pool.release(slot, 0.0)
    waiter = Client(ANNA_X)
    pool.wait(waiter, 0.0)
    (lend,) = pool.plan(0.0)
    assert isinstance(lend, Lend)
