"""What the clients of one wire share: their sockets, ids and limits, eviction, pins, turns of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from outlive.config.model import Config
from outlive.net.certificates import Certificates
from outlive.net.proxy_protocol import TrustedNetworks
from outlive.net.sockets import SocketLike, relax_probe, set_no_delay
from outlive.observe.log import fields
from outlive.observe.metrics import Metrics
from outlive.proxy.phases import READY
from outlive.proxy.routes import Routes

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.client import ProxiedClient
    from outlive.proxy.gate import Gate
    from outlive.proxy.operator import Operator
    from outlive.upstream.route import Route
    from outlive.upstream.server import Server

log = logging.getLogger("outlive.proxy")

_COUNTER_BITS: Final = 20
_EVICTION_BATCH: Final = 64


class Services(ABC):
    """One per wire. `now` is the loop's clock as of the last sweep, for what needs no better."""

    listener: ClassVar[str]
    """Of which listener they are the clients, as the configuration names it."""

    first_id: ClassVar[int] = 0
    """What the ids of this wire's clients begin with; the node's number and a counter follow."""

    spare_clients: ClassVar[int] = 0
    """How many above max_clients may say what they want before they are turned away."""

    shares_connections: ClassVar[bool] = True
    """Whether leases are shorter than their clients, so that the sweep limits how long one is held in silence."""

    def __init__(self, config: Config, metrics: Metrics, routes: Routes[Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self.metrics = metrics
        self.routes = routes
        self.channels: dict[int, Any] = {}
        self.gates: dict[Any, float] = {}
        self.pressed: set[Server] = set()
        """Servers for which clients wait: see `sweep`."""
        self.closing: dict[Channel, float] = {}
        """Closed clients that have not yet taken what was sent to them, and since when."""
        self.now = self._loop.time()
        self.draining = False
        self.operator: Operator | None = None
        """What the console works on."""
        self.listener_certificates: Certificates | None = None
        self._turns: dict[Callable[[], None], None] = {}
        self._evictable: list[tuple[float, int]] = []
        self._counter = 0
        self._node = config.node
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Also at a reload. The node's number stays: it is in the ids of the clients."""
        self.max_clients = config.max_clients
        self.login_timeout_s = config.login_timeout_s
        self.login_buffer_bytes = config.login_buffer_bytes
        self.client_buffer_bytes = config.client_buffer_bytes
        self.client_keepalive_s = config.client_keepalive_s
        self.tls_required = config.tls_required
        self.requires_proxy_header = config.proxy_protocol in ("required", f"required-{self.listener}")
        self._trusted = TrustedNetworks(config.proxy_protocol_trusted)

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    def new_channel(self) -> Channel:
        """The socket of a client that connects."""

    @abstractmethod
    def new_gate(self, channel: Channel) -> Gate:
        """What stands before that client."""

    @abstractmethod
    def turn_away(self, channel: Channel) -> None:
        """max_clients are connected and at work: says so."""

    @abstractmethod
    def look_after(self) -> None:
        """Once a second."""

    @abstractmethod
    def server_known(self) -> None:
        """A server was reached for the first time."""

    # -- clock and loop ----------------------------------------------------------------------------

    def time(self) -> float:
        """Seconds on the loop's clock."""
        return self._loop.time()

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the loop's next turn."""
        self._loop.call_soon(call)

    def in_turn(self, call: Callable[[], None]) -> None:
        """One such call in each turn of the loop, in the order in which they came: for what takes milliseconds."""
        if not self._turns:
            self._loop.call_soon(self._next_turn)
        self._turns[call] = None

    def _next_turn(self) -> None:
        call = next(iter(self._turns))
        del self._turns[call]
        if self._turns:
            self._loop.call_soon(self._next_turn)
        call()

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """After `seconds`."""
        self._loop.call_later(seconds, call)

    # -- routes ------------------------------------------------------------------------------------

    def route_moved(self, route: Route) -> None:
        """Failover: clients at rest go to the new server, even where the former one still serves other routes."""
        for channel in self.channels.values():
            client = channel.client
            if client is not None and client.route is route and client.connection is None and client.phase == READY:
                client.follow_route()

    def trusts(self, peer: str) -> bool:
        """Whether this peer may send a PROXY header."""
        return self._trusted.trusts(peer)

    def proxy_refused(self, channel: Channel, why: str) -> None:
        """A PROXY header was wrong, or came from somebody else."""
        self.metrics.refused.add("proxy_protocol")
        log.warning("PROXY protocol refused", extra=fields(peer=channel.peer, reason=why))

    # -- clients come and go -----------------------------------------------------------------------

    def accepted(self, channel: Channel) -> None:
        """A connection was accepted."""
        metrics = self.metrics
        metrics.accepted += 1
        metrics.clients += 1
        transport = channel.transport
        assert transport is not None
        crowded = metrics.clients > self.max_clients and not self._evict()
        if crowded and metrics.clients > self.max_clients + self.spare_clients:
            metrics.refused.add("max_clients")
            self.turn_away(channel)
            channel.close()
            return
        channel.connection_id = self._new_id()
        self.channels[channel.connection_id] = channel
        peer = transport.get_extra_info("peername")
        channel.peer = str(peer[0]) if isinstance(peer, tuple) else "localhost"
        sock = transport.get_extra_info("socket")
        try:
            self.prepare(sock)
        except OSError:  # it is gone already; connection_lost follows
            return
        gate = channel.gate = self.new_gate(channel)
        gate.crowded = crowded
        self.gates[channel] = gate.since
        gate.open()

    def prepare(self, sock: SocketLike) -> None:
        """The options of a client's socket. Raises OSError on one that is gone."""
        set_no_delay(sock)
        relax_probe(sock, keepalive_s=self.client_keepalive_s)

    def enlist(self, channel: Channel) -> None:
        """A client without a socket of its own, a request over HTTP: it counts, is seen and drained like any."""
        self.metrics.clients += 1
        if self.metrics.clients > self.max_clients:
            self._evict()
        channel.connection_id = self._new_id()
        self.channels[channel.connection_id] = channel

    def _new_id(self) -> int:
        while True:
            self._counter = self._counter + 1 & (1 << _COUNTER_BITS) - 1
            number = self.first_id | self._node << _COUNTER_BITS | self._counter
            if number and number not in self.channels:  # 0 is nobody's process id
                return number

    def logged_in(self, channel: Channel, *, again: bool) -> None:
        """The login is over; what follows is the client's."""
        self.gates.pop(channel, None)
        if not again:
            self.metrics.logins_ok += 1

    def lost(self, channel: Channel) -> None:
        """The connection is gone."""
        self.metrics.clients -= 1
        self.gates.pop(channel, None)
        if self.channels.get(channel.connection_id) is channel:
            del self.channels[channel.connection_id]

    def _evict(self) -> bool:
        """Ends the client that is idle longest without a lease: the likeliest to be dead. False where there is none."""
        for _ in range(2):
            while self._evictable:
                active_at, number = heapq.heappop(self._evictable)
                channel = self.channels.get(number)
                client = None if channel is None else channel.client
                if (
                    client is None
                    or client.active_at != active_at
                    or client.connection is not None
                    or client.phase != READY
                ):
                    continue
                assert channel is not None
                self.metrics.evictions += 1
                channel.close()
                return True
            # Looked for in batches, so that a full node does not search all its clients for each new one.
            idle = (
                (channel.client.active_at, number)
                for number, channel in self.channels.items()
                if channel.client is not None and channel.client.connection is None and channel.client.phase == READY
            )
            self._evictable = heapq.nsmallest(_EVICTION_BATCH, idle)
        return False

    # -- pins, for logs and metrics ----------------------------------------------------------------

    def pinned(self, client: ProxiedClient) -> None:
        """The client holds its connection beyond the transaction."""
        reasons = tuple(client.session.reasons())
        if reasons == client.pins:
            return
        metrics = client.server.metrics
        for reason in client.pins:
            metrics.pinned.add(reason, -1)
        for reason in reasons:
            metrics.pinned.add(reason)
            if reason not in client.pins:
                metrics.pins.add(reason)
                log.info(
                    "pinned", extra=fields(client=client.channel.connection_id, user=client.session.user, reason=reason)
                )
        client.pins = reasons

    def unpinned(self, client: ProxiedClient) -> None:
        """It does not any more."""
        for reason in client.pins:
            client.server.metrics.pinned.add(reason, -1)
        client.pins = ()

    def relax(self, client: ProxiedClient) -> None:
        """The lease of a client that was probed has ended."""
        client.probing = 0
        sock = client.channel.socket
        if sock is not None:
            with contextlib.suppress(OSError):  # gone: connection_lost follows
                relax_probe(sock, keepalive_s=self.client_keepalive_s)
