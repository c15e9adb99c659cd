"""Users whose password only the server knows: the clear password comes over TLS or RSA, and stays in memory."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.servers import Certificates, MySQL97, OutliveProcess
from tests.servers.database import APP, APP2, DatabaseServer

from . import raw
from .drivers import LOGINS, Login, connector_login, pymysql_login


def configuration(server: DatabaseServer, *lines: str) -> str:
    """A node without any user of its own."""
    tls = Certificates.shared()
    head = [f'tls_cert = "{tls.server_cert}"', f'tls_key = "{tls.server_key}"', "[databases.test]"]
    return "\n".join(
        [*head, f'hosts = ["127.0.0.1:{server.port}"]', "passthrough = true", "max_connections = 4", *lines, ""]
    )


@pytest.mark.parametrize("tls", [False, True], ids=["rsa", "tls"])
def test_each_driver(outlive: Callable[..., OutliveProcess], server: DatabaseServer, tls: bool) -> None:
    node = outlive(configuration(server, "passthrough_attempts_per_minute = 1000"))

    def can(login: Login) -> bool:
        return tls or login is not connector_login  # it has no RSA, and sends a clear password that nobody takes

    for login in filter(can, LOGINS):
        with pytest.raises(Exception, match="1045"):
            login(node, "app", "wrong", tls)
        assert login(node, "app", APP.password, tls) == "app@%"
        with pytest.raises(Exception, match="1045"):
            login(node, "app", "wrong again", tls)
    assert pymysql_login(node, "app2", APP2.password, tls) == "app2@%"


def test_attempts_are_limited_also_all_at_once(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    node = outlive(configuration(mariadb, "passthrough_attempts_per_minute = 3"))
    raw.greeted(raw.dial(node))  # until then the node has not met the server, which costs one look at its greeting
    before = mariadb.status("Aborted_connects")

    def guess(number: int) -> None:
        with pytest.raises(pymysql.err.OperationalError, match="1045"):
            pymysql_login(node, "app", f"guess {number}", True)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    guess(31)
    assert mariadb.status("Aborted_connects") - before <= 3
    # Another user is not concerned.
    assert pymysql_login(node, "app2", APP2.password, True) == "app2@%"


def test_a_success_is_no_abort(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    mariadb.wait_gone("app")  # of an earlier test's node, which was killed
    node = outlive(configuration(mariadb))
    before = mariadb.status("Aborted_clients")
    assert pymysql_login(node, "app", APP.password, True) == "app@%"
    assert mariadb.status("Aborted_clients") == before


def test_the_server_restarts(outlive: Callable[..., OutliveProcess]) -> None:
    """Its cache of caching_sha2_password is empty then, and full authentication needs the clear password again."""
    with MySQL97() as server:
        node = outlive(configuration(server))
        connection = node.connect(ssl_ca=str(server.certificates.ca))
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            server.stop()
            node.wait_ends(server)
            server.start()
            cursor.execute("SELECT 2")
            assert cursor.fetchone() == (2,)
        server.query("FLUSH PRIVILEGES")
        assert pymysql_login(node, "app", APP.password, False) == "app@%"


def test_a_password_that_changed(outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer) -> None:
    mariadb.query("CREATE USER rotating@'%' IDENTIFIED BY 'first'")
    mariadb.query("GRANT ALL ON test.* TO rotating@'%'")
    try:
        node = outlive(configuration(mariadb))
        assert pymysql_login(node, "rotating", "first", True) == "rotating@%"
        mariadb.query("ALTER USER rotating@'%' IDENTIFIED BY 'second'")
        assert pymysql_login(node, "rotating", "second", True) == "rotating@%"
        with pytest.raises(pymysql.err.OperationalError, match="1045"):
            pymysql_login(node, "rotating", "first", True)
        # Refused at a dial, what a client once gave is no proof any more.
        mariadb.query("ALTER USER rotating@'%' IDENTIFIED BY 'third'")
        mariadb.kill_connections("rotating")
        node.wait_ends(mariadb)
        for _ in range(2):
            with pytest.raises(pymysql.err.OperationalError, match="1045"):
                pymysql_login(node, "rotating", "second", True)
        assert pymysql_login(node, "rotating", "third", True) == "rotating@%"
    finally:
        mariadb.query("DROP USER rotating@'%'")


def test_the_server_is_away(outlive: Callable[..., OutliveProcess]) -> None:
    """Nobody could be asked: the client waits, and gets in when the server comes."""
    from tests.servers import MariaDB

    with MariaDB() as server:
        server.stop()
        node = outlive(configuration(server, "acquire_timeout_s = 20"))
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.append(pymysql_login(node, "app", APP.password, True)))
        thread.start()
        time.sleep(1)  # in which nobody can be asked
        assert not found
        server.start()
        thread.join(20)
        assert found == ["app@%"]
        # And again, known by now, with the server gone once more: judged here, and the statement waits.
        server.stop()
        node.wait_ends(server)
        thread = threading.Thread(target=lambda: found.append(pymysql_login(node, "app2", APP2.password, True)))
        thread.start()
        server.start()
        thread.join(20)
        assert found == ["app@%", "app2@%"]


def test_no_password_shows_anywhere(
    outlive: Callable[..., OutliveProcess], mariadb: DatabaseServer, tmp_path: Path
) -> None:
    secret = "a-clear-password-that-nobody-may-see"
    node = outlive(configuration(mariadb), arguments=["--log-level", "debug"])
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        pymysql_login(node, "app", secret, True)
    assert pymysql_login(node, "app", APP.password, False) == "app@%"
    process = Path(f"/proc/{node.pid}")
    seen = [node.log, node.get("/metrics")[1], (process / "cmdline").read_text(), (process / "environ").read_text()]
    for text in seen:
        assert secret not in text
        assert APP.password not in text
