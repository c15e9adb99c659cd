"""What is sent again by itself is only what has not run."""

import pytest

from outlive.gateway.failure import Failure, Outcome


@pytest.mark.parametrize(
    ("status", "outcome", "expected"),
    [(503, "not_run", 503), (503, "failed", 400), (500, "unknown", 400), (502, "done", 400), (409, "failed", 409)],
)
def test_nothing_is_5xx_after_a_statement_may_have_run(status: int, outcome: Outcome, expected: int) -> None:
    failure = Failure(status, "any", "text")
    failure.outcome = outcome  # as it becomes known
    assert failure.status == expected
    assert (failure.retry_after_s is not None) == (expected == 503)
