"""Clients that say nothing, and clients that read nothing."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from outlive.wire.postgres import messages as say

from ...hazards.postgres.raw import Raw
from ...servers import OutliveProcess, Postgres18
from .conftest import Watch
from .test_deaths import run

Start = Callable[..., OutliveProcess]
LONG_S = 12.0


@pytest.fixture
def table(postgres18: Postgres18) -> Iterator[str]:
    postgres18.query("CREATE TABLE silence (n int)")
    postgres18.query("GRANT ALL ON silence TO app")
    yield "silence"
    postgres18.query("DROP TABLE silence")


def test_frozen_readers_hinder_others_no_longer_than_the_limit(
    postgres18: Postgres18, outlive: Start, eventually, count: Callable[[int, int], int]
) -> None:
    """The stock handler: BEGIN and a SELECT by the driver itself, no COMMIT, and the function freezes. Ten times the
    budget of them, and a client of single statements: those behind the first wait for their turn, and all have it.
    """
    number = count(50, 200)
    node = outlive(postgres18.url(max_connections=5, transaction_idle_timeout_s=0.5, acquire_timeout_s=60))
    rounds = 0
    done = threading.Event()

    def others() -> None:
        nonlocal rounds
        with node.pg() as client:
            while not done.is_set():
                assert client.execute("SELECT 1").fetchall() == [(1,)]
                rounds += 1

    frozen: list[psycopg.Connection] = []
    wrong: list[object] = []

    def freeze(number: int) -> None:
        client = node.pg(autocommit=False)
        frozen.append(client)
        found = client.execute("SELECT %s::int", (number,)).fetchall()
        if found != [(number,)]:
            wrong.append(found)

    other = threading.Thread(target=others)
    other.start()
    threads = [threading.Thread(target=freeze, args=(number,)) for number in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    done.set()
    other.join(30)
    assert not wrong
    assert len(frozen) == number
    assert rounds
    eventually(lambda: node.metric("outlive_leases_held") == 0, LONG_S)
    # The frozen thaw: the error lies in the socket, and a new connection serves at once.
    for client in frozen[::10]:
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            client.execute("SELECT 1")
        client.close()
    assert node.pg().execute("SELECT 1").fetchall() == [(1,)]
    for client in frozen:
        client.close()


def test_a_transaction_ends_with_its_silent_client(
    postgres18: Postgres18, outlive: Start, watch: Watch, table: str, eventually
) -> None:
    node = outlive(postgres18.url(max_connections=3, transaction_idle_timeout_s=1))
    writer, failed, open_unit = node.pg(autocommit=False), node.pg(autocommit=False), Raw(node)
    writer.execute("INSERT INTO silence VALUES (1)")
    with pytest.raises(psycopg.errors.UndefinedTable):
        failed.execute("SELECT * FROM nonesuch")
    open_unit.send(say.parse(b"", b"INSERT INTO silence VALUES (2)") + say.bind(b"", b"") + say.execute() + say.FLUSH)
    assert [chr(open_unit.read()[0]) for _ in range(3)] == ["1", "2", "C"]
    before = watch.connections()
    eventually(lambda: watch.transactions() == 0, LONG_S)
    for client in (writer, failed):
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            client.execute("SELECT 1")
    assert open_unit.until()[-1] == ("end",)
    assert postgres18.query("SELECT count(*) FROM silence") == ((0,),)
    assert watch.connections() == before, "the connections are used again"
    assert node.metric("outlive_errors_total", kind="transaction_idle_timeout") == 3


def test_who_is_silent_in_a_copy_is_ended(
    postgres18: Postgres18, outlive: Start, watch: Watch, table: str, eventually
) -> None:
    node = outlive(postgres18.url(max_connections=3, transaction_idle_timeout_s=1))
    client = Raw(node)
    client.send(say.query(b"COPY silence FROM STDIN"))
    assert chr(client.read()[0]) == "G"
    client.send(say.message(ord("d"), b"1\n"))
    eventually(lambda: watch.running("COPY silence") == 0, LONG_S)
    assert client.until()[-1] == ("end",)
    assert postgres18.query("SELECT count(*) FROM silence") == ((0,),)
    eventually(lambda: node.metric("outlive_leases_held") == 0)


def test_a_long_statement_is_no_silence(postgres18: Postgres18, outlive: Start) -> None:
    node = outlive(postgres18.url(max_connections=2, transaction_idle_timeout_s=1.5, pin_idle_timeout_s=1.5))
    with node.pg(autocommit=False) as client:
        client.execute("SELECT pg_sleep(2.6)")
        time.sleep(0.2)  # a silence, far below the limit
        client.execute("SELECT pg_sleep(0.1)")
        client.commit()
    with node.pg() as client:
        client.execute("SELECT pg_advisory_lock(7)")
        client.execute("SELECT pg_sleep(2.6)")
        assert client.execute("SELECT pg_advisory_unlock(7)").fetchall() == [(True,)]


def test_a_silent_pin_ends(postgres18: Postgres18, outlive: Start, watch: Watch, eventually) -> None:
    node = outlive(postgres18.url(max_connections=3, pin_idle_timeout_s=1))
    pins = {
        "advisory_lock": "SELECT pg_advisory_lock(1)",
        "temporary_table": "CREATE TEMP TABLE mine (n int)",
        "prepare": "PREPARE p AS SELECT 1",
    }
    clients = []
    for reason, sql in pins.items():
        clients.append(node.pg())
        clients[-1].execute(sql)
        eventually(lambda: node.metric("outlive_pinned", reason=reason) == 1)  # noqa: B023
    eventually(lambda: node.metric("outlive_pinned") == 0, LONG_S)
    for client in clients:
        with pytest.raises(psycopg.errors.IdleSessionTimeout):
            client.execute("SELECT 1")
    eventually(lambda: watch.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0)
    with node.pg(autocommit=False) as one, node.pg(autocommit=False) as two, node.pg(autocommit=False) as three:
        for client in (one, two, three):
            assert client.execute("SELECT count(*) FROM pg_prepared_statements WHERE from_sql").fetchall() == [(0,)]
            assert client.execute("SELECT to_regclass('pg_temp.mine')").fetchall() == [(None,)]


def test_a_quiet_pin_outlives_the_dead_mans_switch(postgres18: Postgres18, outlive: Start) -> None:
    node = outlive(postgres18.url(max_connections=3, dead_man_s=3, ping_interval_s=1, pin_idle_timeout_s=60))
    with node.pg() as pinned, node.pg(autocommit=False) as in_transaction:
        pinned.execute("CREATE TEMP TABLE mine AS SELECT 7 AS n")
        in_transaction.execute("CREATE TEMP TABLE mine AS SELECT 8 AS n")
        time.sleep(4.5)  # longer than dead_man_s
        assert pinned.execute("SELECT n FROM mine").fetchall() == [(7,)]
        assert in_transaction.execute("SELECT n FROM mine").fetchall() == [(8,)]


def test_who_reads_nothing_is_ended_and_who_reads_slowly_is_not(
    postgres18: Postgres18, outlive: Start, watch: Watch, eventually
) -> None:
    node = outlive(postgres18.url(max_connections=4, client_write_timeout_s=2, transaction_idle_timeout_s=60))
    stuck, slow = Raw(node), Raw(node)
    rows, row = 40_000, 1000
    for client in (stuck, slow):
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        if client is stuck:
            run(client, "BEGIN")
        client.send(say.query(b"SELECT repeat('x', %d) FROM generate_series(1, %d)" % (row, rows)))
    started = time.monotonic()
    received = 0
    while time.monotonic() - started < 4:
        received += len(slow.socket.recv(30_000))
        time.sleep(0.03)  # it reads slowly
    eventually(lambda: node.metric("outlive_leases_held") <= 1)
    assert node.metric("outlive_errors_total", kind="client_write_timeout") == 1
    while received < rows * row:
        data = slow.socket.recv(1_000_000)
        assert data
        received += len(data)
    with contextlib.suppress(ConnectionError):
        while stuck.socket.recv(1_000_000):
            pass
    slow.socket.close()
    eventually(lambda: node.metric("outlive_leases_held") == 0)
    eventually(lambda: watch.transactions() == 0)


def test_a_client_of_a_whole_session_may_be_silent(postgres18: Postgres18, outlive: Start, eventually) -> None:
    """`pool_mode = "session"`: silent between transactions for as long as it likes, but not inside one; and what it
    leaves is nobody's.
    """
    node = outlive(
        postgres18.url(
            max_connections=2, pool_mode="session", pin_idle_timeout_s=1, transaction_idle_timeout_s=1,
            dead_man_s=3, ping_interval_s=1, acquire_timeout_s=10,
        )
    )  # fmt: skip
    quiet, frozen = node.pg(), node.pg(autocommit=False)
    quiet.execute("SET search_path TO mine; PREPARE p AS SELECT 5; CREATE TEMP TABLE own AS SELECT 6 AS n")
    frozen.execute("SELECT 1")
    waiting = node.pg()
    assert waiting.execute("SELECT 2").fetchall() == [(2,)], "in the place of the one that is ended"
    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
        frozen.execute("SELECT 1")
    time.sleep(3.5)  # longer than dead_man_s and pin_idle_timeout_s
    assert quiet.execute("EXECUTE p").fetchall() == [(5,)]
    assert quiet.execute("SELECT n FROM own").fetchall() == [(6,)]
    waiting.close()
    quiet.close()
    for _ in range(2):
        with node.pg() as client:
            assert client.execute("SHOW search_path").fetchall() == [('"$user", public',)]
            assert client.execute("SELECT to_regclass('pg_temp.own')").fetchall() == [(None,)]
            assert client.execute("SELECT count(*) FROM pg_prepared_statements WHERE from_sql").fetchall() == [(0,)]
    eventually(lambda: node.metric("outlive_leases_held") == 0)
