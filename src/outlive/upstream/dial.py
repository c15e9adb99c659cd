"""Dialling a server: name, TCP, and whatever a protocol's login adds, within one time limit."""

from __future__ import annotations

import asyncio
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from outlive.config.addresses import Address
from outlive.config.secrets import SecretError
from outlive.net.certificates import Certificates
from outlive.net.sockets import SocketLike, relax_probe, set_no_delay
from outlive.net.tls import TLSError
from outlive.upstream.failure import Failure
from outlive.upstream.users import Users
from outlive.wire import ProtocolError

if TYPE_CHECKING:
    from outlive.upstream.connection import ServerConnection

SERVER_KEEPALIVE_S: Final = 30
"""TCP keepalive of server connections, below the idle limits of load balancers
and NAT between here and the database."""


class Dialer(ABC):
    """Opens the connections of one server."""

    def __init__(
        self, address: Address, users: Users, node: int, *, connect_timeout_s: float, tls: Certificates | None
    ) -> None:
        self.address = address
        self.users = users
        self.node = node
        self.connect_timeout_s = connect_timeout_s
        self.tls = tls
        self.refuses_read_only = False
        """Several writers are configured: one that is read-only is not the primary."""
        self._outcomes: dict[ServerConnection, asyncio.Future[Any]] = {}

    @abstractmethod
    async def dial(self, connection: Any) -> Failure | None:
        """TCP, TLS, login and setup within connect_timeout_s. After a failure the connection may still be open."""

    async def guarded(self, attempt: Awaitable[Failure | None], what: str = "login") -> Failure | None:
        """The outcome of an attempt, with whatever it may raise told as a Failure."""
        try:
            return await attempt
        except TimeoutError:
            return Failure("timeout", f"no {what} within {self.connect_timeout_s:g} s")
        except socket.gaierror as error:
            return Failure("name", f"the name {self.address.host} is not resolved: {error.strerror}")
        except SecretError as error:
            return Failure("secret", str(error))
        except ProtocolError as error:
            return Failure("protocol", str(error))
        except OSError as error:
            text = error.strerror or str(error)
            return Failure("tls" if text.startswith("TLS: ") else "refused", text)

    async def connect(self, connection: ServerConnection) -> None:
        """Opens the socket. Raises OSError."""
        host, port = await self.find()
        await asyncio.get_running_loop().create_connection(lambda: connection, host, port)
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        set_no_delay(sock)
        self.probe(sock)

    async def find(self) -> Address:
        """Where the server is at the moment. Raises OSError."""
        return self.address

    def probe(self, sock: SocketLike) -> None:
        """How it is noticed that the server has gone without a word. Raises OSError on a socket that is gone."""
        relax_probe(sock, keepalive_s=SERVER_KEEPALIVE_S)

    def outcome(self, connection: ServerConnection) -> asyncio.Future[Any]:
        """What the next part of a login will set; `failed` raises there, too."""
        future = self._outcomes[connection] = asyncio.get_running_loop().create_future()
        return future

    async def awaited(self, connection: ServerConnection, future: asyncio.Future[Any]) -> Any:
        """The result of an `outcome`."""
        try:
            return await future
        finally:
            self._outcomes.pop(connection, None)

    def failed(self, connection: ServerConnection, why: str) -> None:
        """A login or setup cannot go on: the server closed the connection, or broke the protocol."""
        outcome = self._outcomes.pop(connection, None)
        if outcome is not None and not outcome.done():
            outcome.set_exception(ConnectionResetError(0, why))

    def tls_parameters(self) -> tuple[ssl.SSLContext, str]:
        """The context for a new connection and the name to verify."""
        if self.tls is None:
            raise TLSError("TLS is not configured")
        return self.tls.context(), self.address.host
