"""Who waits for a server connection, and who holds one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from outlive.pool.waiter import Waiter

if TYPE_CHECKING:
    from outlive.upstream.route import Route


class Client(Waiter, ABC):
    """What the server calls on those who wait for a lease. The connection is of the client's own protocol."""

    __slots__ = ()

    @abstractmethod
    def lent(self, connection: Any) -> None:
        """The lease begins."""

    @abstractmethod
    def expired(self) -> None:
        """The deadline passed in the queue."""

    @abstractmethod
    def refused(self, refusal: Any) -> None:
        """The server will not have this user; `refusal` is its error, of the client's own protocol."""

    @abstractmethod
    def comes_by(self, route: Route) -> bool:
        """Whether it came by this route, and may move on with it."""

    @abstractmethod
    def queue_again(self) -> None:
        """It was taken out of the queue, because its route leads to another server now."""


class Lessee(Protocol):
    """Who holds a connection."""

    def server_data(self, data: bytes) -> None:
        """Bytes of the reply."""

    def server_lost(self) -> None:
        """The connection ended; the lease with it."""

    def server_paused(self, paused: bool) -> None:
        """The server does not (or does again) take what is written to it."""
