"""One connection to a Redis server, and Outlive's own commands on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from outlive.pool.slot import DIALING
from outlive.upstream.connection import ServerConnection
from outlive.upstream.redis.key import Key, as_key
from outlive.wire import ProtocolError
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.values import RedisError, Value, command, decode

if TYPE_CHECKING:
    from outlive.upstream.redis.server import RedisServer

OWN_REPLY_LIMIT_BYTES: Final = 64 * 1024
"""The largest is HELLO's, with the names of the server's modules."""

Done = Callable[[list[Value], RedisError | None], None]


class RedisConnection(ServerConnection):
    """See `ServerConnection`. `number` is its id at the server, `database` where it is."""

    __slots__ = ("_done", "_error", "_own", "_replies", "_scanner", "_secured", "database", "number")

    goodbye = command(b"QUIT")
    server: RedisServer

    def __init__(self, server: RedisServer, key: Key) -> None:
        ServerConnection.__init__(self, server, key)
        self.number = 0
        self.database = 0
        self._scanner = ReplyScanner()
        self._own = b""
        self._replies: list[Value] = []
        self._error: RedisError | None = None
        self._done: Done | None = None
        self._secured: Callable[[], None] | None = None

    @property
    def login(self) -> Key:
        """Who it is logged in as: the pool's key."""
        return as_key(self.key)

    @property
    def thread_id(self) -> int:
        """See `ServerConnection`: CLIENT ID's."""
        return self.number

    def when_secured(self, go_on: Callable[[], None]) -> None:
        """TLS was begun."""
        self._secured = go_on

    def secured(self) -> None:
        """See `ServerConnection`."""
        go_on, self._secured = self._secured, None
        if go_on is not None:
            go_on()

    def run(self, commands: Sequence[bytes], done: Done) -> None:
        """Sends `commands` in one write; `done` with their replies and the first error when all are answered.

        If the connection ends before, or has ended, `done` is never called: the lessee learns it by `server_lost`, the
        server by `connection_lost`.
        """
        if self.lost or self._closing_since is not None:
            return
        assert not self._steps
        self._asked_at = self.server.time()
        self._steps.extend(commands)
        self._replies = []
        self._error = None
        self._done = done
        self.send(b"".join(commands))

    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """See `ServerConnection`. A script that runs holds up all clients, so the limit is the client's kernel's."""
        return bool(self._steps) and now - self._asked_at >= limit_s

    def own_data(self, data: bytes) -> None:
        """See `ServerConnection`."""
        try:
            if not self._steps:
                if not self.lost and self.state != DIALING:
                    self.fail("the server spoke without being asked")
                return
            self._read(data)
        except (ProtocolError, ValueError) as error:
            self.fail(str(error))

    def _read(self, data: bytes) -> None:
        at = 0
        while self._steps and at < len(data):
            end, complete = self._scanner.scan(data, at, 1)
            self._own += data[at:end]
            at = end
            if len(self._own) > OWN_REPLY_LIMIT_BYTES:
                raise ProtocolError("a reply that is too long")
            if complete:
                self._steps.popleft()
                reply, self._own = self._own, b""
                try:
                    self._replies.append(decode(reply)[0])
                except RedisError as error:
                    self._error = self._error or error
        if self._steps:
            return
        done, self._done = self._done, None
        if done is not None:
            done(self._replies, self._error)
        if at < len(data) and not self.lost:
            raise ProtocolError("the server sent more than its reply")

    def forget_own(self) -> None:
        """See `ServerConnection`."""
        ServerConnection.forget_own(self)
        self._done = None
