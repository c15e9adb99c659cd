"""A server that does nothing but logins: ClientLogin behind a loopback port, OK to every query."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from outlive.auth.mysql import (
    Accepted,
    ClientLogin,
    Credential,
    LoginKey,
    Passthrough,
    Refused,
    Step,
    Verdict,
    new_scramble,
)
from outlive.net.certificates import Certificates
from outlive.net.tls import TLSError
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_CONNECT_ATTRS,
    CLIENT_CONNECT_WITH_DB,
    CLIENT_LONG_PASSWORD,
    CLIENT_PLUGIN_AUTH,
    CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
    CLIENT_PROTOCOL_41,
    CLIENT_SECURE_CONNECTION,
    CLIENT_SSL,
    CLIENT_TRANSACTIONS,
    COM_CHANGE_USER,
    COM_QUIT,
    ER_ACCESS_DENIED_ERROR,
    SERVER_STATUS_AUTOCOMMIT,
)
from outlive.wire.mysql.handshake import ChangeUser, Greeting, HandshakeResponse, is_ssl_request
from outlive.wire.mysql.ok import ERR, OK, encode_ok

from .channel import Channel

_CAPABILITIES = (
    CLIENT_LONG_PASSWORD
    | CLIENT_PROTOCOL_41
    | CLIENT_CONNECT_WITH_DB
    | CLIENT_TRANSACTIONS
    | CLIENT_SECURE_CONNECTION
    | CLIENT_PLUGIN_AUTH
    | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
    | CLIENT_CONNECT_ATTRS
)


class Door:
    """Listens until closed. `verdicts` are all that were reached, `sent` the payloads of the last login."""

    def __init__(
        self,
        users: dict[bytes, bytes],
        *,
        plugin: bytes,
        certificates: Certificates | None = None,
        passthrough: bool = False,
        version: bytes = b"8.0.36-test",
    ) -> None:
        self._users = {user: Credential(password) for user, password in users.items()}
        self._plugin = plugin
        self._certificates = certificates
        self._passthrough = passthrough
        self._version = version
        self._key = LoginKey()
        self.verdicts: list[Verdict] = []
        self.sent: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(10)
        with sock, suppress(OSError, ProtocolError, TLSError):
            channel = Channel(sock)
            scramble = new_scramble()
            if self._greet(channel, scramble):
                self._serve_commands(channel, scramble)

    def _greet(self, channel: Channel, scramble: bytes) -> bool:
        capabilities = _CAPABILITIES | (CLIENT_SSL if self._certificates else 0)
        greeting = Greeting(self._version, 1, scramble, capabilities, 45, SERVER_STATUS_AUTOCOMMIT, self._plugin)
        channel.send(greeting.encode())
        payload = channel.receive()
        if is_ssl_request(payload) and self._certificates is not None:
            channel.start_tls(self._certificates.context(), server_side=True)
            payload = channel.receive()
        response = HandshakeResponse.parse(payload)
        self._capabilities = response.capabilities & capabilities
        return self._log_in(channel, scramble, response)

    def _log_in(self, channel: Channel, scramble: bytes, response: HandshakeResponse | ChangeUser) -> bool:
        login = ClientLogin(
            scramble=scramble,
            plugin=self._plugin,
            secure=channel.tls is not None,
            lookup=self._users.get,
            passthrough=self._passthrough,
            rsa_key=self._key,
            host=b"127.0.0.1",
        )
        has_plugins = bool(self._capabilities & CLIENT_PLUGIN_AUTH)
        self.sent = []
        step = login.start(response.user, response.plugin, response.auth_response, has_plugins)
        self._send(channel, step)
        while step.verdict is None:
            step = login.receive(channel.receive())
            self._send(channel, step)
        self.verdicts.append(step.verdict)
        return self._answer(channel, step.verdict)

    def _send(self, channel: Channel, step: Step) -> None:
        for payload in step.send:
            self.sent.append(payload)
            channel.send(payload)

    def _answer(self, channel: Channel, verdict: Verdict) -> bool:
        if isinstance(verdict, Refused):
            channel.send(ERR(verdict.code, verdict.sqlstate, verdict.message).encode())
            return False
        if isinstance(verdict, Passthrough) and verdict.password != b"only the server knows":
            channel.send(ERR(ER_ACCESS_DENIED_ERROR, b"28000", b"the server says no").encode())
            return False
        assert isinstance(verdict, Accepted | Passthrough)
        channel.send(encode_ok(OK(status=SERVER_STATUS_AUTOCOMMIT), self._capabilities))
        return True

    def _serve_commands(self, channel: Channel, scramble: bytes) -> None:
        ok = encode_ok(OK(status=SERVER_STATUS_AUTOCOMMIT), self._capabilities)
        while True:
            channel.restart()
            payload = channel.receive()
            if payload[0] == COM_QUIT:
                return
            if payload[0] != COM_CHANGE_USER:
                channel.send(ok)
            elif not self._log_in(channel, scramble, ChangeUser.parse(payload, self._capabilities)):
                return


Start = Callable[..., Door]
