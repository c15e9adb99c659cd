"""What a route to PostgreSQL servers adds: the keys of their pools, the analyser, the errors of a demoted primary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.config.model import Database
from outlive.session.postgres.lexer import DEFAULT_ANALYSER, Analyser
from outlive.upstream.postgres.connection import IN_HOT_STANDBY, PostgresConnection
from outlive.upstream.postgres.key import Key, key_of
from outlive.upstream.route import Route
from outlive.wire.postgres.constants import READ_ONLY_SQL_TRANSACTION
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.session.postgres.client_session import ClientSession

_DEFAULT_READ_ONLY: Final = b"default_transaction_read_only"

_analysers: dict[tuple[str, ...], Analyser] = {(): DEFAULT_ANALYSER}


def analyser_for(functions: tuple[str, ...]) -> Analyser:
    """The analyser that knows these functions as ones that change session state silently; it has a cache of its own."""
    found = _analysers.get(functions)
    if found is None:
        found = _analysers[functions] = Analyser(frozenset(name.encode() for name in functions))
    return found


class PostgresRoute(Route):
    """A route to PostgreSQL servers."""

    __slots__ = ("analyser", "ends_with_transaction", "resets_always")

    def configure(self, database: Database) -> None:
        """See `Route`."""
        Route.configure(self, database)
        self.analyser = analyser_for(database.pin_functions)
        self.resets_always = database.reset == "always"
        self.ends_with_transaction = self.resets_always or self.closes_after_transaction
        """Something is to be done at the end of a transaction, besides giving the connection back."""

    def key(self, session: ClientSession) -> Key:
        """The pool key of a session."""
        return key_of(session.user, session.database, reads=not self.writes)

    def statement_refused(self, connection: PostgresConnection, session: ClientSession, error: ErrorFields) -> None:
        """A statement failed. If it says that what was a writer is read-only now, the primary was demoted.

        It says so of a client's own read-only transaction, too. Only a server that has reported since the login that it
        is in recovery, or that transactions are read-only by default without this client's doing, was demoted.
        """
        if error.code != READ_ONLY_SQL_TRANSACTION or not self.writes:
            return
        reported = connection.session.reported.values
        fenced = (
            _DEFAULT_READ_ONLY not in session.settings.values
            and reported.get(_DEFAULT_READ_ONLY) == b"on"
            and connection.logged_in_with.values.get(_DEFAULT_READ_ONLY) == b"off"
        )
        if reported.get(IN_HOT_STANDBY) == b"on" or fenced:
            self.demoted(connection.server, error.code.decode("ascii", "replace"))
