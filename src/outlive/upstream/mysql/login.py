"""One login at a server, or one change of user: the exchange of packets up to OK or ERR."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlive import __version__
from outlive.auth.mysql.server_login import ServerLogin
from outlive.auth.mysql.verdict import Accepted, Refused, Step
from outlive.upstream.mysql.key import ALWAYS, GREETING_ONLY, NEEDED, Key
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import ChangeUser, Greeting, HandshakeResponse, ssl_request
from outlive.wire.mysql.ok import ERR, is_err

if TYPE_CHECKING:
    from outlive.upstream.mysql.connection import MySQLConnection

UTF8MB4: Final = 45
"""utf8mb4_general_ci: every server knows it. Clients' own charsets are replayed."""
MAX_PACKET_BYTES: Final = 1 << 30
_CR_VERSION: Final = 2007
CR_SSL: Final = 2026


def attributes(node: int) -> dict[bytes, bytes]:
    """Connection attributes, as performance_schema.session_connect_attrs shows them to the database's operators."""
    return {
        b"program_name": b"outlive",
        b"_client_name": b"outlive",
        b"_client_version": __version__.encode(),
        b"outlive_node": b"%d" % node,
        b"outlive_host": socket.gethostname().encode()[:64],
        b"_pid": b"%d" % os.getpid(),
    }


class Login:
    """Drives `connection` through its login; `done` is called once, with None or the refusal."""

    __slots__ = ("_connection", "_done", "_greeting", "_key", "_login", "_node", "_password", "_tls", "started")

    def __init__(
        self,
        connection: MySQLConnection,
        key: Key,
        password: bytes,
        node: int,
        *,
        tls: bool,
        done: Callable[[ERR | None], None],
    ) -> None:
        self._connection = connection
        self._key = key
        self._password = password
        self._node = node
        self._tls = tls
        self._done = done
        self._greeting: Greeting | None = None
        self._login: ServerLogin | None = None

    def __repr__(self) -> str:
        return f"Login({self._key.user})"

    def receive(self, payload: bytes) -> None:
        """The server's next payload. Raises ProtocolError."""
        if self._login is not None:
            self._step(self._login.receive(payload))
        elif self._greeting is None:
            self._greet(payload)
        else:
            raise ProtocolError("the server spoke before TLS was established")

    def _greet(self, payload: bytes) -> None:
        if is_err(payload):
            self._done(ERR.parse(payload))
            return
        greeting = self._greeting = Greeting.parse(payload)
        connection = self._connection
        connection.greeting = greeting
        if greeting.capabilities & NEEDED != NEEDED:
            self._done(
                ERR(
                    _CR_VERSION, b"HY000", b"the server lacks session tracking: MySQL 5.7 or MariaDB 10.2 is the oldest"
                )
            )
            return
        if self._key.attempt == GREETING_ONLY:
            self._done(None)
        elif not self._tls:
            self.respond()
        elif not greeting.capabilities & wire.CLIENT_SSL:
            self._done(ERR(CR_SSL, b"HY000", b"TLS is asked for but the server has none"))
        else:
            connection.send_packet(ssl_request(self._capabilities() | wire.CLIENT_SSL, MAX_PACKET_BYTES, UTF8MB4))
            connection.start_tls()

    def _capabilities(self) -> int:
        assert self._greeting is not None
        offered = self._greeting.capabilities
        wanted = ALWAYS | self._key.capabilities
        if not offered & wire.CLIENT_LONG_PASSWORD:
            wanted &= (
                ~wire.CLIENT_LONG_PASSWORD
            )  # MariaDB: its extended capabilities follow, of which none is asked for
        return wanted & (offered | wire.CLIENT_LOCAL_FILES)

    def respond(self) -> None:
        """Sends the handshake response; over TLS once that is established."""
        greeting = self._greeting
        assert greeting is not None
        user = self._key.user.encode()
        login = self._login = ServerLogin(
            user,
            self._password,
            secure=self._connection.tls is not None,
            scramble=greeting.scramble,
            plugin=greeting.plugin,
        )
        self._password = b""
        capabilities = self._capabilities()
        if self._connection.tls is not None:
            capabilities |= wire.CLIENT_SSL
        response = HandshakeResponse(
            capabilities, MAX_PACKET_BYTES, UTF8MB4, user, login.start(), b"", login.plugin, attributes(self._node)
        )
        self._connection.capabilities = capabilities
        self._connection.send_packet(response.encode())

    def change_user(self, capabilities: int) -> None:
        """COM_CHANGE_USER on a connection that is logged in; the server answers with a new scramble."""
        greeting = self._connection.greeting
        assert greeting is not None
        user = self._key.user.encode()
        login = self._login = ServerLogin(
            user,
            self._password,
            secure=self._connection.tls is not None,
            scramble=greeting.scramble,
            plugin=greeting.plugin,
        )
        self._password = b""
        self._connection.packets.sequence = 0
        change = ChangeUser(user, login.start(), b"", UTF8MB4, login.plugin, attributes(self._node))
        self._connection.send_packet(change.encode(capabilities))

    def _step(self, step: Step) -> None:
        send, verdict = step
        for payload in send:
            self._connection.send_packet(payload)
        if isinstance(verdict, Accepted):
            self._done(None)
        elif isinstance(verdict, Refused):
            self._done(ERR(verdict.code, verdict.sqlstate, verdict.message))
