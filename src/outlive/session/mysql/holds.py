"""The reasons for which a session is pinned to its server connection, and when each is provably gone.

A hold with a name (a lock, a table, a handler, a statement) ends when that name is released; one without a name ends
only with the session, a reset, or a statement that releases all of its kind. GET_LOCK counts: MySQL and MariaDB grant
the same name again to its holder, and it takes as many releases. The count is an upper bound (a GET_LOCK that timed
out counts too), so that it may pin too long and never too short.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

CURSOR: Final = "cursor"
LONG_DATA: Final = "long_data"
UNEXPLAINED: Final = "unexplained_state"
SESSION_VARIABLE: Final = "session_variable"


class Holds:
    """The pins of one session."""

    __slots__ = ("_reasons",)

    def __init__(self) -> None:
        self._reasons: dict[str, Counter[bytes | None]] = {}

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def add(self, reason: str, name: bytes | None = None) -> bool:
        """Pins; True where this reason is new. A name of None is never released by name."""
        new = reason not in self._reasons
        names = self._reasons.setdefault(reason, Counter())
        if len(names) >= _NAMES_MAX and name not in names:
            name = None
        names[name] += 1
        return new

    def drop(self, reason: str, name: bytes | None) -> None:
        """One release of `name`. None releases nothing: which one it was is not known."""
        names = self._reasons.get(reason)
        if names is None or name is None or name not in names:
            return
        names[name] -= 1
        if names[name] <= 0:
            del names[name]
        if not names:
            del self._reasons[reason]

    def drop_all(self, reason: str) -> None:
        """All of one reason are gone."""
        self._reasons.pop(reason, None)

    def drop_name(self, reason: str, name: bytes) -> None:
        """All holds of one name are gone."""
        names = self._reasons.get(reason)
        if names is not None and names.pop(name, 0) and not names:
            del self._reasons[reason]

    def lose_names(self, reason: str) -> None:
        """Names of this reason can no longer be trusted: whoever holds now holds to the end."""
        names = self._reasons.get(reason)
        if names is not None:
            names[None] += 1

    def clear(self) -> None:
        """The session was reset."""
        self._reasons.clear()

    def __contains__(self, reason: str) -> bool:
        return reason in self._reasons

    def reasons(self) -> list[str]:
        """The reasons, for logs and metrics."""
        return list(self._reasons)


_NAMES_MAX: Final = 1000
"""Names remembered a reason; what comes beyond is held as unnamed."""
