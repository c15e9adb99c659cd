"""The last step of a PostgreSQL login: does the server let this user into this database, and under these settings?

The connection that is asked is brought into the state that the client asked for: what the server reports then is what
the client is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from outlive.proxy.entry import Entry
from outlive.proxy.postgres import errors
from outlive.session.postgres.replay import Settings, difference
from outlive.session.postgres.reported import NOTHING_REPORTED, Reported
from outlive.session.postgres.steps import query_step
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.upstream.postgres.key import Key, key_of
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.proxy.postgres.passthrough import Trial
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.postgres.server import PostgresServer


class PostgresEntry(Entry):
    """See `Entry`. `reported` is what the server says of the settings then."""

    __slots__ = ("_wanted", "database", "reported")

    key: Key
    server: PostgresServer

    def __init__(
        self,
        services: PostgresServices,
        route: PostgresRoute,
        user: str,
        database: str,
        wanted: Settings,
        done: Callable[[ErrorFields | None], None],
    ) -> None:
        Entry.__init__(self, services, route, user, done)
        self._wanted = wanted
        self.database = database
        self.reported: Reported = NOTHING_REPORTED

    def is_known(self) -> bool:
        """See `Entry`."""
        self.key = key_of(self.user, self.database, reads=not self._route.writes)
        self.settings = self._wanted
        welcome = self.server.welcome(self.key, self._wanted)
        if welcome is not None:
            self.reported = welcome
        return welcome is not None

    def judge(self, password: bytes, deadline: float) -> Trial:
        """See `Entry`."""
        passthrough = self._services.passthrough
        trial: Trial = passthrough.judge(self._route, self.user, self.database, password, deadline, self.judged)
        return trial

    def ask(self, connection: PostgresConnection) -> None:
        """See `Entry`."""
        connection.session.owner = None
        steps = [query_step(sql) for sql in difference(connection.session.settings, self._wanted)]
        if steps:
            connection.run(steps, self._asked)
        else:
            self._asked(None)

    def _asked(self, error: ErrorFields | None) -> None:
        """All of a difference is in force, or nothing of it."""
        connection, self._connection = self._connection, None
        assert connection is not None
        server = self.server
        state = connection.session
        state.unnamed = None  # a Query takes it away
        if error is None:
            state.settings = self._wanted
            self.reported = state.reported
            server.remember_welcome(self.key, self._wanted, state.reported)
        server.give_back(connection)
        self.finish(error)

    def finish(self, refusal: ErrorFields | None) -> None:
        """See `Entry`."""
        Entry.finish(self, None if refusal is None else errors.fatal(refusal))

    def queue_full(self) -> ErrorFields:
        """See `Entry`."""
        return errors.queue_full(self.server)

    def waited(self, seconds: float) -> ErrorFields:
        """See `Entry`."""
        server = self.server
        away = not server.is_known and not server.pool.server_full
        return errors.server_away(server, seconds) if away else errors.waited(server, seconds, self.key)
