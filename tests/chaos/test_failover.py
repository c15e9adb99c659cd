"""Two servers behind one name: the first dies, or is demoted; and replicas."""

import threading
import time
from collections.abc import Iterator

import pymysql
import pytest

from ..servers import MariaDB
from ..servers.database import APP


@pytest.fixture
def pair() -> Iterator[tuple[MariaDB, MariaDB]]:
    durable = {"tls": False, "innodb_flush_log_at_trx_commit": 1}
    with MariaDB(**durable) as first, MariaDB(**durable) as second:
        for server in (first, second):
            server.query("CREATE TABLE who (port INT)")
            server.query("INSERT INTO who VALUES (%s)", server.port)
        yield first, second


def one(client, sql: str = "SELECT port FROM who LIMIT 1"):
    with client.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def configuration(hosts: list[MariaDB], replicas: list[MariaDB], more: str = "") -> str:
    def names(servers: list[MariaDB]) -> str:
        return ", ".join(f'"127.0.0.1:{server.port}"' for server in servers)

    return f"""
[databases.test]
hosts = [{names(hosts)}]
replicas = [{names(replicas)}]
database = "test"
user = "{APP.user}"
password = "{APP.password}"
max_connections = 5
acquire_timeout_s = 10
{more}
"""


def test_clients_go_on_at_the_second_when_the_first_dies(pair, outlive, eventually) -> None:
    first, second = pair
    node = outlive(configuration([first, second], []))
    clients = [node.connect() for _ in range(8)]
    for client in clients:
        assert one(client) == ((first.port,),)
    first.kill()
    node.wait_ends(first)  # a statement that goes out before gets 2013; what waits for a connection goes on
    answers: list[object] = []
    threads = [threading.Thread(target=lambda c=client: answers.append(one(c))) for client in clients]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [((second.port,),)] * 8
    assert time.monotonic() - started < 9  # acquire_timeout_s is 10
    # It stays there when the first one is back.
    first.start()
    for client in clients:
        assert one(client) == ((second.port,),)
    # And back again.
    second.kill()
    node.wait_ends(second)
    for client in clients:
        assert one(client) == ((first.port,),)
    assert one(node.connect()) == ((first.port,),)


def test_a_demoted_primary_is_left(pair, outlive, eventually) -> None:
    first, second = pair
    node = outlive(configuration([first, second], []))
    clients = [node.connect() for _ in range(6)]
    for client in clients:
        one(client, "INSERT INTO who VALUES (0)")
    holder = node.connect()
    one(holder, "BEGIN")
    one(holder)
    first.query("SET GLOBAL read_only = 1")
    # The first to notice gets the server's error, unless a dial noticed before.
    refused: list[int] = []
    try:
        one(clients[0], "INSERT INTO who VALUES (1)")
    except pymysql.err.Error as error:
        refused.append(error.args[0])
    assert refused in ([], [1290])
    for client in clients:
        one(client, "INSERT INTO who VALUES (2)")
    assert second.query("SELECT COUNT(*) FROM who WHERE port = 2") == ((6,),)
    # Who is inside a transaction there ends it there, and its connection is not used again.
    assert one(holder) == ((first.port,),)
    one(holder, "COMMIT")
    one(holder, "INSERT INTO who VALUES (3)")
    assert second.query("SELECT COUNT(*) FROM who WHERE port = 3") == ((1,),)
    eventually(lambda: first.connection_ids("app") == [])


def test_a_single_primary_that_is_demoted_is_dialled_anew(pair, outlive, eventually) -> None:
    first, _ = pair
    node = outlive(configuration([first], []))
    client = node.connect()
    one(client)
    before = set(first.connection_ids("app"))
    first.query("SET GLOBAL read_only = 1")
    with pytest.raises(pymysql.err.Error):
        one(client, "INSERT INTO who VALUES (1)")
    eventually(lambda: not before & set(first.connection_ids("app")))
    first.query("SET GLOBAL read_only = 0")
    one(client, "INSERT INTO who VALUES (1)")


def test_replicas(pair, outlive, eventually) -> None:
    """`test.ro` reads from the replicas, any of them, and passes over one that is away; the demoted primary may be
    one.
    """
    first, second = pair
    node = outlive(configuration([first], [first, second]))
    assert one(node.connect()) == ((first.port,),)
    readers = [node.connect(database="test.ro") for _ in range(16)]
    seen = {one(reader)[0][0] for reader in readers}
    assert seen == {first.port, second.port}
    second.kill()
    node.wait_ends(second)
    started = time.monotonic()
    for reader in readers:
        assert one(reader) == ((first.port,),)
    assert time.monotonic() - started < 9
    second.start()

    def both() -> bool:
        fresh = [node.connect(database="test.ro") for _ in range(8)]
        return {one(reader)[0][0] for reader in fresh} == {first.port, second.port}

    eventually(both)


def test_writers_leave_a_server_that_still_serves_readers(pair, outlive, eventually) -> None:
    first, second = pair
    node = outlive(configuration([first, second], [first]))
    readers = [node.connect(database="test.ro") for _ in range(3)]
    writers = [node.connect() for _ in range(5)]
    for client in (*readers, *writers):
        assert one(client) == ((first.port,),)
    first.query("SET GLOBAL read_only = 1")
    with pytest.raises(pymysql.err.Error):
        one(writers[0], "INSERT INTO who VALUES (1)")
    for reader in readers:
        assert one(reader) == ((first.port,),)
    for writer in writers:
        one(writer, "INSERT INTO who VALUES (4)")
    for reader in readers:
        assert one(reader) == ((first.port,),)
    assert second.query("SELECT COUNT(*) FROM who WHERE port = 4") == ((5,),)
