"""SIGTERM and SIGINT: accepted still for a while, then refused; leases finish; then no server connection is left."""

import signal
import threading
import time
from collections.abc import Callable

import pymysql
import pytest

from tests.servers import MariaDB, OutliveProcess, ServerError

from . import raw


def start(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, *, delay_s: float, timeout_s: float
) -> OutliveProcess:
    return outlive(
        mariadb.url(max_connections=5, min_idle=2),
        environment={"OUTLIVE_DRAIN_DELAY_S": str(delay_s), "OUTLIVE_DRAIN_TIMEOUT_S": str(timeout_s)},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None], number: int
) -> None:
    mariadb.wait_gone("app")  # of an earlier test's node
    node = start(outlive, mariadb, delay_s=3, timeout_s=20)
    aborted = mariadb.status("Aborted_clients")
    idle, busy, finishing = node.connect(), node.connect(), node.connect()
    mariadb.query("CREATE OR REPLACE TABLE test.drained (id INT PRIMARY KEY)")
    with busy.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO drained VALUES (1)")
    slow: list[object] = []

    def run_slowly() -> None:
        with finishing.cursor() as cursor:
            cursor.execute("SELECT SLEEP(4.5), 7")
            slow.append(cursor.fetchall())

    thread = threading.Thread(target=run_slowly)
    thread.start()
    assert node.get("/readyz")[0] == 200
    node.signal(number)
    eventually(lambda: node.get("/readyz")[0] == 503)
    assert node.get("/healthz")[0] == 200
    with node.connect() as late, late.cursor() as cursor:  # drain_delay_s: accepted and served still
        cursor.execute("SELECT 1")
    eventually(lambda: _refused(node))
    # The idle one is told, and the one in a transaction goes on until it is over.
    with pytest.raises(pymysql.err.OperationalError) as caught, idle.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert caught.value.args[0] in (1053, 2013, 2006)
    with busy.cursor() as cursor:
        cursor.execute("INSERT INTO drained VALUES (2)")
        cursor.execute("COMMIT")
    thread.join()
    assert slow == [((0, 7),)]
    assert node.process.wait(30) == 0
    mariadb.wait_gone("app")
    assert mariadb.query("SELECT COUNT(*) FROM test.drained") == ((2,),)
    assert mariadb.status("Aborted_clients") == aborted  # each was told COM_QUIT


def _refused(node: OutliveProcess) -> bool:
    try:
        raw.dial(node).close()
    except ConnectionRefusedError:
        return True
    return False


def test_leases_beyond_the_timeout_are_ended(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    node = start(outlive, mariadb, delay_s=0, timeout_s=1)
    holder, sleeper = node.connect(), node.connect()
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")
    thread = threading.Thread(target=lambda: _sleep(sleeper))
    thread.start()
    eventually(lambda: mariadb.query("SELECT 1 FROM information_schema.processlist WHERE info = 'SELECT SLEEP(60)'"))
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 20
    thread.join()
    mariadb.wait_gone("app")


def _sleep(connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]") -> None:
    with pytest.raises(pymysql.err.OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(60)")


def test_with_the_database_hanging(outlive: Callable[..., OutliveProcess]) -> None:
    """Under 30 s in all, whatever the server does."""
    with MariaDB() as server:
        node = start(outlive, server, delay_s=0, timeout_s=1)
        connection = node.connect()
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
        server.pause()
        began = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began < 25
        server.resume()


def test_while_clients_log_in(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = start(outlive, mariadb, delay_s=0, timeout_s=25)
    sock = raw.dial(node)
    raw.greeted(sock)
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 15
    sock.close()


def test_a_taken_port(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    first = outlive(mariadb.url())
    with pytest.raises(ServerError, match="ended with 1") as caught:
        outlive(mariadb.url(), port=first.port)
    assert "Traceback" not in str(caught.value)
