"""Clients that die, at every point of what they do. It costs a slot two seconds at the most, and nothing else."""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from outlive.wire.postgres import constants as wire
from outlive.wire.postgres import messages as say

from ...hazards.postgres.raw import Raw
from ...servers import OutliveProcess, Postgres18
from ...servers.processes import in_time
from .conftest import Watch

DEATHS = ("fin", "rst")
LENDABLE = 3


def bound_s() -> float:
    """What docs/promises.md says. An end that nobody noticed would take transaction_idle_timeout_s, 10 s."""
    return in_time(2.0)


def die(client: Raw, how: str) -> None:
    if how == "rst":
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.socket.close()


@pytest.fixture(scope="module")
def node(postgres18: Postgres18) -> Iterator[OutliveProcess]:
    postgres18.query("CREATE TABLE IF NOT EXISTS deaths (what text, n int)")
    postgres18.query("GRANT ALL ON deaths TO app")
    with OutliveProcess(postgres18.url(max_connections=LENDABLE, acquire_timeout_s=5)) as started:
        yield started
        print(started.log[-20000:])
    postgres18.query("DROP TABLE deaths")


@pytest.fixture
def made(node: OutliveProcess) -> Iterator[Callable[[], Raw]]:
    clients: list[Raw] = []

    def make() -> Raw:
        clients.append(Raw(node))
        return clients[-1]

    yield make
    for client in clients:
        with contextlib.suppress(OSError):
            client.socket.close()


def run(client: Raw, sql: str) -> None:
    client.send(say.query(sql.encode()))
    while client.read()[0] != wire.READY_FOR_QUERY:
        pass


@pytest.mark.parametrize("how", DEATHS)
def test_idle_in_a_transaction(node, made, watch: Watch, whole, eventually, how: str) -> None:
    clients = [made() for _ in range(LENDABLE)]
    for number, client in enumerate(clients):
        run(client, "BEGIN")
        run(client, f"INSERT INTO deaths VALUES ('idle-{how}', {number})")
    assert watch.transactions() == LENDABLE
    before = watch.connections()
    for client in clients:
        die(client, how)
    eventually(lambda: watch.transactions() == 0, bound_s(), "they are rolled back")
    whole(node, LENDABLE, bound_s())
    assert watch.connections() == before, "the connections are used again"
    assert watch.one(f"SELECT count(*) FROM deaths WHERE what = 'idle-{how}'") == 0


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("begin", ["", "BEGIN; "])
def test_a_read_in_flight_is_cancelled(node, made, watch: Watch, whole, eventually, how: str, begin: str) -> None:
    client = made()
    if begin:
        run(client, "BEGIN")
    client.send(say.query(b"SELECT pg_sleep(30)" if begin else b"SELECT n, pg_sleep(30) FROM generate_series(1, 2) n"))
    eventually(lambda: watch.running("pg_sleep") == 1)
    die(client, how)
    if begin:
        eventually(lambda: watch.running("pg_sleep") == 0, bound_s(), "it ends")
        whole(node, LENDABLE, bound_s())
    else:
        # A function that is not known to be harmless may write, so the statement finishes; nothing else may.
        watch.one("SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'SELECT n, pg_sleep%'")
        whole(node, LENDABLE, bound_s())


@pytest.mark.parametrize("how", DEATHS)
def test_a_write_in_flight_finishes(node, made, watch: Watch, whole, eventually, how: str) -> None:
    client = made()
    client.send(say.query(f"INSERT INTO deaths SELECT 'write-{how}', 1 FROM pg_sleep(1)".encode()))
    eventually(lambda: watch.running("pg_sleep") == 1)
    die(client, how)
    eventually(lambda: watch.one(f"SELECT count(*) FROM deaths WHERE what = 'write-{how}'") == 1)
    whole(node, LENDABLE, bound_s())


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize(
    "sent",
    [
        say.parse(b"", b"SELECT 1") + say.bind(b"", b"") + say.execute(),
        say.parse(b"s", b"SELECT 1") + say.FLUSH,
        say.parse(b"", b"INSERT INTO deaths VALUES ('half', 2)") + say.bind(b"", b"") + say.execute() + say.FLUSH,
        say.query(b"COPY deaths FROM STDIN") + say.message(wire.COPY_DATA, b"copy\t1\n"),
        say.parse(b"", b"COPY deaths FROM STDIN") + say.bind(b"", b"") + say.execute() + say.SYNC
        + say.message(wire.COPY_DATA, b"copy\t1\n"),
        say.query(b"COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT"),
        say.query(b"SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"),
        say.query(b"INSERT INTO deaths VALUES ('half', 1)")[:-10],
        say.query(b"SELECT '" + b"x" * 1_000_000 + b"'")[:-10],
        say.parse(b"", b"SELECT $1::text")
        + say.message(wire.BIND, b"\0\0\0\0\0\1\0\x0f\x42\x40" + b"x" * 1_000_000)[:-700_000],
        say.query(b"BEGIN; SELECT pg_advisory_lock(4)"),
        say.query(b"SET search_path TO elsewhere; SELECT pg_advisory_lock(5)"),
        say.query(b"LISTEN there; CREATE TEMP TABLE left_behind (a int)"),
    ],
    ids=range(13),
)  # fmt: skip
def test_in_the_middle_of_a_unit(node, made, watch: Watch, whole, eventually, sent: bytes, how: str) -> None:
    before = watch.one("SELECT count(*) FROM deaths WHERE what IN ('copy', 'half')")
    for _ in range(LENDABLE):
        client = made()
        client.send(sent)
        eventually(lambda: node.metric("outlive_clients") >= 1)
        die(client, how)
    eventually(lambda: node.metric("outlive_clients") == 0)
    whole(node, LENDABLE, in_time(5.0))
    assert watch.one("SELECT count(*) FROM deaths WHERE what IN ('copy', 'half')") == before
    assert watch.one("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0


def test_while_it_waits(node, made, watch: Watch, whole, eventually) -> None:
    holders = [made() for _ in range(LENDABLE)]
    for holder in holders:
        run(holder, "BEGIN")
    waiting = [made() for _ in range(5)]
    for client in waiting:
        client.send(say.query(b"INSERT INTO deaths VALUES ('waiting', 1)"))
    eventually(lambda: node.metric("outlive_waiters") == 5)
    for client in waiting:
        die(client, "rst")
    eventually(lambda: node.metric("outlive_waiters") == 0, bound_s(), "nobody waits")
    for holder in holders:
        run(holder, "ROLLBACK")
    whole(node, LENDABLE, bound_s())
    assert watch.one("SELECT count(*) FROM deaths WHERE what = 'waiting'") == 0
