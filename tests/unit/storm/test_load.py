"""The load of a storm: the same everywhere, and what its figures say."""

import pickle
import subprocess
import sys
from dataclasses import replace

import pytest

from outlive.storm.load import Load
from outlive.storm.policy import POLICIES

LOAD = Load(functions=203, generations=10)


def test_each_instance_belongs_to_one_generation_as_evenly_as_it_goes() -> None:
    members = [LOAD.members(number) for number in range(LOAD.generations)]
    assert [function for generation in members for function in generation] == list(range(203))
    assert {len(generation) for generation in members} == {20, 21}


def test_each_instance_starts_cold_with_one_request_within_the_arrival_time() -> None:
    arrivals = LOAD.arrivals(3)
    cold = [each for each in arrivals if each.cold]
    assert sorted(each.function for each in cold) == list(LOAD.members(3))
    assert all(0 <= each.at_s <= LOAD.arrival_s for each in cold)
    assert all(each.at_s < LOAD.lifetime_s for each in arrivals)
    assert [each.at_s for each in arrivals] == sorted(each.at_s for each in arrivals)
    for function in LOAD.members(3):
        turns = [each.turn for each in arrivals if each.function == function]
        assert turns == list(range(len(turns)))


def test_the_same_seed_gives_the_same_load_in_every_process() -> None:
    program = "import pickle,sys; from outlive.storm.load import Load; "
    program += "sys.stdout.buffer.write(pickle.dumps(Load(functions=203, generations=10).arrivals(4)))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60).stdout
    assert pickle.loads(other) == LOAD.arrivals(4)
    assert replace(LOAD, seed=2).arrivals(4) != LOAD.arrivals(4)
    assert LOAD.arrivals(5) != LOAD.arrivals(4)


def test_the_means_are_those_that_were_asked_for() -> None:
    load = Load(functions=4000, generations=1)
    arrivals = load.arrivals(0)
    assert len(arrivals) / 4000 == pytest.approx(load.requests_per_function, rel=0.03)
    assert 4000 / len(arrivals) == pytest.approx(load.cold_share, rel=0.03)
    assert sum(each.function_s for each in arrivals) / len(arrivals) == pytest.approx(load.invocation_s, rel=0.05)
    assert sum(each.database_s for each in arrivals) / len(arrivals) == pytest.approx(load.database_s, rel=0.05)


def test_without_a_rate_each_instance_serves_one_request() -> None:
    assert len(Load(functions=50, generations=1, rate_per_s=0).arrivals(0)) == 50


def test_each_so_manyth_dies_inside_a_transaction() -> None:
    assert [function for function in range(21) if LOAD.unfinished(function)] == [0, 10, 20]
    assert not any(map(replace(LOAD, unfinished_every=0).unfinished, range(21)))


@pytest.mark.parametrize(
    "wrong", [{"functions": 3}, {"lifetime_s": 0}, {"rtt_s": -1}, {"arrival_s": 9}, {"time_scale": 0}]
)
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Load(**{"generations": 10, **wrong})  # type: ignore[arg-type]


def test_lifetimes_are_scaled_and_waits_are_not() -> None:
    ttl = POLICIES["ttl"].scaled(200)
    assert ttl.ttl_s == 0.9
    proxy = POLICIES["proxy"].scaled(200)
    assert (proxy.transaction_idle_s, proxy.queue_timeout_s) == (0.05, 10.0)
    assert proxy.budget == POLICIES["proxy"].budget
    assert POLICIES["persistent"].as_json() == {
        "name": "persistent",
        "title": POLICIES["persistent"].title,
        "connection": "function",
        "closes_at_end": False,
    }


def test_every_remedy_is_there() -> None:
    assert list(POLICIES) == [
        "persistent", "per-request", "ttl", "container", "reaper", "proxy", "http", "pgbouncer", "haproxy"
    ]  # fmt: skip
    assert all(name == policy.name for name, policy in POLICIES.items())
