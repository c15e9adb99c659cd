"""What stands before a client of Redis: PROXY header, TLS where its first byte says so, AUTH or HELLO.

Where the default user has no password there is nothing to say, and the client is in at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.gate import Gate
from outlive.proxy.redis.client import RedisClient
from outlive.proxy.redis.hello import Hello, answer
from outlive.session.redis.client_session import RedisSession
from outlive.upstream.redis.dial import DEFAULT_USER
from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandScanner, arguments_of
from outlive.wire.redis.values import OK, error

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.redis.services import RedisServices
    from outlive.proxy.redis.users import Trial
    from outlive.upstream.redis.route import RedisRoute

_TLS_HANDSHAKE: Final = 0x16
"""The first byte of a TLS record that begins a handshake (RFC 8446, 5.1); no command begins with it."""
_ARGUMENTS_MAX: Final = 10
_BULK_MAX: Final = 16384
NO_AUTH: Final = "NOAUTH Authentication required."
HELLO_NO_AUTH: Final = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> "
    "option can be used to authenticate the client and select the RESP protocol version at the same time"
)


class RedisGate(Gate):
    """One login of one client."""

    __slots__ = ("_buffer", "_hello", "_over", "_route", "_scanner", "_trial", "_user", "_waiting")

    _services: RedisServices

    def __init__(self, channel: Channel, services: RedisServices) -> None:
        Gate.__init__(self, channel, services)
        self._buffer = bytearray()
        self._scanner = CommandScanner(arguments_max=_ARGUMENTS_MAX, bulk_max=_BULK_MAX)
        self._route: RedisRoute = services.routes.default
        self._hello: Hello | None = None
        self._user = ""
        self._trial: Trial | None = None
        self._waiting = False
        self._over = False

    @property
    def is_over(self) -> bool:
        """See `Gate`."""
        return self._over

    def greet(self) -> None:
        """See `Gate`. A client that may use TLS is looked at first."""
        if self._services.listener_certificates is None:
            self._let_in_if_open()

    def _let_in_if_open(self) -> bool:
        if not self._services.users_of(self._route).default_is_open:
            return False
        self._accept(DEFAULT_USER, None)
        return True

    def receive(self, data: bytes) -> None:
        """See `Gate`."""
        certificates = self._services.listener_certificates
        if not self._buffer and self._channel.tls is None and data[0] == _TLS_HANDSHAKE and certificates is not None:
            self._channel.start_tls(certificates.context(), data)
            return
        if self._services.tls_required and self._channel.tls is None:
            self._fail("tls_required", "ERR Outlive: connections without TLS are not allowed")
            return
        self._buffer += data
        if len(self._buffer) > self._services.login_buffer_bytes:
            self._fail("protocol", "ERR Protocol error: more than a login")
            return
        if not self._waiting and not self._let_in_if_open():
            self._read()

    def _read(self) -> None:
        try:
            while self._buffer and not self._waiting and not self._over:
                end = self._scanner.scan(self._buffer, 0)
                if end < 0:
                    return
                scanner = self._scanner
                whole = scanner.name is not None
                arguments = arguments_of(self._buffer, 0, end) if whole else scanner.inline
                del self._buffer[:end]
                if arguments:
                    self._command(arguments)
        except ProtocolError as problem:
            self._fail("protocol", f"ERR Protocol error: {problem}")

    def _command(self, arguments: list[bytes]) -> None:
        name = arguments[0].upper()
        if name == b"AUTH":
            if len(arguments) not in (2, 3):
                few = len(arguments) < 2
                self._say("ERR wrong number of arguments for 'auth' command" if few else "ERR syntax error")
                return
            self._judge(arguments[1] if len(arguments) == 3 else None, arguments[-1])
        elif name == b"HELLO":
            hello = self._hello = Hello(arguments)
            if hello.error:
                self._say(hello.error)
            elif hello.password is None:
                self._say(HELLO_NO_AUTH)
            else:
                self._judge(hello.user, hello.password)
        elif name == b"QUIT":
            self._channel.send(OK)
            self.end()
        elif name == b"RESET":
            self._channel.send(b"+RESET\r\n")
        else:
            self._say(NO_AUTH)

    def _say(self, text: str) -> None:
        self._hello = None
        self._channel.send(error(text))

    def _judge(self, user: bytes | None, password: bytes) -> None:
        self._waiting = True
        self._user = DEFAULT_USER if user is None else user.decode("utf-8", "surrogateescape")
        self._trial = self._services.judge.judge(self._route, user, password, self._judged)

    def _judged(self, refusal: str | None) -> None:
        self._trial = None
        if self._over or self._channel.closing:
            return
        if refusal is None:
            self._accept(self._user, self._hello)
            return
        self._waiting = False
        self._services.metrics.logins_refused.add("access_denied")
        self._say(refusal)
        self._services.call_soon(self._read)

    def _accept(self, user: str, hello: Hello | None, *, late: bool = False) -> None:
        server: Any = self._route.server()
        if hello is not None and not server.is_known:
            self._waiting = True
            self._services.when_known(self._known)
            if server.pool.limits.lendable:  # a user who is passed through has met the server already
                server.stir()
            return
        channel = self._channel
        session = RedisSession(user, self._route.database_number)
        self._over = True
        self._waiting = False
        channel.gate = None
        client = channel.client = RedisClient(channel, session, self._route, self._services)
        self._services.logged_in(channel, again=False)
        if hello is not None:
            session.protocol = hello.protocol or 2
            session.name = hello.name or b""
            channel.send(answer(server.hello, channel.connection_id, session.protocol))
        elif user != DEFAULT_USER or not self._services.users_of(self._route).default_is_open:
            channel.send(OK)
        rest = bytes(self._buffer)
        if rest:
            client.data_received(rest)

    def _known(self) -> None:
        if not self._over and not self._channel.closing:
            self._accept(self._user, self._hello)

    def _fail(self, reason: str, text: str) -> None:
        self._services.metrics.logins_refused.add(reason)
        if not self._channel.closing:
            self._channel.send(error(text))
        self.end()

    def end(self) -> None:
        """See `Gate`."""
        self._over = True
        self._channel.close()

    def timed_out(self, seconds: float) -> None:
        """See `Gate`."""
        if self._trial is not None:
            return  # it waits for a place at the server, and has a deadline for that
        reason = "server_away" if self._waiting else "timeout"
        self._fail(reason, f"ERR Outlive: the login was not complete within {seconds:.0f} s")

    def client_lost(self) -> None:
        """See `Gate`."""
        self._over = True
        self._services.waits_no_more(self._known)
        if self._trial is not None:
            self._trial.cancel()
            self._trial = None
