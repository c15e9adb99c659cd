"""Redis commands from inside this process: Upstash's API over HTTP, locks.

Whoever runs them is a client of the node's Redis entry like any other: multiplexed, queued, leased, bounded, counted,
drained. Commands and values are bytes, as on the wire; what they mean is the server's.

    redis = InProcessRedis(services)                      # the RedisServices of the node: `services_among(wires)`
    value = await redis.run(b"GET", b"key")               # raises RedisError
    values = await redis.pipeline([[b"SET", b"a", b"1"], [b"GET", b"a"]])      # an error is a value here
    values = await redis.transaction([[b"INCR", b"a"], [b"INCR", b"a"]])       # MULTI ... EXEC in one piece
    async for message in redis.subscribed(b"SUBSCRIBE", b"news"):              # [b"message", b"news", b"..."]
        ...
    redis.close()

One object has one request at a time under way, and is cheap: make one for each request, or for each caller of your
own. WATCH, MULTI and what blocks work as for any client; a session that ends is cleaned.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from outlive.gateway.channel import InProcessRedisChannel
from outlive.proxy.redis.client import RedisClient
from outlive.proxy.redis.services import RedisServices
from outlive.proxy.redis.transactions import may_be_shared
from outlive.session.redis.client_session import RedisSession
from outlive.upstream.redis.line import LOST, Entry
from outlive.wire import ProtocolError
from outlive.wire.redis.decoding import Reply, decoded
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import RedisError, command

if TYPE_CHECKING:
    from outlive.proxy.wire import Wire

REPLY_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of the replies to one request."""
_MESSAGES_MAX: Final = 10_000
"""That a subscriber has not taken."""


class NotRun(RedisError):
    """No connection to the server was to be had: nothing has run, and the same may be tried again later."""


class Lost(RedisError):
    """The server's connection ended while the command was under way: it may have run, or not."""


class TooLarge(RedisError):
    """The replies are larger than the caller's limit; the commands have run."""


def services_among(wires: Iterable[Wire]) -> RedisServices | None:
    """The Redis clients' of a node; None where it has no Redis entry."""
    for wire in wires:
        if isinstance(wire.services, RedisServices):
            return wire.services if wire.services.routes.by_name else None
    return None


class InProcessRedis:
    """See the module. `user`: whose rights count at the server, by default those of the entry's own; `database`: by
    default the entry's. `peer` is shown in CLIENT LIST. Raises NotRun while the node is draining.
    """

    def __init__(
        self,
        services: RedisServices,
        *,
        user: str | None = None,
        database: int | None = None,
        peer: str = "http",
        max_bytes: int = REPLY_BYTES_MAX,
    ) -> None:
        if services.draining:
            raise NotRun(b"ERR Outlive: this node is being stopped")
        route = services.routes.default
        number = route.database_number if database is None else database
        session = RedisSession(user or route.database.user, number)
        self.channel = InProcessRedisChannel(services)
        self.channel.listen(self._received, self._ended, self._unsent)
        self.channel.peer = peer
        self.client = self.channel.client = _Client(self.channel, session, route, services)
        self.closed = False
        self.has_begun = True
        self._max_bytes = max_bytes
        self._scanner = ReplyScanner()
        self._part: list[bytes] = []
        self._bytes = 0
        self._replies: list[Reply] = []
        self._wanted = 0
        self._done: asyncio.Future[None] | None = None
        self._messages: deque[Reply] | None = None
        self._news = asyncio.Event()

    async def run(self, *words: bytes) -> Reply:
        """One command's reply. Raises RedisError for one that is an error: NotRun, Lost and TooLarge are such."""
        reply = (await self.pipeline([words]))[0]
        if isinstance(reply, RedisError):
            raise reply
        return reply

    async def pipeline(self, commands: Sequence[Sequence[bytes]]) -> list[Reply]:
        """The replies to commands that are sent at once, errors among them. Raises TooLarge. Where this is cancelled,
        the client is closed, and `has_begun` says whether a server may have seen anything of it.
        """
        if self._done is not None:
            raise RuntimeError("this client has a request under way already")
        if self.closed:
            raise NotRun(b"ERR Outlive: this client was closed")
        if not commands:
            return []
        self._wanted = len(commands)
        self._replies, self._bytes = [], 0
        done = self._done = asyncio.get_running_loop().create_future()
        try:
            self.client.data_received(b"".join([command(*words) for words in commands]))
            await done
        except asyncio.CancelledError:
            self.has_begun = bool(self._replies) or not self.client.is_queued
            self.close()  # what is under way is nobody's any more
            raise
        finally:
            self._done = None
        return self._replies

    async def transaction(self, commands: Sequence[Sequence[bytes]]) -> list[Reply] | None:
        """MULTI, the commands, EXEC: the replies, errors among them; None where a watched key has changed. Raises
        RedisError where the transaction was not run (EXECABORT), with what was wrong with its first bad command.
        """
        if all(may_be_shared(words[0]) for words in commands):
            replies = await self.pipeline([[b"MULTI"], *commands, [b"EXEC"]])
        else:
            # It takes a connection of its own. Were MULTI turned away there, what follows it would run all the same.
            await self.run(b"MULTI")
            replies = await self.pipeline([*commands, [b"EXEC"]])
        result: Reply = replies[-1]
        if isinstance(result, RedisError):
            raise next(reply for reply in replies if isinstance(reply, RedisError))
        return None if result is None else list(result)

    async def subscribed(self, *words: bytes) -> AsyncIterator[list[Reply]]:
        """The messages of a SUBSCRIBE, PSUBSCRIBE or SSUBSCRIBE, its confirmations first, until the iterator is closed
        (then the client is, too). Raises RedisError: a refusal, or Lost where the server's connection has ended.
        """
        messages = self._messages = deque()
        self._bytes = 0
        try:
            self.client.data_received(command(*words))
            while True:
                while messages:
                    message = messages.popleft()
                    if isinstance(message, RedisError):
                        raise message
                    yield message
                self._bytes = 0
                if self.closed:
                    raise Lost(b"ERR Outlive: the subscription ended")
                self._news.clear()
                await self._news.wait()
        finally:
            self.close()

    def close(self) -> None:
        """Ends the session: what is watched or blocked is taken back, as for any client that goes."""
        self.closed = True
        self.channel.close()

    # -- what the client is sent -------------------------------------------------------------------

    def _unsent(self) -> int:
        return self._bytes

    def _received(self, data: bytes) -> None:
        try:
            self._read(data)
        except (ProtocolError, ValueError):
            self._fail(Lost(b"ERR Outlive: the server's reply cannot be read"))

    def _read(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            end, done = self._scanner.scan(data, at, 1)
            self._bytes += end - at
            if self._bytes > self._max_bytes:
                self._fail(TooLarge(b"ERR Outlive: the reply is larger than %d bytes" % self._max_bytes))
                return
            self._part.append(data[at:end])
            at = end
            if done:
                whole = self._part[0] if len(self._part) == 1 else b"".join(self._part)
                self._part.clear()
                self._take(self._judged(decoded(whole)))

    def _judged(self, reply: Reply) -> Reply:
        """What is said to a client of the wire in words has a kind here."""
        if isinstance(reply, RedisError):
            failing = self.client.failing
            return reply if failing is None else failing(reply.text)
        return reply

    def _take(self, reply: Reply) -> None:
        if self._messages is not None:
            self._messages.append(reply)
            self._news.set()
            if len(self._messages) > _MESSAGES_MAX:
                self._fail(TooLarge(b"ERR Outlive: more than %d messages were not taken" % _MESSAGES_MAX))
            return
        self._replies.append(reply)
        if len(self._replies) == self._wanted and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _fail(self, why: RedisError) -> None:
        self._part.clear()
        if self._messages is not None:
            self._messages.append(why)
            self._news.set()
        elif self._done is not None and not self._done.done():
            self._done.set_exception(why)
        asyncio.get_running_loop().call_soon(self.close)  # not from inside of the client that is sending

    def _ended(self) -> None:
        self.closed = True
        self._news.set()
        if self._done is not None and not self._done.done():
            # Ends of its own, as in a drain, come at rest; what is outstanding then was lost.
            missing = self._wanted - len(self._replies)
            self._replies += [Lost(b"ERR Outlive: " + LOST.encode()) for _ in range(missing)]
            self._done.set_result(None)


class _Client(RedisClient):
    """As `RedisClient`; `failing` is of what kind the error is that is being said."""

    __slots__ = ("failing",)

    def __init__(self, *arguments: Any) -> None:
        RedisClient.__init__(self, *arguments)
        self.failing: type[RedisError] | None = None

    def line_failed(self, entry: Entry, why: str, *, cut: bool) -> None:
        """See `Sharer`."""
        self.failing = Lost if why is LOST else NotRun
        RedisClient.line_failed(self, entry, why, cut=cut)
        self.failing = None

    def server_lost(self) -> None:
        """See `Lessee`."""
        self.failing = Lost
        RedisClient.server_lost(self)
        self.failing = None

    def answer_not_run(self, answer: bytes) -> None:
        """See `RedisClient`."""
        self.failing = NotRun
        RedisClient.answer_not_run(self, answer)
        self.failing = None
