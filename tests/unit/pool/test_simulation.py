"""The pool's benchmark, with the floors that it must not fall below."""

import pytest

from tests.unit.pool.simulation import SCENARIOS, Result

FLOORS = {
    "alternating keys, budget 1": 94,
    "the same, not convertible": 78,
    "ten keys, budget 5": 93,
    "one lonely client of 201": 97,
    "bursts of 1,000": 81,
    "dying clients": 91,
    "database away": 80,
}


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> tuple[str, Result, float]:
    result, score = SCENARIOS[request.param]()
    return request.param, result, score


def test_the_score_holds(scenario: tuple[str, Result, float]) -> None:
    name, _, score = scenario
    assert 100 * score >= FLOORS[name]


def test_nobody_starves(scenario: tuple[str, Result, float]) -> None:
    name, result, _ = scenario
    worst = max(max(waits) for waits in result.waits_s.values())
    # Two time slices and the logins between; the length of the queue; the absence and the longest backoff.
    assert worst <= {"alternating keys, budget 1": 0.11, "database away": 15.5}.get(name, 0.7)
    assert result.expired == result.refused == 0


def test_the_budget_holds(scenario: tuple[str, Result, float]) -> None:
    name, result, _ = scenario
    assert result.most_connections <= {"alternating keys, budget 1": 1, "the same, not convertible": 1}.get(name, 20)


def test_an_absent_database_is_not_stormed() -> None:
    result, _ = SCENARIOS["database away"]()
    # 10 to grow, 10 to grow again; between, in ten seconds, what a doubling backoff with full jitter makes likely.
    assert result.dials <= 20 + 25
