"""The answer: figures that were computed by hand, ranks, and what changes them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.advisor.answer import BY_EFFORT, answer
from outlive.advisor.arithmetic import Arithmetic, milliseconds, number, percent
from outlive.advisor.databases import KEEPALIVE_S, SERVERS
from outlive.advisor.question import CLIENT_CHANGES, Question, QuestionError, prompts, typed
from outlive.advisor.queueing import wait_quantile_s
from outlive.advisor.remedies.judgement import Judgement
from outlive.advisor.text import details, headline, rows
from outlive.storm.load import HANDSHAKE_ROUND_TRIPS
from outlive.storm.policy import POLICIES

SHOP = Question(requests_per_s=200, instances=40, deployments_per_day=0, rtt_ms=2)


def of(name: str, question: Question) -> Judgement:
    return next(each for each in answer(question).ranked if each.name == name)


def test_the_arithmetic_is_little_s_law() -> None:
    arithmetic = Arithmetic(SHOP)
    assert arithmetic.busy == pytest.approx(200 * 0.1)
    assert arithmetic.deaths_per_s == pytest.approx(40 / 600)
    assert arithmetic.generations == pytest.approx(7875 / 600)
    assert arithmetic.dangling(600) == 40  # one generation
    assert arithmetic.handshake_s == pytest.approx(6 * 0.002)
    assert arithmetic.transaction_s == pytest.approx(0.03)
    assert arithmetic.working_s == pytest.approx(0.03 - 4 * 0.002)


def test_a_deployment_leaves_all_connections_at_once() -> None:
    daily = replace(SHOP, deployments_per_day=1)
    assert Arithmetic(daily).dangling(600) == 40 + 40
    assert Arithmetic(replace(SHOP, deployments_per_day=24)).dangling(7200) == 480 + 2 * 40


def test_instances_follow_from_the_load_where_nobody_counted_them() -> None:
    counted = Arithmetic(replace(SHOP, instances=None))
    assert 20 < counted.alive < 40
    # Nobody starts more instances than there are requests in a lifetime.
    assert Arithmetic(replace(SHOP, instances=None, requests_per_s=0.001)).alive == 1


def test_every_line_of_the_arithmetic_has_a_result() -> None:
    said = answer(SHOP)
    for line in [*said.lines, *(line for each in said.ranked for line in each.lines)]:
        assert line.what
        assert line.how
        assert line.result
    assert any("Little" in line.how for line in said.lines)
    assert {line.what for line in said.lines} >= {"handshake, PostgreSQL with TLS", "handshake, PostgreSQL without TLS"}


def test_what_holds_and_asks_for_least_comes_first() -> None:
    # Three instances leave 40 connections in the database's timeout: there is room.
    assert answer(replace(SHOP, requests_per_s=5, instances=3)).ranked[0].name == "nothing"
    # Forty leave 525; a reaper leaves 12 of them, and is no change of the functions.
    assert answer(SHOP).ranked[0].name == "reap"
    # With the deployments it is tight: 40 alive, 40 of before, 12.
    assert of("nothing", SHOP).figures.dangling == 525
    crowd = replace(SHOP, requests_per_s=2000, instances=400, max_connections=150)
    assert answer(crowd).ranked[0].name == "proxy"
    assert of("reap", crowd).obstacles


def test_what_may_not_be_changed_is_no_answer() -> None:
    crowd = replace(
        SHOP, requests_per_s=2000, instances=400, max_connections=150, added_latency_ms=100, logins_per_s=5000
    )
    for change, open_ones in {"nothing": set(), "address": {"proxy"}, "code": {"proxy", "http", "per-request"}}.items():
        fitting = {each.name for each in answer(replace(crowd, client_change=change)).ranked if each.fits}
        assert open_ones <= fitting
        assert bool(fitting) == bool(open_ones)
    assert answer(replace(crowd, client_change="nothing")).best is None
    assert headline(answer(replace(crowd, client_change="nothing")))[0].startswith("Nothing fits. Nearest is: ")
    assert of("containers", replace(SHOP, containers=True)).fits
    assert not of("containers", SHOP).fits
    assert of("stateless", replace(SHOP, migration=True)).fits


def test_latency_that_is_not_tolerated_is_an_obstacle() -> None:
    slow = replace(SHOP, rtt_ms=20, added_latency_ms=25)
    assert "120 ms at p99" in of("per-request", replace(slow, function_ms=500)).obstacles[0]


def test_logins_that_the_database_does_not_bear_are_an_obstacle() -> None:
    busy = replace(SHOP, requests_per_s=600)
    assert "600 new connections a second, and the database is taken to bear 200" in of("per-request", busy).obstacles[0]
    assert of("per-request", replace(busy, logins_per_s=1000)).fits


def test_a_load_beyond_every_pool_has_no_end() -> None:
    flood = replace(SHOP, requests_per_s=100_000, instances=None)
    proxy = of("proxy", flood)
    assert not proxy.fits
    assert proxy.figures.refused_share == pytest.approx(1 - 92 / (100_000 * 0.028))
    json.loads(json.dumps(answer(flood).as_json(), allow_nan=False))


@given(
    st.builds(
        Question,
        requests_per_s=st.floats(0.01, 20_000),
        function_ms=st.floats(1, 20_000),
        database_share=st.floats(0.01, 1),
        statements=st.integers(1, 50),
        lifetime_s=st.floats(1, 86_400),
        instances=st.none() | st.integers(1, 20_000),
        deployments_per_day=st.floats(0, 200),
        database=st.sampled_from(list(SERVERS)),
        max_connections=st.none() | st.integers(20, 20_000),
        rtt_ms=st.floats(0.01, 300),
        tls=st.booleans(),
        added_latency_ms=st.floats(0, 1000),
        client_change=st.sampled_from(CLIENT_CHANGES),
        containers=st.booleans(),
        migration=st.booleans(),
    )
)
@settings(max_examples=80, deadline=None)
def test_every_question_has_an_answer(question: Question) -> None:
    said = answer(question)
    assert len({each.name for each in said.ranked}) == len(BY_EFFORT) == 9
    fits = [each.fits for each in said.ranked]
    assert fits == sorted(fits, reverse=True)
    for each in said.ranked:
        assert 0 <= each.figures.refused_share <= 1
        assert each.policy is None or each.policy in POLICIES
        assert each.costs
        assert each.stops
        assert details(each)
        if each.fits:
            assert each.figures.connections <= question.places
            assert each.figures.added_p99_ms <= question.added_latency_ms
    json.dumps(said.as_json(), allow_nan=False)
    assert rows(said, {})
    assert headline(said)


@given(st.integers(1, 5000), st.floats(1, 2000))
@settings(max_examples=40, deadline=None)
def test_more_load_never_needs_fewer_connections(instances: int, rate: float) -> None:
    less = replace(SHOP, instances=instances, requests_per_s=rate, max_connections=1000)
    more = replace(less, instances=2 * instances, requests_per_s=2 * rate)
    before = {each.name: each.figures for each in answer(less).ranked}
    for after in answer(more).ranked:
        if after.name not in ("service", "containers"):  # which stop at the places that there are
            assert before[after.name].connections <= after.figures.connections
        assert before[after.name].refused_share <= after.figures.refused_share + 1e-12


def test_round_trips_are_the_storms() -> None:
    for name, trips in HANDSHAKE_ROUND_TRIPS.items():
        assert SERVERS[name].handshake_round_trips(tls=False) == trips
    assert all(server.sources for server in SERVERS.values())
    assert all(server.dangling_timeout_s <= KEEPALIVE_S for server in SERVERS.values())


def test_the_page_says_what_the_arithmetic_takes() -> None:
    page = (Path(__file__).parents[3] / "docs" / "remedies" / "advise.md").read_text(encoding="utf-8")
    for server in SERVERS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| {server.title} |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == str(server.handshake_round_trips(tls=False))
        assert cells[3] == str(server.handshake_round_trips(tls=True))
        assert cells[5:] == [f"{server.max_connections:,}", f"{server.dangling_timeout_s:,.0f} s"]
    for judge in BY_EFFORT:
        assert f"| {judge(Arithmetic(SHOP)).name} |" in page


def test_json_is_the_fields() -> None:
    given_ = {"requests_per_s": 200, "instances": 40, "deployments_per_day": 0, "rtt_ms": 2}
    assert Question.of(given_) == SHOP
    assert Question.of(given_).as_json()["max_connections"] == 100


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "requests_per_s is missing"),
        ({"requests_per_s": 1, "speed": 2}, "speed is not known"),
        ({"requests_per_s": "many"}, "requests_per_s is of the type float, not 'many'"),
        ({"requests_per_s": True}, "of the type float"),
        ({"requests_per_s": float("inf")}, "too large"),
        ({"requests_per_s": 1, "max_connections": 10**9}, "max_connections is too large"),
        ({"requests_per_s": 1, "lifetime_s": 1e9}, "lifetime_s is too large"),
        ({"requests_per_s": -1}, "must be above 0"),
        ({"requests_per_s": 1, "database_share": 2}, "database_share is above 0 and at most 1"),
        ({"requests_per_s": 1, "database": "oracle"}, "database is one of postgresql"),
        ({"requests_per_s": 1, "client_change": "all"}, "client_change is one of nothing, address, code"),
        ({"requests_per_s": 1, "max_connections": 8}, "others leaves none of 8 connections"),
        ({"requests_per_s": 1, "instances": 1.5}, "instances is of the type int"),
        ({"requests_per_s": 1, "tls": "yes"}, "tls is of the type bool"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(fields: dict[str, object], words: str) -> None:
    with pytest.raises(QuestionError, match=words):
        Question.of(fields)


def test_what_people_type() -> None:
    assert typed("requests_per_s", "12.5") == 12.5
    assert typed("instances", "40") == 40
    assert typed("tls", "No") is False
    assert typed("database", "mysql") == "mysql"
    for name, text in (("tls", "perhaps"), ("instances", "4.5"), ("rtt_ms", "near")):
        with pytest.raises(QuestionError):
            typed(name, text)
    assert all(prompt for _, _, prompt, _ in prompts())


def test_figures_are_short() -> None:
    assert [number(value) for value in (0, 0.05828, 12, 12.345, 1234.5, 1e6)] == [
        "0",
        "0.0583",
        "12",
        "12.3",
        "1,234",
        "1,000,000",
    ]
    assert milliseconds(float("inf")) == "never"
    assert [percent(share) for share in (0, 1e-9, 0.1234, 1)] == ["0 %", "below 0.1 %", "12.3 %", "100 %"]


def test_pools_that_are_apart_are_reckoned_apart() -> None:
    """Two processes with half the load each wait longer than one pool with all connections would let them."""
    judged = of("containers", replace(SHOP, requests_per_s=200, function_ms=100, database_share=0.3, containers=True))
    assert judged.pool_size is not None
    each = wait_quantile_s(judged.pool_size, 200 * 0.030 / 2, 0.030)
    assert judged.figures.added_p99_ms == pytest.approx(each * 1000)
    assert wait_quantile_s(judged.pool_size - 1, 200 * 0.030 / 2, 0.030) > SHOP.added_latency_ms / 1000 >= each
    assert any("/ 2 processes" in line.how for line in judged.lines)


def test_how_to_reap_is_a_command_that_has_evidence() -> None:
    assert "--alive-hosts" in of("reap", SHOP).how
