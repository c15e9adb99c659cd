"""A PostgreSQL client that is a request over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.postgres.client import PostgresClient

if TYPE_CHECKING:
    from outlive.wire.postgres.errors import ErrorFields


class RequestPostgresClient(PostgresClient):
    """As `PostgresClient`; its transaction's deadline is the gateway's, and `turned_away` says that nothing has run."""

    __slots__ = ("turned_away",)

    turned_away: str

    @property
    def may_be_silent(self) -> bool:
        """See `ProxiedClient`. A transaction over HTTP has a deadline of its own."""
        return True

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self.turned_away = "full"
        PostgresClient.queue_full(self)

    def expired(self) -> None:
        """See `Client`."""
        self.turned_away = "full"
        PostgresClient.expired(self)

    def refused(self, refusal: ErrorFields) -> None:
        """See `Client`."""
        self.turned_away = "refused"
        PostgresClient.refused(self, refusal)

    def cancelled(self) -> None:
        """See `PostgresClient`. What waits for its connection has not run."""
        if self.waits:
            self.turned_away = "full"
        PostgresClient.cancelled(self)
