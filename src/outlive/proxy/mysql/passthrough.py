"""Passthrough: users whose password only the server knows.

The clear password (over TLS or RSA) is tried at the server, on a connection of the reserved slot; if it is right it is
kept in memory, and later logins are judged by it here, until the server refuses it. Failed attempts are limited per
user, and there is one at a time per server: a guesser gains nothing by asking through Outlive instead of the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Final

from outlive.pool.slot import DIALING
from outlive.proxy.attempts import FailedAttempts
from outlive.upstream.mysql.key import GREETING_ONLY, Key, as_key
from outlive.wire.mysql.constants import ER_ACCESS_DENIED_ERROR
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.upstream.mysql.connection import MySQLConnection
    from outlive.upstream.mysql.route import MySQLRoute
    from outlive.upstream.mysql.server import MySQLServer

_QUEUE_MAX: Final = 1000
_RETRY_S: Final = 0.05
_TIMEOUT: Final = ERR(1040, b"08004", b"Too many connections: the reserved server connection was not to be had in time")
DENIED: Final = ERR(ER_ACCESS_DENIED_ERROR, b"28000", b"Access denied")

Done = Callable[[ERR | None], None]


class Trial:
    """One password to be tried. `done` is None once nobody waits for it: then it is not tried any more."""

    __slots__ = ("deadline", "done", "password", "route", "user")

    def __init__(self, route: MySQLRoute, user: str, password: bytes, deadline: float, done: Done) -> None:
        self.route = route
        self.user = user
        self.password = password
        self.deadline = deadline
        self.done: Done | None = done

    def __repr__(self) -> str:
        return f"Trial({self.user})"

    def end(self, refusal: ERR | None) -> None:
        """Tells whoever still waits."""
        done = self.done
        self.cancel()
        if done is not None:
            done(refusal)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.done = None
        self.password = b""


class PassthroughLogins:
    """The trials of all servers of a node."""

    def __init__(self, services: MySQLServices) -> None:
        self._services = services
        self._failures = FailedAttempts()
        self._queues: dict[MySQLServer, deque[Trial]] = {}
        self._running: set[MySQLServer] = set()
        self._retrying: set[MySQLServer] = set()
        self._numbers = count(1)

    def judge(self, route: MySQLRoute, user: str, password: bytes, deadline: float, done: Done) -> Trial:
        """Asks the server whether this is the user's password; `done` with None or the refusal, by `deadline`."""
        server = route.server()
        trial = Trial(route, user, password, deadline, done)
        queue = self._queues.setdefault(server, deque())
        if len(queue) >= _QUEUE_MAX:
            trial.end(_TIMEOUT)
        else:
            queue.append(trial)
            self._go_on(server)
        return trial

    def meet(self, server: MySQLServer) -> None:
        """Asks a server for its greeting where no user is configured whose login would bring it."""
        if server in self._running or server.greeting is not None:
            return
        connection = server.pool.acquire_control(Key("", 0, None, GREETING_ONLY), self._services.time())
        if connection is not None and connection.state == DIALING:
            self._running.add(server)
            server.dial_control(connection, lambda ok: self._met(server, connection, ok))

    def _met(self, server: MySQLServer, connection: MySQLConnection, ok: bool) -> None:
        self._running.discard(server)
        if ok:
            server.retire_now(connection, "passthrough")
        self._go_on(server)

    def _exhausted(self, trial: Trial, now: float) -> bool:
        return self._failures.exhausted(trial.user, trial.route.database.passthrough_attempts_per_minute, now)

    # -- one after the other -----------------------------------------------------------------------

    def _next(self, queue: deque[Trial]) -> Trial | None:
        """The first that is to be tried. The limit counts here and not before the queue, or all of that would be."""
        now = self._services.time()
        while queue:
            trial = queue[0]
            if trial.done is not None and now < trial.deadline and not self._exhausted(trial, now):
                return trial
            queue.popleft()
            trial.end(_TIMEOUT if now >= trial.deadline else DENIED)
        return None

    def _go_on(self, server: MySQLServer) -> None:
        if server in self._running:
            return
        queue = self._queues.get(server)
        trial = self._next(queue) if queue else None
        if queue is None or trial is None:
            self._queues.pop(server, None)
            return
        number = next(self._numbers)
        connection = server.pool.acquire_control(Key(trial.user, 0, None, number), self._services.time())
        if connection is None or connection.state != DIALING:
            self._retry(server)
            return
        queue.popleft()
        self._running.add(server)
        server.dialer.users.trials[number] = trial.password
        server.dial_control(connection, lambda ok: self._tried(server, connection, trial, number, ok))

    def _retry(self, server: MySQLServer) -> None:
        if server.pool.stirred:
            server.stir()
        if server not in self._retrying:
            self._retrying.add(server)
            self._services.call_later(_RETRY_S, lambda: self._again(server))

    def _again(self, server: MySQLServer) -> None:
        self._retrying.discard(server)
        self._go_on(server)

    def _tried(self, server: MySQLServer, connection: MySQLConnection, trial: Trial, number: int, ok: bool) -> None:
        server.dialer.users.trials.pop(number, None)
        self._running.discard(server)
        if ok:
            for other in {server, *trial.route.servers}:  # any of them may be the primary next
                other.dialer.users.passed_through[trial.user] = trial.password
                other.pool.forgive(lambda key: as_key(key).user == trial.user)  # refused with the password of before
            server.pool.retire(connection, "passthrough")
            server.pool.release(connection, self._services.time())
            server.stir()
            trial.end(None)
        elif connection.refusal is not None:
            self._failures.failed(trial.user, self._services.time())
            trial.end(connection.refusal)
        else:  # the server is away, or full: the password is as good as before
            self._queues.setdefault(server, deque()).appendleft(trial)
        self._go_on(server)
