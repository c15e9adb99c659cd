"""The pool's rules, as transcripts: what happens, and what the pool then is (its repr)."""

import json
import math
from collections.abc import Hashable

import pytest

from outlive.pool import (
    CLOSING,
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
    PoolError,
    Refuse,
    Slot,
    Waiter,
)

SETTINGS, OTHER_SETTINGS = object(), object()


class Client(Waiter):
    __slots__ = ()

    def __init__(self, key: Hashable = "a", deadline: float = 10.0) -> None:
        super().__init__(key, SETTINGS, deadline)

    def __repr__(self) -> str:
        return f"client of {self.key}"


def make_pool(
    connections: int = 1, *, control: int = 0, convertible: bool = True, random: float = 0.5, **limits: object
) -> Pool[Slot, Client]:
    return Pool(
        Limits(max_connections=connections, control_connections=control, **limits),  # type: ignore[arg-type]
        lambda: random,
        Slot,
        lambda slot, key: convertible,
    )


def lease(pool: Pool[Slot, Client], client: Client | None = None, now: float = 0.0) -> Slot:
    """A fresh connection, leased."""
    client = client or Client()
    assert pool.wait(client, now)
    (dial,) = pool.plan(now)
    assert isinstance(dial, Dial)
    dial.slot.settings = client.settings
    assert pool.ready(dial.slot, now) is client
    pool.plan(now)
    return dial.slot


def idle(pool: Pool[Slot, Client], key: Hashable = "a", now: float = 0.0) -> Slot:
    slot = lease(pool, Client(key), now)
    assert pool.release(slot, now) is None
    return slot


class TestALease:
    def test_the_first_is_dialled_for_a_waiter(self) -> None:
        pool = make_pool()
        client = Client()
        assert pool.acquire("a", SETTINGS, None, client) is None
        assert pool.wait(client, 0.0) is True
        assert pool.stirred
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        assert dial.slot.state == DIALING
        assert repr(pool) == "<Pool 1+0 of 1 | dialing a | waiting a>"
        assert pool.ready(dial.slot, 0.1) is client
        assert dial.slot.owner is client
        assert not client.waits
        assert repr(pool) == "<Pool 1+0 of 1 | leased a>"
        assert pool.release(dial.slot, 0.2) is None
        assert repr(pool) == "<Pool 1+0 of 1 | idle a>"

    def test_the_own_last_slot_comes_first(self) -> None:
        pool = make_pool(2)
        mine, me = lease(pool), Client()
        mine.owner = me
        other = lease(pool)
        pool.release(mine, 0.0)
        pool.release(other, 0.0)
        assert pool.acquire("a", OTHER_SETTINGS, mine, me) is mine

    def test_but_not_after_somebody_else_had_it(self) -> None:
        pool = make_pool(2)
        first, second = lease(pool), lease(pool)
        me, somebody = first.owner, Client()
        pool.release(first, 0.0)
        assert pool.acquire("a", SETTINGS, None, somebody) is first
        pool.release(first, 0.0)
        pool.release(second, 0.0)
        assert pool.acquire("a", SETTINGS, first, me) is second

    def test_an_equal_key_is_the_same_key(self) -> None:
        pool = make_pool()
        slot = idle(pool, ("user", 7))
        assert pool.acquire(tuple(json.loads('["user", 7]')), SETTINGS, slot, slot.owner) is slot

    def test_a_last_slot_of_another_key_is_not_taken(self) -> None:
        pool = make_pool()
        slot = idle(pool)
        assert pool.acquire("b", SETTINGS, slot, slot.owner) is None

    def test_same_settings_before_most_recently_used(self) -> None:
        pool = make_pool(3)
        slots = [lease(pool) for _ in range(3)]
        for slot, settings in zip(slots, (SETTINGS, OTHER_SETTINGS, OTHER_SETTINGS), strict=True):
            slot.settings = settings
            pool.release(slot, 0.0)
        assert pool.acquire("a", SETTINGS, None, Client()) is slots[0]
        assert pool.acquire("a", SETTINGS, None, Client()) is slots[2]

    def test_residue_is_its_owners_first_and_others_last_choice(self) -> None:
        pool = make_pool(3)
        slots = [lease(pool) for _ in range(3)]
        me, other = Client(), Client()
        slots[0].residue_of, slots[1].settings, slots[2].residue_of = me, OTHER_SETTINGS, other
        for slot in slots:
            pool.release(slot, 0.0)
        assert pool.acquire("a", SETTINGS, None, me) is slots[0]
        assert pool.acquire("a", SETTINGS, None, me) is slots[1]
        assert pool.acquire("a", SETTINGS, None, me) is slots[2]

    def test_released_to_the_first_waiter(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        first, second = Client(), Client()
        pool.wait(first, 0.0)
        pool.wait(second, 0.0)
        assert pool.acquire("a", SETTINGS, slot, slot.owner) is None
        assert pool.release(slot, 0.0) is first
        assert pool.release(slot, 0.0) is second

    def test_a_release_too_many_is_a_bug(self) -> None:
        pool = make_pool()
        slot = idle(pool)
        with pytest.raises(PoolError):
            pool.release(slot, 0.0)
        with pytest.raises(PoolError):
            pool.ready(slot, 0.0)
        with pytest.raises(PoolError):
            pool.dial_failed(slot, 0.0)

    def test_a_slot_that_died_cannot_be_released(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        pool.closing(slot)
        assert pool.release(slot, 0.0) is None
        assert repr(pool) == "<Pool 1+0 of 1 | closing a>"
        pool.closed(slot, 0.0)
        pool.closed(slot, 0.0)
        assert pool.release(slot, 0.0) is None
        assert repr(pool) == "<Pool 0+0 of 1>"


class TestTheQueue:
    def test_full_is_an_answer(self) -> None:
        pool = make_pool(max_waiters=1)
        lease(pool)
        assert pool.wait(Client(), 0.0)
        assert not pool.wait(Client(), 0.0)
        assert pool.wait(Client(), 0.0, again=True)

    def test_deadlines(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        short, long = Client(deadline=1.0), Client(deadline=2.0)
        pool.wait(long, 0.0)
        pool.wait(short, 0.0)
        pool.plan(0.0)
        assert pool.next_wakeup(0.0) == 1.0
        assert pool.plan(1.0) == [Expire(short)]
        assert not short.waits
        assert pool.plan(2.0) == [Expire(long)]
        assert pool.release(slot, 2.0) is None

    def test_who_cancelled_gets_nothing(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        gone, next_one = Client(), Client()
        pool.wait(gone, 0.0)
        pool.wait(next_one, 0.0)
        assert pool.cancel(gone)
        assert not pool.cancel(gone)
        assert pool.release(slot, 0.0) is next_one

    def test_again_is_at_the_head_and_keeps_its_time(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        unlucky, other = Client(), Client()
        pool.wait(unlucky, 1.0)
        pool.wait(other, 1.5)
        assert pool.release(slot, 2.0) is unlucky
        assert pool.stale(slot, 8.0)
        pool.closed(slot, 8.0)
        pool.wait(unlucky, 8.0, again=True)
        assert unlucky.waiting_since == 1.0
        (dial,) = (action for action in pool.plan(8.0) if isinstance(action, Dial))
        assert pool.ready(dial.slot, 8.0) is unlucky

    def test_waiting_twice_is_a_bug(self) -> None:
        pool = make_pool()
        client = Client()
        pool.wait(client, 0.0)
        with pytest.raises(PoolError):
            pool.wait(client, 0.0)

    def test_with_all_leased_and_a_timer_set_there_is_nothing_to_plan(self) -> None:
        pool = make_pool()
        lease(pool)
        pool.plan(0.0)
        pool.next_wakeup(0.0)
        pool.wait(Client(deadline=10.0), 0.0)
        assert not pool.stirred
        pool.wait(Client(deadline=0.5), 0.0)
        assert pool.stirred


class TestTheBudget:
    def test_a_slot_is_free_only_at_the_servers_eof(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        pool.wait(Client(), 0.0)
        pool.closing(slot)
        assert pool.plan(0.0) == []
        pool.closed(slot, 0.0)
        assert [type(action) for action in pool.plan(0.0)] == [Dial]

    def test_one_dial_at_a_time(self) -> None:
        pool = make_pool(3)
        for _ in range(3):
            pool.wait(Client(), 0.0)
        (first,) = pool.plan(0.0)
        assert isinstance(first, Dial)
        assert pool.plan(0.0) == []
        pool.ready(first.slot, 0.1)
        (second,) = pool.plan(0.1)
        assert isinstance(second, Dial)
        assert repr(pool) == "<Pool 2+0 of 3 | dialing a | leased a | waiting a a>"

    def test_control_connections_are_reserved(self) -> None:
        pool = make_pool(3, control=1)
        lease(pool), lease(pool)
        pool.wait(Client(), 0.0)
        assert pool.plan(0.0) == []
        control = pool.acquire_control("root", 0.0)
        assert control is not None
        assert control.state == DIALING
        assert pool.acquire_control("root", 0.0) is None
        assert pool.ready(control, 0.0) is None
        assert control.state == LEASED
        assert repr(pool) == "<Pool 2+1 of 3 | leased a a root! | waiting a>"
        assert pool.release(control, 0.0) is None
        assert control.state == IDLE
        assert pool.acquire_control("root", 0.0) is control

    def test_a_control_connection_of_another_key_makes_room(self) -> None:
        pool = make_pool(2, control=1)
        control = pool.acquire_control("root", 0.0)
        assert control is not None
        pool.ready(control, 0.0)
        assert pool.acquire_control("joe", 0.0) is None
        assert control.state == LEASED
        pool.release(control, 0.0)
        assert pool.acquire_control("joe", 0.0) is None
        assert pool.plan(0.0) == [Close(control, "its slot is needed for another key")]
        pool.closed(control, 0.0)
        assert pool.acquire_control("joe", 0.0) is not None

    def test_a_control_dial_that_failed_is_put_off(self) -> None:
        pool = make_pool(2, control=1)
        control = pool.acquire_control("root", 0.0)
        assert control is not None
        pool.dial_failed(control, 0.0)
        pool.closed(control, 0.0)
        assert pool.acquire_control("root", 0.01) is None
        assert pool.acquire_control("root", 0.06) is not None

    def test_a_lower_budget_takes_the_idle_first(self) -> None:
        pool = make_pool(4)
        slots = [lease(pool) for _ in range(4)]
        pool.release(slots[2], 1.0)
        pool.release(slots[0], 2.0)
        pool.set_limits(Limits(max_connections=1, control_connections=0), 3.0)
        closes = pool.plan(3.0)
        assert [action.slot for action in closes if isinstance(action, Close)] == [slots[2], slots[0]]
        pool.wait(Client(), 3.0)
        assert pool.release(slots[1], 3.0) is None
        assert slots[1].state == CLOSING
        assert pool.release(slots[3], 3.0) is not None

    def test_a_higher_budget_is_used(self) -> None:
        pool = make_pool(1)
        lease(pool)
        pool.wait(Client(), 0.0)
        assert pool.plan(0.0) == []
        pool.set_limits(Limits(max_connections=2, control_connections=0), 0.0)
        assert [type(action) for action in pool.plan(0.0)] == [Dial]

    def test_a_maximum_a_key(self) -> None:
        pool = make_pool(3, max_per_key=1)
        slot = lease(pool)
        pool.wait(Client("a"), 0.0)
        assert pool.plan(0.0) == []
        other = Client("b")
        pool.wait(other, 0.0)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        assert dial.slot.key == "b"
        assert pool.ready(dial.slot, 0.0) is other
        assert pool.release(slot, 0.0) is not None

    @pytest.mark.parametrize(
        "wrong",
        [
            {"max_connections": 1},
            {"max_connections": 0, "control_connections": 0},
            {"max_per_key": 0},
            {"max_waiters": -1},
            {"max_age_s": 0},
            {"key_switch_after_ms": -1},
        ],
    )
    def test_impossible_limits(self, wrong: dict[str, int]) -> None:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Limits(**wrong)  # type: ignore[arg-type]


class TestDialsAtOnce:
    def test_as_many_as_are_allowed_wanted_and_within_the_budget(self) -> None:
        pool = make_pool(3, max_dials=3)
        clients = [Client(deadline=100.0) for _ in range(5)]
        for client in clients[:2]:
            pool.wait(client, 0.0)
        first = [action.slot for action in pool.plan(0.0) if isinstance(action, Dial)]
        assert len(first) == 2
        for client in clients[2:]:
            pool.wait(client, 0.1)
        assert len([action for action in pool.plan(0.1) if isinstance(action, Dial)]) == 1
        # Whichever is ready first serves who came first.
        assert pool.ready(first[1], 0.2) is clients[0]
        assert pool.ready(first[0], 0.2) is clients[1]
        assert pool.plan(0.2) == []

    def test_one_that_fails_puts_the_others_off(self) -> None:
        pool = make_pool(3, max_dials=3)
        for _ in range(3):
            pool.wait(Client(deadline=100.0), 0.0)
        slots = [action.slot for action in pool.plan(0.0) if isinstance(action, Dial)]
        pool.dial_failed(slots[0], 0.0)
        pool.closed(slots[0], 0.0)
        assert pool.plan(0.0) == []
        assert len(pool.dialing) == 2


class TestKeys:
    def test_an_idle_slot_that_nobody_asks_for_is_converted_at_once(self) -> None:
        pool = make_pool()
        slot = idle(pool, "a", 0.0)
        client = Client("b")
        pool.wait(client, 1.0)
        assert pool.plan(1.0) == [Convert(slot, "b")]
        assert repr(pool) == "<Pool 1+0 of 1 | converting a | waiting b>"
        assert pool.ready(slot, 1.1) is client
        assert repr(pool) == "<Pool 1+0 of 1 | leased b>"

    def test_one_just_released_lingers_for_its_last_client(self) -> None:
        pool = make_pool()
        slot = lease(pool, now=1.0)
        pool.wait(Client("b"), 1.0)
        owner = slot.owner
        assert pool.release(slot, 1.001) is None
        assert pool.plan(1.001) == []
        assert pool.next_wakeup(1.001) == pytest.approx(1.006)
        assert pool.acquire("a", SETTINGS, slot, owner) is slot
        pool.release(slot, 1.002)
        assert pool.plan(1.0071) == [Convert(slot, "b")]

    def test_the_own_key_overtakes_for_so_long_and_no_longer(self) -> None:
        pool = make_pool()
        slot = lease(pool, now=0.0)
        head, follower, late = Client("b"), Client("a"), Client("a")
        pool.wait(head, 1.0)
        pool.wait(follower, 1.0)
        pool.wait(late, 1.0)
        assert pool.release(slot, 1.049) is follower
        assert pool.release(slot, 1.051) is None
        assert pool.plan(1.051) == [Convert(slot, "b")]
        assert pool.ready(slot, 1.06) is head
        assert pool.release(slot, 1.07) is None  # lingers, though `late` waits long: its slice has just begun
        assert pool.plan(1.0751) == [Convert(slot, "a")]
        assert pool.ready(slot, 1.08) is late

    def test_who_may_overtake_may_acquire(self) -> None:
        pool = make_pool()
        slot = lease(pool, now=0.0)
        pool.wait(Client("b"), 1.0)
        pool.release(slot, 1.0)
        pool.plan(1.0)
        assert pool.acquire("a", SETTINGS, None, Client()) is slot
        pool.release(slot, 1.06)
        assert pool.plan(1.06) == [Convert(slot, "b")]
        assert pool.acquire("a", SETTINGS, None, Client()) is None

    def test_not_convertible_is_closed_and_dialled_after_the_eof(self) -> None:
        pool = make_pool(convertible=False)
        slot = idle(pool)
        client = Client("b")
        pool.wait(client, 1.0)
        assert pool.plan(1.0) == [Close(slot, "its slot is needed for another key")]
        assert pool.plan(1.1) == []
        pool.closed(slot, 1.2)
        (dial,) = pool.plan(1.2)
        assert isinstance(dial, Dial)
        assert dial.slot.key == "b"

    def test_while_dials_fail_nothing_is_closed_for_another_key(self) -> None:
        pool = make_pool(2, convertible=False)
        idle(pool)
        pool.wait(Client("b"), 1.0)
        (dial,) = pool.plan(1.0)
        assert isinstance(dial, Dial)
        pool.dial_failed(dial.slot, 1.0)
        pool.closed(dial.slot, 1.0)
        assert pool.plan(1.01) == []
        assert repr(pool) == "<Pool 1+0 of 2 | idle a | waiting b>"

    def test_no_more_slots_are_switched_than_are_waited_for(self) -> None:
        pool = make_pool(3)
        slots = [lease(pool) for _ in range(3)]
        for slot in slots:
            pool.release(slot, 0.0)
        pool.wait(Client("b"), 1.0)
        assert pool.plan(1.0) == [Convert(slots[0], "b")]
        pool.wait(Client("b"), 1.0)
        assert pool.plan(1.0) == [Convert(slots[1], "b")]

    def test_a_slot_without_residue_is_switched_first(self) -> None:
        pool = make_pool(2)
        slots = [lease(pool), lease(pool)]
        slots[0].residue_of = slots[0].owner
        for slot in slots:
            pool.release(slot, 0.0)
        pool.wait(Client("b"), 1.0)
        assert pool.plan(1.0) == [Convert(slots[1], "b")]

    def test_a_slot_on_its_way_for_too_long_stands_in_nobodys_way(self) -> None:
        pool = make_pool(2)
        slot = lease(pool)
        waiter = Client("b")
        pool.wait(waiter, 0.0)
        assert [type(action) for action in pool.plan(0.0)] == [Dial]
        assert pool.release(slot, 0.5) is None
        assert pool.plan(0.6) == []
        assert pool.plan(1.1) == [Convert(slot, "b")]

    def test_a_conversion_that_dies_is_no_failed_dial(self) -> None:
        pool = make_pool()
        slot = idle(pool)
        pool.wait(Client("b"), 1.0)
        pool.plan(1.0)
        pool.closed(slot, 1.0)
        assert [type(action) for action in pool.plan(1.0)] == [Dial]

    def test_if_the_waiter_is_gone_the_converted_slot_rests(self) -> None:
        pool = make_pool()
        slot = idle(pool)
        client = Client("b")
        pool.wait(client, 1.0)
        pool.plan(1.0)
        pool.cancel(client)
        assert pool.ready(slot, 1.0) is None
        assert repr(pool) == "<Pool 1+0 of 1 | idle b>"


class TestDialsThatFail:
    def test_waiters_wait_on_and_the_backoff_doubles(self) -> None:
        pool = make_pool(random=0.999999)
        client = Client(deadline=100.0)
        pool.wait(client, 0.0)
        now, gaps = 0.0, []
        for _ in range(8):
            (dial,) = pool.plan(now)
            assert isinstance(dial, Dial)
            pool.dial_failed(dial.slot, now)
            pool.closed(dial.slot, now)
            assert pool.plan(now) == []
            retry_at = pool.backoff.retry_at
            assert pool.next_wakeup(now) <= retry_at
            gaps.append(round(retry_at - now, 3))
            now = retry_at
        assert gaps == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        (dial,) = pool.plan(now)
        assert isinstance(dial, Dial)
        assert pool.ready(dial.slot, now) is client
        assert pool.backoff.failures == 0

    def test_closed_while_dialing_is_a_failure(self) -> None:
        pool = make_pool()
        pool.wait(Client(), 0.0)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        pool.closed(dial.slot, 0.0)
        assert pool.plan(0.0) == []
        assert pool.backoff.failures == 1

    def test_a_refused_user_is_told_at_once_and_others_are_served(self) -> None:
        pool = make_pool()
        wrong, other = Client("wrong"), Client("a")
        pool.wait(wrong, 0.0)
        pool.wait(other, 0.0)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        pool.dial_failed(dial.slot, 0.0, refusal=1045)
        pool.closed(dial.slot, 0.0)
        refuse, dial = pool.plan(0.0)
        assert refuse == Refuse(wrong, 1045)
        assert isinstance(dial, Dial)
        assert pool.ready(dial.slot, 0.0) is other
        # The next with the same user is told the same without a login, until the backoff is over.
        assert pool.wait(wrong, 0.01)
        assert not wrong.waits
        assert pool.plan(0.01) == [Refuse(wrong, 1045)]
        assert pool.wait(wrong, 0.06)
        assert wrong.waits

    def test_with_connections_that_serve_a_refused_login_fails_nobody(self) -> None:
        pool = make_pool(2)
        slot = lease(pool)
        client = Client()
        pool.wait(client, 0.0)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        pool.dial_failed(dial.slot, 0.0, refusal=1045)
        pool.closed(dial.slot, 0.0)
        assert pool.plan(0.0) == []
        assert pool.release(slot, 0.0) is client
        pool.wait(Client(), 0.0)
        pool.closed(slot, 0.01)
        assert [type(action) for action in pool.plan(0.01)] == [Refuse]

    def test_a_full_server_is_tried_again_soon_after_an_eof(self) -> None:
        pool = make_pool(2)
        first = lease(pool)
        pool.wait(Client(), 0.0)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        pool.dial_failed(dial.slot, 0.0, server_full=True)
        pool.closed(dial.slot, 0.0)
        assert pool.backoff.failures == 1
        (dial,) = pool.plan(1.0)
        assert isinstance(dial, Dial)
        pool.closing(first)
        pool.closed(first, 1.0)
        pool.dial_failed(dial.slot, 1.0, server_full=True)
        pool.closed(dial.slot, 1.0)
        assert pool.backoff.failures == 1
        assert pool.backoff.retry_at <= 1.05
        assert [type(action) for action in pool.plan(1.05)] == [Dial]

    def test_refusals_of_a_full_server_are_no_eof_to_try_again_after(self) -> None:
        pool = make_pool(2, random=0.5)
        pool.wait(Client(deadline=math.inf), 0.0)
        now, dials = 0.0, 0
        while now < 20.0:
            for action in pool.plan(now):
                assert isinstance(action, Dial)
                dials += 1
                pool.dial_failed(action.slot, now, server_full=True)
                pool.closed(action.slot, now)
            now += 0.01
        assert dials < 15


class TestUpkeep:
    def test_ages_are_jittered_below_the_maximum(self) -> None:
        assert lease(make_pool(random=0.0)).expires_at == 1800.0
        assert lease(make_pool(random=0.999)).expires_at == pytest.approx(1440.0, abs=1)

    def test_an_old_connection_is_closed_at_its_release(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        pool.wait(Client(deadline=math.inf), 1000.0)
        assert pool.release(slot, 1700.0) is None
        assert Close(slot, "max_age_s reached") in pool.plan(1700.0)

    def test_while_dials_fail_an_old_one_serves_on(self) -> None:
        pool = make_pool(2)
        slot = lease(pool)
        client = Client(deadline=math.inf)
        pool.wait(client, 1700.0)
        (dial,) = pool.plan(1700.0)
        assert isinstance(dial, Dial)
        pool.closed(dial.slot, 1700.0)
        assert pool.release(slot, 1700.0) is client

    def test_idle_ones_are_pinged_and_keep_their_place(self) -> None:
        pool = make_pool(2)
        old, young = lease(pool), lease(pool)
        pool.release(old, 0.0)
        pool.release(young, 5.0)
        assert pool.plan(21.0) == [Ping(old)]
        assert pool.acquire("a", SETTINGS, old, old.owner) is young
        pool.release(young, 21.0)
        assert pool.ready(old, 21.1) is None
        assert old.idle_since == 0.0
        assert not pool.stale(old, 21.2)
        assert pool.acquire("a", SETTINGS, None, Client()) is young

    def test_one_that_is_checked_goes_to_a_waiter_afterwards(self) -> None:
        pool = make_pool()
        slot = idle(pool)
        assert pool.plan(21.0) == [Ping(slot)]
        client = Client(deadline=30.0)
        assert pool.acquire("a", SETTINGS, slot, slot.owner) is None
        pool.wait(client, 21.0)
        assert pool.plan(21.0) == []
        assert pool.ready(slot, 21.1) is client

    def test_a_dead_idle_one_is_forgotten(self) -> None:
        pool = make_pool()
        pool.closed(idle(pool), 1.0)
        assert repr(pool) == "<Pool 0+0 of 1>"

    def test_the_idle_shrink_down_to_the_minimum(self) -> None:
        pool = make_pool(3, ping_interval_s=1000.0)
        slots = [lease(pool) for _ in range(3)]
        for slot in slots:
            pool.release(slot, 0.0)
        pool.keep("a", 1)
        assert pool.plan(299.0) == []
        closed = [action.slot for action in pool.plan(300.0) if isinstance(action, Close)]
        assert closed == slots[:2]

    def test_the_minimum_is_dialled_one_at_a_time(self) -> None:
        pool = make_pool(3)
        pool.keep("a", 2)
        for _ in range(2):
            (dial,) = pool.plan(0.0)
            assert isinstance(dial, Dial)
            assert pool.ready(dial.slot, 0.0) is None
        assert pool.plan(0.0) == []
        assert repr(pool) == "<Pool 2+0 of 3 | idle a a>"

    def test_keys_that_nobody_uses_are_forgotten(self) -> None:
        pool = make_pool()
        pool.closed(idle(pool), 1.0)
        pool.plan(10.0)
        assert not pool.keypools
        assert pool.next_wakeup(10.0) == math.inf


class TestChangesFromOutside:
    def test_retire_all(self) -> None:
        pool = make_pool(5, control=1)
        busy, resting = lease(pool), lease(pool)
        pool.release(resting, 0.0)
        pool.keep("a", 2)
        (dial,) = pool.plan(0.0)
        assert isinstance(dial, Dial)
        control = pool.acquire_control("root", 0.0)
        assert control is not None
        pool.ready(control, 0.0)
        pool.retire_all("demoted")
        assert Close(resting, "demoted") in pool.plan(0.0)
        pool.wait(Client(), 0.0)
        assert pool.release(busy, 0.0) is None
        assert pool.ready(dial.slot, 0.0) is None
        assert pool.release(control, 0.0) is None
        closes = [action for action in pool.plan(0.0) if isinstance(action, Close)]
        assert closes == [Close(slot, "demoted") for slot in (busy, dial.slot, control)]

    def test_pause_and_resume(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        client = Client()
        pool.wait(client, 0.0)
        pool.pause()
        assert pool.release(slot, 0.0) is None
        assert pool.acquire("a", SETTINGS, slot, slot.owner) is None
        assert pool.plan(0.0) == []
        pool.resume()
        assert pool.plan(0.0) == [Lend(slot, client)]

    def test_drain(self) -> None:
        pool = make_pool(3, control=1)
        busy, resting = lease(pool), lease(pool)
        client = Client()
        pool.release(resting, 0.0)
        control = pool.acquire_control("root", 0.0)
        assert control is not None
        pool.ready(control, 0.0)
        pool.release(control, 0.0)
        pool.drain()
        assert pool.plan(0.0) == [Close(resting, "draining")]
        assert not pool.wait(client, 0.0)
        assert pool.acquire("a", SETTINGS, None, client) is None
        assert pool.release(busy, 0.0) is None
        assert pool.plan(0.0) == [Close(busy, "draining")]
        pool.closed(resting, 0.0)
        pool.closed(busy, 0.0)
        assert pool.plan(0.0) == [Close(control, "draining")]
        pool.closed(control, 0.0)
        assert pool.drained

    def test_draining_serves_who_waits(self) -> None:
        pool = make_pool()
        slot = lease(pool)
        client = Client()
        pool.wait(client, 0.0)
        pool.drain()
        assert pool.release(slot, 0.0) is client
        assert pool.release(slot, 0.0) is None
        assert pool.plan(0.0) == [Close(slot, "draining")]

    def test_states_for_metrics(self) -> None:
        pool = make_pool(3, control=1)
        lease(pool), idle(pool), pool.acquire_control("root", 0.0)
        assert pool.states() == {"dialing": 1, "idle": 1, "leased": 1, "checking": 0, "converting": 0, "closing": 0}
