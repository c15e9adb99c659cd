"""What stands before a client: PROXY header, greeting, TLS, login. Nothing of it reaches a server before it succeeded.

The one exception is passthrough, where only the server can judge a password; it has a limit of attempts of its own.
A load balancer's connect-and-close is no failed login.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from outlive.auth.mysql.client_login import ClientLogin, access_denied
from outlive.auth.mysql.scramble import CACHING_SHA2, NATIVE, new_scramble
from outlive.auth.mysql.verdict import Accepted, Passthrough, Refused, Step
from outlive.proxy.gate import Gate
from outlive.proxy.mysql import errors
from outlive.proxy.mysql.client import MySQLClient
from outlive.proxy.mysql.entry import MySQLEntry
from outlive.session.mysql.client_session import ClientSession
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import ChangeUser, Greeting, HandshakeResponse, is_ssl_request
from outlive.wire.mysql.ok import ERR, OK, encode_ok
from outlive.wire.mysql.packets import PacketReader, packet

if TYPE_CHECKING:
    from outlive.proxy.mysql.channel import MySQLChannel
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.upstream.mysql.route import MySQLRoute

OFFERED: Final = (
    wire.CLIENT_LONG_PASSWORD
    | wire.CLIENT_FOUND_ROWS
    | wire.CLIENT_LONG_FLAG
    | wire.CLIENT_CONNECT_WITH_DB
    | wire.CLIENT_NO_SCHEMA
    | wire.CLIENT_ODBC
    | wire.CLIENT_LOCAL_FILES
    | wire.CLIENT_IGNORE_SPACE
    | wire.CLIENT_PROTOCOL_41
    | wire.CLIENT_INTERACTIVE
    | wire.CLIENT_IGNORE_SIGPIPE
    | wire.CLIENT_TRANSACTIONS
    | wire.CLIENT_RESERVED
    | wire.CLIENT_SECURE_CONNECTION
    | wire.CLIENT_MULTI_STATEMENTS
    | wire.CLIENT_MULTI_RESULTS
    | wire.CLIENT_PS_MULTI_RESULTS
    | wire.CLIENT_PLUGIN_AUTH
    | wire.CLIENT_CONNECT_ATTRS
    | wire.CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
    | wire.CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS
    | wire.CLIENT_SESSION_TRACK
    | wire.CLIENT_DEPRECATE_EOF
    | wire.CLIENT_QUERY_ATTRIBUTES
)
"""Capabilities offered to clients where the server has them too. Compression is not among them: between a function
and a node beside it, it costs more than it saves, and a client that asks goes on without it."""

_SERVER_UNKNOWN, _RESPONSE, _ASKING, _EXCHANGE, _ENTERING, _OVER = range(6)


class MySQLGate(Gate):
    """One login (or change of user) of one client."""

    __slots__ = (
        "_capabilities",
        "_change",
        "_charset",
        "_entry",
        "_former",
        "_login",
        "_packets",
        "_route",
        "_schema",
        "_scramble",
        "_state",
    )

    _channel: MySQLChannel
    _services: MySQLServices

    def __init__(self, channel: MySQLChannel, services: MySQLServices) -> None:
        Gate.__init__(self, channel, services)
        self._packets = PacketReader(services.login_buffer_bytes)
        self._login: ClientLogin | None = None
        self._entry: MySQLEntry | None = None
        self._route: MySQLRoute | None = None
        self._former: MySQLClient | None = None
        self._scramble = b""
        self._capabilities = 0
        self._charset = 0
        self._schema = b""
        self._state = _SERVER_UNKNOWN

    # -- from the beginning to the greeting --------------------------------------------------------

    def greet(self) -> None:
        """See `Gate`."""
        services = self._services
        greeting = services.greeting()
        if greeting is None:
            self._state = _SERVER_UNKNOWN
            services.when_greeting(self)
            return
        self._scramble = new_scramble()
        offered = greeting.capabilities & OFFERED | wire.CLIENT_PLUGIN_AUTH | wire.CLIENT_SECURE_CONNECTION
        if services.listener_certificates is not None:
            offered |= wire.CLIENT_SSL
        self._capabilities = offered
        plugin = NATIVE if greeting.is_mariadb else CACHING_SHA2
        own = Greeting(
            greeting.server_version,
            self._channel.connection_id,
            self._scramble,
            offered,
            greeting.charset,
            wire.SERVER_STATUS_AUTOCOMMIT,
            plugin,
        )
        self._state = _RESPONSE
        self._packets.sequence = 0
        self._send(own.encode())

    def server_known(self) -> None:
        """The first login at a server told its version: the greeting can be sent."""
        if self._state == _SERVER_UNKNOWN and not self._channel.closing:
            self.greet()

    def _send(self, payload: bytes) -> None:
        packets = self._packets
        self._channel.send(packet(packets.sequence, payload))
        packets.sequence = (packets.sequence + 1) & 0xFF

    # -- from the client ---------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """See `Gate`."""
        try:
            self._packets.feed(data)
            if self._packets.pending > self._services.login_buffer_bytes:
                raise ProtocolError("more than a login")
            while self._state in (_RESPONSE, _EXCHANGE):
                payload = self._packets.next()
                if payload is None:
                    return
                self._receive(payload)
        except ProtocolError:
            self._fail("protocol", ERR(wire.ER_HANDSHAKE_ERROR, b"08S01", b"Bad handshake"))

    @property
    def is_over(self) -> bool:
        """See `Gate`."""
        return self._state == _OVER

    def _receive(self, payload: bytes) -> None:
        if self._state == _EXCHANGE:
            assert self._login is not None
            self._step(self._login.receive(payload))
        elif is_ssl_request(payload) and self._channel.tls is None:
            self._start_tls(payload)
        else:
            self._respond(HandshakeResponse.parse(payload))

    def _start_tls(self, payload: bytes) -> None:
        certificates = self._services.listener_certificates
        if certificates is None:
            raise ProtocolError("TLS where it was not offered")
        rest = self._packets.rest()
        self._channel.start_tls(certificates.context(), rest)

    def _respond(self, response: HandshakeResponse) -> None:
        if self._services.tls_required and self._channel.tls is None:
            self._fail(
                "tls_required", ERR(3159, b"HY000", b"Connections using insecure transport are prohibited by Outlive.")
            )
            return
        self._capabilities &= response.capabilities
        self._charset = response.charset
        with_plugin = bool(self._capabilities & wire.CLIENT_PLUGIN_AUTH)
        self._begin(response.user, response.plugin, response.auth_response, response.database, with_plugin)

    def _begin(self, user: bytes, plugin: bytes, auth_response: bytes, database: bytes, with_plugin: bool) -> None:
        services = self._services
        route, self._schema = services.routes.find(database)
        self._route = route
        begin = partial(self._judge, route, user, plugin, auth_response, with_plugin)
        running = services.users_of(route).renewal(user, services.time())
        if running is None:
            begin()
        else:
            self._state = _ASKING
            running.add_done_callback(lambda _: self._asked(begin))

    def _asked(self, begin: Callable[[], None]) -> None:
        if self._state == _ASKING and not self._channel.closing:
            begin()
            self.receive(b"")

    def _judge(self, route: MySQLRoute, user: bytes, plugin: bytes, auth_response: bytes, with_plugin: bool) -> None:
        services = self._services
        users = services.users_of(route)
        login = self._login = ClientLogin(
            scramble=self._scramble,
            plugin=NATIVE if services.is_mariadb else CACHING_SHA2,
            secure=self._channel.tls is not None,
            lookup=users.credential,
            passthrough=route.database.passthrough,
            rsa_key=services.rsa_key,
            host=self._channel.peer.encode(),
        )
        self._state = _EXCHANGE
        self._step(login.start(user, plugin, auth_response, with_plugin))

    def change_user(self, payload: bytes, former: MySQLClient | None, ahead: bytes) -> None:
        """COM_CHANGE_USER: authenticate again, then another session in another pool. `ahead` was sent behind it."""
        assert former is not None
        self._former = former
        # Its session is over, however this ends; and the login may need the connection that it holds.
        former.client_lost()
        self._services.gates[self._channel] = self.since  # a lease must not be held through a login without end
        session = former.session
        self._capabilities = session.capabilities
        self._packets.sequence = 1
        try:
            change = ChangeUser.parse(payload, session.capabilities)
        except ProtocolError:
            self._fail("protocol", errors.MALFORMED)
            return
        self._charset = change.charset or former.charset
        self._scramble = self._channel.scramble
        with_plugin = bool(session.capabilities & wire.CLIENT_PLUGIN_AUTH)
        self._begin(change.user, change.plugin, change.auth_response, change.database, with_plugin)
        if ahead and not self._channel.closing:
            self._channel.deliver(ahead)

    def _step(self, step: Step) -> None:
        for payload in step.send:
            self._send(payload)
        verdict = step.verdict
        if isinstance(verdict, Accepted):
            self._enter(verdict.user, None)
        elif isinstance(verdict, Passthrough):
            self._enter(verdict.user, verdict.password)
        elif isinstance(verdict, Refused):
            self._fail("access_denied", ERR(verdict.code, verdict.sqlstate, verdict.message))

    # -- the end of the login ----------------------------------------------------------------------

    def _enter(self, user: bytes, password: bytes | None) -> None:
        """The password is right, or for the server to judge; what is left is whether the server lets the user in."""
        assert self._route is not None
        self._state = _ENTERING
        self._login = None
        # The client has said all it has to: what is left to wait for is a lease, which has a deadline of its own.
        self._services.gates.pop(self._channel, None)
        try:
            name = user.decode()
        except UnicodeDecodeError:  # no server has such a name; only passthrough comes as far as this with it
            denied = access_denied(user, self._channel.peer.encode(), used_password=True)
            self._fail("access_denied", ERR(denied.code, denied.sqlstate, denied.message))
            return
        self._entry = MySQLEntry(self._services, self._route, name, self._capabilities, self._schema, self._entered)
        self._entry.begin(password)

    def _entered(self, refusal: ERR | None) -> None:
        entry, self._entry = self._entry, None
        if self._channel.closing or entry is None:
            return
        if refusal is not None:
            if refusal.code == wire.ER_ACCESS_DENIED_ERROR:
                denied = access_denied(
                    entry.user.encode("utf-8", "surrogateescape"), self._channel.peer.encode(), used_password=True
                )
                refusal = ERR(denied.code, denied.sqlstate, denied.message)
            self._fail("access_denied" if refusal.code == wire.ER_ACCESS_DENIED_ERROR else "server", refusal)
            return
        self._accept(entry)

    def _accept(self, entry: MySQLEntry) -> None:
        services, channel = self._services, self._channel
        route = self._route
        facts = services.facts_of(route)
        assert route is not None
        assert facts is not None
        session = ClientSession(
            facts,
            user=entry.user,
            capabilities=self._capabilities,
            collation_id=self._charset,
            schema=self._schema,
            connection_id=channel.connection_id,
            analyser=route.analyser,
            limits=services.session_limits,
        )
        self._state = _OVER
        former, self._former = self._former, None
        if former is not None:
            former.client_lost()
        channel.scramble = self._scramble
        channel.gate = None
        client = channel.client = MySQLClient(channel, session, route, services)
        client.charset = self._charset
        services.logged_in(channel, again=former is not None)
        self._send(encode_ok(OK(status=session.local_status()), self._capabilities))
        rest = self._packets.rest()
        if rest:
            client.data_received(rest)

    def _fail(self, reason: str, error: ERR) -> None:
        """A failed login is final: the error, and the end."""
        self._services.metrics.logins_refused.add(reason)
        self._state = _OVER
        if not self._channel.closing:
            self._send(error.encode())
        self.end()

    def end(self) -> None:
        """See `Gate`."""
        self._state = _OVER
        self._channel.close()
        self._leave_former()

    def _leave_former(self) -> None:
        former, self._former = self._former, None
        if former is not None:
            former.client_lost()

    # -- what ends a login from outside ------------------------------------------------------------

    def timed_out(self, seconds: float) -> None:
        """login_timeout_s passed."""
        self._services.waits_no_more(self)
        if self._state == _ENTERING and self._entry is not None and self._services.facts_of(None) is not None:
            self._fail("server", errors.waited(self._entry.server, seconds))
        elif self._state in (_SERVER_UNKNOWN, _ENTERING):
            self._fail("server_away", errors.server_away(seconds))
        else:
            self._services.metrics.logins_refused.add("timeout")
            self.end()

    def client_lost(self) -> None:
        """The client is gone."""
        self._state = _OVER
        self._services.waits_no_more(self)
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
        self._leave_former()
