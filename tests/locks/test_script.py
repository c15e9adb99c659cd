"""The script in Redis and the model are the same rules: random steps at random times, compared one by one."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.locks.model import apply, end_of
from outlive.locks.redis.store import RULES
from outlive.locks.state import (
    US,
    Ack,
    Applied,
    Detach,
    Leave,
    Limits,
    Lock,
    Look,
    Renew,
    Signal,
    Step,
    Unlock,
    Wait,
)

from ..servers.redis import RedisServer

LIMITS = Limits(3 * US, 2 * US, 20 * US, 30 * US, max_waiters=4, max_pending=3, max_bytes=60, max_ids=9, max_ended=3)
# The clock is the test's.
SCRIPT = RULES.text.replace(b"redis.call('TIME')", b"{ARGV[6], ARGV[7]}")

WAITERS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
NODES = st.sampled_from(["one", "two"])
TIMES = st.sampled_from([0, 1, US // 2, US, 4 * US])
NUMBERS = st.integers(0, 5)
STEPS = st.one_of(
    st.builds(Wait, WAITERS, st.sampled_from(["signal", "signal", "mutex"]), TIMES, TIMES, NODES, st.just("s")),
    st.builds(Wait, WAITERS, st.just("signal"), TIMES, TIMES, NODES, st.just("s"), st.just(True)),
    st.builds(Wait, WAITERS, st.just("mutex"), TIMES, TIMES, NODES, st.just("s")),
    st.builds(Signal, st.sampled_from("rstuv"), st.sampled_from(['"é"', '{"x":[1,2]}', "0" * 25]), TIMES, st.just("s")),
    st.builds(Unlock, NUMBERS, NUMBERS, st.just("s")),  # numbers of grants: they are put in when they are known
    st.builds(Ack, NUMBERS, st.just("s")),
    st.builds(Renew, NUMBERS, TIMES, st.just("s")),
    st.builds(Leave, WAITERS, st.just("s")),
    st.builds(Detach, WAITERS, st.just("s")),
    st.just(Look("s")),
)
LATER = st.sampled_from([0, 1, 1000, US, 2 * US, 5 * US])
TURNS = st.lists(st.tuples(LATER, NODES, st.lists(STEPS, min_size=1, max_size=4)), max_size=25)


@pytest.fixture(scope="module")
def client() -> Iterator["redis.Redis"]:
    with RedisServer() as server, redis.Redis(host=server.host, port=server.port) as found:
        yield found


def _filled(step: Step, grants: list[Any]) -> Step:
    """With a grant that there was, instead of its number."""
    if not isinstance(step, Unlock | Ack | Renew):
        return step
    grant = grants[-1 - step.grant_id] if step.grant_id < len(grants) else None
    id, fence = ("none", 0) if grant is None else (grant.id, grant.fence)
    if isinstance(step, Unlock):
        return Unlock(id, fence + (step.fence == 5), step.salt)
    return msgspec.structs.replace(step, grant_id=id)


def _state(packed: bytes) -> Lock:
    items = msgspec.msgpack.decode(packed)
    items[6] = items[6] or {}  # an empty table is an array to the script
    return msgspec.convert(items, type=Lock)


def test_the_script_and_the_model_agree(client: "redis.Redis", count: Any) -> None:
    script = client.register_script(SCRIPT)
    calls = 0

    @settings(max_examples=count(200, 5000), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(TURNS)
    def compare(turns: list[tuple[int, str, list[Step]]]) -> None:
        nonlocal calls
        client.flushall()
        lock, now, version = Lock(), 4_000_000_000 * US, 0
        grants: list[Any] = []
        for later, node, steps in turns:
            now += later
            filled = [_filled(step, grants) for step in steps]
            before = msgspec.json.encode(lock)
            expected = apply(lock, now, filled, node, LIMITS)
            seconds, rest = divmod(now, US)
            packed = [msgspec.msgpack.encode(part) for part in (LIMITS, filled)]
            reply = script(keys=["k"], args=[node, *packed, "p", "k", seconds, rest])
            found = msgspec.msgpack.decode(reply, type=Applied)
            calls += 1
            assert msgspec.structs.replace(found, version=0) == expected
            if msgspec.json.encode(lock) != before:
                assert found.version > version
            version = found.version
            stored = client.hget("k", "state")
            if stored is not None:
                assert _state(stored) == lock
                assert client.execute_command("PEXPIRETIME", "k") == -(-end_of(lock, LIMITS) // 1000)
            else:  # nothing of it was worth to be kept, not even a fence
                assert lock.fence == 0
                assert end_of(lock, LIMITS) < now
                lock, version = Lock(), 0
            grants += [grant for grant in lock.grants if grant.id not in {known.id for known in grants}]

    compare()
    assert calls > 100
