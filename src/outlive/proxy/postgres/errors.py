"""The errors Outlive itself gives PostgreSQL clients, with the SQLSTATEs that drivers know.

FATAL where the connection closes behind it, as the server itself does.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from outlive.pool.groups import full_groups
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.upstream.server import Server

_FATAL: Final = b"FATAL"
_ERROR: Final = b"ERROR"
_NAME_SHOWN_BYTES: Final = 63
"""Of a name that a client made up: an error must not echo 16 KiB of anything."""

TOO_MANY_CLIENTS: Final = ErrorFields(
    _FATAL, wire.TOO_MANY_CONNECTIONS, b"too many clients: max_clients are connected, and each of them is at work"
)
DRAINING: Final = ErrorFields(_FATAL, wire.ADMIN_SHUTDOWN, b"terminating connection: Outlive is draining")
KILLED: Final = ErrorFields(_FATAL, wire.ADMIN_SHUTDOWN, b"terminating connection due to administrator command")
TRANSACTION_EXPIRED: Final = ErrorFields(
    _FATAL,
    wire.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    b"terminating connection due to idle-in-transaction timeout",
    detail=b"The client said nothing inside a transaction for transaction_idle_timeout_s.",
)
PIN_EXPIRED: Final = ErrorFields(
    _FATAL,
    wire.IDLE_SESSION_TIMEOUT,
    b"terminating connection due to idle-session timeout",
    detail=b"The client said nothing for pin_idle_timeout_s while it held a server connection.",
)
LOST: Final = ErrorFields(
    _FATAL,
    wire.CONNECTION_FAILURE,
    b"the connection to the server was lost",
    detail=b"What was under way may or may not have taken effect. Outlive sends nothing twice.",
)
MALFORMED: Final = ErrorFields(_FATAL, wire.PROTOCOL_VIOLATION, b"invalid message format")
OUT_OF_PLACE: Final = ErrorFields(_FATAL, wire.PROTOCOL_VIOLATION, b"a message that has no place here")
TOO_LARGE: Final = ErrorFields(_FATAL, wire.PROGRAM_LIMIT_EXCEEDED, b"a message larger than Outlive takes here")
CANCELED: Final = ErrorFields(_ERROR, wire.QUERY_CANCELED, b"canceling statement due to user request")

TOO_MANY_STATEMENTS: Final = ErrorFields(
    _FATAL,
    wire.PROGRAM_LIMIT_EXCEEDED,
    b"too many prepared statements, or too long ones",
    hint=b"Close some, or raise client_prepared_statements or client_prepared_bytes.",
)

UNENCRYPTED_DATA: Final = ErrorFields(
    _FATAL,
    wire.PROTOCOL_VIOLATION,
    b"received unencrypted data after SSL request",
    detail=b"This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
)
NO_USER: Final = ErrorFields(_FATAL, wire.INVALID_AUTHORIZATION, b"no PostgreSQL user name specified in startup packet")
TLS_REQUIRED: Final = ErrorFields(
    _FATAL,
    wire.INVALID_AUTHORIZATION,
    b"connections without TLS are refused by Outlive",
    hint=b"Connect with sslmode=require or better.",
)
NO_REPLICATION: Final = ErrorFields(
    _FATAL,
    wire.FEATURE_NOT_SUPPORTED,
    b"replication connections cannot be pooled",
    detail=b"Such a connection belongs to one client from its start to its end.",
    hint=b"Connect to the server itself for replication.",
)
LOGIN_TIMEOUT: Final = ErrorFields(_FATAL, wire.QUERY_CANCELED, b"canceling authentication due to timeout")
NOT_OPERATOR: Final = ErrorFields(
    _FATAL,
    wire.INSUFFICIENT_PRIVILEGE,
    b"the console is for its operators",
    hint=b"List the user in admin_users, or connect from this machine as the user that Outlive logs in with.",
)
LOOKUP_FAILED: Final = ErrorFields(
    _FATAL,
    wire.CANNOT_CONNECT_NOW,
    b"the user's password could not be looked up",
    detail=b"The auth_query of this database had no answer in time, or failed. The node's log says why.",
)


def fatal(error: ErrorFields) -> ErrorFields:
    """The same error where the connection ends with it: at a login every error does."""
    if error.severity == _FATAL:
        return error
    return ErrorFields(_FATAL, error.code, error.message, detail=error.detail, hint=error.hint)


def passed_on(error: ErrorFields) -> ErrorFields:
    """A server's error on what Outlive did for the client: that client's connection goes on."""
    if not error.fatal:
        return error
    return ErrorFields(_ERROR, error.code, error.message, detail=error.detail, hint=error.hint)


def refused(code: bytes, message: bytes, *, detail: bytes = b"", hint: bytes = b"") -> ErrorFields:
    """A login that goes no further."""
    return ErrorFields(_FATAL, code, message, detail=detail, hint=hint)


def waited(server: Server, seconds: float, key: Hashable = None) -> ErrorFields:
    """The deadline passed in the queue (53300, as the server itself says that it is full). `key` is the waiter's."""
    count, whose = _share(server, key)
    text = (
        f"too many connections: all {count} server connections to {server.address} that {whose} were in"
        f" use or not to be had for {seconds:.1f} s"
    )
    return ErrorFields(_ERROR, wire.TOO_MANY_CONNECTIONS, text.encode("utf-8", "replace"))


def _share(server: Server, key: Hashable) -> tuple[int, str]:
    """Of what there was not enough: most connections of a user or a database, or all that there are."""
    pool = server.pool
    limits = pool.limits
    full = full_groups(pool, key) if key is not None and limits.groups is not None else []
    if full and limits.groups is not None:
        return dict(limits.groups(key))[full[0]], f"{full[0]} may have"
    keypool = pool.keypools.get(key)
    if limits.max_per_key is not None and keypool is not None and keypool.size >= limits.max_per_key:
        return limits.max_per_key, f"{key} may have"
    return limits.lendable, "clients share"


def queue_full(server: Server) -> ErrorFields:
    """No place in the queue."""
    limits = server.pool.limits
    if server.pool.draining:
        text = f"Outlive does not serve {server.address} any more"
        return ErrorFields(_FATAL, wire.ADMIN_SHUTDOWN, text.encode())
    text = (
        f"too many connections: {limits.max_waiters} clients wait for {server.address} already,"
        " and this one waited 0.0 s"
    )
    return ErrorFields(_ERROR, wire.TOO_MANY_CONNECTIONS, text.encode())


def server_away(server: Server, seconds: float) -> ErrorFields:
    """The login's time is up, and the server was not reached meanwhile."""
    text = f"the server {server.address} could not be reached for {seconds:.1f} s"
    return ErrorFields(_FATAL, wire.CANNOT_CONNECT_NOW, text.encode())


def unknown_database(name: bytes, served: str) -> ErrorFields:
    """No entry of the configuration has this name."""
    shown = name[:_NAME_SHOWN_BYTES].decode("utf-8", "ignore").encode()
    return ErrorFields(
        _FATAL,
        wire.INVALID_CATALOG_NAME,
        b'database "%b" does not exist' % shown,
        hint=b"Outlive serves " + served.encode("utf-8", "replace") + b".",
    )


def unsupported_version(version: str) -> ErrorFields:
    """A protocol of another generation."""
    text = f"unsupported frontend protocol {version}: Outlive supports 3.0 to 3.2"
    return ErrorFields(_FATAL, wire.FEATURE_NOT_SUPPORTED, text.encode())
