"""Clients log in through a node in front of real servers: each driver and plugin, with TLS and without."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest

from tests.servers import Certificates, OutliveProcess
from tests.servers.database import APP, APP2, NO_PASSWORD, DatabaseServer

from . import raw
from .drivers import LOGINS, Login, command_line_login, pymysql_login


def configuration(server: DatabaseServer, *lines: str, top: str = "") -> str:
    """A node with TLS on its listener and one database `test`."""
    tls = Certificates.shared()
    return "\n".join(
        [
            f'tls_cert = "{tls.server_cert}"',
            f'tls_key = "{tls.server_key}"',
            top,
            "[databases.test]",
            f'hosts = ["127.0.0.1:{server.port}"]',
            f'user = "{APP.user}"',
            "max_connections = 8",
            *lines,
            "",
        ]
    )


@pytest.fixture(scope="module")
def node(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OutliveProcess]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "app").write_text(APP.password + "\n")
    command = folder / "token"
    command.write_text(f"#!/bin/sh\necho {APP2.password}\n")
    command.chmod(0o755)
    text = configuration(
        server,
        f'password_file = "{folder / "app"}"',
        "[databases.test.users]",
        f'app2 = {{ command = "{command}" }}',
        'secure = { env = "SECURE_PASSWORD" }',
        'open = ""',
    )
    with OutliveProcess(text, environment={"SECURE_PASSWORD": "secure-secret"}) as started:
        yield started
        print(started.log)


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("login", LOGINS)
class TestEachDriver:
    def test_right(self, node: OutliveProcess, login: Login, tls: bool) -> None:
        assert login(node, "app", APP.password, tls) == "app@%"

    def test_wrong(self, node: OutliveProcess, login: Login, tls: bool) -> None:
        for user, password in (("app", "wrong"), ("nobody", "x"), ("app", "")):
            with pytest.raises(Exception, match="1045"):
                login(node, user, password, tls)


@pytest.mark.parametrize("plugin", ["mysql_native_password", "caching_sha2_password"])
def test_the_clients_own_default_plugin(node: OutliveProcess, plugin: str) -> None:
    """It differs from the greeting's on one of the two servers: the auth switch."""
    assert command_line_login(node, "app", APP.password, False, plugin=plugin) == "app@%"


def test_a_clear_password_over_tls(node: OutliveProcess) -> None:
    assert command_line_login(node, "app", APP.password, True, plugin="mysql_clear_password") == "app@%"
    # Without TLS the plugin is not accepted: the client is switched to another one, as by the servers.
    assert command_line_login(node, "app", APP.password, False, plugin="mysql_clear_password") == "app@%"


def test_a_user_whose_password_a_command_gives(node: OutliveProcess) -> None:
    """Nobody of that user has dialled before: the first login runs the command."""
    assert pymysql_login(node, "app2", APP2.password, False) == "app2@%"
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        pymysql_login(node, "app2", "wrong", False)


def test_a_user_without_a_password(node: OutliveProcess) -> None:
    assert pymysql_login(node, NO_PASSWORD.user, "", False) == "open@%"


def test_a_user_the_server_wants_on_tls_only(node: OutliveProcess) -> None:
    """`secure` is REQUIRE SSL and this node dials without TLS: the refusal reaches that client, and no other."""
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        pymysql_login(node, "secure", "secure-secret", True)
    assert pymysql_login(node, "app", APP.password, False) == "app@%"


def test_an_unknown_database(node: OutliveProcess) -> None:
    with pytest.raises(pymysql.err.OperationalError) as caught:
        node.connect(database="nowhere")
    assert caught.value.args[0] in (1044, 1049)
    with node.connect(database="other") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT DATABASE()")
        assert cursor.fetchone() == ("other",)


def test_failed_logins_are_final_and_cost_the_server_nothing(node: OutliveProcess, server: DatabaseServer) -> None:
    with node.connect():
        pass

    def counters() -> dict[str, int]:
        return {name: server.status(name) for name in ("Aborted_connects", "Aborted_clients")}

    def dials() -> float:
        return node.metric("outlive_dials_total")

    before, dialled = counters(), dials()
    refused = node.metric("outlive_client_logins_refused_total", reason="access_denied")
    for number in range(50):
        channel, greeting = raw.greeted(raw.dial(node))
        answer = raw.respond(channel, greeting, f"guess{number % 3}" if number % 2 else "app", "wrong")
        assert answer[0] == 0xFF or answer[0] == 0xFE
        if answer[0] == 0xFF:  # and whatever follows is not served
            channel.restart()
            try:
                channel.send(b"\x03SELECT 1")
            except OSError:
                pass
            assert raw.closed(channel.sock)
        channel.sock.close()
    assert counters() == before
    assert dials() == dialled
    assert node.metric("outlive_client_logins_refused_total", reason="access_denied") > refused


def test_bytes_before_the_login_are_limited(node: OutliveProcess) -> None:
    channel, _ = raw.greeted(raw.dial(node))
    try:
        channel.sock.sendall(b"\xff\xff\xff\x01" + b"x" * 64 * 1024)
    except OSError:
        pass
    channel.sock.settimeout(15)
    data = b""
    try:
        while piece := channel.sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    assert len(data) < 200
    assert node.connect().open


def test_login_timeout(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    node = outlive(configuration(mariadb, f'password = "{APP.password}"', top="login_timeout_s = 1"))
    sock = raw.dial(node)
    raw.greeted(sock)
    began = time.monotonic()
    assert raw.closed(sock)
    assert time.monotonic() - began < 8
    assert node.metric("outlive_client_logins_refused_total", reason="timeout") == 1

    # The same within a change of user, while a transaction is held.
    channel, greeting = raw.greeted(raw.dial(node))
    assert raw.respond(channel, greeting, "app", APP.password)[0] == 0
    channel.restart()
    channel.send(b"\x03BEGIN")
    assert channel.receive()[0] == 0
    channel.restart()
    channel.send(b"\x11nobody\0\0test\0\x2d\0caching_sha2_password\0")  # COM_CHANGE_USER, which will be switched
    assert channel.receive()[0] == 0xFE
    began = time.monotonic()
    assert raw.closed(channel.sock)
    assert time.monotonic() - began < 8


def test_tls_required(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    node = outlive(configuration(mariadb, f'password = "{APP.password}"', top="tls_required = true"))
    assert pymysql_login(node, "app", APP.password, True) == "app@%"
    with pytest.raises(pymysql.err.OperationalError, match="insecure transport"):
        pymysql_login(node, "app", APP.password, False)
    assert node.metric("outlive_client_logins_refused_total", reason="tls_required") == 1


def test_certificates_are_read_again(
    outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer, tmp_path: Path
) -> None:
    issued = Certificates(tmp_path / "first") if (tmp_path / "first").mkdir() is None else None
    assert issued is not None
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(issued.server_cert.read_bytes())
    key.write_bytes(issued.server_key.read_bytes())
    text = configuration(mariadb, f'password = "{APP.password}"').splitlines()
    text[:2] = [f'tls_cert = "{certificate}"', f'tls_key = "{key}"']
    node = outlive("\n".join(text) + "\n")

    def connect(ca: Path) -> None:
        pymysql.connect(
            host="127.0.0.1",
            port=node.port,
            user="app",
            password=APP.password,
            ssl_ca=str(ca),
            ssl_verify_identity=True,
            ssl_verify_cert=True,
        ).close()

    connect(issued.ca)
    (tmp_path / "second").mkdir()
    renewed = Certificates(tmp_path / "second")
    with pytest.raises(pymysql.err.OperationalError):
        connect(renewed.ca)
    # Half renewed, the certificate without its key: the old pair stays.
    certificate.write_bytes(renewed.server_cert.read_bytes())
    connect(issued.ca)
    key.write_bytes(renewed.server_key.read_bytes())
    connect(renewed.ca)
    with pytest.raises(pymysql.err.OperationalError):
        connect(issued.ca)


def test_client_certificates(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    tls = Certificates.shared()
    node = outlive(configuration(mariadb, f'password = "{APP.password}"', top=f'tls_client_ca = "{tls.ca}"'))
    options = {"host": "127.0.0.1", "port": node.port, "user": "app", "password": APP.password, "ssl_ca": str(tls.ca)}
    pymysql.connect(**options, ssl_cert=str(tls.client_cert), ssl_key=str(tls.client_key)).close()
    with pytest.raises((pymysql.err.OperationalError, OSError)):
        pymysql.connect(**options).close()


def test_no_secret_shows_anywhere(node: OutliveProcess) -> None:
    """After all of the above: not in a log, a figure, or the process list."""
    for text in (node.log, node.get("/metrics")[1], Path(f"/proc/{node.pid}/cmdline").read_text()):
        for secret in (APP.password, APP2.password, "secure-secret"):
            assert secret not in text
