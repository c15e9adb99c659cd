"""A logged-in client of Redis.

Its ordinary commands go over a shared line; for what needs a connection it has one of its own for as long as that
lasts. It changes from one to the other only when nothing is outstanding, so its replies cannot overtake each other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.client import ProxiedClient
from outlive.proxy.phases import CLOSED, PREPARING, READY, RELAYING, UPLOADING, WAITING
from outlive.proxy.redis import local
from outlive.proxy.redis.abandon import Leftover
from outlive.session.redis import client_session as steps
from outlive.session.redis.client_session import RedisSession
from outlive.session.redis.commands import (
    ALONE,
    BLOCKING,
    BY_NAME,
    FORBIDDEN,
    GATED,
    LOCAL,
    ORDINARY,
    SUBSCRIBING,
    TRANSACTION,
    Wait,
    kind_of,
    kind_of_name,
)
from outlive.upstream.redis.key import key_of
from outlive.upstream.redis.lines import LOST, Entry, Line
from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandScanner, CommandStream, arguments_of, head_of
from outlive.wire.redis.replies import PUSH, ReplyScanner
from outlive.wire.redis.values import command, error, null

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.redis.services import RedisServices
    from outlive.proxy.redis.users import Trial
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.redis.server import RedisServer
    from outlive.upstream.route import Route

_OUTSTANDING_MAX: Final = 512
"""Unanswered chunks of one client, from which on it is not read."""
_PING: Final = command(b"PING")
_DISCARD: Final = command(b"DISCARD")
_ALL: Final = 1 << 62
ABORTED: Final = "EXECABORT Transaction discarded because of previous errors."


class RedisClient(ProxiedClient):
    """See `ProxiedClient`."""

    __slots__ = (
        "_aside",
        "_entry",
        "_expected",
        "_first",
        "_line",
        "_multi_sent",
        "_out",
        "_outstanding",
        "_raw",
        "_refusal",
        "_replies",
        "_scanner",
        "_stream",
        "_wait",
        "authenticated",
        "mute",
        "mute_next",
        "trial",
    )

    server: RedisServer
    connection: RedisConnection | None
    session: RedisSession
    services: RedisServices
    route: RedisRoute

    def __init__(self, channel: Channel, session: RedisSession, route: RedisRoute, services: RedisServices) -> None:
        ProxiedClient.__init__(self, channel, session, route, services)
        self.key = key_of(session.user, session.database, session.protocol)
        self.authenticated = True
        self.mute = False
        """CLIENT REPLY OFF."""
        self.mute_next = False
        """CLIENT REPLY SKIP."""
        self.trial: Trial | None = None
        self._scanner = CommandScanner()
        self._line: Line | None = None
        self._entry: Entry | None = None
        self._outstanding = 0
        self._expected: deque[tuple[int, bool, bytes]] = deque()
        """On a connection of its own: the steps that are unanswered, whether they are muted, and what follows them."""
        self._out: list[bytes] = []
        self._replies = ReplyScanner()
        self._first = 0
        self._raw = False
        """The server speaks unasked: all it says is passed on."""
        self._aside = b""
        self._multi_sent = False
        self._stream: CommandStream | None = None
        self._wait: Wait | None = None
        self._refusal = ""

    # -- bytes of the client -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        self.activity += 1
        self.active_at = self.services.now
        try:
            if self._stream is not None:
                data = self._upload(data)
                if not data:
                    return
            if self._inbox:
                self._inbox += data
                self.read_on()
                return
            at = self._consume(data) if self.phase == READY else 0
            if at < len(data) and self.phase != CLOSED:
                self._keep(data[at:])
        except ProtocolError as problem:
            self._break_off(problem)

    def _keep(self, data: bytes) -> None:
        self._inbox += data
        if len(self._inbox) > self.services.client_buffer_bytes and (self.phase != READY or self._outstanding):
            self.channel.pause_reading(True)

    def read_on(self) -> None:
        """See `ProxiedClient`."""
        if self.phase != READY:
            if len(self._inbox) > self.services.client_buffer_bytes:
                self.channel.pause_reading(True)
            return
        if not self._inbox:
            self._rest()
            return
        try:
            data = bytes(self._inbox)
            at = self._consume(data)
            if self.phase == CLOSED:
                return
            del self._inbox[:at]
            if len(self._inbox) <= self.services.client_buffer_bytes and not self._is_held_up:
                self.channel.pause_reading(False)
        except ProtocolError as problem:
            self._break_off(problem)

    def _break_off(self, problem: ProtocolError) -> None:
        self._inbox.clear()
        self._flush()
        self.services.metrics.errors.add("protocol")
        self.answer(error(f"ERR Protocol error: {problem}"))
        self.hang_up()

    def hang_up(self) -> None:
        """Closes when what is outstanding has been answered."""
        if self._outstanding or self._expected:
            self.services.call_later(0.01, self.hang_up_if_open)
        else:
            self.channel.close()

    def hang_up_if_open(self) -> None:
        """Goes on with `hang_up`."""
        if self.phase != CLOSED:
            self.hang_up()

    @property
    def _is_held_up(self) -> bool:
        line = self._line
        return self._outstanding >= _OUTSTANDING_MAX or (line is not None and line.paused and self._outstanding > 0)

    def _consume(self, data: bytes) -> int:
        """Takes the commands of `data`; the offset of the first one that has to wait, or is not whole."""
        at = 0
        size = len(data)
        scanner = self._scanner
        scan = scanner.scan
        kinds = BY_NAME
        while at < size and self.phase == READY:
            if self._is_held_up:
                self.channel.pause_reading(True)
                break
            if self.connection is not None and not self._expected and not self._out and not self.session.holds:
                self._return_lease()
            if self.connection is None and self.authenticated and not (self.mute or self.mute_next):
                start = at
                count = 0
                end = 0
                while at < size:
                    end = scan(data, at)
                    if end < 0 or kinds.get(scanner.name, LOCAL) != ORDINARY:  # type: ignore[arg-type]
                        break
                    count += 1
                    at = end
                if count:
                    self._share(data if at - start == size else data[start:at], count)
                if at >= size:
                    break
            else:
                end = scan(data, at)
            if end < 0:
                if scanner.least > self.services.client_buffer_bytes:
                    at = self._begin_upload(data, at)
                break
            behind = self._special(data, at, end)
            if not behind:
                break
            at = behind
        if self._out:
            self._flush()
        return at

    # -- over a shared line ------------------------------------------------------------------------

    def _share(self, data: bytes, count: int, *, muted: bool = False) -> None:
        """`count` ordinary commands."""
        line = self._line
        if line is None or not self._outstanding:
            line = self._line = self.server.lines.pick(self.key)  # type: ignore[arg-type]
        self._outstanding += 1
        self._entry = line.add(self, data, count, muted)
        if line.paused:
            self.channel.pause_reading(True)

    def share(self, data: bytes) -> None:
        """One command of Outlive's wording, in place of the client's own."""
        self._share(data, 1, muted=self._is_muted())

    def line_data(self, data: bytes, entry: Entry) -> None:
        """See `Sharer`."""
        if entry.muted:
            return
        self.services.metrics.bytes_to_clients += len(data)
        channel = self.channel
        channel.send(data)
        if self.stalled_at and channel.unsent_bytes > self.route.output_buffer_bytes:
            self.services.metrics.errors.add("output_buffer")
            channel.abort()

    def line_done(self, entry: Entry) -> None:
        """See `Sharer`."""
        if entry.after:
            self.channel.send(entry.after)
        self._outstanding -= 1
        if not self._outstanding:
            self._entry = None
            if self._inbox:
                self.read_on()
        elif self._outstanding == _OUTSTANDING_MAX // 2:
            self.channel.pause_reading(False)
            self.read_on()

    def line_failed(self, entry: Entry, why: str, *, cut: bool) -> None:
        """See `Sharer`."""
        self.services.metrics.errors.add("server_lost" if why is LOST else "not_run")
        if cut:  # half a reply cannot be taken back
            self.channel.close()
            return
        if not entry.muted:
            text = why if why is not LOST else f"ERR Outlive: {why}"
            self.channel.send(error(_worded(text)) * entry.left)
        self.line_done(entry)

    def line_paused(self, paused: bool) -> None:
        """See `Sharer`."""
        self.channel.pause_reading(paused)
        if not paused:
            self.read_on()

    # -- answers that the client waits for -----------------------------------------------------------

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
                self._aside += data
        elif self._expected:
            step, muted, after = self._expected[-1]
            self._expected[-1] = step, muted, after + data
        elif self._outstanding and self._entry is not None:
            self._entry.after += data
        else:
            self.channel.send(data)

    @property
    def is_outstanding(self) -> bool:
        """Whether replies are still to come."""
        return self._outstanding > 0 or bool(self._expected)

    # -- what is not ordinary ----------------------------------------------------------------------

    def _special(self, data: bytes, at: int, end: int) -> int:
        """One command that is not simply multiplexed; the offset behind what was taken, 0 if it has to wait."""
        name = self._scanner.name
        if name is None:
            arguments = self._scanner.inline
            if not arguments:
                return end  # an empty line, which is not answered
            whole = command(*arguments)
            name = arguments[0]
        else:
            whole = data if not at and end == len(data) else data[at:end]
            arguments = []
        kind = kind_of_name(name)
        if kind not in (ORDINARY, ALONE):
            arguments = arguments or arguments_of(data, at, end)
            kind = kind_of(arguments)
        if not self.authenticated and name.upper() not in (b"AUTH", b"HELLO", b"QUIT", b"RESET"):
            self.answer(error("NOAUTH Authentication required."))
            return end
        if kind == FORBIDDEN or (kind == GATED and name.lower() not in self.route.allowed):
            self._refuse(name, kind)
            return end
        if kind == GATED:
            kind = ORDINARY
        if self._raw:
            return end if self._while_subscribed(name, kind, arguments, whole) else 0
        if kind == LOCAL:
            return end if self._locally(arguments, whole) else 0
        if kind == TRANSACTION and name.upper() == b"MULTI" and self.connection is None and not self.mute:
            behind, count = self._whole_transaction(data, end)
            if behind and not self.mute_next:
                self._share(data[at:behind], count + 1)
                return behind
        return end if self._on_own_terms(name, kind, arguments, whole) else 0

    def _whole_transaction(self, data: bytes, at: int) -> tuple[int, int]:
        """Where the EXEC of a MULTI ends that came with all between, and how many commands follow the MULTI; or 0.

        It goes over the line in one piece, so that nobody's commands come between.
        """
        scanner = CommandScanner()
        count = 0
        while at < len(data):
            end = scanner.scan(data, at)
            if end < 0 or scanner.name is None:
                return 0, 0
            count += 1
            name = scanner.name.upper()
            if name in (b"EXEC", b"DISCARD"):
                return (end, count) if scanner.arguments == 1 else (0, 0)
            if kind_of_name(scanner.name) not in (ORDINARY, BLOCKING) or name in (b"WAIT", b"WAITAOF"):
                return 0, 0
            at = end
        return 0, 0

    def _on_own_terms(self, name: bytes, kind: int, arguments: list[bytes], whole: bytes) -> bool:
        """A command that is sent, over a line or a connection of the client's own. False: it has to wait."""
        if kind == ORDINARY and self.connection is None:
            muted = self._is_muted()
            if muted and self._outstanding and self._entry is not None and not self._entry.muted:
                pass  # the order on the line is the order of the replies, muted or not
            self._share(whole, 1, muted=muted)
            return True
        if self._multi_sent and kind in (SUBSCRIBING,):
            return self._refuse_in_multi(name)
        blocks = kind == BLOCKING and not self._multi_sent
        held = blocks or kind == SUBSCRIBING
        if blocks and self._wait is None:
            self._wait = Wait(arguments)
        if not self._leased(held=held):
            if self._refusal:
                refusal, self._refusal = self._refusal, ""
                self._wait = None
                self.answer_not_run(error(refusal))
                return True
            return False
        if kind == SUBSCRIBING:
            return self._begin_subscription(name, whole)
        if blocks:
            return self._block(arguments, whole)
        step = steps.STEPS.get(name.upper(), steps.PLAIN) if kind == TRANSACTION else steps.PLAIN
        if step == steps.EXEC and self.session.aborted:
            step, whole = steps.ABORTED, _DISCARD
        if step == steps.MULTI:
            self._multi_sent = True
        elif step in (steps.EXEC, steps.DISCARD, steps.ABORTED):
            self._multi_sent = False
        self._send(whole, step)
        return True

    def _is_muted(self) -> bool:
        muted = self.mute or self.mute_next
        self.mute_next = False
        return muted

    def _refuse(self, name: bytes, kind: int) -> None:
        shown = name.decode("ascii", "replace")[:64].upper()
        self.services.metrics.errors.add("refused")
        if self._multi_sent:
            self.session.aborted = True
        if kind == GATED:
            self.answer(error(f"NOPERM Outlive: {shown} is an operator's command, which allow_commands does not name"))
        else:
            self.answer(error(f"ERR Outlive: {shown} is not possible through a connection pool"))

    def _refuse_in_multi(self, name: bytes) -> bool:
        self.session.aborted = True
        self.answer(error(f"ERR Outlive: {name.decode('ascii', 'replace')[:64].upper()} is not possible inside MULTI"))
        return True

    def _locally(self, arguments: list[bytes], whole: bytes) -> bool:
        """A command about the session itself. False: it has to wait."""
        name = arguments[0].upper()
        if self._multi_sent and name not in (b"QUIT", b"RESET"):
            if name not in (b"PING", b"ECHO"):
                return self._refuse_in_multi(name)
            self._send(whole, steps.PLAIN)
            return True
        return local.answer(self, name, arguments)

    # -- a connection of its own -------------------------------------------------------------------

    def _leased(self, *, held: bool) -> bool:
        """Whether the client has a connection of its own now; else it waits for one, or for what is outstanding."""
        if self.connection is not None:
            return True
        if self._outstanding:
            return False
        server = self.server
        session = self.session
        self.key = key_of(session.user, session.database, session.protocol, held=held)
        connection = server.pool.acquire(self.key, None, self.last, self)
        if connection is None:
            self._queue()
            return False
        return self._begin(connection)

    def _begin(self, connection: RedisConnection) -> bool:
        self._take(connection)
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
        """As `_enqueue`, with the deadline of a command that blocks: its time in the queue counts."""
        self.phase = WAITING
        self.follow_route()
        server = self.server
        now = self.services.time()
        self.settings = None
        if not again:
            self.waiting_since = now
            self.deadline = now + self.route.acquire_timeout_s
            wait = self._wait
            if wait is not None and wait.seconds is not None and not wait.counts_replicas:
                self.deadline = min(self.deadline, now + wait.seconds)
        if not server.pool.wait(self, now, again=again):
            server.metrics.queue_full += 1
            self.queue_full()
            return
        server.lines.press()
        if server.pool.stirred:
            # In the next turn: what is refused at once would be answered while this is still being read.
            server.call_soon(server.stir)

    def _restore_key(self) -> None:
        session = self.session
        self.key = key_of(session.user, session.database, session.protocol)

    def _send(self, data: bytes, step: int, *, muted: bool | None = None) -> None:
        self._out.append(data)
        self._expected.append((step, self._is_muted() if muted is None else muted, b""))

    def _flush(self) -> None:
        out, self._out = self._out, []
        connection = self.connection
        if connection is None or not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        self.server.metrics.bytes_to_server += len(data)
        if self.phase == READY and self._expected:
            self.phase = RELAYING if self._wait is not None else READY
        connection.send(data)

    def _block(self, arguments: list[bytes], whole: bytes) -> bool:
        """BLPOP and its like: for what is left of its time."""
        wait = self._wait
        assert wait is not None
        waited = self.services.time() - self.waiting_since if self.waiting_since else 0.0
        self.waiting_since = 0.0
        if self._expected:
            self._wait = None  # one wait at a time: what it waits behind may take any time
            return False
        if wait.counts_replicas:
            # The server counts from this connection's own last command: with one just now, from all that was written.
            self._send(_PING, steps.OWN, muted=True)
        elif waited > 0.005 and wait.seconds is not None:
            whole = command(*wait.shortened(waited))
        self._send(whole, steps.BLOCK)
        self.services.pinned(self)
        self._flush()
        return True

    def _begin_subscription(self, name: bytes, whole: bytes) -> bool:
        if self._expected:
            return False
        reason = "monitor" if name.upper() == b"MONITOR" else "subscription"
        self.session.pins[reason] = None
        self.services.pinned(self)
        self._raw = True
        self._out.append(whole)
        return True

    def _while_subscribed(self, name: bytes, kind: int, arguments: list[bytes], whole: bytes) -> bool:
        word = name.upper()
        if word in (b"QUIT", b"RESET"):
            return local.answer(self, word, arguments)
        # Of RESP2 the server says itself what is possible now; of RESP3 what changes the session is not.
        if kind in (SUBSCRIBING, ORDINARY) or word in (b"PING", b"ECHO"):
            self._out.append(whole)
        else:
            shown = word.decode("ascii", "replace")[:64]
            self.answer_loudly(error(f"ERR Outlive: {shown} is not possible on a connection that is subscribed"))
        return True

    def _return_lease(self) -> None:
        """The connection is as it was lent."""
        self._multi_sent = False
        self.waiting_since = 0.0
        self.services.unpinned(self)
        self._restore_key()
        self._give_back()

    def _rest(self) -> None:
        idle = self.connection is not None and self.phase == READY and not (self._expected or self._out)
        if idle and not self.session.holds and self._stream is None:
            self._return_lease()

    def end_lease(self) -> None:
        """RESET: what the connection was held for is over."""
        connection, self.connection = self.connection, None
        self._raw = False
        self._multi_sent = False
        self._aside = b""
        self._expected.clear()
        if connection is None:
            return
        pinned = bool(self.session.pins)
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
        if self._aside and self._replies.is_at_rest:
            aside, self._aside = self._aside, b""
            self.channel.send(aside)

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
            expected.popleft()
            if replies.error:
                self.route.command_refused(self.connection, replies.error)  # type: ignore[arg-type]
                replies.error = b""
            self._answered(step)
            if step == steps.ABORTED and not muted:
                after = error(ABORTED) + after
            if after:
                self._to_client(data[shown:at])
                shown = at
                self.channel.send(after)
        self._to_client(data if not shown and at == size else data[shown:at])
        if not expected and self.phase != CLOSED:
            self._multi_sent = self.session.in_multi
            if self.phase == RELAYING:
                self.phase = READY
            self._read_on_or_rest()

    def _read_on_or_rest(self) -> None:
        if self._inbox:
            self.read_on()
        if self.phase == READY:
            self._rest()

    def _answered(self, step: int) -> None:
        self.session.answered(steps.DISCARD if step == steps.ABORTED else step, self._first)
        if step == steps.BLOCK:
            self._wait = None

    def server_lost(self) -> None:
        """See `Lessee`."""
        self.connection = None
        self.last = None
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
        self._restore_key()
        if self.phase == CLOSED:
            return
        self.services.metrics.errors.add("server_lost")
        if cut or self._raw or self._stream is not None or (held and not waiting):
            # A watch or a subscription that is gone cannot be told otherwise.
            self.channel.close()
            return
        for _, muted, after in waiting:
            self.channel.send((b"" if muted else error(f"ERR Outlive: {LOST}")) + after)
        if held:
            self.channel.close()
            return
        self.phase = READY
        self.services.call_soon(self.read_on)

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
        self.channel.pause_reading(paused)
        if not paused:
            self.read_on()

    # -- a command too large to be held --------------------------------------------------------------

    def _begin_upload(self, data: bytes, at: int) -> int:
        """The offset behind what was taken: `at` while it has to wait."""
        arguments = head_of(data, at)
        kind = kind_of_name(arguments[0]) if arguments else FORBIDDEN
        if kind == BLOCKING or kind not in (ORDINARY, ALONE, LOCAL) or (
            kind == LOCAL and arguments[0].upper() not in (b"PING", b"ECHO")
        ):
            raise ProtocolError(f"more than {self.services.client_buffer_bytes} bytes in this command")
        if not self._leased(held=False):
            if self._refusal:
                raise ProtocolError(self._refusal)
            return at
        self._stream = CommandStream()
        self._scanner.reset()
        self._send(b"", steps.PLAIN)
        self._flush()
        self.phase = UPLOADING
        rest = self._upload(data[at:])
        return len(data) - len(rest)

    def _upload(self, data: bytes) -> bytes:
        """Passes on a piece; what is left behind the end of the command."""
        assert self._stream is not None
        connection = self.connection
        if connection is None:
            return b""
        end = self._stream.feed(data)
        piece = data if end < 0 else data[:end]
        self.server.metrics.bytes_to_server += len(piece)
        connection.send(piece)
        if not connection.writable:
            self.channel.pause_reading(True)
        if end < 0:
            return b""
        self._stream = None
        self.phase = READY
        return data[end:]

    # -- see Client and ProxiedClient ----------------------------------------------------------------

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
        seconds = self.services.time() - self.waiting_since
        wait = self._wait
        if wait is not None and wait.seconds is not None and seconds >= wait.seconds:
            self.answer_first(null(self.session.protocol, array=wait.is_array))
        else:
            self.answer_first(error(_worded(self.server.lines.waited(seconds))))

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self.answer_first(error(_worded(str(refusal))))

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self.phase = READY
        self._refusal = _worded("the queue for server connections is full (max_waiters)")
        self.services.metrics.errors.add("queue_full")

    def answer_not_run(self, answer: bytes) -> None:
        """No connection was to be had for a command."""
        self.answer(answer)

    def answer_first(self, answer: bytes) -> None:
        """The command that waited is answered without having been run."""
        self.services.metrics.errors.add("not_run")
        self.phase = READY
        self._wait = None
        self.waiting_since = 0.0
        self._restore_key()
        data = bytes(self._inbox)
        self._scanner.reset()
        end = self._scanner.scan(data, 0)
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

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`."""
        return not self._expected and not self._raw

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`."""
        return self.session.in_multi or self.session.watching

    @property
    def may_be_silent(self) -> bool:
        """See `ProxiedClient`: who is subscribed listens."""
        return self._raw or bool(self._expected)

    @property
    def is_at_rest(self) -> bool:
        """See `ProxiedClient`."""
        return self.phase == READY and self.connection is None and not self._inbox and not self._outstanding

    def end(self, kind: str) -> None:
        """See `ProxiedClient`."""
        if not self.is_outstanding:
            self.channel.send(error(f"ERR Outlive: this connection was ended ({kind})"))
        self.channel.close()

    def end_for_drain(self) -> None:
        """See `ProxiedClient`."""
        self.channel.close()

    def keep_alive(self) -> None:
        """See `ProxiedClient`. By default Redis ends no connection for its silence."""

    def client_lost(self) -> None:
        """See `ProxiedClient`."""
        if self.phase == CLOSED:
            return
        line = self._line
        if line is not None and self._outstanding:
            line.forget(self)
        if self.trial is not None:
            self.trial.cancel()
        ProxiedClient.client_lost(self)

    def abandon(self, connection: RedisConnection, phase: int) -> None:
        """See `ProxiedClient`."""
        Leftover.of(self.server, connection, self).begin(phase)

    @property
    def leftovers(self) -> tuple[list[int], ReplyScanner, bool, bool]:
        """For who looks after the connection from here on: the steps that are unanswered, where their replies are,
        whether a transaction or a watch may be open, and whether it is of no use any more.
        """
        of_no_use = self._raw or bool(self.session.pins) or self._stream is not None
        dirty = self.session.holds or self._multi_sent or any(item[0] != steps.PLAIN for item in self._expected)
        return [item[0] for item in self._expected], self._replies, dirty, of_no_use


def _worded(text: str) -> str:
    """An error's text with a code: the server's own, or ERR."""
    first = text.split(" ", 1)[0]
    return text if first.isupper() and first.isalpha() else f"ERR Outlive: {text}"
