from dataclasses import replace

import pytest

from outlive.storm.plan import Target
from outlive.storm.protocol import Backend
from outlive.storm.record import Record, Request, percentile


def test_a_target_shows_no_password() -> None:
    assert "s3cret" not in repr(Target("postgresql", "127.0.0.1", 5432, "app", "app", "s3cret"))


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, 0.0),
        ([4.0], 1, 4.0),
        ([4.0], 99, 4.0),
        ([3, 1, 2, 4], 50, 2),
        (range(1, 101), 99, 99),
        ([1, 2], 100, 2),
    ],
)
def test_percentiles_are_of_the_nearest_rank(values: list[float], percent: float, expected: float) -> None:
    assert percentile(values, percent) == expected


def test_a_record_counts_what_it_is_told() -> None:
    record = Record("direct", 50, None, 2)
    for number, outcome in enumerate(["answered", "answered", "refused", "failed"]):
        record.add(Request(0.1, 0, outcome, "" if outcome == "answered" else outcome[0], 0.01 * (number + 1)))
    record.see([Backend("192.0.2.2", 1000, True), Backend("192.0.2.2", 1001, False)], 1)
    record.see([], 0)
    figures = record.figures
    assert (figures.requests, figures.answered, figures.refused, figures.failed) == (4, 2, 1, 1)
    assert (figures.p50_ms, figures.p99_ms) == (10.0, 20.0)
    assert (figures.server_connections_peak, figures.looks) == (2, 2)
    assert dict(record.codes) == {"r": 1, "f": 1}
    assert replace(record.looks[0], at=0.0).in_transaction == 1
