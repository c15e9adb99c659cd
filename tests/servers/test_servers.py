"""The tests' own servers do what the other tests rely on."""

import os
import select
import socket
import sys
from pathlib import Path

import pymysql
import pytest

from . import HAProxy, MariaDB, Network, Process, ServerError
from .database import APP, ED25519, NO_PASSWORD, TLS_ONLY, DatabaseServer


@pytest.mark.parametrize("account", [APP, NO_PASSWORD], ids=lambda account: account.user)
def test_accounts_log_in_over_plain_tcp(server: DatabaseServer, account) -> None:
    with server.connect(account, ssl_disabled=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT USER(), DATABASE()")
        assert cursor.fetchone() == (f"{account.user}@127.0.0.1", "test")


def test_the_secure_account_needs_tls(server: DatabaseServer) -> None:
    with pytest.raises(pymysql.err.OperationalError) as refused:
        server.connect(TLS_ONLY, ssl_disabled=True)
    assert refused.value.args[0] in (1045, 1698)
    server.connect(TLS_ONLY, ssl_ca=str(server.certificates.ca), ssl_verify_identity=True).close()
    with pytest.raises(pymysql.err.OperationalError):
        server.connect(TLS_ONLY, ssl_ca=str(server.certificates.other_ca), ssl_verify_identity=True)


def test_plugins_are_the_ones_the_tests_are_about(mariadb: MariaDB, mysql97: DatabaseServer) -> None:
    assert mariadb.query("SELECT plugin FROM mysql.user WHERE user = %s", ED25519.user) == (("ed25519",),)
    assert mariadb.query("SELECT plugin FROM mysql.user WHERE user = %s", APP.user) == (("mysql_native_password",),)
    assert mysql97.query("SELECT plugin FROM mysql.user WHERE user = %s", APP.user) == (("caching_sha2_password",),)
    assert mysql97.query("SELECT VERSION()")[0][0].startswith("9.7")


def test_a_server_keeps_its_data_over_a_crash_and_removes_it_at_the_end() -> None:
    with MariaDB(max_connections=7) as server:
        server.query("CREATE TABLE test.kept (a INT)")
        server.kill()
        server.start()
        assert server.query("SELECT COUNT(*) FROM test.kept") == ((0,),)
        assert server.query("SELECT @@max_connections") == ((10,),)  # MariaDB's least
        folder = server.folder
    assert not folder.exists()


def test_connections_are_counted_without_the_counter_itself() -> None:
    with MariaDB() as own, own.connect(APP) as connection:
        assert own.connection_ids("app") == [connection.thread_id()]


def test_haproxy_relays(mariadb: MariaDB) -> None:
    with (
        HAProxy(mariadb.host, mariadb.port) as relay,
        pymysql.connect(host=relay.host, port=relay.port, user=APP.user, password=APP.password) as connection,
    ):
        assert "MariaDB" in connection.get_server_info()


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed, so that no handler of its own can help."""
    source = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); from tests.servers.processes import Process\n"
        "print(Process(['sleep', '600'], name='sleep').pid, flush=True); time.sleep(600)"
    )
    root = str(Path(__file__).parent.parent.parent)
    parent = Process([sys.executable, "-c", source, root], name="parent")
    child = int(parent.wait_line(r"^\d+$"))
    descriptor = os.pidfd_open(child)
    os.kill(parent.pid, 9)
    assert select.select([descriptor], [], [], 10)[0], "the child still runs"
    os.close(descriptor)
    parent.close()


def test_a_server_that_ends_at_once_says_why() -> None:
    with (
        Process(["sh", "-c", "echo no luck; exit 3"], name="luckless") as process,
        pytest.raises(ServerError, match="no luck"),
    ):
        process.wait_line("ready", 10)


@pytest.mark.root
def test_a_cut_link_loses_everything_in_silence(network: Network) -> None:
    listener = network.server.call(socket.create_server, (network.server.address, 0))
    near = network.client.connect(network.server.address, listener.getsockname()[1])
    far, _ = listener.accept()
    near.sendall(b"before")
    assert far.recv(100) == b"before"
    network.cut()
    near.close()  # its FIN is lost
    far.settimeout(0.3)
    with pytest.raises(TimeoutError):
        far.recv(100)
    far.sendall(b"into the void")  # and nothing says that it did not arrive
    network.restore()
    assert far.fileno() > 0
    far.close()
    listener.close()
