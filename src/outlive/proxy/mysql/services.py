"""What the clients of one node share: routes, ids, KILL, eviction, the sweep."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlive.auth.mysql.rsa import LoginKey
from outlive.config.model import Config
from outlive.net.certificates import Certificates
from outlive.net.proxy_protocol import TrustedNetworks
from outlive.net.sockets import relax_probe, set_no_delay
from outlive.observe.log import fields
from outlive.observe.metrics import Metrics
from outlive.proxy.mysql import errors
from outlive.proxy.mysql.gate import Gate
from outlive.proxy.mysql.passthrough import PassthroughLogins
from outlive.proxy.mysql.phases import INFILE, READY, RELAYING
from outlive.proxy.mysql.routes import Routes
from outlive.proxy.mysql.users import ClientUsers
from outlive.session.mysql import local_answers
from outlive.session.mysql.analysis import Kill
from outlive.session.mysql.limits import SessionLimits
from outlive.wire.mysql.packets import packet as frame

if TYPE_CHECKING:
    from outlive.proxy.mysql.channel import Channel
    from outlive.proxy.mysql.client import ProxiedClient
    from outlive.session.mysql.server_facts import ServerFacts
    from outlive.upstream.mysql.dial import Users
    from outlive.upstream.mysql.route import Route
    from outlive.upstream.mysql.server import Server
    from outlive.wire.mysql.handshake import Greeting

log = logging.getLogger("outlive.proxy")

_VIRTUAL_ID: Final = 0x80000000
_COUNTER_BITS: Final = 20
_EVICTION_BATCH: Final = 64


class Services:
    """One per node. `now` is the loop's clock as of the last sweep, for what needs no better."""

    def __init__(self, config: Config, metrics: Metrics, routes: Routes) -> None:
        self._loop = asyncio.get_running_loop()
        self.metrics = metrics
        self.routes = routes
        self.passthrough = PassthroughLogins(self)
        self.channels: dict[int, Channel] = {}
        self.gates: dict[Channel, float] = {}
        self.pressed: set[Server] = set()
        """Servers for which clients wait: see `sweep`."""
        self.closing: dict[Channel, float] = {}
        """Closed clients that have not yet taken what was sent to them, and since when."""
        self.now = self._loop.time()
        self.draining = False
        self.rsa_key = LoginKey()
        self.listener_certificates: Certificates | None = None
        self._users: dict[Users, ClientUsers] = {}
        self._waiting_for_greeting: dict[Gate, None] = {}
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
        self.session_limits = SessionLimits(
            config.client_prepared_statements, config.client_prepared_bytes, config.client_variables_bytes
        )
        self.tls_required = config.tls_required
        self.requires_proxy_header = config.proxy_protocol == "required"
        self._trusted = TrustedNetworks(config.proxy_protocol_trusted)

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

    # -- what gates ask ----------------------------------------------------------------------------

    def greeting(self) -> Greeting | None:
        """The greeting of the default server; None while it has not been reached yet."""
        default = self.routes.default.servers
        found = next((server.greeting for server in default if server.greeting is not None), None)
        if found is None and all(server.metrics.dial_failures for server in default):
            # It is away: clients of the node's other databases need not wait for it.
            servers = (server for route in self.routes.by_name.values() for server in route.servers)
            found = next((server.greeting for server in servers if server.greeting is not None), None)
        return found

    @property
    def is_mariadb(self) -> bool:
        """The flavour of the listener."""
        greeting = self.greeting()
        return greeting is not None and greeting.is_mariadb

    def when_greeting(self, gate: Gate) -> None:
        """`gate.server_known` once the server's version is known."""
        self._waiting_for_greeting[gate] = None
        self.look_for_greeting()

    def look_for_greeting(self) -> None:
        """While clients wait for one: at once, and with each sweep."""
        if not self._waiting_for_greeting:
            return
        if self.greeting() is not None:
            self.server_known()
            return
        route = self.routes.default
        if not route.database.user:
            self.passthrough.meet(route.server())

    def waits_no_more(self, gate: Gate) -> None:
        """The client is gone, or its time was up: while a database is away, those who come and go must not pile up."""
        self._waiting_for_greeting.pop(gate, None)

    def server_known(self) -> None:
        """A server was reached for the first time."""
        gates, self._waiting_for_greeting = self._waiting_for_greeting, {}
        for gate in gates:
            gate.server_known()

    def route_moved(self, route: Route) -> None:
        """Failover: clients at rest go to the new server, even where the former one still serves other routes."""
        for channel in self.channels.values():
            client = channel.client
            if client is not None and client.route is route and client.connection is None and client.phase == READY:
                client.follow_route()

    def facts_of(self, route: Route | None) -> ServerFacts | None:
        """The facts of a route's server, or of another one of the node while it was not reached yet."""
        servers = [] if route is None else route.servers
        for server in (*servers, *self.routes.default.servers):
            if server.facts is not None:
                return server.facts
        return None

    def users_of(self, route: Route) -> ClientUsers:
        """Whose passwords count on this route."""
        users = route.servers[0].dialer.users
        found = self._users.get(users)
        if found is None:
            found = self._users[users] = ClientUsers(users)
        return found

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
        if len(self.channels) >= self.max_clients and not self._evict():
            metrics.refused.add("max_clients")
            channel.send(frame(0, errors.TOO_MANY_CLIENTS.encode()))
            channel.close()
            return
        channel.connection_id = self._new_id()
        self.channels[channel.connection_id] = channel
        peer = transport.get_extra_info("peername")
        channel.peer = str(peer[0]) if isinstance(peer, tuple) else "localhost"
        sock = transport.get_extra_info("socket")
        try:
            set_no_delay(sock)
            relax_probe(sock, keepalive_s=self.client_keepalive_s)
        except OSError:  # it is gone already; connection_lost follows
            return
        gate = channel.gate = Gate(channel, self)
        self.gates[channel] = gate.since
        gate.open()

    def _new_id(self) -> int:
        while True:
            self._counter = self._counter + 1 & (1 << _COUNTER_BITS) - 1
            number = _VIRTUAL_ID | self._node << _COUNTER_BITS | self._counter
            if number not in self.channels:
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

    # -- KILL --------------------------------------------------------------------------------------

    def kill(self, killer: ProxiedClient, kill: Kill | None) -> None:
        """KILL of another client by the id it was given at its login."""
        assert kill is not None
        assert kill.id is not None
        number = kill.id
        channel = self.channels.get(number)
        victim = None if channel is None else channel.client
        if channel is None or victim is None:
            killer.answer(frame(1, errors.no_such_thread(number).encode()))
        elif victim.session.user != killer.session.user:
            killer.answer(frame(1, errors.not_owner(number).encode()))
        elif victim is killer:
            self._kill_itself(killer, kill)
        elif kill.kind == "connection":
            if victim.connection is not None and victim.phase == RELAYING:
                # A write too, which a client's death would let finish.
                victim.server.killer.kill(victim.connection, "client")
            killer.answer(local_answers.ok(killer.session))
            channel.close()
        elif victim.connection is not None and victim.phase in (RELAYING, INFILE):
            victim.server.killer.kill(
                victim.connection, "client", lambda: killer.answer(local_answers.ok(killer.session))
            )
        else:
            victim.interrupt()
            killer.answer(local_answers.ok(killer.session))

    def _kill_itself(self, killer: ProxiedClient, kill: Kill) -> None:
        """The statement that runs is the KILL: it is the one that is interrupted (both servers, measured)."""
        ended = kill.kind == "connection" and killer.session.facts.mariadb
        killer.answer(frame(1, (errors.KILLED if ended else errors.INTERRUPTED).encode()))
        if kill.kind == "connection":
            killer.channel.close()
