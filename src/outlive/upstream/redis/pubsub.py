"""Publish and subscribe: one server connection for all subscribers of a user.

Each SUBSCRIBE of a client goes to the server, also where the channel is subscribed already: so the server's answer
(its ACL for channels) is the client's, and it is ordered among the messages. UNSUBSCRIBE goes there when nobody is
left. The connection speaks RESP2, in which a message is an array like a command; subscribers of RESP3 get a push.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from outlive.upstream.lease import Client
from outlive.upstream.redis.key import Key
from outlive.upstream.redis.line import LOST
from outlive.wire import ProtocolError
from outlive.wire.redis.commands import arguments_of
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import command

if TYPE_CHECKING:
    from outlive.upstream.route import Route

SUBSCRIBE: Final = b"subscribe"
PSUBSCRIBE: Final = b"psubscribe"
SSUBSCRIBE: Final = b"ssubscribe"
UNSUBSCRIBES: Final = {b"unsubscribe": SUBSCRIBE, b"punsubscribe": PSUBSCRIBE, b"sunsubscribe": SSUBSCRIBE}
_UNSUBSCRIBE: Final = {kind: name for name, kind in UNSUBSCRIBES.items()}
_MESSAGES: Final = {b"message": SUBSCRIBE, b"pmessage": PSUBSCRIBE, b"smessage": SSUBSCRIBE}
_PING: Final = command(b"PING")
_PING_EVERY_S: Final = 15.0
_ANSWER_S: Final = 10.0
_HEAD_BYTES: Final = 64 * 1024
"""The kind and the channel of a message that is too large for anybody."""

Done = Callable[[str], None]
"""Called with "", or the error; `NOT_RUN` before it where the server was not asked."""


class Subscriber(Protocol):
    """A client that has subscribed."""

    route: Any

    def published(self, message: bytes, pushed: bytes) -> None:
        """A message, as RESP2 and as RESP3 have it."""

    def subscription_lost(self, why: str) -> None:
        """The server's connection has ended, and messages may have been missed."""


class Request:
    """One command of a subscriber, or of the subscription itself (`subscriber` is None): so many confirmations."""

    __slots__ = ("done", "kind", "left", "names", "since", "subscriber")

    def __init__(
        self, kind: bytes, names: Sequence[bytes], subscriber: Subscriber | None, done: Done | None, since: float
    ) -> None:
        self.kind = kind
        self.names = names
        self.left = len(names)
        self.subscriber = subscriber
        self.done = done
        self.since = since


class SharedSubscription(Client):
    """The subscription of one user at one server."""

    __slots__ = (
        "_by_name",
        "_part",
        "_part_bytes",
        "_pinged_at",
        "_requests",
        "_scanner",
        "_unsent",
        "connection",
        "server",
    )

    def __init__(self, server: Any, key: Key) -> None:
        Client.__init__(self)
        self.key: Key = key
        self.server = server
        self.connection: Any = None
        self._by_name: dict[tuple[bytes, bytes], dict[Subscriber, bool]] = {}
        """Who has subscribed (False: has asked for it) to what."""
        self._requests: deque[Request] = deque()
        """Sent, and not confirmed yet."""
        self._unsent: deque[Request] = deque()
        self._scanner = ReplyScanner()
        self._part: list[bytes] = []
        self._part_bytes = 0
        self._pinged_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody subscribes to anything."""
        return not (self._by_name or self._requests or self._unsent)

    # -- subscribers -------------------------------------------------------------------------------

    def subscribe(self, subscriber: Subscriber, kind: bytes, names: Sequence[bytes], done: Done) -> None:
        """SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE."""
        for name in names:
            self._by_name.setdefault((kind, name), {}).setdefault(subscriber, False)
        self._ask(Request(kind, names, subscriber, done, self.server.time()))

    def unsubscribe(self, subscriber: Subscriber, kind: bytes, names: Sequence[bytes]) -> None:
        """It gets nothing more of these."""
        left: list[bytes] = []
        for name in names:
            those = self._by_name.get((kind, name))
            if those is not None and those.pop(subscriber, None) is not None and not those:
                del self._by_name[kind, name]
                left.append(name)
        if left and self.connection is not None:
            self._ask(Request(_UNSUBSCRIBE[kind], left, None, None, self.server.time()))

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber is gone."""
        for request in [*self._requests, *self._unsent]:
            if request.subscriber is subscriber:
                request.done = None
        self._unsent = deque(request for request in self._unsent if request.subscriber is not subscriber)
        by_kind: dict[bytes, list[bytes]] = {}
        for (kind, name), those in self._by_name.items():
            if subscriber in those:
                by_kind.setdefault(kind, []).append(name)
        for kind, names in by_kind.items():
            self.unsubscribe(subscriber, kind, names)

    def _ask(self, request: Request) -> None:
        if self.connection is not None and not self.connection.running:
            self._send(request)
        else:
            self._unsent.append(request)
            if self.connection is None and not self.waits:
                self._acquire()

    def _send(self, request: Request) -> None:
        self._requests.append(request)
        data = command(request.kind, *request.names) if request.names else _PING
        self.server.metrics.bytes_to_server += len(data)
        self.connection.send(data)

    # -- the connection ----------------------------------------------------------------------------

    def _acquire(self, *, again: bool = False) -> None:
        server = self.server
        connection = server.pool.acquire(self.key, None, None, self)
        if connection is not None:
            self.lent(connection)
            return
        now = server.time()
        asking = [(request.since, request.subscriber) for request in self._unsent]
        self.deadline = min((since + who.route.acquire_timeout_s for since, who in asking if who), default=now)
        if not server.pool.wait(self, now, again=again or not server.pool.draining):
            server.call_soon(lambda: self._fail_unsent("this node is being stopped"))
            return
        server.lines.press()
        if server.pool.stirred:
            server.call_soon(server.stir)

    def lent(self, connection: Any) -> None:
        """See `Client`."""
        self.connection = connection
        connection.lessee = self
        self._scanner = ReplyScanner()
        self.server.metrics.leases += 1
        self._pinged_at = self.server.time()
        if self.server.pool.stale(connection, self._pinged_at):
            connection.run([_PING], lambda _, error: self._go_on(connection))
        else:
            self._go_on(connection)

    def _go_on(self, connection: Any) -> None:
        if self.connection is not connection:
            return
        while self._unsent:
            self._send(self._unsent.popleft())
        self._rest()

    def _rest(self) -> None:
        """Without a subscriber the connection is like any other."""
        if self.connection is not None and self.is_idle and not self.connection.running:
            connection, self.connection = self.connection, None
            self.server.give_back(connection)

    def look_after(self, now: float) -> None:
        """Once a second: a server from which nothing comes may be gone; one that was demoted is left."""
        connection = self.connection
        if connection is None or connection.running:
            return
        if connection.retired is not None:
            self.server.replace(connection, connection.retired)
        elif self._requests and now - self._requests[0].since > _ANSWER_S and now - self._pinged_at > _ANSWER_S:
            connection.fail("no answer to a subscription")
        elif now - self._pinged_at > _PING_EVERY_S:
            self._pinged_at = now
            request = Request(b"ping", (), None, None, now)
            request.left = 1
            self._send(request)

    # -- see Client --------------------------------------------------------------------------------

    def expired(self) -> None:
        """See `Client`."""
        now = self.server.time()
        for request in [found for found in self._unsent if found.subscriber is not None]:
            if request.subscriber is not None and request.since + request.subscriber.route.acquire_timeout_s <= now:
                self._unsent.remove(request)
                self._refuse(request, self.server.lines.waited(now - request.since))
        if self._unsent and not self.waits and self.connection is None:
            self._acquire(again=True)

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self._fail_unsent(str(refusal))

    def _fail_unsent(self, why: str) -> None:
        unsent, self._unsent = self._unsent, deque()
        for request in unsent:
            self._refuse(request, why)

    def _refuse(self, request: Request, why: str) -> None:
        """It was not subscribed."""
        for name in request.names:
            those = self._by_name.get((request.kind, name))
            if those is not None and those.get(request.subscriber) is False:  # type: ignore[arg-type]
                del those[request.subscriber]  # type: ignore[arg-type]
                if not those:
                    del self._by_name[request.kind, name]
        if request.done is not None:
            request.done(why)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return any(request.subscriber is not None and request.subscriber.route is route for request in self._unsent)

    def queue_again(self) -> None:
        """See `Client`. Its clients ask again, and are led to where the route leads now."""
        self._fail_unsent("the server is not the primary any more: subscribe again")

    # -- see Lessee --------------------------------------------------------------------------------

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        at = 0
        try:
            while at < len(data):
                end, done = self._scanner.scan(data, at, 1)
                self._keep(data[at:end])
                at = end
                if done:
                    whole = self._part[0] if len(self._part) == 1 else b"".join(self._part)
                    self._part, size, self._part_bytes = [], self._part_bytes, 0
                    self._take(whole, size)
        except (ProtocolError, ValueError) as error:
            if self.connection is not None:
                self.connection.fail(str(error))

    def _keep(self, piece: bytes) -> None:
        self._part_bytes += len(piece)
        if self._part_bytes <= self.server.message_bytes_max:
            self._part.append(piece)
        elif len(self._part) > 1:
            self._part = [b"".join(self._part)[:_HEAD_BYTES]]

    def _take(self, message: bytes, size: int) -> None:
        """One whole reply or message; of one that is too large only the beginning."""
        if message[:1] == b"-":
            self._refuse(self._requests.popleft(), message[1:-2].decode("utf-8", "replace"))
            self._rest()
            return
        if message[:1] == b"+":  # PONG, where nobody subscribes any more
            self._confirm()
            return
        kind, name = arguments_of(message, 0, len(message), 2)
        subscription = _MESSAGES.get(kind)
        if subscription is None:
            self._confirm()
            return
        those = self._by_name.get((subscription, name), {})
        if size > len(message):
            for subscriber in [found for found, confirmed in those.items() if confirmed]:
                subscriber.subscription_lost("a message was larger than client_output_buffer_bytes")
            return
        pushed = b">" + message[1:]
        for subscriber, confirmed in list(those.items()):
            if confirmed:
                subscriber.published(message, pushed)

    def _confirm(self) -> None:
        if not self._requests:
            return  # a shard's channel moved away by itself
        request = self._requests[0]
        request.left -= 1
        if request.left > 0:
            return
        self._requests.popleft()
        if request.subscriber is not None:
            for name in request.names:
                those = self._by_name.get((request.kind, name))
                if those is not None and request.subscriber in those:
                    those[request.subscriber] = True
        if request.done is not None:
            request.done("")
        self._rest()

    def server_lost(self) -> None:
        """See `Lessee`."""
        self.connection = None
        self._part, self._part_bytes = [], 0
        requests, self._requests = self._requests, deque()
        everybody = {found: None for those in self._by_name.values() for found, confirmed in those.items() if confirmed}
        for request in requests:
            self._refuse(request, LOST)
        for subscriber in everybody:
            subscriber.subscription_lost(LOST)
        if self._unsent and not self.waits and self.connection is None:
            self._acquire()

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
