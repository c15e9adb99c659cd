"""What becomes of a lease whose client died.

A command that runs finishes; then MULTI and WATCH are taken back, and the connection serves again. One that blocks is
unblocked at the server at once, and its reply is read: what it had been given in that very moment is counted, and put
back where `return_unclaimed` says so. Half a command cannot be taken back, and MONITOR is not worth it: these end.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from outlive.observe.log import fields
from outlive.proxy.redis.unblocking import Unblocking
from outlive.session.redis.client_session import BLOCK
from outlive.session.redis.unclaimed import put_back, takes_away
from outlive.upstream.redis.key import key_of
from outlive.wire import ProtocolError
from outlive.wire.redis.decoding import decoded
from outlive.wire.redis.replies import ERROR, ReplyScanner
from outlive.wire.redis.values import command

if TYPE_CHECKING:
    from outlive.session.redis.commands import Wait
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.route import RedisRoute
    from outlive.upstream.redis.server import RedisServer

log = logging.getLogger("outlive.proxy")

_NOTHING: Final = (b"*-1", b"$-1", b"_\r\n")
_KEPT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of an element that is put back."""


class Leftover:
    """Who holds the connection after its client."""

    __slots__ = ("_connection", "_dirty", "_replies", "_reply", "_route", "_server", "_steps", "_user", "_wait")

    def __init__(self, server: RedisServer, connection: RedisConnection, route: RedisRoute, user: str) -> None:
        self._server = server
        self._connection = connection
        self._route = route
        self._user = user
        self._steps: list[int] = []
        self._replies = ReplyScanner()
        self._reply = b""
        self._dirty = False
        self._wait: Wait | None = None

    def begin(
        self, steps: list[int], replies: ReplyScanner, *, dirty: bool, useless: bool, wait: Wait | None
    ) -> None:
        """The client is gone. `steps` are unanswered, `replies` is where their replies are; `dirty`: a transaction or a
        watch may be open; `useless`: the connection is in a state from which nothing leads back.
        """
        server, connection = self._server, self._connection
        self._steps, self._replies, self._dirty, self._wait = steps, replies, dirty, wait
        if connection.lost:
            return
        if connection.transport is not None:
            connection.transport.resume_reading()
        if useless:
            server.retire_now(connection, "reset", polite=False)
            return
        connection.lessee = self
        if connection.running:  # the PING before its first command: then the connection is as it was
            connection.redirect(lambda _, error: self._finish())
        elif BLOCK in steps:
            Unblocking(server, connection, self._user, self._is_over, self._end).begin()
        elif not steps:
            self._finish()

    def _is_over(self) -> bool:
        return not self._steps or self._connection.lost

    def _end(self) -> None:
        """The server does not unblock for this user. It does when the connection ends, though what it may have written
        in that moment cannot be read any more.
        """
        self._server.pool.closing(self._connection)
        if self._connection.transport is not None:
            self._connection.transport.write_eof()

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        at = 0
        try:
            while at < len(data) and self._steps:
                end, done = self._replies.scan(data, at, 1)
                if self._steps[0] == BLOCK and len(self._reply) <= _KEPT_BYTES_MAX:
                    self._reply += data[at:end]
                at = end
                if done and self._steps.pop(0) == BLOCK:
                    self._judge(self._reply)
        except ProtocolError as error:
            self._connection.fail(str(error))
            return
        if not self._steps and not self._connection.closing_since and self._connection.lessee is self:
            self._finish()

    def _judge(self, reply: bytes) -> None:
        """Whether the dead client was given something."""
        self._reply = b""
        wait = self._wait
        if wait is None or not takes_away(wait.arguments) or reply[0] in ERROR or reply[:3] in _NOTHING:
            return
        returned: list[bytes] = []
        if self._route.database.return_unclaimed and len(reply) <= _KEPT_BYTES_MAX:
            returned = put_back(wait.arguments, decoded(reply))
        self._server.metrics.errors.add("returned" if returned else "unclaimed")
        name = wait.arguments[0].decode("ascii", "replace")
        log.warning(
            "an element was given to a client that had died",
            extra=fields(user=self._user, command=name, returned=bool(returned)),
        )
        if returned:
            login = self._connection.login
            Returning(self._server, self._route).send(key_of(self._user, login.database, 3), command(*returned))

    def _finish(self) -> None:
        if self._dirty:
            self._server.clean(self._connection)
        else:
            self._server.give_back(self._connection)

    def server_lost(self) -> None:
        """See `Lessee`."""
        self._steps.clear()

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""


class Returning:
    """A sharer of a line that puts something back."""

    def __init__(self, server: RedisServer, route: RedisRoute) -> None:
        self.route: Any = route
        self._server = server
        self._refused = False

    def send(self, key: Any, data: bytes) -> None:
        """Once: a second time might put it back twice."""
        self._server.lines.pick(key).add(self, data, 1, False)

    def line_data(self, data: bytes, entry: object) -> None:
        """See `Sharer`."""
        self._refused = self._refused or data.startswith(b"-")

    def line_replied(self, data: bytes, entry: object) -> None:
        """See `Sharer`."""
        self.line_data(data, entry)
        self.line_done(entry)

    def line_done(self, entry: object) -> None:
        """See `Sharer`."""
        if self._refused:
            self._lost()

    def line_failed(self, entry: object, why: str, *, cut: bool) -> None:
        """See `Sharer`."""
        self._lost()

    def _lost(self) -> None:
        self._server.metrics.errors.add("unclaimed")
        log.warning("an element could not be put back")

    def line_paused(self, paused: bool) -> None:
        """See `Sharer`."""
