"""Passthrough: users whose password only the server knows.

The clear password (over TLS) is tried at the server, with a connection that counts as any other and waits its turn in
the queue; if it is right it is kept in memory, and later logins are judged by it here, until the server refuses it.
Failed attempts are limited per user, and there is one at a time per server: a guesser gains nothing by asking through
Outlive instead of the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from outlive.auth.postgres.client_login import authentication_failed
from outlive.proxy.attempts import FailedAttempts
from outlive.proxy.postgres import errors
from outlive.upstream.lease import Client
from outlive.upstream.postgres.key import as_key, key_of
from outlive.wire.postgres.constants import INVALID_AUTHORIZATION, INVALID_PASSWORD
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.postgres.server import PostgresServer
    from outlive.upstream.route import Route

_QUEUE_MAX: Final = 1000
_WRONG: Final = frozenset((INVALID_PASSWORD, INVALID_AUTHORIZATION))

Done = Callable[["ErrorFields | None"], None]


class Trial(Client):
    """One password to be tried. `done` is None once nobody waits for it: then it is not tried any more."""

    __slots__ = ("_begun", "_database", "_logins", "_number", "done", "password", "route", "server", "user")

    def __init__(
        self,
        logins: PassthroughLogins,
        route: PostgresRoute,
        user: str,
        database: str,
        password: bytes,
        done: Done,
    ) -> None:
        Client.__init__(self)
        self._logins = logins
        self._database = database
        self._number = 0
        self._begun = False
        self.route = route
        self.server: Any = route.server()
        self.user = user
        self.password = password
        self.done: Done | None = done

    def __repr__(self) -> str:
        return f"Trial({self.user})"

    def begin(self, number: int, now: float) -> None:
        """Joins the queue for a connection that logs in with this password."""
        self._begun = True
        self._number = number
        self.server = self.route.follow(self.server)
        self.server.dialer.users.trials[number] = self.password
        self.key = key_of(self.user, self._database, number, reads=not self.route.writes)
        self.settings = None
        if not self.server.pool.wait(self, now):
            self._over(errors.fatal(errors.queue_full(self.server)))
        elif self.server.pool.stirred:
            self.server.stir()

    def lent(self, connection: PostgresConnection) -> None:
        """See `Client`. The password is right; the connection has a key that nobody else will ever ask for."""
        self._logins.proven(self)
        self.server.retire_now(connection, "passthrough", polite=True)
        self._over(None)

    def refused(self, refusal: ErrorFields) -> None:
        """See `Client`."""
        if refusal.code in _WRONG:
            self._logins.failed(self.user)
            refusal = denied(self.user)
        self._over(errors.fatal(refusal))

    def expired(self) -> None:
        """See `Client`."""
        self._over(self._logins.too_late(self))

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self.route

    def queue_again(self) -> None:
        """See `Client`."""
        self.server.dialer.users.trials.pop(self._number, None)
        self.begin(self._number, self._logins.time())

    def _over(self, refusal: ErrorFields | None) -> None:
        self.server.dialer.users.trials.pop(self._number, None)
        self.end(refusal)
        self._logins.over(self.route)

    def end(self, refusal: ErrorFields | None) -> None:
        """Tells whoever still waits."""
        done, self.done = self.done, None
        self.password = b""
        if done is not None:
            done(refusal)

    def cancel(self) -> None:
        """The client is gone. A dial that is under way goes on: its end is what the next trial waits for."""
        self.done = None
        if not self._begun:
            self.password = b""

    def server_data(self, data: bytes) -> None:
        """See `Lessee`: it never is one for longer than a call."""

    def server_lost(self) -> None:
        """See `Lessee`."""

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""


class PassthroughLogins:
    """The trials of all servers of a node."""

    def __init__(self, services: PostgresServices) -> None:
        self._services = services
        self._failures = FailedAttempts()
        self._queues: dict[PostgresServer, deque[Trial]] = {}
        self._running: set[PostgresServer] = set()
        self._numbers = count(1)

    def time(self) -> float:
        """The loop's clock."""
        return self._services.time()

    def judge(
        self, route: PostgresRoute, user: str, database: str, password: bytes, deadline: float, done: Done
    ) -> Trial:
        """Asks the server whether this is the user's password; `done` with None or the refusal, by `deadline`."""
        trial = Trial(self, route, user, database, password, done)
        trial.waiting_since = self.time()
        trial.deadline = deadline
        first = route.servers[0]
        queue = self._queues.setdefault(first, deque())
        if len(queue) >= _QUEUE_MAX:
            trial.end(self.too_late(trial))
        else:
            queue.append(trial)
            self._go_on(first)
        return trial

    def _go_on(self, first: PostgresServer) -> None:
        if first in self._running:
            return
        queue = self._queues.get(first)
        trial = self._next(queue) if queue else None
        if trial is None:
            self._queues.pop(first, None)
            return
        self._running.add(first)
        trial.begin(next(self._numbers), self.time())

    def _next(self, queue: deque[Trial]) -> Trial | None:
        """The first that is to be tried. The limit counts here and not before the queue, or all of that would be."""
        now = self.time()
        while queue:
            trial = queue.popleft()
            if trial.done is None:
                continue
            if now < trial.deadline and not self._exhausted(trial, now):
                return trial
            trial.end(self.too_late(trial) if now >= trial.deadline else denied(trial.user))
        return None

    def over(self, route: PostgresRoute) -> None:
        """A trial has its outcome: the next one."""
        first = route.servers[0]
        self._running.discard(first)
        self._services.call_soon(lambda: self._go_on(first))

    def too_late(self, trial: Trial) -> ErrorFields:
        """Its deadline passed in one of the queues."""
        return errors.fatal(errors.waited(trial.server, self.time() - trial.waiting_since))

    # -- what is learnt ----------------------------------------------------------------------------

    def proven(self, trial: Trial) -> None:
        """The server took the password: it is the user's."""
        for other in {trial.server, *trial.route.servers}:  # any of them may be the primary next
            other.dialer.users.passed_through[trial.user] = trial.password
            # refused with the password of before
            other.pool.forgive(lambda key: as_key(key).user == trial.user)

    def failed(self, user: str) -> None:
        """The server refused it."""
        self._failures.failed(user, self.time())

    def _exhausted(self, trial: Trial, now: float) -> bool:
        return self._failures.exhausted(trial.user, trial.route.database.passthrough_attempts_per_minute, now)


def denied(user: str) -> ErrorFields:
    """What a wrong password gets, whoever found it wrong."""
    refused = authentication_failed(user.encode("utf-8", "surrogateescape"))
    return errors.refused(refused.sqlstate, refused.message)
