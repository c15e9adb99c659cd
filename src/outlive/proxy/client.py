"""A client after its login, as far as no protocol matters: its place in the queue, its lease, its silences, its end.

A client has one request at a time under way: what it sends before the reply is complete waits in `_inbox`, so no reply
can overtake another. The phases say what is awaited; everything that happens is a call from the loop, there is no task
and no timer here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from outlive.proxy.phases import CLOSED, PHASE_NAMES, READY, WAITING
from outlive.upstream.lease import Client

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.services import Services
    from outlive.upstream.route import Route


class ProxiedClient(Client, ABC):
    """A logged-in client. `channel` is its socket, `route` where its connections come from, `session` what it did."""

    __slots__ = (
        "_inbox",
        "_outgoing",
        "_waited_for",
        "active_at",
        "activity",
        "channel",
        "connection",
        "doubted",
        "last",
        "leased_at",
        "phase",
        "pins",
        "probing",
        "route",
        "seen_activity",
        "server",
        "services",
        "session",
        "silent_since",
        "stalled_at",
        "stalled_bytes",
    )

    is_operator: ClassVar[bool] = False
    """A console: it never takes a lease, and is not shown among the clients."""

    def __init__(self, channel: Channel, session: Any, route: Route, services: Services) -> None:
        Client.__init__(self)
        self.channel = channel
        self.session = session
        self.route = route
        self.services = services
        self.server: Any = route.server()
        self.connection: Any = None
        self.last: Any = None
        self.phase = READY
        self.active_at = services.now
        self.activity = 0
        self.seen_activity = 0
        self.leased_at = 0.0
        self.silent_since = services.now
        self.stalled_at = 0.0
        self.stalled_bytes = 0
        self.probing = 0
        self.doubted = False
        self.pins: tuple[str, ...] = ()
        self._inbox = bytearray()
        self._outgoing = b""
        self._waited_for = -1

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.session.user} {PHASE_NAMES[self.phase]}>"

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Bytes of the client, decrypted."""

    @abstractmethod
    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""

    @abstractmethod
    def server_lost(self) -> None:
        """See `Lessee`. What was under way gets the protocol's error; nothing is sent again."""

    @abstractmethod
    def server_paused(self, paused: bool) -> None:
        """See `Lessee`. The server is slow to read: so is what its client uploads."""

    @property
    @abstractmethod
    def reply_is_complete(self) -> bool:
        """Whether all of the reply has come from the server: then its connection is about to go on to others."""

    @abstractmethod
    def read_on(self) -> None:
        """Takes what is whole out of the inbox, as far as the phase allows."""

    @abstractmethod
    def queue_full(self) -> None:
        """The queue has no place: the request gets its error."""

    @abstractmethod
    def end(self, kind: str) -> None:
        """Ends the client for what it did not do in time: `kind` is the metric's label."""

    @abstractmethod
    def end_for_drain(self) -> None:
        """Outlive is stopping: the error lies in the socket, and is the answer to whatever the client sends next."""

    @abstractmethod
    def keep_alive(self) -> None:
        """Asks the server something on a connection that is held in silence."""

    @abstractmethod
    def abandon(self, connection: Any, phase: int) -> None:
        """The client is gone and leaves `connection` in the middle of `phase`."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    def can_lose_transaction(self) -> bool:
        """Whether a rollback would cost the client nothing but its snapshot; then `lose_transaction` can do it."""
        return False

    def lose_transaction(self) -> None:
        """Rolls back a transaction of plain reads that its client left open; the client stays."""

    @property
    def may_be_silent(self) -> bool:
        """Whether it may hold its connection for as long as it likes."""
        return False

    def forget_last(self, last: Any) -> None:
        """The session is over: what its last connection still knows of it is nobody's."""

    # -- the queue ---------------------------------------------------------------------------------

    def _take(self, connection: Any) -> None:
        self.connection = self.last = connection
        connection.lessee = self
        self.leased_at = self.services.now
        self.server.metrics.leases += 1

    def _enqueue(self, *, again: bool = False) -> None:
        """`again` keeps the place and the deadline of a request that waited;
        one that had a connection at once has none."""
        self.phase = WAITING
        self.follow_route()
        server = self.server
        now = self.services.time()
        self.settings = self.session.settings
        if self._waited_for != self.activity or not again:
            self._waited_for = self.activity
            self.waiting_since = now
            self.deadline = now + self.route.acquire_timeout_s
        if not server.pool.wait(self, now, again=again):
            server.metrics.queue_full += 1
            self.queue_full()
        elif server.pool.stirred:
            server.stir()

    def _leave_queue(self) -> None:
        self.server.pool.cancel(self)
        if self.server.pool.stirred:
            self.server.stir()

    def follow_route(self) -> None:
        """The next lease is from where the route leads now. Not while one is held:
        it goes back to where it came from."""
        server = self.route.follow(self.server)
        if server is not self.server:
            self.server = server
            self.last = None

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self.route

    def _began(self, connection: Any) -> bool:
        """From the queue: whether the lease begins. The client may have died, and the pool could not know."""
        if self.phase != WAITING:
            self.server.give_back(connection)
            return False
        # The pool's clock stands at the call that lent the connection, which is now.
        self.server.metrics.waits.observe(self.server.pool.now - self.waiting_since)
        self._take(connection)
        return True

    # -- the lease ---------------------------------------------------------------------------------

    def _give_back(self) -> None:
        connection, self.connection = self.connection, None
        if self.probing:
            self.services.relax(self)
        self.server.give_back(connection)

    def _drop_connection(self, why: str) -> None:
        connection, self.connection = self.connection, None
        self.last = None
        if connection is not None:
            connection.lessee = None
            connection.fail(why)

    @property
    def is_at_rest(self) -> bool:
        """Between requests, and holding nothing."""
        return self.phase == READY and self.connection is None and not self._inbox

    # -- flow --------------------------------------------------------------------------------------

    def client_paused(self, paused: bool) -> None:
        """The client is slow to read: so is its reply."""
        connection = self.connection
        self.stalled_at = self.services.now if paused else 0.0
        if connection is not None and connection.transport is not None and not connection.lost:
            if not paused:
                connection.transport.resume_reading()
            elif not self.reply_is_complete:
                connection.transport.pause_reading()
        self.read_on()

    def _read_on_soon(self) -> None:
        if self._inbox:
            self.services.call_soon(self.read_on)

    # -- the end -----------------------------------------------------------------------------------

    def client_lost(self) -> None:
        """The client's socket is gone, or is being closed: the lease ends, whatever was under way."""
        phase, self.phase = self.phase, CLOSED
        if phase == CLOSED:
            return
        self._inbox.clear()
        self.services.unpinned(self)
        if phase == WAITING:
            self._leave_queue()
        connection, self.connection = self.connection, None
        last, self.last = self.last, None
        if last is not None:
            self.forget_last(last)
        if connection is not None:
            connection.lessee = None
            self.abandon(connection, phase)
