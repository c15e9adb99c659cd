"""The database stops, is killed, comes back; and Outlive itself is killed."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ...servers import OutliveProcess, Postgres18
from ...servers.processes import in_time
from .conftest import Watch


def test_clients_wait_for_it_until_their_deadline(
    own: Postgres18, outlive: Callable[..., OutliveProcess], eventually
) -> None:
    node = outlive(own.url(max_connections=3, acquire_timeout_s=2))
    client = node.pg()
    client.execute("SELECT 1")
    own.kill()
    eventually(lambda: node.metric("outlive_server_connections", state="idle") == 0)
    started = time.monotonic()
    with pytest.raises(psycopg.errors.TooManyConnections, match=r"3 server connections.*2\.0 s"):
        client.execute("SELECT 1")
    assert 1.9 < time.monotonic() - started < in_time(3.0)
    assert node.get("/readyz")[0] == 200


def test_who_waits_is_served_when_it_comes_back(
    own: Postgres18, outlive: Callable[..., OutliveProcess], eventually
) -> None:
    node = outlive(own.url(max_connections=3, acquire_timeout_s=60))
    client = node.pg()
    client.execute("SELECT 1")
    own.kill()
    eventually(lambda: node.metric("outlive_server_connections", state="idle") == 0)
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(client.execute("SELECT 2").fetchall()))
    waiting.start()
    eventually(lambda: node.metric("outlive_waiters") == 1)
    own.start()
    waiting.join(60)
    assert answers == [[(2,)]]


def test_idle_clients_notice_nothing(own: Postgres18, outlive: Callable[..., OutliveProcess], eventually) -> None:
    node = outlive(own.url(max_connections=3))
    clients = [node.pg() for _ in range(5)]
    for number, client in enumerate(clients):
        client.execute(f"SET search_path TO place{number}")
        client.execute("SELECT 1", prepare=True)
    own.restart()
    eventually(lambda: node.metric("outlive_server_connections", state="idle") == 0)
    for number, client in enumerate(clients):
        assert client.execute("SHOW search_path").fetchall() == [(f"place{number}",)]
        assert client.execute("SELECT 1", prepare=True).fetchall() == [(1,)]


def test_nothing_is_sent_twice(own: Postgres18, outlive: Callable[..., OutliveProcess]) -> None:
    """Rows against acknowledgements, while the server is killed again and again."""
    own.query("CREATE TABLE sent (id int)")
    own.query("GRANT ALL ON sent TO app")
    node = outlive(own.url(max_connections=4, acquire_timeout_s=20))
    acknowledged: list[int] = []
    failed: list[int] = []
    done = threading.Event()

    def work(first: int) -> None:
        number = first
        client = node.pg()
        while not done.is_set():
            number += 1
            try:
                client.execute("INSERT INTO sent VALUES (%s)", (number,))
                acknowledged.append(number)
            except psycopg.Error:
                failed.append(number)
                client = node.pg()

    workers = [threading.Thread(target=work, args=(n * 1_000_000,)) for n in range(6)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        time.sleep(0.5)  # work goes on meanwhile
        own.kill()
        own.start()
    time.sleep(0.5)  # and once more
    done.set()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
    counted = Counter(row[0] for row in own.query("SELECT id FROM sent"))
    assert set(counted.values()) == {1}
    # fsync=off keeps what a killed server had written: each acknowledged row is there.
    assert set(acknowledged) <= set(counted) <= set(acknowledged) | set(failed)
    assert len(acknowledged) > 50
    assert node.metric("outlive_leases_held") == 0


def test_a_statement_in_flight_gets_an_error_and_its_client_is_closed(
    own: Postgres18, outlive: Callable[..., OutliveProcess], eventually
) -> None:
    node = outlive(own.url(max_connections=4))
    client, idle_in_transaction = node.pg(), node.pg(autocommit=False)
    idle_in_transaction.execute("SELECT 1")
    watch = Watch(own)
    errors: list[psycopg.Error] = []

    def run() -> None:
        with pytest.raises(psycopg.OperationalError) as error:
            client.execute("SELECT pg_sleep(20)")
        errors.append(error.value)

    running = threading.Thread(target=run)
    running.start()
    eventually(lambda: watch.running("pg_sleep") == 1)
    own.kill()
    running.join(5)
    assert len(errors) == 1
    with pytest.raises(psycopg.OperationalError):
        idle_in_transaction.execute("SELECT 1")
    eventually(lambda: node.metric("outlive_clients") == 0)


def ended(client: psycopg.Connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT pg_sleep(60)")


def test_sigkill_of_outlive_leaves_no_connection_beyond_the_dead_mans_bound(
    own: Postgres18, outlive: Callable[..., OutliveProcess], eventually
) -> None:
    node = outlive(own.url(max_connections=4, dead_man_s=3, ping_interval_s=1))
    client = node.pg(autocommit=False)
    client.execute("SELECT 1")
    sleeping = node.pg()
    threading.Thread(target=lambda: ended(sleeping)).start()
    watch = Watch(own)
    eventually(lambda: watch.running("pg_sleep") == 1)
    node.kill()
    eventually(lambda: watch.connections() == [], in_time(5.0), "they are gone")
