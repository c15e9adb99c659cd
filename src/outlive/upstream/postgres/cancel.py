"""CancelRequest: each on a connection of its own, which takes no place at the server and no slot of the budget.

The server closes that connection when it has sent the signal, and so tells that the request is settled. Until then it
may hit whatever runs on the victim next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from outlive.net.sockets import set_no_delay
from outlive.net.tls import TLS, TLSError
from outlive.wire.postgres.constants import ENCRYPTION_ACCEPTED
from outlive.wire.postgres.messages import cancel_request, ssl_request

if TYPE_CHECKING:
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.server import PostgresServer

CANCEL_TIMEOUT_S: Final = 5.0
"""For the whole of a request; then the victim is ended, for nobody knows what it will hit."""
BY_CLIENT: Final = "client"
_AT_ONCE: Final = 16


class CancelConnection(asyncio.Protocol):
    """One CancelRequest on its way. `settled(certain)` is called once, when no part of it can come any more; `certain`
    is False where it was sent and the server's EOF was not seen.
    """

    __slots__ = ("_request", "_server", "_settled", "_timer", "_tls", "_transport", "sent")

    def __init__(self, server: PostgresServer, request: bytes, settled: Callable[[bool], None]) -> None:
        self._server = server
        self._request = request
        self._settled: Callable[[bool], None] | None = settled
        self._timer = asyncio.get_running_loop().call_later(CANCEL_TIMEOUT_S, self.give_up)
        self._transport: asyncio.Transport | None = None
        self._tls: TLS | None = None
        self.sent = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        if self._settled is None:  # given up meanwhile
            self._transport.abort()
            return
        set_no_delay(self._transport.get_extra_info("socket"))
        if self._server.dialer.tls is None:
            self.sent = True
            self._transport.write(self._request)
        else:
            self._transport.write(ssl_request())

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`. The server says nothing but what TLS takes."""
        try:
            self._secure(data)
        except TLSError:
            self.give_up()

    def _secure(self, data: bytes) -> None:
        transport = self._transport
        assert transport is not None
        if self._server.dialer.tls is None:
            return
        if self._tls is None:
            if data != ENCRYPTION_ACCEPTED:
                self.give_up()  # in the clear it would show the key
                return
            context, name = self._server.tls_parameters()
            self._tls = TLS(context, server_side=False, server_hostname=name)
        else:
            self._tls.receive(data)
        if self._tls.established and not self.sent:
            self.sent = True
            self._tls.send(self._request)
        transport.write(self._tls.outgoing())

    def eof_received(self) -> bool:
        """See `asyncio.Protocol`."""
        self._settle(certain=True)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._settle(certain=not self.sent)

    async def open(self) -> None:
        """Connects, and sends the request as soon as it may."""
        address = self._server.address
        try:
            await asyncio.get_running_loop().create_connection(lambda: self, address.host, address.port)
        except OSError:
            self.give_up()

    def give_up(self) -> None:
        """What was not sent yet never will be."""
        self._settle(certain=not self.sent)
        if self._transport is not None:
            self._transport.abort()

    def _settle(self, *, certain: bool) -> None:
        settled, self._settled = self._settled, None
        if settled is not None:
            self._timer.cancel()
            settled(certain)


class Canceller:
    """The CancelRequests of one server: those that wait for their turn, and those under way."""

    __slots__ = ("_pressing", "_server", "_told", "_under_way", "_waiting")

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._waiting: deque[PostgresConnection] = deque()
        self._under_way: dict[PostgresConnection, CancelConnection] = {}
        self._told: dict[PostgresConnection, list[Callable[[], None]]] = {}
        self._pressing: set[PostgresConnection] = set()
        """Whose statement must end: one that comes before the server has read the statement is dropped."""

    def cancel(self, victim: PostgresConnection, cause: str, done: Callable[[], None] | None = None) -> None:
        """Ends the statement that runs on `victim`; `done` when the request is settled, or there is nothing to end any
        more.

        A client's own is sent once, as without Outlive; others once a second (`press`) until the statement has ended.
        """
        if victim.lost or not victim.backend[0]:
            if done is not None:
                done()
            return
        victim.doubtful = True
        if cause != BY_CLIENT:
            self._pressing.add(victim)
        if victim not in self._told:
            self._server.metrics.kills.add(cause)
            self._enter(victim)
        if done is not None:
            self._told[victim].append(done)
        self._go_on()

    def press(self) -> None:
        """Once a second."""
        for victim in self._pressing:
            if victim not in self._told:
                self._enter(victim)
        self._go_on()

    def _enter(self, victim: PostgresConnection) -> None:
        self._told[victim] = []
        self._waiting.append(victim)

    def when_settled(self, victim: PostgresConnection, done: Callable[[], None]) -> None:
        """The statement on `victim` has ended; `done` when no CancelRequest of it can come any more, which may be now.

        One that was not sent yet is not sent at all.
        """
        self._pressing.discard(victim)
        if victim in self._waiting:
            self._waiting.remove(victim)
            self._tell(victim)
        request = self._under_way.get(victim)
        if request is not None and not request.sent:
            request.give_up()
        if victim in self._told:
            self._told[victim].append(done)
        else:
            done()

    def connection_lost(self, victim: PostgresConnection) -> None:
        """A victim has ended, or is closing."""
        self._pressing.discard(victim)
        if victim in self._waiting:
            self._waiting.remove(victim)
        request = self._under_way.get(victim)
        if request is not None and not request.sent and victim.lost:
            request.give_up()
        self._tell(victim)

    def _go_on(self) -> None:
        while self._waiting and len(self._under_way) < _AT_ONCE:
            victim = self._waiting.popleft()
            request = CancelConnection(self._server, cancel_request(*victim.backend), partial(self._settled, victim))
            self._under_way[victim] = request
            self._server.start(request.open())

    def _settled(self, victim: PostgresConnection, certain: bool) -> None:
        self._under_way.pop(victim, None)
        if not certain and not victim.lost and victim.closing_since is None:
            # Whether and when the signal comes is not known, and it would hit whoever has the connection then.
            self._server.retire_now(victim, "kill")
        self._tell(victim)
        self._go_on()

    def _tell(self, victim: PostgresConnection) -> None:
        for done in self._told.pop(victim, ()):
            done()
