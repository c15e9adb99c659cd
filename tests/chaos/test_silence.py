"""Clients that say nothing, and clients that read nothing."""

import contextlib
import socket
import threading
import time

import pymysql
import pytest

from ..servers import MariaDB
from ..servers.watch import Watch
from .wire import RawClient, query


def test_two_hundred_frozen_readers_hinder_nobody(mariadb: MariaDB, outlive, watch: Watch, eventually) -> None:
    """The stock handler: autocommit=0, a SELECT, no COMMIT, and the function freezes."""
    node = outlive(mariadb.url(max_connections=5))
    longest_s = 0.0
    done = threading.Event()

    def others() -> None:
        nonlocal longest_s
        with node.connect() as client, client.cursor() as cursor:
            while not done.is_set():
                started = time.monotonic()
                cursor.execute("SELECT 1")
                longest_s = max(longest_s, time.monotonic() - started)

    other = threading.Thread(target=others)
    other.start()
    frozen = [node.connect(autocommit=False) for _ in range(200)]
    try:
        for start in range(0, 200, 50):  # they come in bursts: each thread is one function
            threads = [threading.Thread(target=_select, args=(client,)) for client in frozen[start : start + 50]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()
    finally:
        done.set()
        other.join(30)
    assert longest_s < 5.0
    # The frozen thaw, and go on as if nothing had been.
    for client in frozen[::10]:
        with client.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID(), @@autocommit")
            assert cursor.fetchone() == (client.thread_id(), 0)
        client.commit()
    assert node.metric("outlive_errors_total") == 0
    for client in frozen:
        client.close()


def _select(client: pymysql.connections.Connection) -> None:
    with client.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        assert cursor.fetchone() == (client.thread_id(),)


def test_a_transaction_that_wrote_ends_with_its_client(mariadb: MariaDB, outlive, watch: Watch, eventually) -> None:
    mariadb.query("CREATE TABLE IF NOT EXISTS silence (n INT)")
    node = outlive(mariadb.url(max_connections=4, transaction_idle_timeout_s=1))
    try:
        writer, reader = node.connect(autocommit=False), node.connect(autocommit=False)
        with writer.cursor() as cursor, reader.cursor() as other:
            cursor.execute("INSERT INTO silence VALUES (1)")
            other.execute("SELECT * FROM silence")
            eventually(lambda: watch.transactions() == 0, 8)  # the default limit is 10 s
            with pytest.raises(pymysql.err.Error) as error:
                cursor.execute("SELECT 1")
            assert error.value.args[0] == 4031
            with pytest.raises(pymysql.err.Error):
                cursor.execute("SELECT 1")
            other.execute("SELECT COUNT(*) FROM silence")
            assert other.fetchone() == (0,)
    finally:
        mariadb.query("DROP TABLE silence")


def test_a_long_statement_is_no_silence(mariadb: MariaDB, outlive) -> None:
    node = outlive(mariadb.url(max_connections=4, transaction_idle_timeout_s=1.5, pin_idle_timeout_s=1.5))
    with node.connect() as client, client.cursor() as cursor:
        cursor.execute("BEGIN")
        for _ in range(2):
            cursor.execute("SELECT SLEEP(2.2)")
            time.sleep(0.3)  # a silence, far below the limit
        cursor.execute("COMMIT")
        cursor.execute("SELECT GET_LOCK('a', 0)")
        cursor.execute("SELECT SLEEP(2.6)")
        cursor.execute("SELECT RELEASE_LOCK('a')")
        assert cursor.fetchone() == (1,)


def test_a_silent_pin_ends(mariadb: MariaDB, outlive, eventually) -> None:
    node = outlive(mariadb.url(max_connections=4, pin_idle_timeout_s=1))
    with node.connect() as client, client.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('silent pin', 0)")
        eventually(lambda: node.metric("outlive_pinned", reason="get_lock") == 1)
        eventually(lambda: mariadb.query("SELECT IS_FREE_LOCK('silent pin')") == ((1,),), 8)
        with pytest.raises(pymysql.err.Error) as error:
            cursor.execute("SELECT 1")
        assert error.value.args[0] == 4031
    assert node.metric("outlive_pinned") == 0


def test_a_quiet_pin_outlives_the_dead_mans_switch(mariadb: MariaDB, outlive) -> None:
    node = outlive(mariadb.url(max_connections=4, dead_man_s=3, ping_interval_s=1, pin_idle_timeout_s=60))
    with node.connect() as client, client.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('quiet', 0)")
        cursor.execute("CREATE TEMPORARY TABLE mine (n INT)")
        cursor.execute("INSERT INTO mine VALUES (7)")
        cursor.execute("BEGIN")
        time.sleep(5)  # longer than dead_man_s
        cursor.execute("SELECT n FROM mine")
        assert cursor.fetchone() == (7,)


def test_who_reads_nothing_is_ended_and_who_reads_slowly_is_not(
    mariadb: MariaDB, outlive, watch: Watch, eventually
) -> None:
    node = outlive(mariadb.url(max_connections=4, client_write_timeout_s=2, transaction_idle_timeout_s=60))
    stuck, slow = RawClient(node.host, node.port), RawClient(node.host, node.port)
    for client in (stuck, slow):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        if client is stuck:
            client.run("BEGIN")
        client.send(query("SELECT REPEAT('x', 1000) FROM seq_1_to_40000"))
    started = time.monotonic()
    received = 0
    while time.monotonic() - started < 5:
        received += len(slow.socket.recv(30_000))
        time.sleep(0.03)  # it reads slowly
    eventually(lambda: node.metric("outlive_leases_held") <= 1)
    while received < 40_000_000:
        data = slow.socket.recv(1_000_000)
        assert data
        received += len(data)
    with contextlib.suppress(ConnectionError):
        while stuck.socket.recv(1_000_000):
            pass
    slow.reset()
    eventually(lambda: node.metric("outlive_leases_held") == 0)
