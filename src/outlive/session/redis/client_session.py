"""What one client of Redis has made of its session, and what its server connection is in while it holds one.

Pure: `sent` is told of each command that goes to a connection of the client's own, `answered` of the reply to it.
"""

from __future__ import annotations

from typing import Final

PLAIN: Final = 0
MULTI: Final = 1
EXEC: Final = 2
DISCARD: Final = 3
WATCH: Final = 4
UNWATCH: Final = 5
OWN: Final = 6  # Outlive's own PING or DISCARD, whose reply the client does not see
BLOCK: Final = 7
ABORTED: Final = 8  # a DISCARD in place of the client's EXEC, whose reply says so

STEPS: Final = {b"MULTI": MULTI, b"EXEC": EXEC, b"DISCARD": DISCARD, b"WATCH": WATCH, b"UNWATCH": UNWATCH}

_ERROR: Final = 45


class RedisSession:
    """Its user and database, the protocol's version, its names; and what it holds a connection for."""

    __slots__ = (
        "aborted",
        "began_at",
        "database",
        "in_multi",
        "library",
        "library_version",
        "name",
        "pins",
        "protocol",
        "settings",
        "user",
        "watching",
    )

    def __init__(self, user: str, database: int, protocol: int = 2) -> None:
        self.user = user
        self.database = database
        self.protocol = protocol
        self.name = b""
        self.library = b""
        self.library_version = b""
        self.settings: object = None
        self.began_at = 0.0
        self.in_multi = False
        self.watching = False
        self.aborted = False
        """A command inside MULTI was refused here: its EXEC has to fail."""
        self.pins: dict[str, None] = {}
        """Why it keeps its connection to its end."""

    @property
    def holds(self) -> bool:
        """Whether the connection of its own must stay."""
        return self.in_multi or self.watching or bool(self.pins)

    def reasons(self) -> list[str]:
        """For logs and metrics."""
        return list(self.pins)

    def answered(self, step: int, kind: int) -> None:
        """The reply to a `step` came; `kind` is its first byte."""
        if step in (PLAIN, OWN, BLOCK):
            return
        refused = kind == _ERROR
        if step == MULTI:
            self.in_multi = self.in_multi or not refused
        elif step == WATCH:
            self.watching = self.watching or not refused
        elif step == UNWATCH:
            if not self.in_multi and not refused:
                self.watching = False
        elif self.in_multi and (step == EXEC or not refused):
            # An EXEC that fails has ended the transaction all the same (execCommandAbort).
            self.in_multi = self.watching = self.aborted = False

    def lost(self) -> None:
        """The connection is gone, and what it was held for with it."""
        self.in_multi = self.watching = self.aborted = False
        self.pins.clear()

    def reset(self, user: str, database: int) -> None:
        """RESET: as a client that has just connected."""
        self.user = user
        self.database = database
        self.protocol = 2
        self.name = b""
        self.lost()
