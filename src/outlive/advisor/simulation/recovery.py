"""How long a generation waits until it is served, by the storm's rule (storm/results.py)."""

from collections.abc import Sequence
from math import ceil
from typing import Final

SERVED_SHARE: Final = 0.99
_LEAST_REQUESTS: Final = 5


def served_after(requests: Sequence[tuple[float, bool]], began_s: float) -> float | None:
    """A generation's `requests`: when each came, and whether it was answered. None: it is never served.

    It is served from the first of its requests on from which 99 % of all that come later are answered, at least five
    and a tenth of all; the wait is from its beginning until that one came, and 0 if that is the first of all.
    """
    ordered = sorted(requests)
    least = max(_LEAST_REQUESTS, ceil(len(ordered) / 10))
    served_at: float | None = None
    answered = 0
    for behind, (came_s, good) in enumerate(reversed(ordered), 1):
        answered += good
        if good and behind >= least and answered >= SERVED_SHARE * behind:
            served_at = came_s
    if served_at is None:
        return None
    return 0.0 if served_at <= ordered[0][0] else served_at - began_s
