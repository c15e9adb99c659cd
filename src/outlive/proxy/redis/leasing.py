"""What needs a server connection of the client's own: the lease, the steps that are unanswered on it, its end."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.phases import CLOSED, PREPARING, READY, RELAYING, WAITING
from outlive.proxy.redis.ordinary import SharingClient, worded
from outlive.session.redis import client_session as steps
from outlive.upstream.redis.key import key_of
from outlive.upstream.redis.line import LOST
from outlive.wire import ProtocolError
from outlive.wire.redis.replies import PUSH, ReplyScanner
from outlive.wire.redis.values import command, error

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.redis.services import RedisServices
    from outlive.session.redis.client_session import RedisSession
    from outlive.session.redis.commands import Wait
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.route import Route
    from outlive.wire.redis.commands import CommandStream

_PING: Final = command(b"PING")
_ALL: Final = 1 << 62
_ABORTED: Final = error("EXECABORT Transaction discarded because of previous errors.")


class LeasingClient(SharingClient):
    """The part of a client that leases a connection and relays between it and the client."""

    __slots__ = (
        "_expected",
        "_first",
        "_multi_sent",
        "_out",
        "_raw",
        "_refusal",
        "_replies",
        "_reserved",
        "_said",
        "_stream",
        "_wait",
    )

    connection: RedisConnection | None

    def __init__(self, channel: Channel, session: RedisSession, route: RedisRoute, services: RedisServices) -> None:
        SharingClient.__init__(self, channel, session, route, services)
        self._expected: deque[tuple[int, bool, bytes]] = deque()
        """The steps that are unanswered, whether they are muted, and what is said behind them."""
        self._out: list[bytes] = []
        self._replies = ReplyScanner()
        self._first = 0
        self._raw = False
        """The server speaks unasked (MONITOR): all it says is passed on."""
        self._said: list[bytes] = []
        """Answers from here that came in the middle of what the server says unasked."""
        self._multi_sent = False
        self._stream: CommandStream | None = None
        self._wait: Wait | None = None
        self._refusal = ""
        self._reserved = False
        """The connection was lent for a command that has not been sent yet."""

    @abstractmethod
    def answer_not_run(self, answer: bytes) -> None:
        """No connection was to be had for a command."""

    @abstractmethod
    def nothing(self) -> bytes | None:
        """What a command that blocks is answered when its time was spent in the queue."""

    # -- beginning ---------------------------------------------------------------------------------

    def lease(self, use: int) -> bool:
        """Whether the client has a connection of its own now; else it waits for one, or for what is outstanding.

        `use`: what for (`Key.use`).
        """
        if self.connection is not None:
            return True
        if self._outstanding:
            return False
        self.follow_route()
        session = self.session
        self.key = key_of(session.user, session.database, session.protocol, use)
        connection = self.server.pool.acquire(self.key, None, self.last, self)
        if connection is None:
            self._queue()
            return False
        return self._begin(connection)

    def _begin(self, connection: RedisConnection) -> bool:
        self._take(connection)
        self._reserved = True
        self._replies = ReplyScanner()
        if not self.server.pool.stale(connection, self.services.time()):
            self.phase = READY
            return True
        self.phase = PREPARING
        connection.run([_PING], lambda _, error: self._prepared(connection))
        return False

    def _prepared(self, connection: RedisConnection) -> None:
        if self.phase == PREPARING and self.connection is connection:
            self.phase = READY
            self.read_on()

    def _queue(self, *, again: bool = False) -> None:
        """As `_enqueue`; the time in the queue of a command that blocks counts against its own."""
        self.phase = WAITING
        self.follow_route()
        server = self.server
        now = self.services.time()
        self.settings = None
        if not again:
            self.waiting_since = now
            wait = self._wait
            own_s = None if wait is None or wait.counts_replicas else wait.seconds
            self.deadline = now + (self.route.acquire_timeout_s if own_s is None else own_s)
        if not server.pool.wait(self, now, again=again):
            server.metrics.queue_full += 1
            self.queue_full()
            return
        server.lines.press()
        if server.pool.stirred:
            # In the next turn: what is refused at once would be answered while this is still being read.
            server.call_soon(server.stir)

    # -- see Client --------------------------------------------------------------------------------

    def lent(self, connection: RedisConnection) -> None:
        """See `Client`."""
        if self.phase != WAITING:
            self.server.give_back(connection)
            return
        server = self.server
        server.metrics.waits.observe(max(0.0, server.pool.now - self.waiting_since))
        if self._begin(connection):
            self.services.call_soon(self._lent)

    def _lent(self) -> None:
        if self.phase == READY and self.connection is not None:
            self.read_on()

    def expired(self) -> None:
        """See `Client`."""
        nothing = self.nothing()
        if nothing is not None:
            self._answer_first(nothing, run=True)
            return
        self._answer_first(error(worded(self.server.lines.waited(self.services.time() - self.waiting_since))))

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self._answer_first(error(worded(str(refusal))))

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self.phase = READY
        self._refusal = worded(self.server.lines.full())
        self.services.metrics.errors.add("queue_full")

    def _answer_first(self, answer: bytes, *, run: bool = False) -> None:
        """The command that waited is answered without having been run; `run`: with what it would have said."""
        self.phase = READY
        self._wait = None
        self.waiting_since = 0.0
        self.restore_key()
        self._scanner.reset()
        end = self._scanner.scan(bytes(self._inbox), 0)
        if run:
            self.answer(answer)
        else:
            self.services.metrics.errors.add("not_run")
            self.answer_not_run(answer)
        if end < 0:  # too large to be held, and the rest of it is still to come
            self.channel.close()
            return
        del self._inbox[:end]
        self.services.call_soon(self.read_on)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return route is self.route

    def queue_again(self) -> None:
        """See `Client`."""
        self._queue(again=True)

    # -- sending -----------------------------------------------------------------------------------

    def send_step(self, data: bytes, step: int, *, muted: bool | None = None) -> None:
        """A command for the client's own connection, with what its reply means."""
        self._reserved = False
        self._out.append(data)
        self._expected.append((step, self.is_muted() if muted is None else muted, b""))

    def flush(self) -> None:
        """See `SharingClient`."""
        if not self._out:
            return
        out, self._out = self._out, []
        connection = self.connection
        if connection is None:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self.server.metrics.bytes_to_server += len(data)
        if self.phase == READY and self._expected and self._wait is not None:
            self.phase = RELAYING
        connection.send(data)

    # -- answers from here -------------------------------------------------------------------------

    def answer(self, data: bytes) -> None:
        """An answer from here, behind what is outstanding."""
        if self.mute or self.mute_next:
            self.mute_next = False
            return
        self.answer_loudly(data)

    def answer_loudly(self, data: bytes) -> None:
        """The same where CLIENT REPLY has no say."""
        if self._raw:
            if self._replies.is_at_rest:
                self.channel.send(data)
            else:
                self._said.append(data)
        elif self._expected:
            step, muted, after = self._expected[-1]
            self._expected[-1] = step, muted, after + data
        elif self._outstanding and self._entry is not None:
            self._entry.after += data
        else:
            self.channel.send(data)

    @property
    def is_outstanding(self) -> bool:
        """See `SharingClient`."""
        return self._outstanding > 0 or bool(self._expected)

    @property
    def is_within_reply(self) -> bool:
        """See `SharingClient`."""
        if self.connection is not None:
            return not self._replies.is_at_rest
        return SharingClient.is_within_reply.fget(self)  # type: ignore[attr-defined, no-any-return]

    # -- the end of a lease ------------------------------------------------------------------------

    def rest(self) -> None:
        """See `SharingClient`: the connection goes back where it is as it was lent."""
        if self.connection is None or self._reserved or self.phase != READY or self._expected or self._out:
            return
        if self.session.holds or self._stream is not None:
            return
        self._multi_sent = False
        self.waiting_since = 0.0
        self.services.unpinned(self)
        self.restore_key()
        self._give_back()

    def restore_key(self) -> None:
        """The key of the client's ordinary commands."""
        session = self.session
        self.key = key_of(session.user, session.database, session.protocol)

    def end_lease(self) -> None:
        """RESET: what the connection was held for is over."""
        connection, self.connection = self.connection, None
        pinned = self._raw
        self._raw = self._reserved = self._multi_sent = False
        self._said.clear()
        self._expected.clear()
        if connection is None:
            return
        self.services.unpinned(self)
        connection.lessee = None
        self.last = None
        if pinned:
            self.server.replace(connection, "reset")
        else:
            self.server.clean(connection)

    # -- see Lessee --------------------------------------------------------------------------------

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        try:
            if self._raw:
                self._relay_raw(data)
            else:
                self._relay(data)
        except ProtocolError as problem:
            if self.connection is not None:
                self.connection.fail(str(problem))

    def _relay_raw(self, data: bytes) -> None:
        self._replies.scan(data, 0, _ALL)
        self._to_client(data)
        if self._said and self._replies.is_at_rest:
            said, self._said = self._said, []
            self.channel.send(b"".join(said))

    def _to_client(self, data: bytes) -> None:
        if data:
            self.services.metrics.bytes_to_clients += len(data)
            self.channel.send(data)

    def _relay(self, data: bytes) -> None:
        at = shown = 0
        size = len(data)
        replies, expected = self._replies, self._expected
        while at < size:
            if not expected:
                raise ProtocolError("the server spoke without being asked")
            step, muted, after = expected[0]
            if replies.is_at_rest:
                self._first = data[at]
                if self._first == PUSH:
                    raise ProtocolError("the server spoke without being asked")
            end, done = replies.scan(data, at, 1)
            if muted or step in (steps.OWN, steps.ABORTED):
                self._to_client(data[shown:at])
                shown = end
            at = end
            if not done:
                break
            step, muted, after = expected.popleft()
            if replies.error:
                self.route.command_refused(self.connection, replies.error)  # type: ignore[arg-type]
                replies.error = b""
            self._answered(step)
            if step == steps.ABORTED and not muted:
                after = _ABORTED + after
            if after:
                self._to_client(data[shown:at])
                shown = at
                self.channel.send(after)
        self._to_client(data if not shown and at == size else data[shown:at])
        if self._aside:
            self.send_aside()
        if not expected and self.phase != CLOSED:
            self._all_answered()

    def _all_answered(self) -> None:
        self._multi_sent = self.session.in_multi
        if self._ending:
            self.channel.close()
            return
        if self.phase == RELAYING:
            self.phase = READY
        if self._inbox:
            self.read_on()
        if self.phase == READY:
            self.rest()

    def _answered(self, step: int) -> None:
        self.session.answered(steps.DISCARD if step == steps.ABORTED else step, self._first)
        if step == steps.BLOCK:
            self._wait = None

    def server_lost(self) -> None:
        """See `Lessee`."""
        self.connection = None
        self.last = None
        self._reserved = False
        self.services.unpinned(self)
        if self.phase == PREPARING:
            self._queue(again=True)  # nothing was sent
            return
        held = self.session.holds
        self.session.lost()
        waiting = [step for step in self._expected if step[0] != steps.OWN]
        cut = not self._replies.is_at_rest
        self._expected.clear()
        self._out.clear()
        self._multi_sent = False
        self._wait = None
        self.restore_key()
        if self.phase == CLOSED:
            return
        self.services.metrics.errors.add("server_lost")
        if cut or self._raw or self._stream is not None or (held and not waiting):
            # A watch or a transaction that is gone cannot be told otherwise.
            self.channel.close()
            return
        for _, muted, after in waiting:
            self.channel.send((b"" if muted else error(worded(LOST))) + after)
        if held or self._ending:
            self.channel.close()
            return
        self.phase = READY
        self.services.call_soon(self.read_on)

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
        self.channel.pause_reading(paused)
        if not paused:
            self.read_on()
