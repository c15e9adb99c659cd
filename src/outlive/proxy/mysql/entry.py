"""The last step of a login: does the server let this user into this schema?

Known from an earlier login, the answer is at once and costs no server connection; else a connection is leased for it.
A password that only the server can judge (passthrough) is tried on a connection of the reserved slot, with a limit of
attempts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from outlive.proxy.mysql import errors
from outlive.session.mysql.outcome import residue_steps
from outlive.session.mysql.steps import schema_step
from outlive.upstream.lease import Client
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.upstream.mysql.key import key_of
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.proxy.mysql.passthrough import Trial
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.upstream.mysql.route import MySQLRoute
    from outlive.upstream.route import Route


class Entry(Client):
    """One attempt; `done` is called once, with None or the refusal."""

    __slots__ = ("_capabilities", "_connection", "_done", "_route", "_schema", "_services", "_trial", "server", "user")

    def __init__(
        self,
        services: MySQLServices,
        route: MySQLRoute,
        user: str,
        capabilities: int,
        schema: bytes,
        done: Callable[[ERR | None], None],
    ) -> None:
        Client.__init__(self)
        self._services = services
        self._route = route
        self.server = route.server()
        self._capabilities = capabilities
        self._schema = schema
        self._done: Callable[[ERR | None], None] | None = done
        self._connection: MySQLConnection | None = None
        self._trial: Trial | None = None
        self.user = user

    def begin(self, password: bytes | None) -> None:
        """`password` is given where the server must judge it."""
        if password is not None:
            deadline = self._services.time() + self._route.acquire_timeout_s
            self._trial = self._services.passthrough.judge(self._route, self.user, password, deadline, self._judged)
        else:
            self._look_up()

    def _judged(self, refusal: ERR | None) -> None:
        self._trial = None
        if refusal is not None:
            self._finish(refusal)
        else:
            self._look_up()

    def _look_up(self, *, again: bool = False) -> None:
        server = self.server
        if (self.user, self._schema) in server.known_schemas and server.facts is not None:
            self._finish(None)
            return
        self.key = key_of(self.user, self._capabilities, reads=not self._route.writes)
        self.settings = None
        connection = server.pool.acquire(self.key, None, None, self)
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

    def lent(self, connection: MySQLConnection) -> None:
        """See `Client`."""
        if self._done is None:
            self.server.give_back(connection)
        else:
            self._ask(connection)

    def _ask(self, connection: MySQLConnection) -> None:
        self._connection = connection
        connection.lessee = self
        if not self._schema:
            self._asked(None)
            return
        connection.run([*residue_steps(connection.session), schema_step(self._schema)], self._asked)

    def _asked(self, error: ERR | None) -> None:
        connection, self._connection = self._connection, None
        server = self.server
        if connection is not None:
            if error is None and self._schema:
                connection.session.enter_schema(self._schema, server.baseline())
            server.give_back(connection)
        if error is None:
            server.remember_schema(self.user, self._schema)
        self._finish(error)

    def _finish(self, refusal: ERR | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(refusal)

    def expired(self) -> None:
        """See `Client`."""
        self._finish(errors.waited(self.server, self._services.time() - self.waiting_since))

    def refused(self, refusal: ERR) -> None:
        """See `Client`."""
        self._finish(refusal)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self._route

    def queue_again(self) -> None:
        """See `Client`."""
        self.server = self._route.server()
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
