"""The last step of a login: does the server let this user into this database, and under these settings?

Known from an earlier login, the answer is at once and costs no server connection; else a connection is leased for it,
which is brought into the state that the client asked for: what the server reports then is what the client is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from outlive.proxy.postgres import errors
from outlive.session.postgres.replay import Settings, difference
from outlive.session.postgres.reported import NOTHING_REPORTED, Reported
from outlive.session.postgres.steps import query_step
from outlive.upstream.lease import Client
from outlive.upstream.postgres.key import key_of
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.proxy.postgres.passthrough import Trial
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.route import Route


class Entry(Client):
    """One attempt; `done` is called once, with None or the refusal. `reported` is what the server says then."""

    __slots__ = (
        "_connection",
        "_done",
        "_route",
        "_services",
        "_trial",
        "_wanted",
        "database",
        "reported",
        "server",
        "user",
    )

    def __init__(
        self,
        services: PostgresServices,
        route: PostgresRoute,
        user: str,
        database: str,
        wanted: Settings,
        done: Callable[[ErrorFields | None], None],
    ) -> None:
        Client.__init__(self)
        self._services = services
        self._route = route
        self._wanted = wanted
        self._done: Callable[[ErrorFields | None], None] | None = done
        self._connection: PostgresConnection | None = None
        self._trial: Trial | None = None
        self.server: Any = route.server()
        self.user = user
        self.database = database
        self.reported: Reported = NOTHING_REPORTED

    def begin(self, password: bytes | None) -> None:
        """`password` is given where the server must judge it."""
        if password is None:
            self._look_up()
            return
        services = self._services
        deadline = services.time() + self._route.acquire_timeout_s
        self._trial = services.passthrough.judge(
            self._route, self.user, self.database, password, deadline, self._judged
        )

    def _judged(self, refusal: ErrorFields | None) -> None:
        self._trial = None
        if refusal is not None:
            self._finish(refusal)
        else:
            self._look_up()

    def _look_up(self, *, again: bool = False) -> None:
        server = self.server
        self.key = key_of(self.user, self.database, reads=not self._route.writes)
        self.settings = self._wanted
        welcome = server.welcome(self.key, self._wanted)
        if welcome is not None:
            self.reported = welcome
            self._finish(None)
            return
        connection = server.pool.acquire(self.key, self._wanted, None, self)
        if connection is not None:
            self._ask(connection)
            return
        now = self._services.time()
        if not again or not self.deadline:
            self.waiting_since = now
            self.deadline = now + self._route.acquire_timeout_s
        if not server.pool.wait(self, now, again=again):
            self._finish(errors.queue_full(server))
        elif server.pool.stirred:
            server.stir()

    def lent(self, connection: PostgresConnection) -> None:
        """See `Client`."""
        if self._done is None:
            self.server.give_back(connection)
        else:
            self._ask(connection)

    def _ask(self, connection: PostgresConnection) -> None:
        self._connection = connection
        connection.lessee = self
        connection.session.owner = None
        steps = [query_step(sql) for sql in difference(connection.session.settings, self._wanted)]
        if steps:
            connection.run(steps, self._asked)
        else:
            self._asked(None)

    def _asked(self, error: ErrorFields | None) -> None:
        """All of a difference is in force, or nothing of it."""
        connection, self._connection = self._connection, None
        server = self.server
        assert connection is not None
        state = connection.session
        state.unnamed = None  # a Query takes it away
        if error is None:
            state.settings = self._wanted
            self.reported = state.reported
            server.remember_welcome(self.key, self._wanted, state.reported)
        server.give_back(connection)
        self._finish(error)

    def _finish(self, refusal: ErrorFields | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(None if refusal is None else errors.fatal(refusal))

    def expired(self) -> None:
        """See `Client`."""
        server = self.server
        seconds = self._services.time() - self.waiting_since
        away = not server.is_known and not server.pool.server_full
        self._finish(errors.server_away(server, seconds) if away else errors.waited(server, seconds, self.key))

    def refused(self, refusal: ErrorFields) -> None:
        """See `Client`."""
        self._finish(refusal)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self._route

    def queue_again(self) -> None:
        """See `Client`."""
        self.server = self._route.follow(self.server)
        self._look_up(again=True)

    def cancel(self) -> None:
        """The client is gone."""
        self._done = None
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None
        if self.waits:
            self.server.pool.cancel(self)
            self.server.stir()

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        if self._connection is not None:
            self._connection.fail("the server spoke without being asked")

    def server_lost(self) -> None:
        """See `Lessee`."""
        self._connection = None
        if self._done is not None:
            self.queue_again()  # a connection that died while it was idle: the question can be asked twice

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
