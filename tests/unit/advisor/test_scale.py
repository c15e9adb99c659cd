"""A question as a load: sizes that fit, what they stand for, and that the formulas and the simulation agree."""

import resource
from collections.abc import Callable
from dataclasses import replace

import pytest

from outlive.advisor.answer import answer
from outlive.advisor.arithmetic import Arithmetic
from outlive.advisor.question import Question
from outlive.advisor.scale import confirm, counted, thinned, world_of
from outlive.storm.policy import POLICIES

SHOP = Question(requests_per_s=200, deployments_per_day=0)
CITY = Question(requests_per_s=20_000, instances=90_000, max_connections=4000, deployments_per_day=0)


def test_the_simulation_says_what_the_formulas_say() -> None:
    said = answer(SHOP)
    world = world_of(Arithmetic(SHOP))
    found = confirm(said, world, counted(said, world))
    assert set(found) == {each.name for each in said.ranked if each.policy}
    for each in said.ranked:
        if each.policy is None:
            continue
        predicted = found[each.name].predicted
        assert (predicted.refused > 0) == (each.figures.refused_share > 0.001), each.name
        if each.figures.refused_share < 0.001 and each.pool_size is None:
            assert predicted.dangling <= max(each.figures.dangling, Arithmetic(SHOP).alive)


def test_a_million_functions_are_simulated_in_seconds(count: Callable[[int, int], int]) -> None:
    said = answer(CITY)
    world = world_of(Arithmetic(CITY), 1_000_000)
    assert world.load.functions == 1_000_000
    size = next(each.pool_size for each in said.ranked if each.name == "proxy")
    policies = [POLICIES["persistent"], POLICIES["per-request"], replace(POLICIES["proxy"], budget=size)]
    before = resource.getrusage(resource.RUSAGE_SELF)
    # The proxy takes longest, as its pool is not divided by as much.
    found = [thinned(world, policy, counted(said, world), most=20_000) for policy in policies[: count(2, 3)]]
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 30
    assert after.ru_maxrss - before.ru_maxrss < 300_000  # kB
    for each in found:
        assert each.weight * world.load.generations / each.generations > 10
        assert each.predicted.requests > 900_000
        assert each.predicted.server_connections_peak <= 1.05 * CITY.places
    nothing, per_request, *proxy = (each.predicted for each in found)
    assert nothing.refused > 0.9 * nothing.requests
    assert per_request.refused < 0.001 * per_request.requests
    assert all(each.refused < 0.001 * each.requests for each in proxy)


@pytest.mark.parametrize("name", ["persistent", "per-request", "reaper"])
def test_thinned_out_the_shares_stay(name: str) -> None:
    question = replace(SHOP, requests_per_s=1200, instances=600, max_connections=300)
    world = world_of(Arithmetic(question))
    timing = counted(answer(question), world)
    whole = thinned(world, POLICIES[name], timing, most=10**9)
    part = thinned(world, POLICIES[name], timing, most=8_000)
    assert whole.weight == 1
    assert part.weight > 3
    for figure in ("requests", "refused", "handshakes", "server_connections_peak"):
        expected = getattr(whole.predicted, figure)
        assert getattr(part.predicted, figure) == pytest.approx(expected, rel=0.1, abs=0.02 * whole.predicted.requests)


def test_what_was_left_out_is_said() -> None:
    notes = " / ".join(world_of(Arithmetic(SHOP)).notes)
    for words in (
        "generations",
        "are simulated, at the real rate",
        "dies inside a transaction",
        "what is full stays full",
    ):
        assert words in notes


def test_the_load_is_the_questions() -> None:
    arithmetic = Arithmetic(SHOP)
    load = world_of(arithmetic).load
    assert load.functions / load.generations == pytest.approx(arithmetic.alive, rel=0.01)
    per_s = load.functions / load.generations * load.requests_per_function / load.lifetime_s
    assert per_s == pytest.approx(SHOP.requests_per_s, rel=0.02)
    assert load.lifetime_s * load.time_scale == pytest.approx(SHOP.lifetime_s)


def test_a_seed_is_a_load() -> None:
    arithmetic = Arithmetic(SHOP)
    assert world_of(arithmetic, seed=1) == world_of(arithmetic, seed=1) != world_of(arithmetic, seed=2)
