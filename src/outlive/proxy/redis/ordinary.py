"""What most commands of most clients are: ordinary ones, multiplexed over a shared line as whole runs of bytes.

A client stays on one line while replies are outstanding, and changes it, or takes a connection of its own, only when
nothing is; so its replies cannot overtake each other.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Final

from outlive.config.redis_commands import BY_NAME, LOCAL, ORDINARY, TABLE
from outlive.proxy.client import ProxiedClient
from outlive.proxy.phases import BUSY, CLOSED, READY
from outlive.upstream.redis.key import key_of
from outlive.upstream.redis.line import LOST, Entry, Line
from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandScanner
from outlive.wire.redis.runs import small_commands
from outlive.wire.redis.values import error

if TYPE_CHECKING:
    import re

    from outlive.proxy.channel import Channel
    from outlive.proxy.redis.services import RedisServices
    from outlive.session.redis.client_session import RedisSession
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.redis.server import RedisServer

_OUTSTANDING_MAX: Final = 512
"""Unanswered chunks of one client, from which on it is not read."""
_WINDOW_BYTES: Final = 1024
_WINDOW_BYTES_MAX: Final = 64 * 1024
"""How far ahead other ordinary commands are looked for at once: little where they take turns with special ones."""


@cache
def ordinary_commands() -> re.Pattern[bytes]:
    """One short ordinary command. It takes a tenth of a second to make."""
    return small_commands(name for name, kind in TABLE.items() if kind == ORDINARY)


class SharingClient(ProxiedClient):
    """The part of a client that reads its commands, shares lines, and orders its answers."""

    __slots__ = (
        "_aside",
        "_ending",
        "_entry",
        "_line",
        "_match",
        "_outstanding",
        "_scanner",
        "_split",
        "authenticated",
        "confined",
        "mute",
        "mute_next",
    )

    server: RedisServer
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
        self.confined = False
        """Subscribed in RESP2, where little else is possible."""
        self._scanner = CommandScanner()
        runs = ordinary_commands()
        self._match = runs.match
        self._split = runs.findall
        self._line: Line | None = None
        self._entry: Entry | None = None
        self._outstanding = 0
        self._ending = False
        self._aside: list[bytes] = []
        """Messages of subscriptions that came in the middle of a reply."""

    @abstractmethod
    def special(self, data: bytes, at: int, end: int) -> int:
        """One command that is not simply multiplexed; the offset behind what was taken, 0 if it has to wait."""

    @abstractmethod
    def begin_upload(self, data: bytes, at: int) -> int:
        """A command that is too large to be held; the offset behind what was taken."""

    @abstractmethod
    def answer(self, data: bytes) -> None:
        """An answer from here, behind what is outstanding."""

    @abstractmethod
    def flush(self) -> None:
        """Sends what was gathered for a connection of the client's own."""

    @abstractmethod
    def rest(self) -> None:
        """Nothing is left to do: gives back what is not needed."""

    @property
    @abstractmethod
    def is_outstanding(self) -> bool:
        """Whether replies are still to come."""

    # -- bytes of the client -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        self.activity += 1
        self.active_at = self.services.now
        inbox = self._inbox
        if not inbox and self.phase == READY and self._may_share() and self._outstanding < _OUTSTANDING_MAX:
            found = self._match(data)
            if found is not None and found.end() == len(data):  # one short command, as most are
                self.share_commands(data, 1)
                return
        try:
            if inbox:
                inbox += data
                if self.phase != READY or len(inbox) >= self._scanner.least:
                    self.read_on()
                return
            at = self._consume(data) if self.phase == READY else 0
            if at < len(data) and self.phase != CLOSED:
                inbox += data[at:]
                if len(inbox) > self.services.client_buffer_bytes and (self.phase != READY or self._outstanding):
                    self.channel.pause_reading(True)
        except ProtocolError as problem:
            self.break_off(problem)

    def read_on(self) -> None:
        """See `ProxiedClient`."""
        if self.phase != READY:
            if len(self._inbox) > self.services.client_buffer_bytes:
                self.channel.pause_reading(True)
            return
        if not self._inbox:
            self.rest()
            return
        try:
            at = self._consume(bytes(self._inbox))
            if self.phase == CLOSED:
                return
            del self._inbox[:at]
            if len(self._inbox) <= self.services.client_buffer_bytes and not self._is_held_up:
                self.channel.pause_reading(False)
        except ProtocolError as problem:
            self.break_off(problem)

    def break_off(self, problem: ProtocolError) -> None:
        """What the client says is not the protocol."""
        self._inbox.clear()
        self.flush()
        self.services.metrics.errors.add("protocol")
        self.answer(error(f"ERR Protocol error: {problem}"))
        self.hang_up()

    def hang_up(self) -> None:
        """Closes when what is outstanding has been answered."""
        if self.is_outstanding:
            self._ending = True
            self.phase = BUSY
        else:
            self.channel.close()

    @property
    def _is_held_up(self) -> bool:
        line = self._line
        return self._outstanding >= _OUTSTANDING_MAX or (line is not None and line.paused and self._outstanding > 0)

    def _consume(self, data: bytes) -> int:
        """Takes the commands of `data`; the offset of the first one that has to wait, or is not whole."""
        at = 0
        size = len(data)
        scanner = self._scanner
        while at < size and self.phase == READY:
            if self._outstanding and self._is_held_up:
                self.channel.pause_reading(True)
                break
            if self.connection is not None:
                self.rest()
            if self._may_share():
                behind = self._share_run(data, at)
                if behind < 0:
                    break
                at = behind
                if at >= size:
                    break
            end = scanner.scan(data, at)
            if end < 0:
                if scanner.least > self.services.client_buffer_bytes:
                    at = self.begin_upload(data, at)
                break
            behind = self.special(data, at, end)
            if not behind:
                break
            at = behind
        self.flush()
        return at

    def _may_share(self) -> bool:
        return self.connection is None and self.authenticated and not (self.mute or self.mute_next or self.confined)

    def _share_run(self, data: bytes, at: int) -> int:
        """Shares all ordinary commands from `at` on; the offset behind them, negative where too many are unanswered."""
        size = len(data)
        start = at
        found = self._match(data, at)
        if found is None:
            return self._share_long(data, at)
        if self._scanner.least:
            self._scanner.reset()
        at = found.end()
        count = 1
        window = _WINDOW_BYTES
        while at < size:
            pieces = self._split(data, at, at + window)
            behind = at + sum(map(len, pieces))
            if behind == size:
                count += len(pieces)
                at = size
                break
            more, at = _unbroken(pieces, data, at)
            count += more
            if not more or more < len(pieces):
                break
            window = min(4 * window, _WINDOW_BYTES_MAX)
        self.share_commands(data if at - start == size else data[start:at], count)
        return at

    def _share_long(self, data: bytes, at: int) -> int:
        """The same for commands that are long or written in an unusual way."""
        size = len(data)
        start = at
        count = 0
        scanner = self._scanner
        while at < size:
            end = scanner.scan(data, at)
            if end < 0 or BY_NAME.get(scanner.name, LOCAL) != ORDINARY:  # type: ignore[arg-type]
                break
            count += 1
            at = end
        if count:
            scanner.reset()  # what was looked at last is scanned again, from its beginning
            self.share_commands(data if at - start == size else data[start:at], count)
        return at

    # -- over a shared line ------------------------------------------------------------------------

    def share_commands(self, data: bytes, count: int, *, muted: bool = False) -> None:
        """`count` commands that any connection of the key can run, one after the other."""
        line = self._line
        if line is None or not self._outstanding:
            line = self._line = self.server.lines.pick(self.key)  # type: ignore[arg-type]
        self._outstanding += 1
        self._entry = line.add(self, data, count, muted)
        if line.paused:
            self.channel.pause_reading(True)

    def share(self, data: bytes) -> None:
        """One command of Outlive's wording, in place of the client's own."""
        self.share_commands(data, 1, muted=self.is_muted())

    def is_muted(self) -> bool:
        """Whether CLIENT REPLY keeps the next answer back; asked once a command."""
        muted = self.mute or self.mute_next
        self.mute_next = False
        return muted

    def line_replied(self, data: bytes, entry: Entry) -> None:
        """See `Sharer`."""
        if self.stalled_at or entry.muted or entry.after or self._outstanding > 1 or self._aside or self._ending:
            self.line_data(data, entry)
            if self.phase != CLOSED:
                self.line_done(entry)
            return
        self.services.metrics.bytes_to_clients += len(data)
        self.channel.send(data)
        self._outstanding = 0
        self._entry = None
        if self._inbox:
            self.read_on()

    def line_data(self, data: bytes, entry: Entry) -> None:
        """See `Sharer`."""
        if entry.muted:
            return
        self.services.metrics.bytes_to_clients += len(data)
        self.channel.send(data)
        if self.stalled_at and self.channel.unsent_bytes > self.route.output_buffer_bytes:
            self.end_slow()

    def end_slow(self) -> None:
        """The client does not take what it is sent, and nobody waits for it."""
        self.services.metrics.errors.add("output_buffer")
        self.channel.abort()

    def line_done(self, entry: Entry) -> None:
        """See `Sharer`."""
        if entry.after:
            self.channel.send(entry.after)
        self._outstanding -= 1
        if self._aside:
            self.send_aside()
        if not self._outstanding:
            self._entry = None
            if self._ending:
                self.channel.close()
            elif self._inbox:
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
            self.channel.send(error(worded(why)) * entry.left)
        self.line_done(entry)

    def line_paused(self, paused: bool) -> None:
        """See `Sharer`."""
        self.channel.pause_reading(paused)
        if not paused:
            self.read_on()

    def client_paused(self, paused: bool) -> None:
        """See `ProxiedClient`. A shared line is held up only as long as there is nobody else on it."""
        if self._outstanding and self._line is not None:
            self._line.hold(self, paused)
        ProxiedClient.client_paused(self, paused)

    # -- messages of subscriptions -------------------------------------------------------------------

    @property
    def is_within_reply(self) -> bool:
        """Whether a part of a reply has been sent, and the rest has not."""
        return self._line is not None and self._outstanding > 0 and self._line.is_within_reply_to(self)

    def published(self, message: bytes, pushed: bytes) -> None:
        """See `Subscriber`."""
        data = pushed if self.session.protocol == 3 else message
        if self.is_within_reply:
            self._aside.append(data)
            if sum(map(len, self._aside)) > self.route.output_buffer_bytes:
                self.end_slow()
            return
        self.services.metrics.bytes_to_clients += len(data)
        self.channel.send(data)
        if self.stalled_at and self.channel.unsent_bytes > self.route.output_buffer_bytes:
            self.end_slow()

    def send_aside(self) -> None:
        """A reply is complete: what came meanwhile."""
        if not self.is_within_reply:
            aside, self._aside = self._aside, []
            self.channel.send(b"".join(aside))


def _unbroken(pieces: list[bytes], data: bytes, at: int) -> tuple[int, int]:
    """How many of `pieces` follow each other in `data` from `at` on, and the offset behind them."""
    for count, piece in enumerate(pieces):
        if not data.startswith(piece, at):
            return count, at
        at += len(piece)
    return len(pieces), at


def worded(text: str) -> str:
    """An error's text with a code: the server's own, or ERR."""
    first = text.split(" ", 1)[0]
    return text if first.isupper() and first.isalpha() else f"ERR Outlive: {text}"
