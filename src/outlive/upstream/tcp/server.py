"""A server whose protocol is not known: a budget and a queue, and no connection that serves a second client."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from outlive.config.addresses import Address
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.upstream.lease import Client
from outlive.upstream.server import Server
from outlive.upstream.tcp.connection import TCPConnection
from outlive.upstream.tcp.dial import TCPDialer


class TCPServer(Server):
    """See `Server`. A lease is a client's whole connection, and its end is that of the server connection."""

    def __init__(
        self, address: Address, limits: Limits, dialer: TCPDialer, metrics: ServerMetrics, *, dead_man_s: int
    ) -> None:
        self.dialer: TCPDialer = dialer
        self.looked_at = 0.0
        """When idle connections were last looked for, on the loop's clock."""
        Server.__init__(self, address, limits, metrics, dead_man_s=dead_man_s)

    @property
    def is_known(self) -> bool:
        """See `Server`: there is nothing to learn."""
        return True

    def new_connection(self, key: Hashable) -> TCPConnection:
        """See `Server`."""
        return TCPConnection(self, key)

    def finish(self, connection: TCPConnection, why: str) -> None:
        """The lease is over, and the connection with it: FIN, and then the server's is awaited."""
        connection.lessee = None
        self.metrics.closes.add(why)
        self.pool.closing(connection)
        self._end(connection, self.time(), polite=False)
        if self.pool.stirred:
            self.stir()

    def serve(self, connection: TCPConnection, waiter: Client | None) -> None:
        """See `Server`. Where its client has left meanwhile nobody keeps it: servers expect to be spoken to."""
        Server.serve(self, connection, waiter)
        if waiter is None and connection.lessee is None and not connection.lost:
            self.finish(connection, "unused")

    @property
    def shortage(self) -> int:
        """How many connections would have to end for all who wait to get one, or for a budget that was lowered."""
        pool = self.pool
        over = max(0, pool.over_budget)
        if pool.paused or pool.backoff.failures:
            return over
        coming = len(pool.dialing) + pool.closing_count + pool.limits.lendable - len(pool.slots)
        return max(over, pool.waiters - coming)

    # -- what there is nothing of ------------------------------------------------------------------

    def clean(self, connection: Any) -> None:
        """See `Server`: nobody knows how; it ends."""
        self.finish(connection, "unused")

    def settle_lease(self, connection: Any) -> None:
        """See `Server`."""

    def check(self, connection: Any) -> None:
        """See `Server`: nothing can be asked; one that nobody uses ends."""
        self.finish(connection, "unused")

    def end_statement(self, connection: Any) -> None:
        """See `Server`. It does not close at our FIN: RST ends it at its machine. It counts until the dead man's bound,
        since nothing tells whether a RST arrived.
        """
        connection.abort()

    def ended(self, connection: Any) -> None:
        """See `Server`."""

    def look_after(self) -> None:
        """See `Server`."""
