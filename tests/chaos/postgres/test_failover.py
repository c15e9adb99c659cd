"""Two servers behind one name: the first dies, or is demoted; and replicas."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from ...servers import OutliveProcess, Postgres18
from ...servers.database import APP

Start = Callable[..., OutliveProcess]
Pair = tuple[Postgres18, Postgres18]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Postgres18(tls=False) as first, Postgres18(tls=False) as second:
        for server in (first, second):
            server.query("CREATE TABLE who (port int)")
            server.query("GRANT ALL ON who TO app")
            server.query("INSERT INTO who VALUES (%s)", server.port)
            server.query("CHECKPOINT")  # a killed one is back sooner
        yield first, second


def place(client: psycopg.Connection) -> int:
    (found,) = client.execute("SELECT current_setting('port')::int").fetchall()
    return int(found[0])


def configuration(hosts: list[Postgres18], replicas: list[Postgres18], more: str = "") -> str:
    def names(servers: list[Postgres18]) -> str:
        return ", ".join(f'"127.0.0.1:{server.port}"' for server in servers)

    return f"""
[databases.shop]
scheme = "postgresql"
hosts = [{names(hosts)}]
replicas = [{names(replicas)}]
database = "test"
user = "{APP.user}"
password = "{APP.password}"
max_connections = 5
acquire_timeout_s = 15
{more}
"""


def test_clients_go_on_at_the_second_when_the_first_dies(pair: Pair, outlive: Start) -> None:
    first, second = pair
    node = outlive(configuration([first, second], []))
    clients = [node.pg(dbname="shop") for _ in range(8)]
    for number, client in enumerate(clients):
        client.execute(f"SET application_name TO 'client {number}'")
        assert client.execute("SELECT 1", prepare=True).fetchall() == [(1,)]
        assert place(client) == first.port
    first.kill()
    node.wait_ends(first)  # a statement that goes out before gets an error; what waits for a connection goes on
    answers: list[object] = []
    threads = [threading.Thread(target=lambda c=client: answers.append(place(c))) for client in clients]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [second.port] * 8
    assert time.monotonic() - started < 14  # acquire_timeout_s is 15
    for number, client in enumerate(clients):
        assert client.execute("SHOW application_name").fetchall() == [(f"client {number}",)]
        assert client.execute("SELECT 1", prepare=True).fetchall() == [(1,)]
    # It stays there when the first one is back; and goes back when the second dies.
    first.start()
    assert {place(client) for client in clients} == {second.port}
    second.kill()
    node.wait_ends(second)
    assert {place(client) for client in clients} == {first.port}
    assert place(node.pg(dbname="shop")) == first.port


def test_a_primary_that_is_demoted_and_the_second_promoted(pair: Pair, outlive: Start, eventually) -> None:
    """By a restart, as a standby is made of it: whoever comes waits, and goes on where writes are taken."""
    first, second = pair
    second.demote()
    node = outlive(configuration([first, second], [second]))
    writers = [node.pg(dbname="shop") for _ in range(6)]
    readers = [node.pg(dbname="shop.ro") for _ in range(2)]
    for client in writers:
        client.execute("INSERT INTO who VALUES (0)")
    assert {place(client) for client in readers} == {second.port}
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        readers[0].execute("INSERT INTO who VALUES (1)")
    first.demote()
    node.wait_ends(first)
    wrong: list[Exception] = []

    def write(client: psycopg.Connection) -> None:
        try:
            client.execute("INSERT INTO who VALUES (2)")
        except psycopg.Error as error:
            wrong.append(error)

    threads = [threading.Thread(target=write, args=(client,)) for client in writers]
    for thread in threads:
        thread.start()
    eventually(lambda: node.metric("outlive_waiters") == len(writers))
    second.promote()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert second.query("SELECT count(*) FROM who WHERE port = 2") == ((6,),)
    assert {place(client) for client in writers} == {second.port}
    # Readers stay with their replica, which takes writes now, and is none the worse for reading.
    assert {place(client) for client in readers} == {second.port}


def test_a_primary_that_is_fenced_without_a_restart_is_left(pair: Pair, outlive: Start, eventually) -> None:
    """`default_transaction_read_only` by reload, as failover tools fence a primary: 25006."""
    first, second = pair
    node = outlive(configuration([first, second], []))
    clients = [node.pg(dbname="shop") for _ in range(4)]
    own = node.pg(dbname="shop")
    for client in clients:
        client.execute("INSERT INTO who VALUES (0)")
    # A client's own read-only transaction is no sign of that.
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        own.execute("BEGIN READ ONLY; INSERT INTO who VALUES (9)")
    own.execute("ROLLBACK")
    own.execute("SET default_transaction_read_only TO on")
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        own.execute("INSERT INTO who VALUES (9)")
    assert {place(client) for client in clients} == {first.port}
    own.close()
    with first.connect(autocommit=True) as superuser:
        superuser.execute("ALTER SYSTEM SET default_transaction_read_only TO on")
    first.reload()
    refused = 0

    def moved() -> bool:
        nonlocal refused
        try:
            clients[0].execute("INSERT INTO who VALUES (1)")
        except psycopg.errors.ReadOnlySqlTransaction:
            refused += 1
        return place(clients[0]) == second.port

    eventually(moved)
    assert refused <= 5
    for client in clients:
        client.execute("INSERT INTO who VALUES (2)")
    assert second.query("SELECT count(*) FROM who WHERE port = 2") == ((4,),)
    eventually(lambda: first.connection_ids("app") == [])


def test_replicas(pair: Pair, outlive: Start, eventually) -> None:
    """`shop.ro` reads from the replicas, any of them, and passes over one that is away."""
    first, second = pair
    node = outlive(configuration([first], [first, second]))
    assert place(node.pg(dbname="shop")) == first.port
    readers = [node.pg(dbname="shop.ro") for _ in range(16)]
    assert {place(reader) for reader in readers} == {first.port, second.port}
    second.kill()
    node.wait_ends(second)
    started = time.monotonic()
    assert {place(reader) for reader in readers} == {first.port}
    assert time.monotonic() - started < 14
    second.start()

    def both() -> bool:
        fresh = [node.pg(dbname="shop.ro") for _ in range(8)]
        return {place(reader) for reader in fresh} == {first.port, second.port}

    eventually(both)
