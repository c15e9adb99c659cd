"""In place of a client's socket: what a client of the wire would send and receive stays in the process.

To all else (queue, sweep, console, drain) a request over HTTP is a client like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from outlive.proxy.channel import Channel
from outlive.proxy.mysql.channel import MySQLChannel
from outlive.proxy.postgres.channel import PostgresChannel
from outlive.proxy.redis.channel import RedisChannel


class InProcessChannel(Channel):
    """`listen` says who takes what the client would have been sent, and hears of its end."""

    def listen(self, received: Callable[[bytes], None], ended: Callable[[], None], unsent: Callable[[], int]) -> None:
        """Joins the clients of the wire. `unsent` is how much has come and was not taken on yet, in bytes."""
        self.ended: Callable[[], None] = ended
        self.unsent = unsent
        self.peer = "http"
        self.services.enlist(self)
        self.send = received

    @property
    def unsent_bytes(self) -> int:
        """See `Channel`."""
        return self.unsent()

    def close(self) -> None:
        """See `Channel`: the client's lease ends, and whoever listens hears of it."""
        if self.closing:
            return
        self.closing = True
        self.send = self._send_nowhere
        client: Any = self.client
        self.client = None
        self.services.lost(self)
        if client is not None:
            client.client_lost()
        self.ended()


class InProcessPostgresChannel(InProcessChannel, PostgresChannel):
    """See `InProcessChannel`."""


class InProcessMySQLChannel(InProcessChannel, MySQLChannel):
    """See `InProcessChannel`."""


class InProcessRedisChannel(InProcessChannel, RedisChannel):
    """See `InProcessChannel`."""
