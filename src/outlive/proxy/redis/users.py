"""Who a client of Redis is: AUTH and HELLO's AUTH, judged here, or by the server where only that knows the password."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.attempts import FailedAttempts
from outlive.proxy.users import ClientUsers
from outlive.upstream.lease import Client
from outlive.upstream.redis.dial import DEFAULT_USER
from outlive.upstream.redis.key import Key, as_key
from outlive.wire.redis.values import RedisError

if TYPE_CHECKING:
    from outlive.proxy.redis.services import RedisServices
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.route import Route

_WRONG: Final = "WRONGPASS invalid username-password pair or user is disabled."
_NOT_NEEDED: Final = (
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration "
    "is correct?"
)

Done = Callable[[str | None], None]
"""Called with None, or the error."""


class RedisUsers(ClientUsers):
    """See `ClientUsers`. A credential is the password itself: that is what clients send."""

    def make(self, user: bytes, password: bytes, *, listed: bool) -> bytes:
        """See `ClientUsers`."""
        return password

    @property
    def default_is_open(self) -> bool:
        """Whether clients are in without AUTH, as with a server whose default user has no password."""
        return DEFAULT_USER in self.users.secrets and self.credential(DEFAULT_USER.encode()) == b""


class Judge:
    """The judgements of a node."""

    def __init__(self, services: RedisServices) -> None:
        self._services = services
        self._failures = FailedAttempts()
        self._numbers = count(1)

    def judge(self, route: RedisRoute, user: bytes | None, password: bytes, done: Done) -> Trial | None:
        """Is this the user's password (None: the default user's)? `done` is called at once, or later; then
        what is returned can cancel it.
        """
        users = self._services.users_of(route)
        if user is None:
            user = DEFAULT_USER.encode()
            if users.default_is_open:
                done(_NOT_NEEDED)
                return None
        if users.is_listed(user):
            running = users.renewal(user, self._services.time())
            if running is None:
                self._compare(users, user, password, done)
            else:
                name = user
                running.add_done_callback(lambda _: self._compare(users, name, password, done))
            return None
        if not route.database.passthrough:
            done(_WRONG)
            return None
        return self._try(route, user, password, done)

    def _compare(self, users: RedisUsers, user: bytes, password: bytes, done: Done) -> None:
        known = users.credential(user)
        right = known is not None and (not known or hmac.compare_digest(known, password))
        done(None if right else _WRONG)

    def _try(self, route: RedisRoute, user: bytes, password: bytes, done: Done) -> Trial | None:
        try:
            name = user.decode()
        except UnicodeDecodeError:
            done(_WRONG)
            return None
        known = route.server().dialer.users.passed_through.get(name)
        if known is not None and hmac.compare_digest(known, password):
            done(None)
            return None
        if self._failures.exhausted(name, route.database.passthrough_attempts_per_minute, self._services.time()):
            done(_WRONG)
            return None
        trial = Trial(self, route, Key(name, 0, 3, attempt=next(self._numbers)), password, done)
        trial.begin(self._services.time())
        return trial

    def failed(self, user: str) -> None:
        """The server did not take the password."""
        self._failures.failed(user, self._services.time())


class Trial(Client):
    """One password that is tried at the server, by a login with it. One at a time for each server: the group
    "passthrough" of its pool has one place.
    """

    __slots__ = ("_done", "_judge", "_password", "_route", "_server")

    def __init__(self, judge: Judge, route: RedisRoute, key: Key, password: bytes, done: Done) -> None:
        Client.__init__(self, key)
        self._judge = judge
        self._route = route
        self._password = password
        self._done: Done | None = done
        self._server: Any = route.server()

    def __repr__(self) -> str:
        return f"Trial({as_key(self.key).user})"

    def begin(self, now: float) -> None:
        """Queues for the login."""
        self.deadline = now + self._route.acquire_timeout_s
        server = self._server
        server.dialer.users.trials[as_key(self.key).attempt] = self._password
        if not server.pool.wait(self, now):
            self._end("ERR Outlive: the queue for server connections is full (max_waiters)")
            return
        server.lines.press()
        server.stir()

    def cancel(self) -> None:
        """The client is gone."""
        self._done = None
        if self.waits:
            self._server.pool.cancel(self)
            self._server.stir()
        self._forget()

    def _forget(self) -> None:
        self._server.dialer.users.trials.pop(as_key(self.key).attempt, None)
        self._password = b""

    def _end(self, error: str | None) -> None:
        done, self._done = self._done, None
        self._forget()
        if done is not None:
            done(error)

    def lent(self, connection: Any) -> None:
        """See `Client`."""
        server = self._server
        user = as_key(self.key).user
        for other in {server, *self._route.servers}:  # any of them may be the primary next
            other.dialer.users.passed_through[user] = self._password
            other.pool.forgive(lambda key: as_key(key).user == user)
        server.pool.retire(connection, "passthrough")
        server.give_back(connection)
        self._end(None)

    def expired(self) -> None:
        """See `Client`."""
        self._end("ERR Outlive: no server connection was free in time to try the password")

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self._judge.failed(as_key(self.key).user)
        wrong = isinstance(refusal, RedisError) and refusal.code == b"WRONGPASS"
        self._end(_WRONG if wrong else f"ERR Outlive: the server refused the login: {refusal}")

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self._route

    def queue_again(self) -> None:
        """See `Client`."""
        self._server.dialer.users.trials.pop(as_key(self.key).attempt, None)
        self._server = self._route.follow(self._server)
        self._server.dialer.users.trials[as_key(self.key).attempt] = self._password
        self._server.pool.wait(self, self._server.time(), again=True)
        self._server.stir()
