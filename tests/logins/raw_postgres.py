"""A PostgreSQL client as bare as possible, for what no driver does."""

import socket
import ssl

from outlive.auth.postgres import ScramKeys, ServerLogin
from outlive.wire.postgres.constants import AUTHENTICATION, ERROR_RESPONSE, PASSWORD_MESSAGE, PROTOCOL_3_0
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import message, ssl_request, startup
from outlive.wire.postgres.reader import MessageReader
from tests.servers.database import APP, Account

GSSENC_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x30"


class Raw:
    """A socket, and the messages on it."""

    def __init__(self, port: int, *, before: bytes = b"", timeout_s: float = 15) -> None:
        self.sock: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._reader = MessageReader(1 << 20)
        if before:
            self.send(before)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def byte(self) -> bytes:
        """The answer to a request for encryption."""
        return self.sock.recv(1)

    def next(self) -> tuple[int, bytes]:
        """Type and payload of the next message; ConnectionError at the end."""
        while (found := self._reader.next()) is None:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the end")
            self._reader.feed(data)
        return found

    def until(self, kind: int) -> dict[int, list[bytes]]:
        """The payloads up to and including the first message of a type, by type."""
        found: dict[int, list[bytes]] = {}
        while kind not in found:
            got, payload = self.next()
            found.setdefault(got, []).append(payload)
            if got == ERROR_RESPONSE and kind != ERROR_RESPONSE:
                raise AssertionError(parse_error(payload).message)
        return found

    def error(self) -> ErrorFields:
        """The error that comes next, behind which the connection ends."""
        kind, payload = self.next()
        assert kind == ERROR_RESPONSE, (kind, payload)
        assert self.ends()
        return parse_error(payload)

    def ends(self) -> bool:
        """Whether the other side closes, without another word."""
        try:
            return self._reader.pending == 0 and self.sock.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self.sock.close()

    def secure(self, ca: str | None = None, *, alpn: tuple[str, ...] = ("postgresql",), direct: bool = False) -> None:
        """TLS, with an SSLRequest or `direct`."""
        if not direct:
            self.send(ssl_request())
            assert self.byte() == b"S"
        context = ssl.create_default_context(cafile=ca)
        if ca is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")

    def start(
        self, account: Account = APP, *, database: str = "test", version: int = PROTOCOL_3_0, **settings: str
    ) -> None:
        """Sends the StartupMessage."""
        parameters = {"user": account.user, "database": database, **settings}
        self.send(startup(version, {name.encode(): value.encode() for name, value in parameters.items()}))

    def authenticate(self, account: Account = APP, *, keys: ScramKeys | None = None) -> None:
        """Goes through the login up to AuthenticationOk; AssertionError with the error's text."""
        login = ServerLogin(account.user.encode(), password=account.password.encode(), keys=keys, secure=True)
        while True:
            kind, payload = self.next()
            if kind == ERROR_RESPONSE:
                raise AssertionError(parse_error(payload).message)
            if kind != AUTHENTICATION:
                continue
            step = login.receive(payload)
            for answer in step.send:
                self.send(message(PASSWORD_MESSAGE, answer))
            if step.verdict is not None:
                return
