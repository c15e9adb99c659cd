"""Once a second: logins that take too long, leases that are held in silence, connections that need a ping.

A client that holds a lease for more than a second is probed (keepalive and TCP_USER_TIMEOUT), because a function that
vanished sends nothing; socket options cost too much to set for each lease. One that is silent inside a transaction, or
while it pins, loses the lease: a frozen function looks just like that.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Final

from outlive.net.sockets import arm_probe
from outlive.observe.log import fields
from outlive.pool.slot import LEASED
from outlive.proxy.mysql import errors
from outlive.proxy.mysql.client import ProxiedClient
from outlive.proxy.mysql.phases import INFILE, READY, UPLOADING
from outlive.session.mysql.steps import ping_step
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import packet as frame

if TYPE_CHECKING:
    from outlive.proxy.mysql.services import Services
    from outlive.upstream.mysql.connection import ServerConnection
    from outlive.upstream.mysql.server import Server

log = logging.getLogger("outlive.proxy")

PROBE_AFTER_S: Final = 1.0
VANISHED_AFTER_S: Final = 3
"""A client that holds a lease and whose kernel does not answer for this long is dead."""


def sweep(services: Services, servers: list[Server]) -> None:
    """See the module."""
    now = services.now = services.time()
    for channel, since in list(services.gates.items()):
        if now - since < services.login_timeout_s:
            break  # they are in the order in which they came
        if channel.gate is not None:
            channel.gate.timed_out(now - since)
        services.gates.pop(channel, None)
    for server in servers:
        for connection in list(server.pool.slots):
            if connection.state == LEASED:
                _look_at(services, connection, now)
        server.sweep(now)


def _look_at(services: Services, connection: ServerConnection, now: float) -> None:
    client = connection.lessee
    if not isinstance(client, ProxiedClient):
        return
    if client.activity != client.seen_activity:
        client.seen_activity = client.activity
        client.silent_since = now
    if now - client.leased_at > PROBE_AFTER_S and not client.probing:
        _arm(client)
    if client.stalled_at:
        if now - client.stalled_at >= client.route.database.client_write_timeout_s:
            _end(services, client, "client_write_timeout", None)
    elif client.phase in (READY, UPLOADING, INFILE):
        _limit_silence(services, client, connection, now)


def _limit_silence(services: Services, client: ProxiedClient, connection: ServerConnection, now: float) -> None:
    database = client.route.database
    silent_s = now - client.silent_since
    pinned = bool(client.session.holds or client.session.transaction_state)
    in_transaction = client.session.in_transaction
    limit = database.transaction_idle_timeout_s if in_transaction else database.pin_idle_timeout_s
    if silent_s >= limit:
        if in_transaction and not pinned and client.can_lose_transaction:
            client.lose_transaction()
        elif in_transaction:
            _end(services, client, "transaction_idle_timeout", errors.TRANSACTION_EXPIRED)
        else:
            _end(services, client, "pin_idle_timeout", errors.PIN_EXPIRED)
    elif client.phase == READY and now - connection.pinged_at >= database.ping_interval_s and not connection.running:
        # The dead man's switch must not end a connection that a quiet client holds.
        connection.pinged_at = now
        client.keep_alive(ping_step())


def _end(services: Services, client: ProxiedClient, kind: str, error: ERR | None) -> None:
    services.metrics.errors.add(kind)
    log.warning(
        "client ended", extra=fields(client=client.channel.connection_id, user=client.session.user, reason=kind)
    )
    if error is None:
        client.channel.abort()
    elif client.phase == READY:
        # As the servers do: the error lies in the socket, and is the answer to whatever the client sends next.
        client.channel.send(frame(0, error.encode()))
        client.channel.close()
    else:
        client.channel.close()


def _arm(client: ProxiedClient) -> None:
    sock = client.channel.socket
    if sock is None:
        return
    client.probing = True
    with contextlib.suppress(OSError):  # gone: connection_lost follows
        arm_probe(
            sock,
            limit_s=max(
                VANISHED_AFTER_S, int(client.route.database.client_write_timeout_s) if client.stalled_at else 0
            ),
        )
