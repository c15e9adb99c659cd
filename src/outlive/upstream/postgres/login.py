"""One login at a server: SSLRequest, startup, authentication, and what the server says up to its ReadyForQuery."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from outlive.auth.postgres import Accepted, Refused, ScramKeys, ServerLogin, tls_server_end_point
from outlive.wire import ProtocolError
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import (
    message,
    parse_backend_key_data,
    parse_parameter_status,
    ssl_request,
    startup,
)

if TYPE_CHECKING:
    from outlive.upstream.postgres.connection import PostgresConnection

NO_TLS: Final = b"08P01"
"""SQLSTATE of Outlive's own refusal to go on without TLS; the dialer makes a failure of kind `tls` of it."""
_TLS_REFUSED: Final = b"TLS is asked for but the server has none"
_CHECK_INTERVAL_MS: Final = 1000


def dead_man_options(seconds: int, *, slow_client_s: float) -> dict[bytes, bytes]:
    """Startup parameters with which the server itself ends a session that Outlive left without a word.

    In the startup packet they survive RESET ALL and DISCARD ALL. An idle session ends by idle_session_timeout, one in a
    transaction when TCP finds nobody, a statement at the next look at its socket: all within `seconds`. PostgreSQL 14
    is the oldest that knows them. 0: none, for a session that has what any client's has.
    """
    if not seconds:
        return {}
    interval = max(1, seconds // 6)
    count = 3 if seconds > 3 else 2
    found = {
        b"idle_session_timeout": seconds * 1000,
        b"tcp_keepalives_idle": max(1, seconds - count * interval),
        b"tcp_keepalives_interval": interval,
        b"tcp_keepalives_count": count,
        b"client_connection_check_interval": _CHECK_INTERVAL_MS,
        # A node that hangs while its kernel lives. Held connections are pinged, so others never come to it.
        b"idle_in_transaction_session_timeout": seconds * 1000,
    }
    # Of what was sent and never acknowledged. It ends connections whose reader is slow, too: only where a client that
    # takes nothing is ended as early anyhow. (A longer one would weaken the keepalive, tcp(7).)
    if seconds >= slow_client_s:
        found[b"tcp_user_timeout"] = seconds * 1000
    return {name: b"%d" % value for name, value in found.items()}


class Login:
    """Drives `connection` through its login; `done` is called once, with None or the refusal.

    `password`, `keys`, `md5` and `require_channel_binding` are those of `ServerLogin`.
    """

    __slots__ = (
        "_accepted",
        "_connection",
        "_done",
        "_keys",
        "_login",
        "_md5",
        "_options",
        "_password",
        "_require_channel_binding",
        "_tls",
        "awaits_answer_to_ssl_request",
        "proven",
    )

    def __init__(
        self,
        connection: PostgresConnection,
        *,
        password: bytes,
        keys: ScramKeys | None,
        md5: bytes | None,
        options: Mapping[bytes, bytes],
        tls: bool,
        require_channel_binding: bool = False,
        done: Callable[[ErrorFields | None], None],
    ) -> None:
        self._connection = connection
        self._password = password
        self._keys = keys
        self._md5 = md5
        self._options = options
        self._tls = tls
        self._require_channel_binding = require_channel_binding
        self._done = done
        self._login: ServerLogin | None = None
        self._accepted = False
        self.awaits_answer_to_ssl_request = False
        self.proven: ScramKeys | None = None
        """The keys of a SCRAM login, which spare the next one their derivation."""

    def __repr__(self) -> str:
        return f"Login({self._connection.login})"

    def begin(self) -> None:
        """The socket is open."""
        if self._tls:
            self.awaits_answer_to_ssl_request = True
            self._connection.send(ssl_request())
        else:
            self.start()

    def answered(self, data: bytes) -> None:
        """The answer to the SSLRequest. Raises ProtocolError, and TLSError.

        A byte behind it was not encrypted, whoever wrote it (CVE-2021-23222): it must not be taken for the server's.
        """
        self.awaits_answer_to_ssl_request = False
        if data == wire.ENCRYPTION_ACCEPTED:
            self._connection.start_tls()
        elif data == wire.ENCRYPTION_REFUSED:
            self._done(ErrorFields(b"FATAL", NO_TLS, _TLS_REFUSED))
        else:
            raise ProtocolError("an answer to SSLRequest that is neither S nor N alone")

    def start(self) -> None:
        """The startup packet; TLS is established where there is any."""
        connection = self._connection
        key = connection.login
        tls = connection.tls
        certificate = None if tls is None else tls.peer_certificate
        self._login = ServerLogin(
            key.user.encode(),
            password=self._password,
            keys=self._keys,
            md5=self._md5,
            secure=tls is not None,
            certificate_hash=None if certificate is None else tls_server_end_point(certificate),
            require_channel_binding=self._require_channel_binding,
        )
        self._password, self._keys, self._md5 = b"", None, None
        who = {b"user": key.user.encode(), b"database": key.database.encode()}
        connection.send(startup(wire.PROTOCOL_3_0, {**who, **self._options}))

    def receive(self, kind: int, payload: bytes) -> None:
        """The server's next message. Raises ProtocolError."""
        if self._login is None:
            raise ProtocolError("the server spoke before TLS was established")
        if kind == wire.ERROR_RESPONSE:
            self._done(parse_error(payload))
        elif kind == wire.AUTHENTICATION:
            self._authenticate(self._login, payload)
        elif kind == wire.NOTICE_RESPONSE:
            pass
        elif not self._accepted:
            raise ProtocolError("a message that has no place before AuthenticationOk")
        elif kind == wire.PARAMETER_STATUS:
            self._connection.report(dict((parse_parameter_status(payload),)))
        elif kind == wire.BACKEND_KEY_DATA:
            self._connection.backend = parse_backend_key_data(payload)
        elif kind == wire.READY_FOR_QUERY:
            self._done(None)
        else:
            raise ProtocolError("a message that has no place in a login")

    def _authenticate(self, login: ServerLogin, payload: bytes) -> None:
        send, verdict = login.receive(payload)
        for answer in send:
            self._connection.send(message(wire.PASSWORD_MESSAGE, answer))
        if isinstance(verdict, Accepted):
            self._accepted = True
            self.proven = verdict.keys
        elif isinstance(verdict, Refused):
            self._done(ErrorFields(b"FATAL", verdict.sqlstate, verdict.message, detail=verdict.detail))
