"""Once a second: logins that take too long, leases that are held in silence, connections that need a ping.

A client that holds a lease for more than a second is probed (keepalive and TCP_USER_TIMEOUT), because a function that
vanished sends nothing; socket options cost too much to set for each lease. One that is silent inside a transaction, or
while it pins, loses the lease: a frozen function looks just like that.

A transaction of plain SELECTs under autocommit=0 is what drivers leave open by default, and its loss costs its client a
snapshot. While clients wait, such a silent one has to go earlier: early enough that the queue is served in time.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from outlive.net.sockets import arm_probe, is_vanished, unacknowledged_s
from outlive.observe.log import fields
from outlive.pool.slot import LEASED
from outlive.proxy.client import ProxiedClient
from outlive.proxy.phases import ASKING, INFILE, READY, UPLOADING

if TYPE_CHECKING:
    from outlive.proxy.services import Services
    from outlive.upstream.connection import ServerConnection
    from outlive.upstream.server import Server

log = logging.getLogger("outlive.proxy")

PROBE_AFTER_S: Final = 1.0
VANISHED_AFTER_S: Final = 3
"""A client that holds a lease and whose kernel does not answer for this long is dead."""
DOUBTED_AFTER_S: Final = 2.0
"""One that is slow to read is dead when its kernel was silent for this long in two sweeps in a row."""
SERVER_VANISHED_AFTER_S: Final = 15.0
"""A server whose kernel does not acknowledge a statement for this long is gone, or the way to it is."""
PRESSED_EVERY_S: Final = 0.1
"""How often readers are looked at while clients wait; also the least silence that is taken for one."""
LINGER_S: Final = 5.0
"""How long a closed client may take to read what was sent to it."""


def sweep(services: Services, servers: list[Server]) -> None:
    """See the module."""
    now = services.now = services.time()
    for channel in [found for found, since in services.closing.items() if now - since >= LINGER_S]:
        channel.abort()
    for channel, since in list(services.gates.items()):
        if now - since < services.login_timeout_s:
            break  # they are in the order in which they came
        if channel.gate is not None:
            channel.gate.timed_out(now - since)
        services.gates.pop(channel, None)
    services.look_after()
    for server in servers:
        for connection in list(server.pool.slots) if services.shares_connections else ():
            if connection.state == LEASED:
                _look_at(services, connection, now)
                _look_for_server(connection)
        server.sweep(now)
        if services.shares_connections and server.pool.waiters and server not in services.pressed:
            services.pressed.add(server)
            _press(services, server)


def _press(services: Services, server: Server) -> None:
    """Ends transactions that only read and whose clients are silent, until nobody waits."""
    waiters = server.pool.waiters
    if not waiters:
        services.pressed.discard(server)
        return
    now = services.time()
    for connection in list(server.pool.slots):
        client = connection.lessee
        if connection.state != LEASED or not isinstance(client, ProxiedClient):
            continue
        _note_activity(client, now)
        # Each of the shared connections can serve so many of those who wait, in half the time that they may wait.
        turn_s = client.route.acquire_timeout_s / 2 * server.pool.limits.lendable / waiters
        if now - client.silent_since >= max(PRESSED_EVERY_S, turn_s) and _may_lose_transaction(client):
            client.lose_transaction()
    services.call_later(PRESSED_EVERY_S, lambda: _press(services, server))


def _note_activity(client: ProxiedClient, now: float) -> None:
    """Silence is the client's alone: while a statement runs, or its reply is on its way, it has nothing to say."""
    if client.activity != client.seen_activity or client.phase not in (READY, UPLOADING, INFILE, ASKING):
        client.seen_activity = client.activity
        client.silent_since = now


def _may_lose_transaction(client: ProxiedClient) -> bool:
    return client.in_transaction and not client.session.holds and client.can_lose_transaction


def _look_at(services: Services, connection: ServerConnection, now: float) -> None:
    client = connection.lessee
    if not isinstance(client, ProxiedClient):
        return
    _note_activity(client, now)
    if now - client.leased_at > PROBE_AFTER_S and _is_gone(client):
        client.channel.abort()
        return
    if client.stalled_at:
        unsent = client.channel.unsent_bytes
        if unsent != client.stalled_bytes:  # slow, but it reads
            client.stalled_bytes = unsent
            client.stalled_at = now
        if now - client.stalled_at >= client.route.database.client_write_timeout_s:
            _end(services, client, "client_write_timeout")
    elif client.phase in (READY, UPLOADING, INFILE):
        _limit_silence(services, client, connection, now)


def _limit_silence(services: Services, client: ProxiedClient, connection: ServerConnection, now: float) -> None:
    database = client.route.database
    silent_s = now - client.silent_since
    in_transaction = client.in_transaction
    limit = database.transaction_idle_timeout_s if in_transaction else database.pin_idle_timeout_s
    if silent_s >= limit and not client.may_be_silent:
        if _may_lose_transaction(client):
            client.lose_transaction()
        elif in_transaction:
            _end(services, client, "transaction_idle_timeout")
        else:
            _end(services, client, "pin_idle_timeout")
    elif client.phase == READY and now - connection.pinged_at >= database.ping_interval_s and not connection.running:
        # The dead man's switch must not end a connection that a quiet client holds.
        connection.pinged_at = now
        client.keep_alive()


def _end(services: Services, client: ProxiedClient, kind: str) -> None:
    services.metrics.errors.add(kind)
    log.warning(
        "client ended", extra=fields(client=client.channel.connection_id, user=client.session.user, reason=kind)
    )
    client.end(kind)


def _is_gone(client: ProxiedClient) -> bool:
    """Arms the probe, and asks the kernel for what it does not tell by itself.

    It does not tell the end of a client from which nothing is read at the moment; and the limit of one that is slow to
    read is longer, as it is the kernel's limit for a closed window too: whether such a one acknowledges shows earlier.
    """
    sock = client.channel.socket
    if sock is None:
        return False
    limit_s = VANISHED_AFTER_S
    if client.stalled_at:
        limit_s = max(limit_s, int(client.route.database.client_write_timeout_s))
    try:
        if client.probing != limit_s:
            arm_probe(sock, limit_s=limit_s)
            client.probing = limit_s
        if client.channel.reading_paused and is_vanished(sock):
            return True
        doubted, client.doubted = client.doubted, client.stalled_at > 0.0 and unacknowledged_s(sock) >= DOUBTED_AFTER_S
        return doubted and client.doubted
    except OSError:  # gone: connection_lost follows
        return False


def _look_for_server(connection: ServerConnection) -> None:
    """With data on its way keepalive is silent, and the kernel sends it again for a quarter of an hour."""
    transport = connection.transport
    if transport is None or connection.lost:
        return
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # gone: connection_lost follows
        if unacknowledged_s(sock) >= SERVER_VANISHED_AFTER_S:
            connection.abort()
