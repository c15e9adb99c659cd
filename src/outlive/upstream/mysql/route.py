"""What a route to MySQL servers adds: the keys of their pools, the analyser, the errors of a demoted primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.config.model import Database
from outlive.session.mysql.lexer import DEFAULT_ANALYSER, Analyser
from outlive.upstream.mysql.key import Key, key_of
from outlive.upstream.route import Route
from outlive.wire.mysql import constants as wire

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.upstream.mysql.connection import MySQLConnection

_READ_ONLY_ERRORS: Final = frozenset(
    (wire.ER_OPTION_PREVENTS_STATEMENT, wire.ER_READ_ONLY_MODE, wire.ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION)
)

_analysers: dict[tuple[str, ...], Analyser] = {(): DEFAULT_ANALYSER}


def analyser_for(functions: tuple[str, ...]) -> Analyser:
    """The analyser that knows these functions as ones that change session state silently; it has a cache of its own."""
    found = _analysers.get(functions)
    if found is None:
        found = _analysers[functions] = Analyser(frozenset(name.encode() for name in functions))
    return found


class MySQLRoute(Route):
    """A route to MySQL servers."""

    __slots__ = ("analyser",)

    def configure(self, database: Database) -> None:
        """See `Route`."""
        Route.configure(self, database)
        self.analyser = analyser_for(database.pin_functions)

    def key(self, session: ClientSession) -> Key:
        """The pool key of a session."""
        return key_of(session.user, session.capabilities, session.role, reads=not self.writes)

    def statement_refused(self, connection: MySQLConnection, session: ClientSession, code: int, message: bytes) -> None:
        """A statement failed. If it says that what was a writer is read-only now, the primary was demoted.

        1290 stands for any option that prevents a statement;
        1792 is the client's own doing inside a read-only transaction.
        """
        if code not in _READ_ONLY_ERRORS or not self.writes or connection.read_only:
            return
        if code == wire.ER_OPTION_PREVENTS_STATEMENT and b"read-only" not in message and b"read_only" not in message:
            return
        if code == wire.ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION and session.asked_for_read_only:
            return
        self.demoted(connection.server, code)
