"""Passthrough: users whose password only the server knows.

The clear password (over TLS or RSA) is tried at the server, on a connection of the reserved slot; if it is right it is kept
in memory, and later logins are judged by it here. Attempts are limited per user, one at a time per server: a guesser
gains nothing by asking through Outlive instead of the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Final

from outlive.pool.slot import DIALING
from outlive.upstream.mysql.key import Key
from outlive.wire.mysql.constants import ER_ACCESS_DENIED_ERROR
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.proxy.mysql.services import Services
    from outlive.upstream.mysql.route import Route
    from outlive.upstream.mysql.server import Server

_MINUTE_S: Final = 60.0
_USERS_MAX: Final = 10_000
_QUEUE_MAX: Final = 1000
_RETRY_S: Final = 0.05
_TIMEOUT: Final = ERR(1040, b"08004", b"Too many connections: the reserved server connection was not to be had in time")
DENIED: Final = ERR(ER_ACCESS_DENIED_ERROR, b"28000", b"Access denied")

Done = Callable[[ERR | None], None]


class Trial:
    """One password to be tried."""

    __slots__ = ("deadline", "done", "password", "server", "user")

    def __init__(self, server: Server, user: str, password: bytes, deadline: float, done: Done) -> None:
        self.server = server
        self.user = user
        self.password = password
        self.deadline = deadline
        self.done = done

    def __repr__(self) -> str:
        return f"Trial({self.user})"


class PassthroughLogins:
    """The trials of all servers of a node."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._failures: dict[str, deque[float]] = {}
        self._queues: dict[Server, deque[Trial]] = {}
        self._running: set[Server] = set()
        self._numbers = count(1)

    def judge(self, route: Route, user: str, password: bytes, done: Done) -> None:
        """Asks the server whether this is the user's password; `done` with None or the refusal."""
        server = route.server()
        now = self._services.time()
        if self._exhausted(user, route.database.passthrough_attempts_per_minute, now):
            done(DENIED)
            return
        queue = self._queues.setdefault(server, deque())
        if len(queue) >= _QUEUE_MAX:
            done(_TIMEOUT)
            return
        queue.append(Trial(server, user, password, now + route.acquire_timeout_s, done))
        self._go_on(server)

    def _exhausted(self, user: str, most: int, now: float) -> bool:
        failures = self._failures.get(user)
        if failures is None:
            return False
        while failures and failures[0] < now - _MINUTE_S:
            failures.popleft()
        if not failures:
            del self._failures[user]
        return len(failures) >= most

    def _failed(self, user: str) -> None:
        if len(self._failures) >= _USERS_MAX:
            self._failures.pop(next(iter(self._failures)))
        self._failures.setdefault(user, deque(maxlen=10_000)).append(self._services.time())

    def _go_on(self, server: Server) -> None:
        queue = self._queues.get(server)
        if server in self._running or not queue:
            return
        now = self._services.time()
        trial = queue[0]
        if trial.deadline <= now:
            queue.popleft()
            trial.done(_TIMEOUT)
            self._go_on(server)
            return
        number = next(self._numbers)
        connection = server.pool.acquire_control(Key(trial.user, 0, None, number), now)
        if connection is None or connection.state != DIALING:
            server.stir()
            self._services.call_later(_RETRY_S, lambda: self._go_on(server))
            return
        queue.popleft()
        self._running.add(server)
        users = server.dialer.users
        users.trials[number] = trial.password

        def dialled(ok: bool) -> None:
            users.trials.pop(number, None)
            self._running.discard(server)
            if ok:
                users.passed_through[trial.user] = trial.password
                server.retire_now(connection, "passthrough")
                trial.done(None)
            else:
                self._refuse(trial, connection.refusal)
            self._go_on(server)

        server.dial_control(connection, dialled)

    def _refuse(self, trial: Trial, refusal: ERR | None) -> None:
        if refusal is not None:
            self._failed(trial.user)
        trial.done(refusal or _TIMEOUT)
