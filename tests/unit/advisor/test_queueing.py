"""The formulas, against tables and against each other."""

from math import factorial, inf, isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.advisor.queueing import (
    erlang_b,
    erlang_c,
    load_for_refusals,
    load_for_wait,
    mean_wait_s,
    most_at_once,
    servers_for_refusals,
    servers_for_wait,
    wait_quantile_s,
)

SERVERS = st.integers(1, 400)
LOADS = st.floats(0.01, 300)


@pytest.mark.parametrize(
    ("servers", "load", "blocked"),
    [
        (1, 1, 0.5),
        (2, 2, 0.4),
        (3, 2, 4 / 19),
        (10, 4.461, 0.01),
        (20, 12.03, 0.01),
        (50, 37.90, 0.01),
        (100, 84.06, 0.01),
    ],
)
def test_refusals_are_those_of_erlangs_table(servers: int, load: float, blocked: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(blocked, rel=0.005)


@pytest.mark.parametrize(
    ("servers", "load", "waiting"), [(1, 0.8, 0.8), (2, 1.5, 0.6429), (3, 2, 4 / 9), (10, 8, 0.4092)]
)
def test_the_share_that_waits_is_that_of_erlangs_table(servers: int, load: float, waiting: float) -> None:
    assert erlang_c(servers, load) == pytest.approx(waiting, rel=0.001)


@given(st.integers(1, 60), st.floats(0.1, 60))
def test_both_are_their_definitions(servers: int, load: float) -> None:
    terms = [load**number / factorial(number) for number in range(servers + 1)]
    assert erlang_b(servers, load) == pytest.approx(terms[-1] / sum(terms), rel=1e-9)
    if load < servers:
        last = terms[-1] * servers / (servers - load)
        assert erlang_c(servers, load) == pytest.approx(last / (sum(terms[:-1]) + last), rel=1e-9)


@given(SERVERS, LOADS, st.floats(1.001, 3))
def test_more_load_is_worse_and_more_servers_are_better(servers: int, load: float, more: float) -> None:
    assert erlang_b(servers, load) <= erlang_b(servers, load * more)
    assert erlang_b(servers + 1, load) <= erlang_b(servers, load)
    assert erlang_c(servers, load) <= erlang_c(servers, load * more)
    assert erlang_c(servers + 1, load) <= erlang_c(servers, load)
    assert wait_quantile_s(servers, load, 0.1) <= wait_quantile_s(servers, load * more, 0.1)
    assert wait_quantile_s(servers + 1, load, 0.1) <= wait_quantile_s(servers, load, 0.1)
    assert 0 <= erlang_b(servers, load) <= erlang_c(servers, load) <= 1


@given(LOADS, st.floats(0.001, 1), st.floats(0.0, 0.5))
def test_a_pool_is_the_smallest_that_is_large_enough(load: float, held_s: float, most_s: float) -> None:
    size = servers_for_wait(load, held_s, most_s)
    assert wait_quantile_s(size, load, held_s) <= most_s
    assert size == 1 or wait_quantile_s(size - 1, load, held_s) > most_s
    assert load_for_wait(size, held_s, most_s) >= load * 0.999


@given(LOADS, st.floats(0.0001, 0.5))
def test_places_are_the_fewest_that_refuse_so_little(load: float, share: float) -> None:
    servers = servers_for_refusals(load, share)
    assert erlang_b(servers, load) <= share
    assert servers == 1 or erlang_b(servers - 1, load) > share
    assert load_for_refusals(servers, share) >= load * 0.999


def test_no_pool_serves_more_than_it_can_hold() -> None:
    assert mean_wait_s(10, 10, 0.1) == inf
    assert wait_quantile_s(10, 12, 0.1) == inf
    assert erlang_c(10, 12) == 1.0


def test_nobody_comes_and_nobody_serves() -> None:
    assert erlang_b(5, 0) == 0.0
    assert erlang_b(0, 0) == erlang_b(0, 3) == 1.0
    assert most_at_once(0) == 0


def test_large_ones_are_computed_too() -> None:
    # Erlang's B at a load of its servers goes as sqrt(2 / (pi n)).
    assert erlang_b(100_000, 100_000) == pytest.approx((2 / (3.14159265 * 100_000)) ** 0.5, rel=0.01)
    assert erlang_b(100_000, 1_000) == 0.0
    assert servers_for_wait(50_000, 0.03, 0.01) >= 50_000


@given(st.floats(0.1, 2000))
def test_the_most_at_once_is_a_quantile(load: float) -> None:
    most = most_at_once(load)
    assert load < most <= load + 10 * load**0.5 + 10


def test_the_two_ways_to_it_meet() -> None:
    # On either side of where the sum gives way to the normal distribution.
    assert isclose(most_at_once(499.9), most_at_once(500.1), abs_tol=2)


@pytest.mark.parametrize(
    "call", [lambda: erlang_b(-1, 1), lambda: erlang_b(1, -1), lambda: wait_quantile_s(1, 0.5, 1, 1.0)]
)
def test_what_cannot_be_is_refused(call: object) -> None:
    with pytest.raises(ValueError):
        call()  # type: ignore[operator]


def test_an_endless_pool_is_refused() -> None:
    with pytest.raises(ValueError):
        servers_for_wait(2_000_000, 0.1, 0.0)
    with pytest.raises(ValueError):
        servers_for_refusals(10, 0)
