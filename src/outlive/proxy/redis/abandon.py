"""What becomes of a lease whose client died.

A command that runs finishes; then MULTI and WATCH are taken back, and the connection serves again. One that blocks is
given up at once: the server unblocks a client whose connection ends, and what it may have given away in that very
moment is read, and counted. Half a command cannot be taken back, and a subscription is not worth it: these end, too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from outlive.observe.log import fields
from outlive.proxy.phases import UPLOADING
from outlive.session.redis.client_session import BLOCK
from outlive.wire import ProtocolError
from outlive.wire.redis.replies import ERROR, ReplyScanner

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.server import RedisServer

log = logging.getLogger("outlive.proxy")

_NOTHING: Final = (b"*-1", b"$-1", b"_\r\n")


class Leftover:
    """Who holds the connection after its client."""

    __slots__ = ("_connection", "_dirty", "_replies", "_server", "_steps", "_useless", "_user")

    def __init__(self, server: RedisServer, connection: RedisConnection) -> None:
        self._server = server
        self._connection = connection
        self._steps: list[int] = []
        self._replies = ReplyScanner()
        self._dirty = False
        self._useless = False
        self._user = ""

    @classmethod
    def of(cls, server: RedisServer, connection: RedisConnection, client: RedisClient) -> Leftover:
        """Of what a client leaves."""
        found = cls(server, connection)
        found._steps, found._replies, found._dirty, found._useless = client.leftovers
        found._user = client.session.user
        return found

    def begin(self, phase: int) -> None:
        """The client is gone."""
        server, connection = self._server, self._connection
        if connection.lost:
            return
        if connection.transport is not None:
            connection.transport.resume_reading()
        if phase == UPLOADING or self._useless:
            server.retire_now(connection, "failure" if phase == UPLOADING else "reset", polite=False)
        elif connection.running:
            connection.lessee = self  # the PING before its first command: then the connection is as it was
        elif BLOCK in self._steps:
            connection.lessee = self
            server.pool.closing(connection)
            if connection.transport is not None:
                connection.transport.write_eof()
        elif self._steps:
            connection.lessee = self
        else:
            self._finish()

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        at = 0
        try:
            while at < len(data) and self._steps:
                start = data[at : at + 3] if self._replies.is_at_rest else b""
                at, done = self._replies.scan(data, at, 1)
                if done:
                    self._read(self._steps.pop(0), start)
        except ProtocolError as error:
            self._connection.fail(str(error))
            return
        if not self._steps and not self._connection.closing_since and self._connection.lessee is self:
            self._finish()

    def _read(self, step: int, start: bytes) -> None:
        if step == BLOCK and start[:1] and start[0] not in ERROR and start not in _NOTHING:
            self._server.metrics.errors.add("unclaimed")
            log.warning("an element was popped for a client that had died", extra=fields(user=self._user))
            self._server.retire_now(self._connection, "kill")

    def _finish(self) -> None:
        if self._dirty:
            self._server.clean(self._connection)
        else:
            self._server.give_back(self._connection)

    def server_lost(self) -> None:
        """See `Lessee`."""

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
