"""How Outlive logs in at servers: each plugin, with TLS and without, and TLS that is verified."""

import time
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.servers import Certificates, MariaDB, MySQL97, OutliveProcess
from tests.servers.database import APP, ED25519, TLS_ONLY, Account, DatabaseServer

TLS = {"tls": "verify-identity", "tls_ca": Certificates.shared().ca}


def who(node: OutliveProcess, account: Account = APP) -> tuple[str, str]:
    with node.connect(account) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER()")
        (user,) = cursor.fetchall()[0]
        cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
        return user, cursor.fetchall()[0][1]


@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
def test_plugins_of_mariadb(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, tls: bool) -> None:
    for account in (APP, ED25519):
        user, cipher = who(outlive(mariadb.url(account, **(TLS if tls else {}))), account)
        assert (user, bool(cipher)) == (f"{account.user}@%", tls)


@pytest.mark.parametrize("tls", [False, True], ids=["rsa", "tls"])
def test_caching_sha2_full_and_fast(outlive: Callable[..., OutliveProcess], mysql97: MySQL97, tls: bool) -> None:
    mysql97.query("FLUSH PRIVILEGES")  # empties the server's cache: the first login is full, those after it fast
    node = outlive(mysql97.url(**(TLS if tls else {})))
    assert who(node)[0] == "app@%"
    mysql97.kill_connections("app")
    node.wait_ends(mysql97)
    user, cipher = who(node)
    assert (user, bool(cipher)) == ("app@%", tls)


def test_an_account_that_requires_tls(outlive: Callable[..., OutliveProcess], server: DatabaseServer) -> None:
    assert who(outlive(server.url(TLS_ONLY, **TLS)), TLS_ONLY)[0] == "secure@%"


def _refused(node: OutliveProcess, pattern: str) -> str:
    line = node.process.wait_line("dial failed", 30)
    assert "kind=tls" in line
    assert pattern in line
    began, before = time.monotonic(), node.metric("outlive_dials_total")
    with pytest.raises(pymysql.err.OperationalError, match="1040"):
        node.connect()
    # No storm of dials while it cannot work.
    assert node.metric("outlive_dials_total") - before < 10 + 10 * (time.monotonic() - began)
    assert node.metric("outlive_dial_failures_total", reason="tls") > 0
    return line


def test_a_wrong_authority_is_refused(outlive: Callable[..., OutliveProcess], server: DatabaseServer) -> None:
    node = outlive(
        server.url(tls="verify-identity", tls_ca=server.certificates.other_ca),
        environment={"OUTLIVE_LOGIN_TIMEOUT_S": "1"},
    )
    _refused(node, "not trusted")


def test_tls_is_verified_by_default(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    """`?ssl=true` without an authority: the system's do not know this one."""
    node = outlive(mariadb.url(ssl="true"), environment={"OUTLIVE_LOGIN_TIMEOUT_S": "1"})
    _refused(node, "not trusted")


def test_a_wrong_name_is_refused(outlive: Callable[..., OutliveProcess], tmp_path: Path) -> None:
    issued = Certificates(tmp_path)
    certificate, key = issued.issue("elsewhere", hosts=("db.example",))
    with MariaDB(tls=False, ssl_ca=issued.ca, ssl_cert=certificate, ssl_key=key) as server:
        quick = {"OUTLIVE_LOGIN_TIMEOUT_S": "1"}
        node = outlive(server.url(tls="verify-identity", tls_ca=issued.ca), environment=quick)
        _refused(node, "127.0.0.1")
        assert who(outlive(server.url(tls="verify-ca", tls_ca=issued.ca)))[1]
        assert who(outlive(server.url(tls="required")))[1]


def test_a_server_without_tls_is_refused(outlive: Callable[..., OutliveProcess]) -> None:
    with MariaDB(tls=False, skip_ssl=True) as server:
        quick = {"OUTLIVE_LOGIN_TIMEOUT_S": "1"}
        node = outlive(server.url(acquire_timeout_s=1, **TLS), environment=quick)
        _refused(node, "has none")


def test_attributes_name_outlive_node_and_version(outlive: Callable[..., OutliveProcess], mysql97: MySQL97) -> None:
    from outlive import __version__

    node = outlive(mysql97.url(), environment={"OUTLIVE_NODE": "7"})
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DO 1")
        rows = mysql97.query(
            "SELECT attr_name, attr_value FROM performance_schema.session_connect_attrs WHERE processlist_id IN "
            "(SELECT id FROM information_schema.processlist WHERE user = 'app')"
        )
    found = dict(rows)
    assert found["program_name"] == "outlive"
    assert found["outlive_node"] == "7"
    assert found["_client_version"] == __version__


@pytest.mark.parametrize("way", ["file", "command", "env"])
def test_rotation(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, tmp_path: Path, way: str) -> None:
    """The password changes at the server and in the file: dials read it afresh, and no client is harmed."""
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\nexec cat {secret}\n")
    command.chmod(0o755)
    mariadb.query("CREATE USER turning@'%' IDENTIFIED BY 'first'")
    mariadb.query("GRANT ALL ON test.* TO turning@'%'")
    try:
        where = {"file": ("password_file", secret), "command": ("password_command", command)}.get(way)
        if where is None:
            node = outlive(
                mariadb.url(Account("turning", ""), password_env="TURNING"), environment={"TURNING": "first"}
            )
            assert who(node, Account("turning", "first"))[0] == "turning@%"
            return
        node = outlive(mariadb.url(Account("turning", ""), **{where[0]: where[1]}, max_connections=4))
        old = [node.connect(Account("turning", "first")) for _ in range(4)]
        mariadb.query("ALTER USER turning@'%' IDENTIFIED BY 'second'")
        secret.write_text("second\n")
        for connection in old:  # each needs a connection of its own, one by a dial
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                cursor.execute("SELECT 1")
                cursor.execute("COMMIT")
        mariadb.kill_connections("turning")
        node.wait_ends(mariadb)
        for connection in old:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        if way == "file":
            assert who(node, Account("turning", "second"))[0] == "turning@%"
            with pytest.raises(pymysql.err.OperationalError, match="1045"):
                node.connect(Account("turning", "first"))
        for connection in old:
            connection.close()
    finally:
        mariadb.query("DROP USER turning@'%'")


def test_rotation_in_the_middle_of_a_dial(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, tmp_path: Path
) -> None:
    """The command gives the old password once more, and then the new one: read again after 1045, the client waits."""
    count = tmp_path / "count"
    command = tmp_path / "token"
    command.write_text(f"#!/bin/sh\necho x >> {count}\n[ $(wc -l < {count}) -le 2 ] && echo first || echo second\n")
    command.chmod(0o755)
    mariadb.query("CREATE USER mid@'%' IDENTIFIED BY 'first'")
    mariadb.query("GRANT ALL ON test.* TO mid@'%'")
    try:
        node = outlive(mariadb.url(Account("mid", ""), password_command=command, max_connections=2))
        with node.connect(Account("mid", "first")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert len(count.read_text().split()) <= 2, "the first dial and at most the login's own look"
            count.write_text("x\n")
            mariadb.query("ALTER USER mid@'%' IDENTIFIED BY 'second'")
            mariadb.kill_connections("mid")
            node.wait_ends(mariadb)
            cursor.execute("SELECT 2")
            assert cursor.fetchone() == (2,)
            node.process.wait_line("access denied while the password was rotated")
    finally:
        mariadb.query("DROP USER mid@'%'")
