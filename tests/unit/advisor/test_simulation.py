"""The simulation: against the formulas where they hold, against what each policy promises, and against itself."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.advisor.queueing import erlang_b, mean_wait_s
from outlive.advisor.simulation.events import Events
from outlive.advisor.simulation.model import Database, Timing
from outlive.advisor.simulation.recovery import served_after
from outlive.advisor.simulation.run import Predicted, simulate
from outlive.storm.load import Load
from outlive.storm.policy import POLICIES, Policy

SMALL = Load(functions=200, generations=4)
MARIADB = Database(149)


def run(name: str, load: Load = SMALL, database: Database = MARIADB, **changes: object) -> Predicted:
    policy = replace(POLICIES[name], **changes).scaled(load.time_scale)  # type: ignore[arg-type]
    return simulate(load, policy, database, Timing.of(load, "mysql"))


def poisson(rate_per_s: float, seconds: float, database_s: float, seed: int = 1) -> Load:
    """One request an instance, all over the time: a Poisson process without a round trip."""
    functions = round(rate_per_s * seconds)
    return Load(
        functions=functions,
        generations=1,
        lifetime_s=seconds,
        arrival_s=seconds,
        rate_per_s=0,
        invocation_s=0,
        database_s=database_s,
        rtt_s=0,
        timeout_s=1e6,
        time_scale=1,
        unfinished_every=0,
        seed=seed,
    )


@pytest.mark.parametrize(("places", "erlangs"), [(5, 3.0), (20, 18.0), (10, 15.0)])
def test_refusals_without_a_queue_are_erlangs(places: int, erlangs: float) -> None:
    load = poisson(rate_per_s=100, seconds=250, database_s=erlangs / 100)
    predicted = run("per-request", load, Database(places))
    assert predicted.refused / predicted.requests == pytest.approx(erlang_b(places, erlangs), rel=0.08)
    assert predicted.server_connections_peak == places


@pytest.mark.parametrize(("size", "erlangs"), [(4, 3.0), (20, 16.0)])
def test_waits_in_a_pool_are_erlangs(size: int, erlangs: float) -> None:
    held_s = erlangs / 100
    load = poisson(rate_per_s=100, seconds=100, database_s=held_s)
    sooner = run("proxy", load, Database(500), budget=400, queue_timeout_s=None)
    later = run("proxy", load, Database(500), budget=size, queue_timeout_s=None)
    assert sooner.refused == later.refused == 0
    # The median of what is served at once is ln 2 of its mean; the 99th percentile is longer by what waits.
    assert sooner.p50_ms == pytest.approx(held_s * 693, rel=0.05)
    assert later.p99_ms > sooner.p99_ms + mean_wait_s(size, erlangs, held_s) * 1000


def test_doing_nothing_fills_the_database_in_the_second_generation() -> None:
    predicted = run("persistent", Load(functions=1000, generations=10))
    assert predicted.refused_by_generation[0] == 0
    assert all(predicted.refused_by_generation[1:])
    assert predicted.server_connections_peak == predicted.dangling == predicted.handshakes == 149
    # Whoever has a connection when it is full is of the first two generations: nobody after them is served.
    later = sum(len(Load(functions=1000, generations=10).arrivals(number)) for number in range(2, 10))
    assert sum(predicted.refused_by_generation[2:]) == later
    assert predicted.recovery_s is None


def test_a_database_that_ends_the_dead_has_room_again() -> None:
    load = Load(functions=1000, generations=10)
    kept = run("persistent", load)
    ended = run("persistent", load, Database(149, idle_timeout_s=2.0))
    assert ended.refused < kept.refused
    assert ended.dangling < kept.dangling


def test_a_proxy_refuses_nobody_and_keeps_its_budget() -> None:
    load = Load(functions=1000, generations=10)
    predicted = run("proxy", load, budget=60)
    assert predicted.refused == predicted.failed == predicted.dangling == 0
    assert predicted.server_connections_peak == predicted.server_handshakes <= 60
    assert predicted.handshakes == 1000


def test_a_reaper_makes_room_and_spares_the_living_where_it_can_tell_them() -> None:
    load = Load(functions=1000, generations=10)
    told = run("reaper", load)
    by_age = run("reaper", load, Database(149, sees_hosts=False))
    assert told.refused == told.failed == told.dangling == 0
    assert told.handshakes == 1000
    assert by_age.failed > 0
    assert by_age.handshakes > 1000


def test_who_dies_inside_a_transaction_leaves_its_connection() -> None:
    load = Load(functions=100, generations=2, unfinished_every=10)
    assert run("per-request", load).dangling == 10
    assert run("per-request", replace(load, unfinished_every=0)).dangling == 0


def test_a_proxy_without_a_limit_for_silent_transactions_ends_full_of_them() -> None:
    predicted = run("pgbouncer", Load(functions=1000, generations=10), budget=60, queue_timeout_s=1.0)
    assert predicted.refused_by_generation[:5] == (0,) * 5
    assert all(predicted.refused_by_generation[6:])
    assert predicted.dangling == 60


def test_a_proxy_that_knows_no_transactions_makes_them_wait() -> None:
    load = Load(functions=400, generations=4)
    session = run("haproxy", load, budget=60)
    transaction = run("proxy", load, budget=60)
    assert session.p99_ms > 2 * transaction.p99_ms
    assert session.server_connections_peak == 60
    assert session.failed > 0  # whose connection was ended for being idle


def test_containers_close_what_they_have() -> None:
    predicted = run("container")
    assert predicted.dangling == predicted.refused == 0
    assert predicted.server_connections_peak <= 40
    killed = run("container", closes_at_end=False)
    assert killed.dangling > 0


def test_logins_wait_for_each_other() -> None:
    load = Load(functions=100, generations=1, rate_per_s=0)
    policy, timing = POLICIES["per-request"].scaled(load.time_scale), Timing.of(load, "mysql")
    quick, slow = (simulate(load, policy, Database(500), replace(timing, login_s=login_s)) for login_s in (0.0, 0.008))
    # A hundred logins within 0.8 s, of 8 ms each: the last ones wait for all that are before them.
    assert slow.p50_ms > quick.p50_ms + 20
    assert slow.server_connections_peak > quick.server_connections_peak
    assert slow.handshakes == quick.handshakes == 110


def test_recycling_by_age_costs_handshakes_and_leaves_the_last_one() -> None:
    kept, recycled = run("persistent", database=Database(1000)), run("ttl", database=Database(1000))
    assert recycled.handshakes > kept.handshakes == 200
    assert recycled.dangling == kept.dangling == 200


def test_a_full_queue_refuses_and_a_function_gives_up() -> None:
    load = replace(SMALL, timeout_s=0.5, database_s=0.5)
    impatient, refusing = run("proxy", load, budget=2), run("proxy", load, budget=2, queue_timeout_s=0.2)
    assert impatient.failed > 0  # who is connected has no answer in time
    assert impatient.refused == 0
    assert refusing.refused > 0  # the proxy says so before
    for predicted in (impatient, refusing):
        assert predicted.p99_ms <= 500
        assert predicted.answered + predicted.refused + predicted.failed == predicted.requests


@pytest.mark.parametrize("name", POLICIES)
def test_the_same_seed_is_the_same_run(name: str) -> None:
    load = replace(SMALL, functions=60)
    assert run(name, load) == run(name, load)
    assert run(name, load).requests != run(name, replace(load, seed=2)).requests


@given(
    st.sampled_from(list(POLICIES)),
    st.integers(4, 120),
    st.integers(1, 4),
    st.integers(1, 80),
    st.floats(0, 3),
    st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_every_request_ends_once_and_no_limit_is_passed(
    name: str, functions: int, generations: int, places: int, rate: float, sees: bool
) -> None:
    load = Load(functions=functions, generations=generations, rate_per_s=rate, timeout_s=1.0)
    predicted = run(name, load, Database(places, idle_timeout_s=1.0, sees_hosts=sees))
    expected = sum(len(load.arrivals(number)) for number in range(generations))
    assert predicted.requests == predicted.answered + predicted.refused + predicted.failed == expected
    assert sum(predicted.refused_by_generation) == predicted.refused
    assert 0 <= predicted.dangling <= places
    assert predicted.server_connections_peak <= places
    assert predicted.p50_ms <= predicted.p99_ms


@given(st.integers(10, 150))
@settings(max_examples=20, deadline=None)
def test_more_places_refuse_no_more(places: int) -> None:
    load = Load(functions=200, generations=4)
    fewer, more = run("persistent", load, Database(places)), run("persistent", load, Database(places + 10))
    assert more.refused <= fewer.refused


def test_generations_that_are_left_out_are_counted_as_the_last() -> None:
    load = Load(functions=1000, generations=10)
    policy, timing = POLICIES["persistent"].scaled(load.time_scale), Timing.of(load, "mysql")
    whole = simulate(load, policy, MARIADB, timing)
    part = simulate(load, policy, MARIADB, timing, generations=4)
    assert part.refused == pytest.approx(whole.refused, rel=0.05)
    assert part.requests == pytest.approx(whole.requests, rel=0.05)


def test_events_happen_in_order() -> None:
    events, seen = Events(), []
    for when, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (9.0, "never")):
        events.at(when, seen.append, name)
    events.until(5.0)
    assert seen == ["a", "b", "c"]
    assert events.now == 5.0


@pytest.mark.parametrize(
    ("answered", "wait_s"),
    [
        ([True] * 10, 0.0),
        ([False] * 3 + [True] * 7, 3.0),
        ([False] * 10, None),
        ([True] * 6 + [False] * 4, None),
        ([False] * 6 + [True] * 4, None),  # too few to say so
    ],
)
def test_recovery_is_the_storms(answered: list[bool], wait_s: float | None) -> None:
    assert served_after([(10.0 + number, good) for number, good in enumerate(answered)], 10.0) == wait_s


def test_a_policy_of_ones_own_is_a_policy() -> None:
    own = Policy("mine", "a pool of two", connection="pool", pool_processes=1, pool_size=2, closes_at_end=True)
    assert simulate(SMALL, own, MARIADB, Timing.of(SMALL, "mysql")).server_connections_peak == 2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError):
        Database(0)
    with pytest.raises(ValueError):
        Database(5, idle_timeout_s=0)
