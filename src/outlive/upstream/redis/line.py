"""Shared connections: the ordinary commands of many clients, in order, over one server connection.

A line leases a connection from the pool as a client does, and hands it back when it rests while others wait; so lines
and leases share one budget and one queue. Replies are matched first in, first out. What the clients of one turn of the
loop said goes to the server in one write.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from outlive.upstream.lease import Client
from outlive.upstream.redis.key import Key
from outlive.wire import ProtocolError
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.runs import small_replies
from outlive.wire.redis.values import command

if TYPE_CHECKING:
    from outlive.upstream.route import Route

_LARGE_BYTES: Final = 256 * 1024
"""A reply that is still to come to this length: new commands take another line."""
LOST: Final = "the server closed the connection; a command that was under way may have been run, or not"
_PING: Final = command(b"PING")
_SMALL: Final = small_replies()
_match_small: Final = _SMALL.match
_split_small: Final = _SMALL.findall


class Sharer(Protocol):
    """A client whose commands go over a line."""

    route: Any

    def line_data(self, data: bytes, entry: Entry) -> None:
        """A part of its replies."""

    def line_replied(self, data: bytes, entry: Entry) -> None:
        """All replies of the entry, or all that were left of them, at once."""

    def line_done(self, entry: Entry) -> None:
        """All replies of the entry have come."""

    def line_failed(self, entry: Entry, why: str, *, cut: bool) -> None:
        """No more replies of the entry will come. `cut`: the first of them has come in part."""

    def line_paused(self, paused: bool) -> None:
        """The server does not (or does again) take what is written to it."""


class Entry:
    """A run of commands of one client: how many replies are outstanding, and what is said behind the last of them."""

    __slots__ = ("after", "client", "left", "muted")

    def __init__(self, client: Any, left: int, muted: bool) -> None:
        self.client = client
        self.left = left
        self.after = b""
        self.muted = muted


class Line(Client):
    """One shared connection of a key, or the wait for it."""

    __slots__ = (
        "_fresh",
        "_outgoing",
        "_pending",
        "_scanner",
        "active_at",
        "connection",
        "entries",
        "held_by",
        "is_large",
        "paused",
        "server",
        "yielding",
    )

    def __init__(self, server: Any, key: Key) -> None:
        Client.__init__(self)
        self.server = server
        self.key: Key = key
        self.connection: Any = None
        self.entries: deque[Entry] = deque()
        """What was sent, and has not been answered."""
        self.active_at = 0.0
        self.is_large = False
        self.paused = False
        self.yielding = False
        """Others wait for its connection: what comes now waits behind them."""
        self.held_by: Any = None
        """The client for whose slow reading the server's replies wait: nobody else has any outstanding here."""
        self._scanner = ReplyScanner()
        self._fresh: list[Entry] = []
        self._outgoing: list[bytes] = []
        self._pending: deque[tuple[Entry, bytes, float]] = deque()

    @property
    def load(self) -> int:
        """How many entries are unanswered."""
        return len(self.entries) + len(self._fresh) + len(self._pending)

    def add(self, client: Sharer, data: bytes, count: int, muted: bool) -> Entry:
        """`count` whole commands."""
        entry = Entry(client, count, muted)
        if self.held_by is not None and self.held_by is not client:
            self.hold(self.held_by, False)
        if self.connection is not None and not self.yielding:
            if not self._fresh:
                self.server.call_soon(self.flush)
            self._fresh.append(entry)
            self._outgoing.append(data)
        else:
            self._pending.append((entry, data, self.server.time()))
            if self.connection is None and not self.waits:
                self._acquire()
        return entry

    def is_pending(self, entry: Entry) -> bool:
        """Whether nothing of it was sent yet: there is no connection for it."""
        return any(pending is entry for pending, _, _ in self._pending)

    def flush(self) -> None:
        """One write for what all clients said in this turn of the loop."""
        connection, outgoing = self.connection, self._outgoing
        if connection is None or not outgoing:
            return
        data = outgoing[0] if len(outgoing) == 1 else b"".join(outgoing)
        self.entries.extend(self._fresh)
        self._fresh.clear()
        outgoing.clear()
        self.server.metrics.bytes_to_server += len(data)
        connection.send(data)

    # -- the connection ----------------------------------------------------------------------------

    def _acquire(self, *, again: bool = False) -> None:
        server = self.server
        connection = server.pool.acquire(self.key, None, None, self)
        if connection is not None:
            self._take(connection)
            return
        now = server.time()
        if not again:
            self.waiting_since = now
        self.deadline = self._first_deadline()
        # Those that share the line count by themselves against the queue's limit, so the line always has a place.
        if not server.pool.wait(self, now, again=again or not server.pool.draining):
            server.call_soon(lambda: self._fail_pending("ERR Outlive: this node is being stopped"))
            return
        server.lines.press()
        if server.pool.stirred:
            # In the next turn: what is refused at once would be answered while its client is still being read.
            server.call_soon(server.stir)

    def _first_deadline(self) -> float:
        known = ((since, entry.client) for entry, _, since in self._pending)
        return min((since + client.route.acquire_timeout_s for since, client in known if client), default=0.0)

    def _take(self, connection: Any) -> None:
        self.connection = connection
        connection.lessee = self
        self.active_at = self.server.time()
        if self.server.pool.stale(connection, self.active_at):
            self.yielding = True  # nothing goes out before the connection has shown that it lives
            connection.run([_PING], lambda _, error: self._alive(connection))
        else:
            self._go_on()

    def _alive(self, connection: Any) -> None:
        if self.connection is connection:
            self.yielding = False
            self._go_on()

    def _go_on(self) -> None:
        """Sends what waited."""
        pending = self._pending
        while pending:
            entry, data, _ = pending.popleft()
            if entry.client is not None:  # else it died before anything was sent
                self._fresh.append(entry)
                self._outgoing.append(data)
        self.server.metrics.leases += 1
        self.flush()
        if not self.entries:
            self.rest()

    def rest(self) -> None:
        """Without anything unanswered the connection goes to whoever waits for one."""
        if self.connection is None or self.entries or self._fresh or self.connection.running:
            return
        pool = self.server.pool
        if self.yielding or pool.obstacles or self.connection.retired is not None:
            self.give_back()

    def leave_if_old(self, now: float) -> None:
        """Under load a line never rests by itself, and its connection would be kept for ever."""
        connection = self.connection
        if connection is None or connection.running:
            return
        if connection.retired is not None or now >= connection.expires_at:
            self.yielding = True
            self.rest()

    def give_back(self) -> None:
        """The connection goes back into the pool; what waits here waits for another one."""
        connection, self.connection = self.connection, None
        self.yielding = False
        self.is_large = False
        self.server.give_back(connection)
        if self._pending and not self.waits and self.connection is None:
            self._acquire()

    def forget(self, client: Sharer) -> None:
        """The client is gone: its replies are discarded, in their order; what was not sent never is."""
        if self.held_by is client:
            self.hold(client, False)
        for entry in [*self.entries, *self._fresh, *(item[0] for item in self._pending)]:
            if entry.client is client:
                entry.client = None
        if any(item[0].client is None for item in self._pending):
            self._pending = deque(item for item in self._pending if item[0].client is not None)

    def is_within_reply_to(self, client: Sharer) -> bool:
        """Whether a part of a reply to this client has come, and not all of it."""
        return bool(self.entries) and self.entries[0].client is client and not self._scanner.is_at_rest

    def hold(self, client: Sharer, held: bool) -> None:
        """The client is slow to read: the server waits for it, as long as nobody else waits for the server here."""
        transport = None if self.connection is None else self.connection.transport
        if transport is None or self.connection.lost:
            self.held_by = None
        elif not held:
            if self.held_by is client:
                self.held_by = None
                transport.resume_reading()
        elif self.held_by is None and all(entry.client is client for entry in (*self.entries, *self._fresh)):
            self.held_by = client
            transport.pause_reading()

    # -- see Client --------------------------------------------------------------------------------

    def lent(self, connection: Any) -> None:
        """See `Client`."""
        self.server.metrics.waits.observe(max(0.0, self.server.time() - self.waiting_since))
        self._take(connection)

    def expired(self) -> None:
        """See `Client`."""
        now = self.server.time()
        waiting = list(self._pending)
        self._pending.clear()
        for entry, data, since in waiting:
            if entry.client is None:
                continue
            if since + entry.client.route.acquire_timeout_s <= now:
                entry.client.line_failed(entry, self.server.lines.waited(now - since), cut=False)
            else:
                self._pending.append((entry, data, since))
        if self._pending and not self.waits and self.connection is None:
            self._acquire(again=True)

    def refused(self, refusal: Any) -> None:
        """See `Client`."""
        self._fail_pending(str(refusal))

    def _fail_pending(self, why: str) -> None:
        waiting = list(self._pending)
        self._pending.clear()
        for entry, _, _ in waiting:
            if entry.client is not None:
                entry.client.line_failed(entry, why, cut=False)

    def comes_by(self, route: Route) -> bool:
        """See `Client`."""
        return any(entry.client is not None and entry.client.route is route for entry, _, _ in self._pending)

    def queue_again(self) -> None:
        """See `Client`. Its route leads elsewhere: nothing of this was sent, so the line of that server takes it."""
        waiting = list(self._pending)
        self._pending.clear()
        for entry, data, since in waiting:
            if entry.client is not None:
                server = entry.client.route.follow(self.server)
                server.lines.pick(self.key).adopt(entry, data, since)

    def adopt(self, entry: Entry, data: bytes, since: float) -> None:
        """Takes over what another server's line has not sent."""
        self._pending.append((entry, data, since))
        if self.connection is not None and not self.yielding:
            self._go_on()
        elif self.connection is None and not self.waits:
            self._acquire()

    # -- see Lessee --------------------------------------------------------------------------------

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        try:
            self._distribute(data)
        except ProtocolError as error:
            if self.connection is not None:
                self.connection.fail(str(error))

    def _distribute(self, data: bytes) -> None:
        entries, scanner = self.entries, self._scanner
        at = self._distribute_small(data) if scanner.is_at_rest and _match_small(data) else 0
        size = len(data)
        while at < size:
            if not entries:
                raise ProtocolError("the server spoke without being asked")
            entry = entries[0]
            end, done = scanner.scan(data, at, entry.left)
            client = entry.client
            if scanner.pushes:
                raise ProtocolError("the server spoke without being asked")
            if client is not None:
                if scanner.error:
                    client.route.command_refused(self.connection, scanner.error)
                client.line_data(data if end - at == size else data[at:end], entry)
            scanner.error = b""
            at = end
            if done:
                entry.left -= done
                if not entry.left:
                    entries.popleft()
                    if entry.client is not None:
                        entry.client.line_done(entry)
        self.is_large = scanner.remaining_bytes > _LARGE_BYTES
        if not entries:
            self.active_at = self.server.time()
            if self.held_by is not None:
                self.hold(self.held_by, False)
            self.rest()

    def _distribute_small(self, data: bytes) -> int:
        """Short whole replies, which are most: the offset behind them."""
        replies = _split_small(data)
        if sum(map(len, replies)) != len(data):
            replies = _unbroken(replies, data)
        entries = self.entries
        number = at = 0
        count = len(replies)
        while number < count:
            if not entries:
                raise ProtocolError("the server spoke without being asked")
            entry = entries[0]
            left = entry.left
            if left == 1:
                piece = replies[number]
                number += 1
            elif number + left <= count:
                piece = b"".join(replies[number : number + left])
                number += left
            else:
                piece = b"".join(replies[number:])
                entry.left -= count - number
                if entry.client is not None:
                    entry.client.line_data(piece, entry)
                return at + len(piece)
            at += len(piece)
            entries.popleft()
            if entry.client is not None:
                entry.client.line_replied(piece, entry)
        return at

    def server_lost(self) -> None:
        """See `Lessee`."""
        self.connection = None
        self.yielding = self.is_large = False
        self.held_by = None
        cut = not self._scanner.is_at_rest
        self._scanner = ReplyScanner()
        if self.paused:
            self.server_paused(False)
        now = self.server.time()
        # What was not written yet goes out on the next connection.
        self._pending.extendleft(
            (entry, data, now) for entry, data in zip(reversed(self._fresh), reversed(self._outgoing), strict=True)
        )
        self._fresh.clear()
        self._outgoing.clear()
        sent, self.entries = self.entries, deque()
        for number, entry in enumerate(sent):
            if entry.client is not None:
                entry.client.line_failed(entry, LOST, cut=cut and not number)
        if self._pending and not self.waits and self.connection is None:
            self._acquire()

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
        self.paused = paused
        for entry in [*self.entries, *self._fresh]:
            if entry.client is not None:
                entry.client.line_paused(paused)


def _unbroken(replies: list[bytes], data: bytes) -> list[bytes]:
    """Those that follow each other from the beginning on."""
    at = 0
    for number, reply in enumerate(replies):
        if not data.startswith(reply, at):
            return replies[:number]
        at += len(reply)
    return replies
