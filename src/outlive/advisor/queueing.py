"""Queueing formulas for connections and pools. Pure; loads are in erlangs (arrivals a second times seconds held).

Functions are an open model: requests come whether or not the ones before are served, so that arrivals are taken as a
Poisson process (Palm-Khintchine: the sum of many independent sources is one, nearly). Source of the formulas: Erlang
(1917); Cooper, "Introduction to Queueing Theory", chapter 3; Harchol-Balter, "Performance Modeling and Design of
Computer Systems", chapter 14.
"""

from collections.abc import Callable
from math import ceil, exp, inf, log, sqrt
from statistics import NormalDist
from typing import Final

MOST_SERVERS: Final = 1_000_000
"""Above this many servers no size is looked for."""


def erlang_b(servers: int, load: float) -> float:
    """The share of arrivals that find all `servers` taken and are refused (M/G/c/c: no queue).

    It holds for any distribution of the time held, by its mean alone (insensitivity). ValueError for negative numbers.
    """
    _check(servers, load)
    if load == 0:
        return 0.0 if servers else 1.0
    # The inverse as a sum, from its greatest index down: the terms of large systems are soon too small to matter, or
    # the sum is soon so large that nobody is refused.
    term = total = 1.0
    for taken in range(servers, 0, -1):
        term *= taken / load
        total += term
        if term < total * 1e-17:
            break
        if total > 1e300:
            return 0.0
    return 1.0 / total


def erlang_c(servers: int, load: float) -> float:
    """The share of arrivals that have to wait (M/M/c, an endless queue); 1 from the load of `servers` on."""
    _check(servers, load)
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return servers * blocked / (servers - load * (1.0 - blocked))


def mean_wait_s(servers: int, load: float, held_s: float) -> float:
    """The mean wait of all arrivals, those that do not wait included; infinite at or above the load of `servers`."""
    if load >= servers:
        return inf
    return erlang_c(servers, load) * held_s / (servers - load)


def wait_quantile_s(servers: int, load: float, held_s: float, quantile: float = 0.99) -> float:
    """The wait that the share `quantile` of arrivals does not exceed, first come first served (M/M/c).

    P(wait > t) = C exp(-(c - a) t / held): exact where the time held is exponential; where it varies less the wait is
    shorter (Allen-Cunneen: by the factor (1 + cv^2) / 2), where it varies more it is longer by the same factor.
    """
    if not 0 <= quantile < 1:
        raise ValueError("A quantile is at least 0 and below 1.")
    if load >= servers:
        return inf
    waiting = erlang_c(servers, load)
    beyond = 1.0 - quantile
    return 0.0 if waiting <= beyond else log(waiting / beyond) * held_s / (servers - load)


def servers_for_wait(load: float, held_s: float, most_s: float, quantile: float = 0.99) -> int:
    """The fewest servers whose wait at `quantile` is at most `most_s`. ValueError above MOST_SERVERS."""
    return _fewest(load, lambda servers: wait_quantile_s(servers, load, held_s, quantile) <= most_s)


def servers_for_refusals(load: float, most_share: float) -> int:
    """The fewest servers, without a queue, that refuse at most the share `most_share`. ValueError as above."""
    if most_share <= 0:
        raise ValueError("A share of refusals that no number of servers reaches.")
    return _fewest(load, lambda servers: erlang_b(servers, load) <= most_share)


def load_for_refusals(servers: int, most_share: float) -> float:
    """The greatest load that `servers` without a queue carry with at most the share `most_share` refused."""
    if not 0 < most_share < 1:
        raise ValueError("A share of refusals is between 0 and 1.")
    # Whatever the servers carry at the most, the rest is refused: of this load it is more than the share.
    low, high = 0.0, (servers + 1) / (1 - most_share)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if erlang_b(servers, middle) <= most_share else (low, middle)
    return low


def load_for_wait(servers: int, held_s: float, most_s: float, quantile: float = 0.99) -> float:
    """The greatest load that `servers` carry with a wait at `quantile` of at most `most_s`."""
    low, high = 0.0, float(servers)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if wait_quantile_s(servers, middle, held_s, quantile) <= most_s else (low, middle)
    return low


def most_at_once(load: float, quantile: float = 0.999) -> int:
    """How many are busy at once, except for the share 1 - `quantile` of the time, where none is refused (M/G/infinity):
    the quantile of a Poisson distribution with the mean `load`.
    """
    if load <= 0:
        return 0
    if load > 500:
        # Close to a normal distribution there, and the sum below would start from less than a float can tell from 0.
        return ceil(load + NormalDist().inv_cdf(quantile) * sqrt(load))
    term = total = exp(-load)
    count = 0
    while total < quantile:
        count += 1
        term *= load / count
        total += term
    return count


def _fewest(load: float, enough: Callable[[int], bool]) -> int:
    high = max(1, ceil(load))
    while not enough(high):
        high *= 2
        if high > MOST_SERVERS:
            raise ValueError(f"More than {MOST_SERVERS:,} servers would be needed.")
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _check(servers: int, load: float) -> None:
    if servers < 0 or load < 0:
        raise ValueError("Servers and load cannot be negative.")
