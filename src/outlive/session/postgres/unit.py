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
    """`messages` counts those that the server completes one by one; `plain`: nothing but data was moved; `reads`: no
    harm is done if it is cut short; `writes`: something may have called nextval().
    """

    __slots__ = (
        "bind_rest",
        "bound",
        "called",
        "deallocated",
        "ended_by_query",
        "executed",
        "failed_at",
        "messages",
        "plain",
        "quiet",
        "reads",
        "status",
        "undo",
        "writes",
    )

    def __init__(self) -> None:
        self.executed: list[tuple[int, Analysis]] = []
        """(ordinal, what it does) of each Execute that is not plain, or of the Query."""
        self.bound: dict[int, Statement] = {}
        """By ordinal the named statements that were bound."""
        self.undo: list[Undo] = []
        self.begin(0)

    def begin(self, status: int) -> None:
        """A unit begins; `status` is that of the transaction before it."""
        self.status = status
        self.quiet = False
        """It is a Query of a plain read, which changes nothing here: the next of its kind need not begin anew."""
        self.messages = 0
        self.bind_rest = 0
        self.plain = True
        self.reads = True
        self.writes = False
        self.ended_by_query = False
        if self.executed:
            self.executed = []
        if self.bound:
            self.bound = {}
        if self.undo:
            self.undo = []
        self.called: dict[bytes, Statement] | None = None
        """Statements by the names that the client has just called them by; it may have several for one."""
        self.deallocated: list[tuple[int, bytes, Statement]] | None = None
        """(ordinal, the client's name, which) of each statement that a text deallocates: in a Query the part's."""
        self.failed_at = -1
        """While it is undone: the ordinal of the message that failed."""

    def note(self, analysis: Analysis) -> None:
        """A statement is executed by the next message."""
        if not analysis.read:
            self.reads = False
            if not analysis.control:
                self.writes = True
        if not analysis.plain or analysis.control:
            self.plain = False
            self.executed.append((self.messages, analysis))

    def call(self, name: bytes, statement: Statement) -> None:
        """The client speaks of `statement` by this name: so must an error."""
        if self.called is None:
            self.called = {}
        self.called[name] = statement

    def deallocate(self, ordinal: int, name: bytes, statement: Statement) -> None:
        """A text is sent that deallocates a statement of the protocol."""
        self.deallocated = [*(self.deallocated or ()), (ordinal, name, statement)]

    def fail(self, ordinal: int) -> None:
        """The server failed message `ordinal` and skipped what came behind it: those changes did not happen."""
        self.failed_at = ordinal
        self.quiet = False
        for first, take_back in reversed(self.undo):
            if ordinal <= first:
                take_back()
