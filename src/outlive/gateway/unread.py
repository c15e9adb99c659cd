"""Whether a caller takes what is written to it: looked at once a second, so that no response costs a timer."""

from __future__ import annotations


class Unread:
    """Of one connection. Times are the loop's."""

    __slots__ = ("_bytes", "_since")

    def __init__(self) -> None:
        self._bytes = 0
        self._since = 0.0

    def is_stuck(self, waiting_bytes: int, now: float, timeout_s: float) -> bool:
        """Whether what was written waits, and the caller took nothing of it for so long."""
        if not waiting_bytes or waiting_bytes < self._bytes or not self._since:
            self._since = now
        self._bytes = waiting_bytes
        return waiting_bytes > 0 and now - self._since > timeout_s
