"""The errors Outlive itself gives MySQL clients, with the codes that drivers know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.upstream.mysql.server import MySQLServer

_CR_SERVER_LOST: Final = 2013

OUT_OF_ORDER: Final = ERR(wire.ER_NET_PACKETS_OUT_OF_ORDER, b"08S01", b"Got packets out of order")
MALFORMED: Final = ERR(wire.ER_MALFORMED_PACKET, b"HY000", b"Malformed communication packet.")
TOO_LARGE: Final = ERR(
    wire.ER_NET_PACKET_TOO_LARGE, b"08S01", b"Got a packet bigger than Outlive takes for this command"
)
LOST: Final = ERR(_CR_SERVER_LOST, b"08S01", b"Lost connection to MySQL server during query")
"""The client library's own code for it, and what drivers take for a disconnect;
an ERR because the client's socket is well."""
TRANSACTION_EXPIRED: Final = ERR(
    wire.ER_CLIENT_INTERACTION_TIMEOUT,
    b"HY000",
    b"The client was disconnected by Outlive because of inactivity in a transaction.",
)
PIN_EXPIRED: Final = ERR(
    wire.ER_CLIENT_INTERACTION_TIMEOUT,
    b"HY000",
    b"The client was disconnected by Outlive because of inactivity while it held a server connection.",
)
DRAINING: Final = ERR(wire.ER_SERVER_SHUTDOWN, b"08S01", b"Server shutdown in progress: Outlive is draining")
TOO_MANY_CLIENTS: Final = ERR(
    wire.ER_CON_COUNT_ERROR, b"08004", b"Too many connections: max_clients are connected, and each of them is at work"
)
INTERRUPTED: Final = ERR(wire.ER_QUERY_INTERRUPTED, b"70100", b"Query execution was interrupted")
KILLED: Final = ERR(wire.ER_CONNECTION_KILLED, b"70100", b"Connection was killed")


def waited(server: MySQLServer, seconds: float) -> ERR:
    """The deadline passed in the queue (ER_CON_COUNT_ERROR, as the server itself says that it is full)."""
    limits = server.pool.limits
    text = (
        f"Too many connections: all {limits.lendable} server connections to {server.address} that clients share were in"
        f" use or not to be had for {seconds:.1f} s"
    )
    return ERR(wire.ER_CON_COUNT_ERROR, b"08004", text.encode())


def queue_full(server: MySQLServer) -> ERR:
    """No place in the queue."""
    limits = server.pool.limits
    if server.pool.draining:
        return ERR(wire.ER_SERVER_SHUTDOWN, b"08S01", f"Outlive does not serve {server.address} any more".encode())
    text = (
        f"Too many connections: {limits.max_waiters} clients wait for {server.address} already,"
        " and this one waited 0.0 s"
    )
    return ERR(wire.ER_CON_COUNT_ERROR, b"08004", text.encode())


def no_such_thread(number: int) -> ERR:
    """KILL of an id that nobody has."""
    return ERR(wire.ER_NO_SUCH_THREAD, b"HY000", b"Unknown thread id: %d" % number)


def not_owner(number: int) -> ERR:
    """KILL of another user's client."""
    return ERR(wire.ER_KILL_DENIED_ERROR, b"HY000", b"You are not owner of thread %d" % number)


def server_away(seconds: float) -> ERR:
    """A client that came before the database was ever reached."""
    text = (
        f"Too many connections: the database could not be reached for {seconds:.1f} s,"
        " 0 server connections are to be had"
    )
    return ERR(wire.ER_CON_COUNT_ERROR, b"08004", text.encode())
