"""A client whose protocol is not known: bytes to its own server connection and back, until either side ends.

What is idle between two requests nobody can tell from what waits for an answer, but for one sign: whose the last byte
was. A connection is *quiet* when the last one was the server's (or nobody has said anything), all of it has been taken,
and evict_after_idle_s have passed. Only quiet ones are closed for room, for their age and for a drain, by FIN on both
sides. Any other end that is not the peers' own is told by RST, so that nobody takes half a stream for a whole one.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from outlive.net.proxy_protocol import proxy_header
from outlive.net.sockets import unacknowledged_s, watch_peer
from outlive.observe.log import fields
from outlive.proxy.client import ProxiedClient
from outlive.proxy.phases import RELAYING, WAITING
from outlive.upstream.tcp.key import KEY

if TYPE_CHECKING:
    from outlive.proxy.tcp.channel import TCPChannel
    from outlive.proxy.tcp.services import TCPServices
    from outlive.upstream.route import Route
    from outlive.upstream.tcp.connection import TCPConnection
    from outlive.upstream.tcp.server import TCPServer

log = logging.getLogger("outlive.proxy")


class _NoSession:
    """What the console and the queue ask of a session."""

    user: Final = ""
    settings: Final = None
    holds: Final = False

    def reasons(self) -> tuple[str, ...]:
        """Of pins: there are none, every lease is one."""
        return ()


_NO_SESSION: Final = _NoSession()


class TCPClient(ProxiedClient):
    """See `ProxiedClient`."""

    __slots__ = ("_answer_due", "_client_done", "_clock", "_server_done", "_server_doubted", "_why")

    channel: TCPChannel
    services: TCPServices
    server: TCPServer
    connection: TCPConnection | None

    def __init__(self, channel: TCPChannel, route: Route, services: TCPServices) -> None:
        ProxiedClient.__init__(self, channel, _NO_SESSION, route, services)
        self.key = KEY
        self._clock = services.time
        self._answer_due = False
        self._client_done = False
        self._server_done = False
        self._server_doubted = False
        self._why = "client"
        """Who or what ended it, for the metric."""

    def begin(self) -> None:
        """Takes its place in the queue."""
        self._enqueue()
        if self.phase == WAITING:
            self.services.look_for_room(self.server)

    # -- bytes: the hot path -----------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        connection = self.connection
        if connection is None:
            self._keep(data)
            return
        self.active_at = self._clock()
        self._answer_due = True
        self.server.metrics.bytes_to_server += len(data)
        connection.send(data)

    def server_data(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        self.active_at = self._clock()
        self._answer_due = False
        self.services.metrics.bytes_to_clients += len(data)
        self.channel.send(data)

    def _keep(self, data: bytes) -> None:
        self._inbox += data
        if len(self._inbox) >= self.services.client_buffer_bytes:
            self.channel.pause_reading(True)

    def server_paused(self, paused: bool) -> None:
        """See `ProxiedClient`."""
        if not self._client_done:
            self.channel.pause_reading(paused)

    def client_paused(self, paused: bool) -> None:
        """See `ProxiedClient`."""
        connection = self.connection
        if connection is None or connection.transport is None or connection.lost or self._server_done:
            return
        if paused:
            connection.transport.pause_reading()
        else:
            connection.transport.resume_reading()

    # -- the queue and the lease -------------------------------------------------------------------

    def lent(self, connection: TCPConnection) -> None:
        """See `Client`: dialled for this client or one before it, and used by nobody."""
        if self.phase != WAITING:
            self.server.finish(connection, "unused")
            return
        self._began(connection)
        self.phase = RELAYING
        self.active_at = self._clock()
        sock = self.channel.socket
        if sock is not None:
            with contextlib.suppress(OSError):  # gone: connection_lost follows
                watch_peer(sock, limit_s=self.route.database.vanished_after_s)
        if self.route.database.send_proxy_protocol:
            connection.send(proxy_header(self.channel.source, self.channel.destination))
        if early := connection.take_early():
            self.server_data(early)
        if self._inbox:
            inbox, self._inbox = self._inbox, bytearray()
            self.data_received(bytes(inbox))
        if self._client_done:
            connection.finish()
        elif connection.writable:
            self.channel.pause_reading(False)

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self._refuse("queue_full")

    def expired(self) -> None:
        """See `Client`."""
        self._refuse("acquire_timeout")

    def refused(self, refusal: Any) -> None:
        """See `Client`: there is no login that could be refused."""
        self._refuse("refused")

    def _refuse(self, kind: str) -> None:
        waited_s = self.services.time() - self.waiting_since
        log.info("client refused", extra=fields(**self._names(), reason=kind, waited_s=round(waited_s, 3)))
        self.services.metrics.errors.add(kind)
        self.channel.reset()

    def queue_again(self) -> None:
        """See `Client`."""
        self._enqueue(again=True)

    # -- the peers' own ends -----------------------------------------------------------------------

    def client_finished(self) -> bool:
        """The client's FIN. False: it is the end. One that has said nothing and has no connection yet is gone; of
        others it may be half of it, and the answer is still awaited.
        """
        if self._server_done or (self.connection is None and not self._inbox):
            return False
        self._client_done = True
        if self.connection is not None:
            self.connection.finish()
        return True

    def server_finished(self) -> None:
        """The server's FIN goes on to the client, whose bytes still go to the server."""
        self._server_done = True
        self._answer_due = False
        if self._client_done:
            self.channel.close()
        else:
            self._why = "server"
            self.channel.finish()

    def server_lost(self) -> None:
        """See `ProxiedClient`: reset, or vanished. The client must not take what came for all there is."""
        self.connection = None
        self.server.metrics.closes.add("lost")
        self.channel.reset()

    def abandon(self, connection: TCPConnection, phase: int) -> None:
        """See `ProxiedClient`. Also after the client's RST the server gets FIN, as only its own end frees the slot."""
        self.server.finish(connection, self._why)

    # -- Outlive's ends ----------------------------------------------------------------------------

    def is_quiet(self, now: float) -> bool:
        """See the module."""
        connection = self.connection
        return (
            not self._answer_due
            and connection is not None
            and now - self.active_at >= self.route.database.evict_after_idle_s
            and not self.channel.unsent_bytes
            and not connection.unsent_bytes
        )

    def close(self, why: str) -> None:
        """FIN on both sides."""
        self._why = why
        idle_s = self.services.time() - self.active_at
        log.info("connection closed", extra=fields(**self._names(), reason=why, idle_s=round(idle_s, 1)))
        self.channel.close()

    def end(self, kind: str) -> None:
        """See `ProxiedClient`: RST."""
        self._why = kind
        self.services.metrics.errors.add(kind)
        log.warning("client ended", extra=fields(**self._names(), reason=kind))
        self.channel.reset()

    def end_for_drain(self) -> None:
        """See `ProxiedClient`."""
        self.close("drain")

    def look_after(self, now: float) -> None:
        """Once a second: who has vanished, takes nothing, has been silent for too long, or has had its time."""
        connection = self.connection
        if connection is None:
            return
        database = self.route.database
        if self._is_gone(connection, database.vanished_after_s):
            return
        silent_s = now - self.active_at
        unsent = self.channel.unsent_bytes
        if unsent != self.stalled_bytes or not unsent:
            self.stalled_bytes = unsent
            self.stalled_at = now
        elif now - self.stalled_at >= database.client_write_timeout_s:
            self.end("client_write_timeout")
            return
        quiet = self.is_quiet(now)
        if silent_s >= database.idle_timeout_s:
            self.close("idle") if quiet else self.end("idle")
        elif quiet and self._server_done:
            self.close("server")  # a FIN that its client has not answered, and may never
        elif quiet and now >= connection.expires_at:
            self.close("age")
        elif quiet and connection.retired is not None:
            self.close(connection.retired)

    def _is_gone(self, connection: TCPConnection, limit_s: int) -> bool:
        """While data are on their way keepalive is silent. Two measurements in a row, see `unacknowledged_s`."""
        sock = self.channel.socket
        transport = connection.transport
        if sock is None or transport is None or connection.lost:
            return True
        with contextlib.suppress(OSError):  # gone: connection_lost follows
            doubted, self.doubted = self.doubted, unacknowledged_s(sock) >= limit_s
            if doubted and self.doubted:
                self.end("client_vanished")
                return True
            server_sock = transport.get_extra_info("socket")
            doubted, self._server_doubted = self._server_doubted, unacknowledged_s(server_sock) >= limit_s
            if doubted and self._server_doubted:
                connection.fail("the server vanished")
                return True
        return False

    def _names(self) -> dict[str, object]:
        return {"client": self.channel.connection_id, "peer": self.channel.peer, "database": self.route.name}

    # -- what there is nothing of ------------------------------------------------------------------

    @property
    def is_at_rest(self) -> bool:
        """See `ProxiedClient`: it may go at a drain."""
        return self.is_quiet(self.services.time())

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`: nobody knows."""
        return False

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`: nobody knows."""
        return False

    def read_on(self) -> None:
        """See `ProxiedClient`: nothing waits but for a connection."""

    def keep_alive(self) -> None:
        """See `ProxiedClient`: nothing can be asked."""
