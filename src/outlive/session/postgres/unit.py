"""One unit of a client's messages: a Query, a FunctionCall, or the extended protocol's messages up to a Sync.

It records what the messages did to the session, in their order, for an error undoes what comes after it: the server
skips the rest of the unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.session.postgres.analysis import Analysis

if TYPE_CHECKING:
    from collections.abc import Callable

    from outlive.session.postgres.prepared import Statement

Undo = tuple[int, "Callable[[], object]"]
"""From which failing message on the change did not happen, and how it is taken back."""

_NONE: Final[list[Undo]] = []


class Unit:
    """`messages` counts those that the server completes one by one; `plain`: nothing but data was moved."""

    __slots__ = ("bind_rest", "bound", "ended_by_query", "executed", "messages", "plain", "reads", "status", "undo")

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, status: int) -> None:
        """A unit begins; `status` is that of the transaction before it."""
        self.status = status
        self.messages = 0
        self.bind_rest = 0
        self.plain = True
        self.reads = True
        self.ended_by_query = False
        self.executed: list[tuple[int, Analysis]] = []
        """(ordinal, what it does) of each Execute that is not plain, or of the Query."""
        self.bound: dict[int, Statement] = {}
        """By ordinal the named statements that were bound."""
        self.undo: list[Undo] = []

    def note(self, analysis: Analysis) -> None:
        """A statement is executed by the next message."""
        if not analysis.read:
            self.reads = False
        if not analysis.plain or analysis.control:
            self.plain = False
            self.executed.append((self.messages, analysis))

    def fail(self, ordinal: int) -> None:
        """The server failed message `ordinal` and skipped what came behind it: those changes did not happen."""
        for first, take_back in reversed(self.undo):
            if ordinal <= first:
                take_back()
