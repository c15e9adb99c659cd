"""A MySQL client that is a request over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.mysql.client import MySQLClient
from outlive.proxy.phases import RELAYING, WAITING

if TYPE_CHECKING:
    from outlive.wire.mysql.ok import ERR


class RequestMySQLClient(MySQLClient):
    """As `MySQLClient`; its transaction's deadline is the gateway's, and `turned_away` says that nothing has run."""

    __slots__ = ("turned_away",)

    turned_away: str

    @property
    def may_be_silent(self) -> bool:
        """See `ProxiedClient`. A transaction over HTTP has a deadline of its own."""
        return True

    @property
    def can_lose_transaction(self) -> bool:
        """See `ProxiedClient`. Its caller asked for a transaction, and is told when it ends."""
        return False

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self.turned_away = "full"
        MySQLClient.queue_full(self)

    def expired(self) -> None:
        """See `Client`."""
        self.turned_away = "full"
        MySQLClient.expired(self)

    def refused(self, refusal: ERR) -> None:
        """See `Client`."""
        self.turned_away = "refused"
        MySQLClient.refused(self, refusal)

    def cancelled(self) -> None:
        """The statement that is under way is killed, a write too; one that waits will not run."""
        if self.phase == WAITING:
            self.turned_away = "full"
            self.interrupt()
        elif self.phase == RELAYING and self.connection is not None:
            self.server.killer.kill(self.connection, "client")
