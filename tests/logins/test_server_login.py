"""Outlive's login at real servers: native and ed25519 at MariaDB, caching_sha2_password in all its ways at MySQL."""

import contextlib
import socket
import ssl
from collections.abc import Iterator

import pytest

from outlive.auth.mysql import Accepted, Refused, ServerLogin, Verdict
from outlive.net.certificates import REQUIRED, VERIFY_IDENTITY, server_certificates
from outlive.net.tls import TLSError
from outlive.wire.mysql.constants import (
    CLIENT_PLUGIN_AUTH,
    CLIENT_PROTOCOL_41,
    CLIENT_SECURE_CONNECTION,
    CLIENT_TRANSACTIONS,
)
from outlive.wire.mysql.handshake import Greeting, HandshakeResponse, ssl_request
from tests.logins.channel import Channel
from tests.servers import MariaDB, MySQL97
from tests.servers.database import APP, ED25519, NO_PASSWORD, TLS_ONLY, Account, DatabaseServer

CAPABILITIES = CLIENT_PLUGIN_AUTH | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_TRANSACTIONS
FAST, FULL = b"\x01\x03", b"\x01\x04"


class Login:
    """One attempt: its verdict, and what the server said on the way."""

    def __init__(self, server: DatabaseServer, user: str, password: str, context: ssl.SSLContext | None = None) -> None:
        sock = socket.create_connection((server.host, server.port), timeout=10)
        self.channel = channel = Channel(sock)
        greeting = Greeting.parse(channel.receive())
        if context is not None:
            channel.send(ssl_request(CAPABILITIES, 1 << 24, 45))
            channel.start_tls(context, server_side=False, host="localhost")
        login = ServerLogin(
            user.encode(),
            password.encode(),
            secure=context is not None,
            scramble=greeting.scramble,
            plugin=greeting.plugin,
        )
        response = login.start()
        channel.send(
            HandshakeResponse(CAPABILITIES, 1 << 24, 45, user.encode(), response, plugin=login.plugin).encode()
        )
        self.heard: list[bytes] = []
        self.verdict: Verdict | None = None
        while self.verdict is None:
            payload = channel.receive()
            self.heard.append(payload)
            step = login.receive(payload)
            for sent in step.send:
                channel.send(sent)
            self.verdict = step.verdict
        self.plugin = login.plugin

    def current_user(self) -> bytes:
        """Asked over the connection, which proves that it is one."""
        self.channel.restart()
        self.channel.send(b"\x03SELECT CURRENT_USER()")
        return [self.channel.receive() for _ in range(4)][3][1:]

    def close(self) -> None:
        self.channel.sock.close()


@pytest.fixture
def log_in() -> Iterator[object]:
    with contextlib.ExitStack() as stack:

        def attempt(server: DatabaseServer, account: Account, context: ssl.SSLContext | None = None) -> Login:
            login = Login(server, account.user, account.password, context)
            stack.callback(login.close)
            return login

        yield attempt


def encrypted(server: DatabaseServer, mode: str = VERIFY_IDENTITY) -> ssl.SSLContext:
    certificates = server_certificates(mode, ca=str(server.certificates.ca))
    assert certificates is not None
    return certificates.context()


def forget_cached_passwords(server: MySQL97) -> None:
    """As after a restart: the next login of each account is a full one."""
    server.query("FLUSH PRIVILEGES")


@pytest.mark.parametrize("tls", [False, True])
def test_mariadb_native(mariadb: MariaDB, log_in, tls: bool) -> None:
    login = log_in(mariadb, APP, encrypted(mariadb) if tls else None)
    assert login.verdict == Accepted(b"app")
    assert login.plugin == b"mysql_native_password"
    assert login.current_user() == b"app@%"


@pytest.mark.parametrize("tls", [False, True])
def test_mariadb_ed25519(mariadb: MariaDB, log_in, tls: bool) -> None:
    login = log_in(mariadb, ED25519, encrypted(mariadb) if tls else None)
    assert login.verdict == Accepted(b"ed")
    assert login.plugin == b"client_ed25519"
    assert login.current_user() == b"ed@%"
    refused = log_in(mariadb, Account("ed", "wrong"))
    assert isinstance(refused.verdict, Refused)
    assert refused.verdict.code == 1045


def test_mariadb_ed25519_many_passwords(mariadb: MariaDB, log_in) -> None:
    """Long, short and non-ASCII ones, as nothing else checks this arithmetic against the server's."""
    for number, password in enumerate(["x", "pässwörd", "p" * 79, "ends in a space "]):
        account = Account(f"ed{number}", password)
        mariadb.query(f"CREATE USER '{account.user}'@'%%' IDENTIFIED VIA ed25519 USING PASSWORD(%s)", password)
        try:
            assert log_in(mariadb, account).verdict == Accepted(account.user.encode())
        finally:
            mariadb.query(f"DROP USER '{account.user}'@'%'")


def test_mariadb_account_of_several_plugins(mariadb: MariaDB, log_in) -> None:
    mariadb.query(
        "CREATE USER 'either'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('first') "
        "OR mysql_native_password USING PASSWORD('second')"
    )
    try:
        assert log_in(mariadb, Account("either", "first")).verdict == Accepted(b"either")
        assert log_in(mariadb, Account("either", "second")).verdict == Accepted(b"either")
        assert isinstance(log_in(mariadb, Account("either", "third")).verdict, Refused)
    finally:
        mariadb.query("DROP USER 'either'@'%'")


def test_mysql_full_over_rsa_then_fast(mysql97: MySQL97, log_in) -> None:
    forget_cached_passwords(mysql97)
    full = log_in(mysql97, APP)
    assert full.verdict == Accepted(b"app")
    assert full.heard[0] == FULL
    assert full.heard[1].startswith(b"\x01-----BEGIN PUBLIC KEY-----")
    assert full.current_user() == b"app@%"
    fast = log_in(mysql97, APP)
    assert fast.verdict == Accepted(b"app")
    assert fast.heard[0] == FAST
    assert fast.current_user() == b"app@%"


@pytest.mark.parametrize("mode", [REQUIRED, VERIFY_IDENTITY])
def test_mysql_full_over_tls_then_fast(mysql97: MySQL97, log_in, mode: str) -> None:
    forget_cached_passwords(mysql97)
    for first in (FULL, FAST):
        login = log_in(mysql97, APP, encrypted(mysql97, mode))
        assert login.verdict == Accepted(b"app")
        assert login.heard[0] == first
        assert login.current_user() == b"app@%"


def test_accounts_without_a_password(server: DatabaseServer, log_in) -> None:
    for context in (None, encrypted(server)):
        login = log_in(server, NO_PASSWORD, context)
        assert login.verdict == Accepted(b"open")
        assert login.current_user() == b"open@%"


def test_wrong_passwords_and_unknown_users_are_the_servers_1045(server: DatabaseServer, log_in) -> None:
    for context in (None, encrypted(server)):
        for account in (Account("app", "wrong"), Account("app", ""), Account("nobody", "wrong"), Account("open", "x")):
            verdict = log_in(server, account, context).verdict
            assert isinstance(verdict, Refused), account
            assert (verdict.code, verdict.sqlstate) == (1045, b"28000")
            assert verdict.message.startswith(b"Access denied for user '%s'@" % account.user.encode())


def test_an_account_that_requires_tls(server: DatabaseServer, log_in) -> None:
    assert isinstance(log_in(server, TLS_ONLY).verdict, Refused)
    assert log_in(server, TLS_ONLY, encrypted(server)).verdict == Accepted(b"secure")


def test_a_server_that_is_not_trusted_never_sees_the_login(server: DatabaseServer) -> None:
    other = server_certificates(VERIFY_IDENTITY, ca=str(server.certificates.other_ca))
    assert other is not None
    with pytest.raises(TLSError, match="not trusted"):
        Login(server, "app", "app-secret", other.context())
