"""The bucket: a burst at once, then the rate, and never more than both allow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.config.http import Principal
from outlive.gateway.failure import Failure
from outlive.gateway.rates import Rates


def principal(rate: float, burst: int) -> Principal:
    return Principal(databases=("x",), rate=rate, burst=burst)


def test_a_burst_and_then_the_rate() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    slow = principal(0.5, 3)
    for _ in range(3):
        rates.take("a", slow)
    with pytest.raises(Failure) as raised:
        rates.take("a", slow)
    assert (raised.value.status, raised.value.retry_after_s, raised.value.outcome) == (429, 2, "not_run")
    rates.take("b", slow)  # another's is its own
    now[0] += 2
    rates.take("a", slow)
    with pytest.raises(Failure):
        rates.take("a", slow)
    for _ in range(1000):
        rates.take("c", principal(0.0, 1))


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.1, 100),
    st.integers(1, 20),
    st.lists(st.floats(0, 5), min_size=1, max_size=100),
)
def test_never_more(rate: float, burst: int, pauses: list[float]) -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    passed = 0
    waits: list[int] = []
    for pause in pauses:
        now[0] += pause
        try:
            rates.take("a", principal(rate, burst))
            passed += 1
        except Failure as failure:
            waits.append(failure.wait_s)
    assert all(1 <= wait_s <= 1 / rate + 1 for wait_s in waits)
    assert passed <= burst + now[0] * rate + 1e-6
