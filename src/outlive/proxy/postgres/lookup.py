"""`auth_query`: asks the server for the secrets of users that the configuration does not list.

The query runs on one of the configured user's own connections, in the state of a fresh login: never under a client's
search_path or role. Names that are asked for while it runs go together with the next run, so that a flood of logins,
whoever sends it, takes one connection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from outlive.auth.postgres.credential import Credential
from outlive.observe.log import fields
from outlive.proxy.postgres import errors
from outlive.session.postgres.replay import EMPTY, difference
from outlive.session.postgres.steps import LOOKUP, Rows, Step, query_step
from outlive.upstream.lease import Client
from outlive.upstream.postgres.key import key_of
from outlive.wire.postgres.errors import ErrorFields
from outlive.wire.postgres.messages import SYNC, bind, execute, parse

if TYPE_CHECKING:
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.route import Route

log = logging.getLogger("outlive.proxy")

FRESH_S: Final = 5.0
"""How long an answer counts: a burst of one user's logins asks once, and a changed password counts soon."""
ANSWER_S: Final = 5.0
"""How long the query may run."""
_KNOWN_MAX: Final = 10_000
_QUESTIONS_MAX: Final = 1000
_TOGETHER_MAX: Final = 64
MAINTENANCE_DATABASE: Final = "postgres"
"""Where the query runs for the entry `*`, whose clients name their database: never in one of their choice, whose owner
might have a function of the query's name there.
"""

Done = Callable[["Credential | ErrorFields | None"], None]


class Question:
    """One login's. `done` is called once, with the credential, None for an unknown user, or why nobody can tell; it is
    None where nobody waits any more.
    """

    __slots__ = ("done", "user")

    def __init__(self, user: bytes, done: Done) -> None:
        self.user = user
        self.done: Done | None = done

    def answer(self, found: Credential | ErrorFields | None) -> None:
        """Tells whoever still waits."""
        done, self.done = self.done, None
        if done is not None:
            done(found)

    def cancel(self) -> None:
        """The client is gone."""
        self.done = None


class Lookups:
    """All of a node, by route."""

    def __init__(self, services: PostgresServices) -> None:
        self._services = services
        self._by_route: dict[PostgresRoute, Lookup] = {}

    def find(self, route: PostgresRoute, user: bytes, done: Done) -> Question:
        """Asks for a user's secret, or knows it."""
        lookup = self._by_route.get(route)
        if lookup is None:
            lookup = self._by_route[route] = Lookup(self._services, route)
        return lookup.find(user, done)

    def forget(self, route: PostgresRoute, user: bytes) -> None:
        """A proof did not fit what was found: the password may have been changed since."""
        lookup = self._by_route.get(route)
        if lookup is not None:
            lookup.known.pop(user, None)

    def look_after(self) -> None:
        """Once a second: queries that take too long; and routes that a reload took away."""
        served = set(self._services.routes.by_name.values())
        for route, lookup in list(self._by_route.items()):
            lookup.look_after()
            if route not in served and not lookup.is_busy:
                del self._by_route[route]


class Lookup(Client):
    """Those of one route."""

    __slots__ = ("_asked", "_asked_at", "_connection", "_queue", "_route", "_services", "_waiting", "known", "server")

    def __init__(self, services: PostgresServices, route: PostgresRoute) -> None:
        Client.__init__(self)
        self._services = services
        self._route = route
        self.server: Any = route.server()
        self.known: dict[bytes, tuple[float, Credential | None]] = {}
        self._queue: list[Question] = []
        self._asked: list[Question] = []
        self._asked_at = 0.0
        self._connection: PostgresConnection | None = None
        self._waiting = False

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self._queue or self._asked)

    def find(self, user: bytes, done: Done) -> Question:
        """See `Lookups`."""
        question = Question(user, done)
        known = self.known.get(user)
        if known is not None and known[0] > self._services.time():
            question.answer(known[1])
        elif len(self._queue) >= _QUESTIONS_MAX:
            question.answer(errors.LOOKUP_FAILED)
        else:
            self._queue.append(question)
            self._go_on()
        return question

    # -- a connection ------------------------------------------------------------------------------

    def _go_on(self, *, again: bool = False) -> None:
        self._queue = [question for question in self._queue if question.done is not None]
        if not self._queue or self._asked or self._waiting:
            return
        database = self._route.database
        server = self.server = self._route.follow(self.server)
        name = database.auth_database or database.database or MAINTENANCE_DATABASE
        self.key = key_of(database.user, name, reads=not self._route.writes)
        self.settings = EMPTY
        connection = server.pool.acquire(self.key, EMPTY, None, self)
        if connection is not None:
            self._ask(connection)
            return
        now = self._services.time()
        if not again or not self.deadline:
            self.waiting_since = now
            self.deadline = now + self._route.acquire_timeout_s
        self._waiting = True
        if not server.pool.wait(self, now, again=again):
            self._waiting = False
            self._fail(self._queue, errors.fatal(errors.queue_full(server)))
        elif server.pool.stirred:
            server.stir()

    def lent(self, connection: PostgresConnection) -> None:
        """See `Client`."""
        self._waiting = False
        self._ask(connection)

    def expired(self) -> None:
        """See `Client`."""
        self._waiting = False
        self._fail(self._queue, errors.fatal(errors.waited(self.server, self._services.time() - self.waiting_since)))

    def refused(self, refusal: ErrorFields) -> None:
        """See `Client`. The configured user cannot log in; what the server says of it is not the client's."""
        self._waiting = False
        self._fail(self._queue, errors.LOOKUP_FAILED)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self._route

    def queue_again(self) -> None:
        """See `Client`."""
        self._waiting = False
        self._go_on(again=True)

    # -- the question ------------------------------------------------------------------------------

    def _ask(self, connection: PostgresConnection) -> None:
        self._queue = [question for question in self._queue if question.done is not None]
        if not self._queue:
            self.server.give_back(connection)
            return
        self._asked, self._queue = self._queue[:_TOGETHER_MAX], self._queue[_TOGETHER_MAX:]
        self._asked_at = self._services.time()
        self._connection = connection
        connection.lessee = self
        connection.session.owner = None
        steps = [query_step(sql) for sql in difference(connection.session.settings, EMPTY)]
        if steps:
            connection.run(steps, self._reset)
        else:
            self._reset(None)

    def _reset(self, error: ErrorFields | None) -> None:
        connection = self._connection
        assert connection is not None
        if error is not None:
            connection.fail("its settings could not be reset")
            return
        connection.session.settings = EMPTY
        connection.session.unnamed = None
        query = self._route.database.auth_query.encode()
        connection.run([self._step(query, question) for question in self._asked], self._answered)

    def _step(self, query: bytes, question: Question) -> Step:
        # The name's type is for the server to find: text, name or varchar, as the query has it.
        message = parse(b"", query) + bind(b"", b"", [question.user]) + execute() + SYNC
        return Step(message, LOOKUP, self._taker(question))

    def _taker(self, question: Question) -> Callable[[Rows], None]:
        def take(rows: Rows) -> None:
            found = self._credential(rows)
            self._remember(question.user, found)
            question.answer(found)

        return take

    def _credential(self, rows: Rows) -> Credential | None:
        value = rows[0][-1] if rows and rows[0] else None
        if value is None:
            return None
        try:
            return Credential.of_stored(value.decode("ascii"))
        except ValueError as error:
            # Names of users come from strangers, and the value is a secret: neither is shown.
            log.warning("auth_query", extra=fields(database=self._route.name, reason=error))
            return None

    def _remember(self, user: bytes, found: Credential | None) -> None:
        if len(self.known) >= _KNOWN_MAX:
            self.known.clear()
        self.known[user] = self._services.time() + FRESH_S, found

    def _answered(self, error: ErrorFields | None) -> None:
        connection, self._connection = self._connection, None
        asked, self._asked = self._asked, []
        if connection is not None:
            self.server.give_back(connection)
        if error is not None:
            code = error.code.decode("ascii", "replace")
            log.warning("auth_query failed", extra=fields(database=self._route.name, code=code, reason=_text(error)))
        self._fail(asked, errors.LOOKUP_FAILED)  # those that were answered wait no more
        self._go_on()

    def _fail(self, questions: list[Question], error: ErrorFields) -> None:
        for question in list(questions):
            question.answer(error)

    def look_after(self) -> None:
        """Ends a query that takes too long: it holds a connection that others wait for."""
        if self._connection is not None and self._services.time() - self._asked_at > ANSWER_S:
            self._connection.fail("auth_query had no answer in time")

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        if self._connection is not None:
            self._connection.fail("the server spoke without being asked")

    def server_lost(self) -> None:
        """See `Lessee`."""
        overdue = self._services.time() - self._asked_at > ANSWER_S
        self._connection = None
        asked, self._asked = self._asked, []
        if overdue:
            self._fail(asked, errors.LOOKUP_FAILED)
        self._queue[:0] = asked  # a connection that died while it was idle: the question can be asked twice
        self._go_on(again=True)

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""


def _text(error: ErrorFields) -> str:
    return error.message.decode("utf-8", "replace")[:200]
