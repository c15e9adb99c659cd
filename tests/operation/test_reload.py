"""SIGHUP: the configuration is read again; a bad one is refused with its line, and the old one stays."""

import signal
from collections.abc import Callable

import pymysql
import pytest

from tests.servers import Certificates, MariaDB, OutliveProcess
from tests.servers.database import APP, APP2, Account


def configuration(*databases: str, top: str = "") -> str:
    return "\n".join([top, *databases, ""])


def database(server: MariaDB, name: str, *lines: str, user: Account = APP) -> str:
    head = [f'[databases."{name}"]', f'hosts = ["127.0.0.1:{server.port}"]', f'user = "{user.user}"']
    if not any(line.startswith("password") for line in lines):
        head.append(f'password = "{user.password}"')
    return "\n".join([*head, *lines])


def reload(node: OutliveProcess, text: str, *, refused: str = "") -> None:
    assert node.configuration is not None
    node.configuration.write_text(text)
    start = len(node.process.lines)
    node.signal(signal.SIGHUP)
    node.process.wait_line(f"reload refused.*{refused}" if refused else "event=reloaded", 30, start=start)


def one(connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]", statement: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row[0] if row else None


def test_budget(outlive: Callable[..., OutliveProcess], eventually: Callable[..., None]) -> None:
    with MariaDB() as own:  # whose connections are counted
        _budget_changes(outlive, own, eventually)


def _budget_changes(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]) -> None:
    node = outlive(configuration(database(mariadb, "test", "max_connections = 6")))
    clients = [node.connect() for _ in range(5)]
    for client in clients:
        one(client, "BEGIN")
        one(client, "SELECT 1")
    eventually(lambda: len(mariadb.connection_ids("app")) == 5)
    reload(node, configuration(database(mariadb, "test", "max_connections = 3")))
    for client in clients:
        assert one(client, "SELECT 2") == 2  # leases finish
        one(client, "COMMIT")
    eventually(lambda: len(mariadb.connection_ids("app")) <= 2)
    assert node.metric("outlive_server_budget") == 3
    reload(node, configuration(database(mariadb, "test", "max_connections = 8")))
    for client in clients:
        one(client, "BEGIN")
        one(client, "SELECT 1")
    eventually(lambda: len(mariadb.connection_ids("app")) == 5)


def test_users_and_passwords(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    before = configuration(database(mariadb, "test"))
    node = outlive(before)
    old = node.connect()
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        node.connect(APP2)
    more = f'\n[databases.test.users]\n{APP2.user} = "{APP2.password}"\n'
    reload(node, before + more)
    assert one(node.connect(APP2), "SELECT CURRENT_USER()") == "app2@%"
    assert one(old, "SELECT CURRENT_USER()") == "app@%"
    # A password is changed in the configuration, at the server it is not: clients are judged by the new one.
    reload(node, configuration(database(mariadb, "test", 'password = "another"')) + more)
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        node.connect()
    assert one(old, "SELECT 1") == 1
    reload(node, before)
    assert one(node.connect(), "SELECT 1") == 1
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        node.connect(APP2)


def test_a_bad_configuration_is_refused_with_its_line(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    good = configuration(database(mariadb, "test", "max_connections = 4"))
    node = outlive(good)
    client = node.connect()
    bad = {
        configuration(database(mariadb, "test", "max_connections = 1")): "max_connections",
        configuration(database(mariadb, "test", "max_conections = 4")): "max_conections",
        "this is no toml": "TOML",
        configuration(database(mariadb, "test", 'password_file = "/nowhere/at/all"')): "/nowhere/at/all",
        configuration(database(mariadb, "test"), top='tls_cert = "/nowhere"\ntls_key = "/nowhere"'): "/nowhere",
        configuration(database(mariadb, "test", 'tls = "verify-ca"', f'tls_ca = "{__file__}"')): "PEM",
        configuration(database(mariadb, "test"), top="max_clients = 1000000"): "max_clients",
    }
    for text, pattern in bad.items():
        reload(node, text, refused=pattern)
        assert one(client, "SELECT 1") == 1
        assert one(node.connect(), "SELECT 1") == 1
        assert node.metric("outlive_server_budget") == 4
    assert node.metric("outlive_reloads_failed_total") == len(bad)
    lines = [line for line in node.process.lines if "max_conections" in line]
    assert any("line 6" in line or ":6" in line for line in lines), lines
    assert APP.password not in node.log


def test_a_database_is_removed_and_comes_back(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    with MariaDB() as second:
        own = database(mariadb, "test", "max_connections = 4")
        both = configuration(own, database(second, "other", "max_connections = 3", user=APP2))
        node = outlive(both)
        holder, idle = node.connect(APP2, database="other"), node.connect(APP2, database="other")
        assert one(idle, "SELECT @@port") == second.port
        one(holder, "BEGIN")
        one(holder, "SELECT 1")
        reload(node, configuration(database(mariadb, "test", "max_connections = 4")))
        assert one(holder, "SELECT @@port") == second.port  # it keeps what it holds
        with pytest.raises(pymysql.err.MySQLError, match="does not serve"):
            one(idle, "SELECT 1")
        # Back again, while a connection of before still serves: one budget, not two.
        reload(node, both)
        others = [node.connect(APP2, database="other") for _ in range(3)]
        one(others[0], "BEGIN")
        one(others[0], "SELECT 1")
        eventually(lambda: len(second.connection_ids("app2")) <= 2)
        one(holder, "COMMIT")
        one(others[0], "COMMIT")
        assert one(idle, "SELECT @@port") == second.port
        reload(node, configuration(database(mariadb, "test", "max_connections = 4")))
        second.wait_gone("app2")
        eventually(lambda: node.metric("outlive_server_budget") == 4)


def test_clients_follow_new_hosts(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    with MariaDB() as second:
        node = outlive(configuration(database(mariadb, "test")))
        client = node.connect()
        assert one(client, "SELECT @@port") == mariadb.port
        reload(node, configuration(database(second, "test")))
        assert one(client, "SELECT @@port") == second.port
        assert one(node.connect(), "SELECT @@port") == second.port


def test_tls_is_asked_for(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    """Connections that came without it are replaced."""
    node = outlive(configuration(database(mariadb, "test")))
    client = node.connect()

    def cipher() -> str:
        with client.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            return str(cursor.fetchall()[0][1])

    assert not cipher()
    tls = ('tls = "verify-identity"', f'tls_ca = "{Certificates.shared().ca}"')
    reload(node, configuration(database(mariadb, "test", *tls)))
    assert cipher()


def test_listener_certificates_and_levels(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    tls = Certificates.shared()
    node = outlive(configuration(database(mariadb, "test")))
    with pytest.raises(pymysql.err.OperationalError):
        node.connect(ssl_ca=str(tls.ca))
    top = f'tls_cert = "{tls.server_cert}"\ntls_key = "{tls.server_key}"\ntls_required = true'
    reload(node, configuration(database(mariadb, "test"), top=top))
    assert one(node.connect(ssl_ca=str(tls.ca)), "SELECT 1") == 1
    with pytest.raises(pymysql.err.OperationalError, match="3159"):
        node.connect(ssl_disabled=True)
