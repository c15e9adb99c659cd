"""LAST_INSERT_ID() of a session, which only the connection of its last INSERT knows until it is asked.

The OK of an INSERT does not tell it: an explicit value in the AUTO_INCREMENT column is reported too, and leaves
LAST_INSERT_ID() as it was. As it was *on that connection*: it may be what another client's session left there, so what
the connection answers counts only if the statement changed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.session.mysql.server_state import RESIDUE_INSERT_ID

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.session.mysql.server_state import ServerState


class Unread:
    """The value is on `state` and was not asked for yet. `before`: what was there before this session's statements.

    `changed`: it is the session's in any case. `previous` is the session's value if the statements changed nothing.
    """

    __slots__ = ("before", "changed", "latest", "previous", "state", "unchanged", "value")

    def __init__(self, state: ServerState, before: int | None, previous: int | Unread) -> None:
        self.state = state
        self.before = before
        self.previous = previous
        self.latest = 0
        self.changed = before is None
        self.unchanged = False
        self.value: int | None = None

    def note(self, reported: int) -> None:
        """An OK reported an insert id. If it is the very number that was there, the two cannot be told apart later."""
        self.latest = reported or self.latest
        self.changed |= reported != 0 and reported == self.before

    def read(self, found: int) -> None:
        """The connection has answered."""
        if found == self.before and not self.changed:
            self.unchanged = True
        else:
            self.value = found

    @property
    def pending(self) -> bool:
        """Whether it is still to be read."""
        return self.value is None and not self.unchanged


def value_of(value: int | Unread) -> int | None:
    """The number; None while it is not known here."""
    while isinstance(value, Unread):
        if not value.unchanged:
            return value.value
        value = value.previous
    return value


def leave(session: ClientSession, state: ServerState, reported: int, *, changed: bool = False) -> None:
    """A statement on `state` may have changed it."""
    value = session.last_insert_id
    if not isinstance(value, Unread) or value.state is not state:
        value = session.last_insert_id = Unread(state, state.last_insert_id, value)
    value.note(reported)
    value.changed |= changed
    state.last_insert_id = None
    state.residue |= RESIDUE_INSERT_ID


def read(session: ClientSession, state: ServerState, found: int) -> None:
    """The connection's answer, asked before another client's use of it."""
    node = _on(session, state)
    if node is not None:
        node.read(found)
        _settle(session)


def lost(session: ClientSession, state: ServerState) -> None:
    """The connection is gone, unasked: what was reported last is the likeliest."""
    node = _on(session, state)
    if node is not None:
        node.value = node.latest
        node.unchanged = not node.latest
        _settle(session)


def is_elsewhere(session: ClientSession, state: ServerState) -> bool:
    """Whether the value is on its way from another connection than this one."""
    value = session.last_insert_id
    return isinstance(value, Unread) and value.state is not state


def must_ask(session: ClientSession, state: ServerState, *, reads: bool) -> bool:
    """Whether the session's own connection must be asked before its next statement;
    `reads`: which asks for the value."""
    if not state.residue & RESIDUE_INSERT_ID or state.owner is not session:
        return False
    value = session.last_insert_id
    if not isinstance(value, Unread) or value.state is not state:
        return True  # left here before one that is elsewhere: a third could not be told from it
    return reads and not value.changed and value_of(value.previous) != value.before


def _on(session: ClientSession, state: ServerState) -> Unread | None:
    node = session.last_insert_id
    while isinstance(node, Unread):
        if node.state is state and node.pending:
            return node
        node = node.previous
    return None


def _settle(session: ClientSession) -> None:
    value = session.last_insert_id
    while isinstance(value, Unread) and value.unchanged:
        value = value.previous
    number = value_of(value)
    session.last_insert_id = value if number is None else number
