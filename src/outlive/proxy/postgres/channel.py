"""A PostgreSQL client's socket, and the key by which another connection may cancel what it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.channel import Channel

if TYPE_CHECKING:
    from outlive.proxy.postgres.client import PostgresClient
    from outlive.proxy.postgres.console import ConsoleClient
    from outlive.proxy.postgres.services import PostgresServices


class PostgresChannel(Channel):
    """See `Channel`. `cancel_key` is the secret of its BackendKeyData, b"" before the login is over."""

    __slots__ = ("cancel_key",)

    services: PostgresServices
    client: PostgresClient | ConsoleClient | None

    def __init__(self, services: PostgresServices) -> None:
        Channel.__init__(self, services)
        self.cancel_key = b""
