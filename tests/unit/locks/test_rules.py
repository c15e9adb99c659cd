"""The rules of signal and mutex, one by one."""

import msgspec
import pytest

from outlive.locks.state import US, Limits, Lock, Look, Unlock

from .lock import LIMITS, TestLock


@pytest.fixture
def lock() -> TestLock:
    return TestLock()


# -- signals ---------------------------------------------------------------------------------------


def test_a_release_before_the_wait_is_kept(lock):
    assert lock.signal("r", '{"a":1}') == "released"
    granted = lock.wait("w")
    assert granted.status == "granted"
    assert granted.grant.release.payload == '{"a":1}'


def test_a_release_that_nobody_wanted_is_gone_after_its_time(lock):
    lock.signal("r", ttl=30)
    lock.later(31)
    assert lock.wait("w").status == "pending"


def test_one_release_is_for_one_waiter_and_first_in_first_out(lock):
    assert [lock.wait(name).position for name in "abc"] == [1, 2, 3]
    lock.signal("r1", "1")
    lock.signal("r2", "2")
    assert lock.holders() == ["a", "b"]
    assert [grant.release.payload for grant in lock.lock.grants] == ["1", "2"]
    assert lock.wait("c").position == 1


def test_a_place_is_kept_over_questions_and_lost_after_the_grace(lock):
    for name in "abc":
        lock.wait(name, timeout=20)
    lock.later(22)  # between two questions
    assert lock.wait("a").position == 1
    assert lock.wait("c").position == 3
    lock.later(3)  # b's grace is over
    assert lock.wait("c").position == 2
    assert lock.wait("b").position == 3


def test_the_same_waiter_is_given_the_same_grant_again(lock):
    lock.signal("r")
    first = lock.wait("w").grant
    lock.later(4)
    again = lock.wait("w", node="there").grant
    assert (again.id, again.fence) == (first.id, first.fence)
    assert again.node == "there"
    lock.later(4)  # asked for again, it has its time again
    assert lock.wait("w").grant.id == first.id


def test_an_acknowledged_signal_is_consumed(lock):
    lock.signal("r")
    granted = lock.wait("w")
    assert lock.ack(granted) == "acked"
    assert lock.ack(granted) == "duplicate"
    lock.later(10)
    assert lock.wait("w").status == "pending"


def test_one_that_is_not_acknowledged_goes_to_the_next_and_keeps_its_turn(lock):
    lost = lock.wait("dead")
    assert lost.status == "pending"
    lock.wait("next")
    lock.signal("r1", "1")
    lock.signal("r2", "2")
    assert lock.ack(lock.wait("next")) == "acked"
    lock.signal("r3", "3")
    lock.later(5)
    assert lock.wait("next").grant.release.payload == "1"
    assert lock.ack(lock.wait("next")) == "acked"
    assert lock.wait("next").grant.release.payload == "3"


def test_an_acknowledgement_that_comes_too_late_says_so(lock):
    lock.signal("r")
    granted = lock.wait("w")
    lock.later(5)
    assert lock.ack(granted) == "stale"
    assert lock.wait("other").status == "granted"


def test_renewing_a_signal_is_more_time_for_it(lock):
    lock.signal("r")
    granted = lock.wait("w")
    lock.later(4)
    assert lock.renew(granted, 30) == "renewed"
    lock.later(29)
    assert lock.ack(granted) == "acked"


def test_what_its_node_consumed_is_never_given_again(lock):
    lock.signal("r")
    granted = lock.wait("w", auto=True)
    assert lock.wait("w", auto=True).grant.id == granted.grant.id  # the node's own question, sent again
    assert [lock.ack(granted) for _ in range(2)] == ["acked", "acked"]
    lock.wait("other")
    assert lock.applied.due == 0
    lock.later(60)
    assert lock.wait("other").status == "pending"


def test_what_its_node_did_not_live_to_consume_goes_to_the_next(lock):
    lock.wait("w", auto=True)
    lock.wait("other")
    lock.signal("r")
    assert lock.holders() == ["w"]
    lock.later(5)
    assert lock.wait("other").status == "granted"


def test_what_was_consumed_for_one_that_is_gone_is_given_back(lock):
    lock.signal("r")
    granted = lock.wait("w", auto=True)
    lock.ack(granted)
    assert lock.leave("w") == "left"
    assert lock.wait("other").grant.release.payload == "1"


def test_one_without_an_id_keeps_no_place_without_asking(lock):
    lock.wait("w", timeout=1, auto=True)
    lock.later(1)
    lock.signal("r")
    assert lock.holders() == []
    assert lock.wait("other").status == "granted"


def test_whoever_leaves_gives_back_what_it_was_granted(lock):
    lock.wait("a")
    lock.wait("b")
    lock.signal("r")
    assert lock.leave("a") == "left"
    assert lock.holders() == ["b"]
    assert lock.leave("a") == "absent"


def test_a_release_sent_twice_is_one(lock):
    assert lock.signal("r") == "released"
    assert lock.signal("r") == "duplicate"
    assert lock.ack(lock.wait("w")) == "acked"
    assert lock.signal("r") == "duplicate"
    assert lock.wait("w").status == "pending"


def test_the_id_of_a_release_is_known_as_long_as_its_signal_may_wait(lock):
    lock.signal("long", ttl=600)
    lock.signal("short", ttl=1)
    lock.later(59)
    assert lock.signal("short") == "duplicate"
    lock.later(500)
    assert lock.signal("long") == "duplicate"


# -- mutexes ---------------------------------------------------------------------------------------


def test_one_holder_and_then_the_next(lock):
    first = lock.mutex("a")
    assert first.status == "granted"
    assert lock.mutex("b").position == 1
    assert lock.unlock(first) == "released"
    assert lock.holders() == ["b"]
    assert lock.unlock(first) == "duplicate"


def test_a_lease_that_ends_is_the_next_ones_and_the_old_holder_is_stale(lock):
    first = lock.mutex("a", lease=10)
    lock.mutex("b")
    assert lock.applied.due == first.grant.expires
    lock.later(10)
    assert lock.unlock(first) == "stale"
    assert lock.renew(first) == "stale"
    second = lock.mutex("b")
    assert second.status == "granted"
    assert second.grant.fence > first.grant.fence


def test_a_fence_that_is_not_the_grants_is_stale(lock):
    first = lock.mutex("a")
    assert lock.take(Unlock(first.grant.id, first.grant.fence - 1, "s")).status == "stale"
    assert lock.unlock(first) == "released"


def test_renewing_keeps_it(lock):
    first = lock.mutex("a", lease=10)
    lock.mutex("b")
    for _ in range(5):
        lock.later(9)
        lock.mutex("b")
        assert lock.renew(first) == "renewed"
    assert lock.holders() == ["a"]
    assert lock.renew(first, 2) == "renewed"
    lock.later(2)
    assert lock.mutex("b").status == "granted"


def test_a_holder_that_was_between_two_questions_must_come_soon(lock):
    first = lock.mutex("a", lease=30)
    lock.mutex("b", timeout=1, lease=30)
    lock.mutex("c", lease=30)
    lock.later(2)
    lock.unlock(first)
    assert lock.holders() == ["b"]
    lock.later(5)
    lock.look()
    assert lock.holders() == ["c"]


def test_one_that_came_for_it_in_time_has_its_whole_lease(lock):
    first = lock.mutex("a", lease=30)
    lock.mutex("b", timeout=1, lease=30)
    lock.later(2)
    lock.unlock(first)
    lock.later(4)
    assert lock.mutex("b", lease=30).grant.expires == lock.now + 30 * US


def test_a_grant_that_nobody_was_told_of_waits_no_whole_lease(lock):
    lock.mutex("a", lease=30)
    lock.mutex("b", lease=30)
    assert lock.detach("a") == "left"
    lock.later(5)
    lock.look()
    assert lock.holders() == ["b"]
    assert lock.renew(lock.mutex("b")) == "renewed"
    lock.detach("b")  # an answer of another question: it is known to hold it
    lock.later(20)
    lock.look()
    assert lock.holders() == ["b"]


def test_fences_rise_after_everything_was_forgotten():
    first = TestLock()
    fence = first.mutex("a").grant.fence
    second = TestLock()
    second.now = first.now + 1
    assert second.mutex("a").grant.fence > fence


def test_fences_rise_when_the_clock_does_not(lock):
    fences = []
    for _ in range(5):
        granted = lock.mutex("a")
        fences.append(granted.grant.fence)
        lock.unlock(granted)
        lock.now -= 1000
    assert fences == sorted(set(fences))


# -- both ------------------------------------------------------------------------------------------


def test_a_lock_is_of_one_mode_while_it_is_in_use(lock):
    granted = lock.mutex("a")
    assert lock.signal("r") == "other_mode"
    assert lock.wait("b").status == "other_mode"
    lock.unlock(granted)
    assert lock.signal("r") == "released"
    assert lock.mutex("a").status == "other_mode"


def test_what_is_full_says_so(lock):
    for name in "abcde":
        lock.mutex(name)
    assert lock.mutex("f").status == "pending"
    assert lock.mutex("g").status == "full"
    other = TestLock()
    assert [other.signal(str(at)) for at in range(4)] == ["released", "released", "released", "full"]
    small = TestLock(msgspec.structs.replace(LIMITS, max_bytes=10))
    assert [small.signal(str(at), "x" * 6) for at in range(2)] == ["released", "full"]


def test_grants_that_are_over_are_forgotten_oldest_first_when_they_are_many():
    lock = TestLock(Limits(max_ended=2))
    over = []
    for _ in range(3):
        over.append(lock.mutex("a"))
        lock.later(0.1)
        lock.unlock(over[-1])
    assert [lock.unlock(grant) for grant in over] == ["stale", "duplicate", "duplicate"]


def test_who_was_granted_something_is_told_by_node(lock):
    lock.wait("a", node="one")
    lock.wait("b", node="two")
    lock.signal("r1")
    assert lock.applied.others == ["one"]
    assert lock.applied.mine == []
    lock.signal("r2")
    assert lock.applied.others == ["two"]
    lock.take(Look("s"), node="two")
    assert [grant.waiter for grant in lock.applied.mine] == ["b"]


def test_a_lock_is_kept_until_nothing_of_it_counts(lock):
    lock.signal("r", ttl=300)
    assert lock.ends_in() == 400
    lock.ack(lock.wait("w"))
    lock.later(360)
    lock.look()
    assert lock.lock == Lock(fence=lock.lock.fence, released=1)


def test_a_lock_is_the_same_when_it_was_written_and_read(lock):
    lock.signal("r")
    lock.wait("a")
    lock.wait("b")
    assert msgspec.json.decode(msgspec.json.encode(lock.lock), type=Lock) == lock.lock
