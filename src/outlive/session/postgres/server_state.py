"""What is known about the session of one server connection."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

from outlive.session.postgres.replay import EMPTY, Settings
from outlive.session.postgres.reported import NOTHING_REPORTED, Reported
from outlive.wire.postgres.constants import IDLE, STATEMENT
from outlive.wire.postgres.messages import close

if TYPE_CHECKING:
    from outlive.session.postgres.client_session import ClientSession
    from outlive.session.postgres.prepared import Statement


class ServerState:
    """One server connection's session, kept up to date by the client sessions that use it in turn."""

    __slots__ = (
        "_used",
        "advanced",
        "left",
        "loaded",
        "owner",
        "prepared",
        "prepared_max",
        "reported",
        "settings",
        "status",
        "strangers",
        "unnamed",
        "unwanted",
    )

    def __init__(self, prepared_max: int) -> None:
        self.prepared_max = prepared_max
        self.reported: Reported = NOTHING_REPORTED
        """What the server said of itself. Kept over resets: the server tells what one has changed."""
        self.prepared: OrderedDict[Statement, None] = OrderedDict()
        """Least recently used first."""
        self.loaded = False
        """A library, a seed or the like was left that DISCARD ALL does not take away: closed, never cleaned."""
        self.reset()

    def reset(self) -> None:
        """After the login, and after DISCARD ALL."""
        self.settings: Settings = EMPTY
        self.prepared.clear()
        self.unwanted: list[bytes] = []
        """Names of statements to close."""
        self.unnamed: object | None = None
        """Whose unnamed statement is there: an identity."""
        self.owner: ClientSession | None = None
        """The session that used it last."""
        self._used = False
        self.strangers = False
        """Others used it before its owner: what currval() and lastval() know may be theirs."""
        self.advanced = False
        """The owner has run something that may have called nextval()."""
        self.left = False
        """Something must be discarded before another client's use: temporary tables, locks, unknown settings."""
        self.status = IDLE
        """That of the last ReadyForQuery."""

    def lend(self, session: ClientSession) -> None:
        """`session` uses it from here on."""
        if self.owner is not session:
            self.owner = session
            self.strangers = self._used
            self._used = True
            self.advanced = False

    def knows_strangers(self, session: ClientSession) -> bool:
        """Whether lastval() may be another client's for `session`."""
        return self._used if self.owner is not session else self.strangers and not self.advanced

    def discarded_sequences(self, session: ClientSession) -> None:
        """After DISCARD SEQUENCES for `session`."""
        self._used = False
        self.owner = None
        self.lend(session)

    def report(self, parameters: Mapping[bytes, bytes]) -> None:
        """ParameterStatus messages came."""
        for name, value in parameters.items():
            self.reported = self.reported.with_(name, value)

    def has(self, statement: Statement) -> bool:
        """Whether it is prepared here; it counts as used then."""
        if statement in self.prepared:
            self.prepared.move_to_end(statement)
            return True
        if statement.name in self.unwanted:  # in the middle of a unit or a transaction it was not closed yet
            self.unwanted.remove(statement.name)
            self.add_prepared(statement)
            return True
        return False

    def add_prepared(self, statement: Statement) -> None:
        """It was prepared here; beyond `prepared_max` the least recently used is to be closed."""
        self.prepared[statement] = None
        self.prepared.move_to_end(statement)
        while len(self.prepared) > self.prepared_max:
            oldest, _ = self.prepared.popitem(last=False)
            self.unwanted.append(oldest.name)

    def remove_prepared(self, statement: Statement, *, close_it: bool = False) -> None:
        """It was not prepared after all; `close_it`: it was, and its plan went stale."""
        if statement in self.prepared:
            del self.prepared[statement]
            if close_it:
                self.unwanted.append(statement.name)

    def forget_prepared(self) -> None:
        """After DEALLOCATE ALL: the server has none."""
        self.prepared.clear()
        self.unwanted.clear()

    def take_unwanted(self) -> list[bytes]:
        """The names of the statements that are to be closed now."""
        names, self.unwanted = self.unwanted, []
        return names

    def take_closes(self) -> bytes:
        """The Close messages that are due, each answered by a CloseComplete."""
        return b"".join([close(STATEMENT, name) for name in self.take_unwanted()])

    def __repr__(self) -> str:
        return f"ServerState({self.settings!r}, prepared={len(self.prepared)}, left={self.left})"
