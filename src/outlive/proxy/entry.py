"""The last step of a login, as far as no protocol matters: does the server let this user in?

Known from an earlier login, the answer is at once and costs no server connection; else a connection is leased for it.
A password that only the server can judge (passthrough) is tried there first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from outlive.upstream.lease import Client

if TYPE_CHECKING:
    from outlive.upstream.route import Route


class Entry(Client, ABC):
    """One attempt; `done` is called once, with None or the refusal, an error of the protocol."""

    __slots__ = ("_connection", "_done", "_route", "_services", "_trial", "server", "user")

    def __init__(self, services: Any, route: Any, user: str, done: Callable[[Any], None]) -> None:
        Client.__init__(self)
        self._services = services
        self._route = route
        self._done: Callable[[Any], None] | None = done
        self._connection: Any = None
        self._trial: Any = None
        self.server: Any = route.server()
        self.user = user

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    def is_known(self) -> bool:
        """Whether the server need not be asked; else sets `key` and `settings` of the connection to ask on."""

    @abstractmethod
    def ask(self, connection: Any) -> None:
        """Asks, and then `finish`es and gives the connection back."""

    @abstractmethod
    def judge(self, password: bytes, deadline: float) -> Any:
        """Has the server judge the password; then `judged`. Returns what can be cancelled."""

    @abstractmethod
    def queue_full(self) -> Any:
        """The error for it."""

    @abstractmethod
    def waited(self, seconds: float) -> Any:
        """The error of a deadline that passed."""

    # -- the attempt -------------------------------------------------------------------------------

    def begin(self, password: bytes | None) -> None:
        """`password` is given where the server must judge it."""
        if password is None:
            self._look_up()
        else:
            self._trial = self.judge(password, self._services.time() + self._route.acquire_timeout_s)

    def judged(self, refusal: Any) -> None:
        """The server's answer to the password."""
        self._trial = None
        if refusal is not None:
            self.finish(refusal)
        else:
            self._look_up()

    def _look_up(self, *, again: bool = False) -> None:
        if self.is_known():
            self.finish(None)
            return
        server = self.server
        connection = server.pool.acquire(self.key, self.settings, None, self)
        if connection is not None:
            self._take(connection)
            return
        now = self._services.time()
        if not again or not self.deadline:
            self.waiting_since = now
            self.deadline = now + self._route.acquire_timeout_s
        if not server.pool.wait(self, now, again=again):
            self.finish(self.queue_full())
        elif server.pool.stirred:
            server.stir()

    def _take(self, connection: Any) -> None:
        self._connection = connection
        connection.lessee = self
        self.ask(connection)

    def finish(self, refusal: Any) -> None:
        """The answer."""
        done, self._done = self._done, None
        if done is not None:
            done(refusal)

    def cancel(self) -> None:
        """The client is gone."""
        self._done = None
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None
        if self.waits:
            self.server.pool.cancel(self)
            self.server.stir()

    # -- see Client and Lessee ---------------------------------------------------------------------

    def lent(self, connection: Any) -> None:
        """See `Client`."""
        if self._done is None:
            self.server.give_back(connection)
        else:
            self._take(connection)

    def expired(self) -> None:
        """See `Client`."""
        self.finish(self.waited(self._services.time() - self.waiting_since))

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self.finish(refusal)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self._route

    def queue_again(self) -> None:
        """See `Client`."""
        self.server = self._route.follow(self.server)
        self._look_up(again=True)

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
