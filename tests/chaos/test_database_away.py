"""The database stops, is killed, hangs, comes back."""

import threading
import time
from collections import Counter

import pymysql
import pytest

from ..servers import MariaDB
from .wire import one


def test_clients_wait_for_it_until_their_deadline(own: MariaDB, outlive) -> None:
    node = outlive(own.url(max_connections=4, acquire_timeout_s=3))
    client = node.connect()
    assert one(client) == ((1,),)
    own.kill()
    node.wait_ends(own)
    dials = node.metric("outlive_dials_total")
    started = time.monotonic()
    with pytest.raises(pymysql.err.OperationalError) as error:
        one(client)
    assert 2.9 < time.monotonic() - started < 8
    assert error.value.args[0] == 1040
    assert "3 server connections" in error.value.args[1]
    assert "3.0 s" in error.value.args[1]
    # Full jitter between 0 and 0.1 s, doubling to 5 s: no storm.
    assert node.metric("outlive_dials_total") - dials < 25
    assert node.get("/readyz")[0] == 200


def test_who_waits_is_served_when_it_comes_back(own: MariaDB, outlive, eventually) -> None:
    node = outlive(own.url(max_connections=4, acquire_timeout_s=60))
    client = node.connect()
    assert one(client) == ((1,),)
    own.kill()
    node.wait_ends(own)
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(one(client)))
    waiting.start()
    eventually(lambda: node.metric("outlive_waiters") == 1)
    own.start()
    waiting.join(60)
    assert answers == [((1,),)]


def test_a_connection_that_died_while_idle_is_replaced_unseen(own: MariaDB, outlive) -> None:
    node = outlive(own.url(max_connections=4))
    clients = [node.connect() for _ in range(3)]
    for client in clients:
        one(client, "BEGIN")
    for client in clients:
        one(client, "COMMIT")
    own.stop()
    node.wait_ends(own)  # a statement that goes out before the end was seen gets 2013
    own.start()
    for client in clients:
        assert one(client) == ((1,),)
    # So is one that the server ended without anybody else.
    own.kill_connections("app")
    node.wait_ends(own)
    for client in clients:
        assert one(client) == ((1,),)
    assert node.metric("outlive_errors_total") == 0


def test_nothing_is_sent_twice(own: MariaDB, outlive, eventually) -> None:
    """Rows against acknowledgements, while the server is killed again and again."""
    own.query("CREATE TABLE sent (id INT, KEY (id))")
    node = outlive(own.url(max_connections=4, acquire_timeout_s=20))
    acknowledged: list[int] = []
    failed: list[tuple[int, int]] = []
    done = threading.Event()

    def work(first: int) -> None:
        client = node.connect()
        number = first
        while not done.is_set():
            number += 1
            try:
                one(client, f"INSERT INTO sent VALUES ({number})")
                acknowledged.append(number)
            except pymysql.err.Error as error:
                failed.append((number, error.args[0]))
                client = node.connect()

    workers = [threading.Thread(target=work, args=(n * 1_000_000,)) for n in range(8)]
    for worker in workers:
        worker.start()
    for _ in range(3):
        more = len(acknowledged) + 50
        eventually(lambda: len(acknowledged) > more)  # noqa: B023
        own.kill()
        time.sleep(0.3)  # in which statements come to a server that is away
        own.start()
    more = len(acknowledged) + 50
    eventually(lambda: len(acknowledged) > more)
    done.set()
    for worker in workers:
        worker.join(30)
        assert not worker.is_alive()
    counted = Counter(row[0] for row in own.query("SELECT id FROM sent"))
    assert set(counted.values()) == {1}
    # innodb_flush_log_at_trx_commit=0 may lose the last second of a server that is killed: rows may be missing, but
    # none may be there that was neither acknowledged nor failed.
    assert set(counted) <= set(acknowledged) | {number for number, _ in failed}
    assert {code for _, code in failed} <= {2013, 1053}
    node.wait_settled()


def test_a_statement_in_flight_gets_the_error_and_its_client_is_closed(own: MariaDB, outlive, eventually) -> None:
    node = outlive(own.url(max_connections=4))
    client, idle_in_transaction = node.connect(), node.connect()
    one(idle_in_transaction, "BEGIN")
    codes: list[int] = []

    def run() -> None:
        with pytest.raises(pymysql.err.Error) as error:
            one(client, "SELECT SLEEP(20)")
        codes.append(error.value.args[0])

    running = threading.Thread(target=run)
    running.start()
    eventually(lambda: own.query("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"))
    own.kill()
    running.join(20)
    assert codes == [2013]
    assert client._sock is None or client._sock.recv(1) == b""
    with pytest.raises(pymysql.err.Error):
        one(idle_in_transaction)
    eventually(lambda: node.metric("outlive_clients") == 0)
    own.start()
    assert one(node.connect()) == ((1,),)


@pytest.mark.parametrize("checked", [True, False])
def test_a_server_that_hangs(own: MariaDB, outlive, eventually, checked: bool) -> None:
    node = outlive(own.url(max_connections=3, acquire_timeout_s=4, check_after_idle_s=0 if checked else 60))
    clients = [node.connect() for _ in range(6)]
    for client in clients:
        assert one(client) == ((1,),)
    own.pause()
    outcomes: list[object] = []

    def run(client) -> None:
        try:
            outcomes.append(one(client))
        except pymysql.err.Error as error:
            outcomes.append(error.args[0])

    threads = [threading.Thread(target=run, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    if checked:
        # A ping went first, so nothing was sent: who waits gets the protocol's error at its deadline.
        eventually(lambda: outcomes == [1040] * 6)
    else:
        # One or two statements are at the server, the others wait.
        eventually(lambda: len(outcomes) >= 4)
    own.resume()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(outcomes) == 6
    assert set(map(str, outcomes)) == ({"1040"} if checked else {"1040", "((1,),)"})
    started = time.monotonic()
    for client in clients:
        assert one(client) == ((1,),)
    # As soon as it goes on its connections end and new ones take their slots: nobody waits for the dead man's bound.
    assert time.monotonic() - started < 20
    eventually(lambda: len(own.connection_ids("app")) <= 3)
