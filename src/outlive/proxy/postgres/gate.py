"""What stands before a client: PROXY header, TLS, StartupMessage, login. Nothing of it reaches a server before it
succeeded.

The exceptions have limits of their own: passthrough, where only the server can judge a password, and `auth_query`,
where only the server knows the user. A load balancer's connect-and-close is no failed login. A CancelRequest logs
nobody in.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from outlive.auth.postgres.certificate import common_name
from outlive.auth.postgres.client_login import ClientLogin, authentication_failed
from outlive.auth.postgres.credential import Credential
from outlive.auth.postgres.methods import CERT, CLEAR
from outlive.auth.postgres.verdict import Accepted, Passthrough, Refused, Step
from outlive.proxy.gate import Gate
from outlive.proxy.postgres import errors
from outlive.proxy.postgres.client import PostgresClient
from outlive.proxy.postgres.console import CONSOLE, CONSOLE_REPORTS, ConsoleClient
from outlive.proxy.postgres.entry import PostgresEntry
from outlive.proxy.postgres.startup import StartupRefused, Wanted, wanted
from outlive.session.postgres.client_session import ClientSession
from outlive.session.postgres.replay import Settings, intern
from outlive.session.postgres.virtual import real_name
from outlive.wire import ProtocolError
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields, encode_error
from outlive.wire.postgres.messages import (
    authentication_ok,
    backend_key_data,
    message,
    negotiate_protocol_version,
    ready_for_query,
)
from outlive.wire.postgres.reader import MessageReader
from outlive.wire.postgres.startup import (
    CancelRequest,
    DirectTLS,
    FirstPacket,
    GSSENCRequest,
    SSLRequest,
    Startup,
    StartupReader,
    UnsupportedVersion,
)

if TYPE_CHECKING:
    from outlive.proxy.postgres.channel import PostgresChannel
    from outlive.proxy.postgres.lookup import Question
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.route import PostgresRoute

_LONG_KEY_BYTES: Final = 32
"""Of the cancel key in protocol 3.2, as the servers'; 3.0 has 4."""
_SHORT_KEY_BYTES: Final = 4

_FIRST, _EXCHANGE, _ASKING, _ENTERING, _OVER = range(5)


class PostgresGate(Gate):
    """One login of one client."""

    __slots__ = (
        "_binding",
        "_credential",
        "_database",
        "_direct",
        "_entry",
        "_first",
        "_gss_answered",
        "_is_console",
        "_login",
        "_messages",
        "_ok",
        "_proven",
        "_question",
        "_route",
        "_settings",
        "_ssl_answered",
        "_state",
        "_version",
        "_wanted",
    )

    _channel: PostgresChannel
    _services: PostgresServices
    clear_password: ClassVar[bool] = False
    """Whether passwords are asked for in clear whatever `client_auth` says; certificates stay."""

    def __init__(self, channel: PostgresChannel, services: PostgresServices) -> None:
        Gate.__init__(self, channel, services)
        self._first = StartupReader()
        self._messages = MessageReader(services.login_buffer_bytes)
        self._login: ClientLogin | None = None
        self._credential: Credential | None = None
        self._question: Question | None = None
        self._entry: PostgresEntry | None = None
        self._ok = authentication_ok()
        """What says that the password is right, as long as it was not sent."""
        self._proven = False
        self._route: PostgresRoute | None = None
        self._wanted: Wanted | None = None
        self._settings: Settings | None = None
        self._database: str | None = None
        self._binding: bytes | None = None
        self._version = wire.PROTOCOL_3_0
        self._ssl_answered = self._gss_answered = False
        self._direct = self._is_console = False
        self._state = _FIRST

    def greet(self) -> None:
        """See `Gate`. PostgreSQL's clients speak first."""

    # -- from the client ---------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """See `Gate`."""
        try:
            if self._state == _FIRST:
                self._check_application_protocol()
                self._first.feed(data)
                self._read_first()
            else:
                self._messages.feed(data)
                self._read_messages()
        except ProtocolError:
            self._fail("protocol", errors.MALFORMED)

    def _check_application_protocol(self) -> None:
        """A handshake without an SSLRequest may be meant for any server: it must say that it is for this protocol."""
        tls = self._channel.tls
        if self._direct and tls is not None and tls.application_protocol != wire.ALPN_POSTGRESQL:
            raise ProtocolError("TLS without ALPN")

    def _read_first(self) -> None:
        while self._state == _FIRST and not self._channel.closing:
            if self._first.pending > self._services.login_buffer_bytes:
                raise ProtocolError("more than a login")
            packet = self._first.next()
            if packet is None:
                return
            if isinstance(packet, Startup):
                self._messages.feed(self._first.rest())
                self._start(packet)
                self._read_messages()
            elif self._take_request(packet):
                return

    def _take_request(self, packet: FirstPacket) -> bool:
        """Whatever stands before a StartupMessage, or in its place. Whether that was the last of plain bytes."""
        if isinstance(packet, SSLRequest) and not self._ssl_answered and self._channel.tls is None:
            return self._answer_ssl_request()
        if isinstance(packet, GSSENCRequest) and not self._gss_answered:
            self._gss_answered = True
            self._channel.send(wire.ENCRYPTION_REFUSED)
            return False
        if isinstance(packet, DirectTLS) and self._channel.tls is None and not self._ssl_answered:
            self._direct = True
            self._start_tls(self._first.rest())
        elif isinstance(packet, CancelRequest):
            self._services.cancel(packet.pid, packet.key)
            self.end()
        elif isinstance(packet, UnsupportedVersion):
            self._fail("protocol", errors.unsupported_version(str(packet)))
        else:
            raise ProtocolError("a request for encryption that has no place here")
        return True

    def _answer_ssl_request(self) -> bool:
        self._ssl_answered = True
        if self._services.listener_certificates is None:
            self._channel.send(wire.ENCRYPTION_REFUSED)
            return False
        if self._first.pending:
            # It came before the answer, so it is not encrypted; whoever stands between may have put it there.
            self._fail("tls", errors.UNENCRYPTED_DATA)
        else:
            self._channel.send(wire.ENCRYPTION_ACCEPTED)
            self._start_tls(b"")
        return True

    def _start_tls(self, received: bytes) -> None:
        certificates = self._services.listener_certificates
        if certificates is None:
            raise ProtocolError("TLS where there is none")
        context = certificates.context()
        self._binding = self._services.binding(certificates.shown)
        self._channel.start_tls(context, received)

    def _read_messages(self) -> None:
        while self._state == _EXCHANGE:
            found = self._messages.next()
            if found is None:
                break
            kind, payload = found
            if kind != wire.PASSWORD_MESSAGE or self._login is None:
                raise ProtocolError("another message than the login's")
            self._step(self._login.receive(payload))
        if self._messages.pending > self._services.login_buffer_bytes and self._state != _OVER:
            raise ProtocolError("more than a login")

    @property
    def is_over(self) -> bool:
        """See `Gate`."""
        return self._state == _OVER

    @property
    def is_secure(self) -> bool:
        """Whether nobody between can read what the client says."""
        return self._channel.tls is not None

    def admits(self, user: bytes) -> ErrorFields | None:
        """Asked before a user gets in whose password is right, or for the server to judge: why not, if so."""
        return None

    # -- who it is ---------------------------------------------------------------------------------

    def _start(self, startup: Startup) -> None:
        self._version = min(startup.version, wire.PROTOCOL_3_2)
        if self._version != startup.version or startup.options:
            self._channel.send(negotiate_protocol_version(self._version, list(startup.options)))
        if self.crowded:
            self._services.metrics.refused.add("max_clients")
            self._fail("max_clients", errors.TOO_MANY_CLIENTS)
            return
        if self._services.tls_required and not self.is_secure:
            self._fail("tls_required", errors.TLS_REQUIRED)
            return
        try:
            asked = self._wanted = wanted(startup.parameters)
        except StartupRefused as refused:
            self._fail("startup", refused.error)
            return
        self._settings = intern({real_name(name): value for name, value in asked.settings.items()})
        services = self._services
        if asked.database.decode("utf-8", "replace") == CONSOLE and CONSOLE not in services.routes.by_name:
            self._is_console = True
        # Whether there is such a database only those learn who log in: by the users of the first, where it is unknown.
        route, self._database = services.find(asked.database)
        self._route = route
        running = services.users_of(route).renewal(asked.user, services.time())
        if running is None:
            self._look_up()
        else:
            self._state = _ASKING
            running.add_done_callback(lambda _: self._go_on(self._look_up))

    def _go_on(self, call: Callable[[], None]) -> None:
        """What was asked for is known; the client may have said more meanwhile."""
        if self._state == _ASKING and not self._channel.closing:
            call()
            self.receive(b"")

    def _look_up(self) -> None:
        route, asked = self._route, self._wanted
        assert route is not None
        assert asked is not None
        users = self._services.users_of(route)
        database = route.database
        if database.client_auth == CERT or not database.auth_query or users.is_listed(asked.user):
            self._judge(None)
            return
        self._state = _ASKING
        question = self._services.lookups.find(route, asked.user, self._found)
        if question.done is not None:
            self._question = question

    def _found(self, found: Credential | ErrorFields | None) -> None:
        self._question = None
        if isinstance(found, ErrorFields):
            if self._state == _ASKING:
                self._fail("server", found)
            return
        self._go_on(lambda: self._judge(found))

    def _judge(self, looked_up: Credential | None) -> None:
        route, asked, channel = self._route, self._wanted, self._channel
        assert route is not None
        assert asked is not None
        users = self._services.users_of(route)
        database = route.database
        method: str = database.client_auth
        passthrough = database.passthrough and method != CERT and looked_up is None and not users.is_listed(asked.user)
        certificate = None if channel.tls is None else channel.tls.peer_certificate
        self._credential = looked_up or users.credential(asked.user)
        self._login = ClientLogin(
            asked.user,
            self._credential,
            method=CLEAR if passthrough or (self.clear_password and method != CERT) else method,
            secure=self.is_secure,
            mock=self._services.mock,
            certificate_hash=self._binding,
            certificate_name=None if certificate is None else common_name(certificate),
            passthrough=passthrough,
        )
        self._state = _EXCHANGE
        self._step(self._login.start())

    def _step(self, step: Step) -> None:
        for payload in step.send:
            self._channel.send(message(wire.AUTHENTICATION, payload))
        verdict = step.verdict
        if isinstance(verdict, Accepted):
            self._learn(verdict)
            self._proven = True
            self._enter(verdict.user, None)
            if self._state == _ENTERING:
                # At once, as servers do: libpq tries a login that fails before this a second time, without TLS.
                self._channel.send(self._ok)
                self._ok = b""
        elif isinstance(verdict, Passthrough):
            self._enter(verdict.user, verdict.password)
        elif isinstance(verdict, Refused):
            self._refuse(verdict)

    def _refuse(self, verdict: Refused) -> None:
        if self._route is not None and self._wanted is not None:
            self._services.lookups.forget(self._route, self._wanted.user)
        self._fail("access_denied", errors.refused(verdict.sqlstate, verdict.message, detail=verdict.detail))

    def _learn(self, verdict: Accepted) -> None:
        """Where Outlive does not know the password, what the client proved is what logs in at the server."""
        credential, route = self._credential, self._route
        self._credential = None
        if credential is None or credential.password is not None or route is None:
            return
        self._services.learn(route, verdict, credential)

    # -- the end of the login ----------------------------------------------------------------------

    def _enter(self, user: bytes, password: bytes | None) -> None:
        """The password is right, or for the server to judge; what is left is whether the server lets the user in."""
        route, asked, settings = self._route, self._wanted, self._settings
        assert route is not None
        assert asked is not None
        assert settings is not None
        self._state = _ENTERING
        self._login = None
        services = self._services
        # The client has said all it has to: what is left to wait for is a lease, which has a deadline of its own.
        services.gates.pop(self._channel, None)
        refusal = self.admits(user)
        if refusal is not None:
            self._fail("access_denied", refusal)
            return
        if self._is_console:
            self._open_console(user.decode("utf-8", "replace"), route, trusted=password is None)
            return
        if self._database is None:
            self._fail("database", errors.unknown_database(asked.database, services.served()))
            return
        try:
            name = user.decode()
        except UnicodeDecodeError:  # only passthrough comes as far as this with it
            refused = authentication_failed(user)
            self._fail("access_denied", errors.refused(refused.sqlstate, refused.message))
            return
        self._entry = PostgresEntry(services, route, name, self._database, settings, self._entered)
        self._entry.begin(password)

    def _open_console(self, user: str, route: PostgresRoute, *, trusted: bool) -> None:
        """`trusted`: the password was judged here. One that only a server can judge is none for the console."""
        services, channel = self._services, self._channel
        operator = services.operator
        if operator is None or not trusted or not services.may_operate(user, channel.peer):
            self._fail("console", errors.NOT_OPERATOR)
            return
        self._state = _OVER
        channel.gate = None
        console = channel.client = ConsoleClient(channel, user, route, services, operator)
        services.logged_in(channel, again=False)
        channel.send(
            self._ok
            + CONSOLE_REPORTS.messages()
            + backend_key_data(channel.connection_id, secrets.token_bytes(_SHORT_KEY_BYTES))
            + ready_for_query(wire.IDLE)
        )
        console.data_received(self._messages.rest())

    def _entered(self, refusal: ErrorFields | None) -> None:
        entry, self._entry = self._entry, None
        if self._channel.closing or entry is None:
            return
        if refusal is not None:
            denied = refusal.code in (wire.INVALID_PASSWORD, wire.INVALID_AUTHORIZATION)
            self._fail("access_denied" if denied else "server", refusal)
        else:
            self._accept(entry)

    def _accept(self, entry: PostgresEntry) -> None:
        services, channel, route = self._services, self._channel, self._route
        assert route is not None
        assert self._settings is not None
        session = ClientSession(
            user=entry.user,
            database=entry.database,
            startup=self._settings,
            reported=entry.reported,
            connection_id=channel.connection_id,
            analyser=route.analyser,
            limits=services.session_limits,
            keeps=route.database.pool_mode == "session",
        )
        self._state = _OVER
        long = self._version >= wire.PROTOCOL_3_2
        channel.cancel_key = secrets.token_bytes(_LONG_KEY_BYTES if long else _SHORT_KEY_BYTES)
        channel.gate = None
        client = channel.client = PostgresClient(channel, session, route, services)
        services.logged_in(channel, again=False)
        channel.send(
            self._ok
            + entry.reported.messages()
            + backend_key_data(channel.connection_id, channel.cancel_key)
            + ready_for_query(wire.IDLE)
        )
        rest = self._messages.rest()
        if rest:
            client.data_received(rest)

    def _fail(self, reason: str, error: ErrorFields) -> None:
        """A failed login is final: the error, and the end."""
        self._services.metrics.logins_refused.add(reason)
        self._state = _OVER
        if not self._channel.closing:
            self._channel.send((self._ok if self._proven else b"") + encode_error(error))
        self.end()

    def end(self) -> None:
        """See `Gate`."""
        self._state = _OVER
        self._leave()
        self._channel.close()

    def _leave(self) -> None:
        """Nobody waits any more for what was asked on this login's behalf."""
        self._login = self._credential = None
        question, self._question = self._question, None
        if question is not None:
            question.cancel()
        entry, self._entry = self._entry, None
        if entry is not None:
            entry.cancel()

    # -- what ends a login from outside ------------------------------------------------------------

    def timed_out(self, seconds: float) -> None:
        """login_timeout_s passed."""
        if self._state == _ASKING:
            self._fail("server_away", errors.LOOKUP_FAILED)
        elif self._state == _EXCHANGE:
            self._fail("timeout", errors.LOGIN_TIMEOUT)
        else:
            self._services.metrics.logins_refused.add("timeout")
            self.end()

    def client_lost(self) -> None:
        """The client is gone."""
        self._state = _OVER
        self._leave()
