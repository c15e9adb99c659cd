"""When a generation counts as served."""

import pytest

from outlive.storm.policy import POLICIES
from outlive.storm.record import Record, Request
from outlive.storm.results import Result, recovery

YES, NO = "answered", "refused"


def record(*generations: list[str]) -> Record:
    """Each began 10 s after the one before, and its requests came at 1, 2, 3 ... tenths of a second."""
    made = Record("persistent", 50, None, len(generations))
    for number, outcomes in enumerate(generations):
        made.births.append(number * 10.0)
        for tenth, outcome in enumerate(outcomes, 1):
            made.add(Request(number * 10.0 + tenth / 10, number, outcome, "", 0.01))
    return made


@pytest.mark.parametrize(
    ("second", "seconds"),
    [
        ([YES] * 10, 0.0),
        ([NO] * 4 + [YES] * 10, 0.5),
        ([YES] * 3 + [NO] + [YES] * 10, 0.5),
        ([YES] * 10 + [NO], None),  # the last one was refused: who knows what would come
        ([NO] * 20 + [YES] * 4, None),  # too few to say so
        ([NO] * 10, None),
        ([YES] * 3, 0.0),
    ],
)
def test_served_is_from_when_on_all_that_come_are_answered(second: list[str], seconds: float | None) -> None:
    assert recovery(record([NO] * 10, second)) == (None if seconds is None else pytest.approx(seconds))


def test_one_of_a_hundred_may_fail() -> None:
    assert recovery(record([YES], [NO] + [YES] * 150 + [NO] + [YES] * 60)) == pytest.approx(0.2)


def test_it_is_the_worst_generations_and_none_if_one_never_was() -> None:
    assert recovery(record([YES], [NO] * 3 + [YES] * 9, [NO] * 6 + [YES] * 9)) == pytest.approx(0.7)
    assert recovery(record([YES], [NO] * 9, [YES] * 9)) is None
    assert recovery(record([YES] * 9)) is None


def test_json_has_the_agreed_names() -> None:
    made = record([YES] * 10, [NO] * 3 + [YES] * 7)
    told = Result(POLICIES["persistent"], made).as_json()
    assert {
        "requests", "refused", "p50_ms", "p99_ms", "server_connections_peak", "dangling", "handshakes", "recovery_s",
        "refused_by_generation", "policy", "codes",
    } <= set(told)  # fmt: skip
    assert (told["requests"], told["refused"], told["refused_by_generation"]) == (20, 3, [0, 3])
    assert told["recovery_s"] == 0.4
    assert Result(POLICIES["http"], skipped="why").as_json()["skipped"] == "why"
