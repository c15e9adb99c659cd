"""How often a user's password may be wrong where the server is asked: who guesses gains nothing by asking here."""

from __future__ import annotations

from collections import deque
from typing import Final

_MINUTE_S: Final = 60.0
_USERS_MAX: Final = 10_000


class FailedAttempts:
    """Failed attempts of the last minute, by user."""

    __slots__ = ("_by_user",)

    def __init__(self) -> None:
        self._by_user: dict[str, deque[float]] = {}

    def exhausted(self, user: str, limit: int, now: float) -> bool:
        """Whether the user has had `limit` of them."""
        failures = self._by_user.get(user)
        if failures is None:
            return False
        while failures and failures[0] < now - _MINUTE_S:
            failures.popleft()
        if not failures:
            del self._by_user[user]
        return len(failures) >= limit

    def failed(self, user: str, now: float) -> None:
        """One more."""
        if len(self._by_user) >= _USERS_MAX:
            self._by_user.pop(next(iter(self._by_user)))
        self._by_user.setdefault(user, deque(maxlen=_USERS_MAX)).append(now)
