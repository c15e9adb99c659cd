"""Several databases, replicas and hosts behind one listener."""

from collections.abc import Callable, Iterator

import pymysql
import pytest

from tests.servers import MariaDB, OutliveProcess, free_port
from tests.servers.database import APP


@pytest.fixture(scope="module")
def second() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


def value(node: OutliveProcess, statement: str, **options: object) -> object:
    with node.connect(**options) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
        return row[0] if row else None


def test_several_urls(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, second: MariaDB) -> None:
    node = outlive([mariadb.url(), second.url(database="other")])
    assert value(node, "SELECT @@port") == mariadb.port
    assert value(node, "SELECT @@port", database="other") == second.port
    assert value(node, "SELECT DATABASE()", database="other") == "other"
    assert value(node, "SELECT @@port", database=None) == mariadb.port  # the first, where none is named
    assert value(node, "SELECT DATABASE()", database=None) is None


def test_a_client_without_a_database_never_gets_another_ones(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB
) -> None:
    """One connection for all of them."""
    node = outlive(mariadb.url(max_connections=2))
    clients = {name: node.connect(database=name) for name in ("test", "other", None)}
    for _ in range(3):
        for name, client in clients.items():
            with client.cursor() as cursor:
                cursor.execute("SELECT DATABASE()")
                assert cursor.fetchone() == (name,)


def test_any_database(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, second: MariaDB) -> None:
    node = outlive([mariadb.url(), second.url(database="")])
    assert value(node, "SELECT @@port") == mariadb.port
    assert value(node, "SELECT @@port", database="other") == second.port
    assert value(node, "SELECT DATABASE()", database="other") == "other"
    assert value(node, "SELECT @@port", database=None) == second.port


def test_a_name_of_its_own(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(f'[databases.shop]\nurl = "{mariadb.url(database="other")}"\n')
    assert value(node, "SELECT DATABASE()", database="shop") == "other"


def test_replicas(outlive: Callable[..., OutliveProcess], mariadb: MariaDB, second: MariaDB) -> None:
    node = outlive(
        f'[databases.test]\nhosts = ["127.0.0.1:{mariadb.port}"]\nreplicas = ["127.0.0.1:{second.port}"]\n'
        f'user = "{APP.user}"\npassword = "{APP.password}"\n'
    )
    assert value(node, "SELECT @@port") == mariadb.port
    assert value(node, "SELECT @@port", database="test.ro") == second.port
    assert value(node, "SELECT DATABASE()", database="test.ro") == "test"


@pytest.mark.parametrize("first_is", ["dead", "read-only"])
def test_hosts_at_the_start(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, second: MariaDB, first_is: str
) -> None:
    """The first host is not the primary, or is not there: clients get to the second."""
    port = free_port() if first_is == "dead" else second.port
    second.query(f"SET GLOBAL read_only = {int(first_is == 'read-only')}")
    try:
        node = outlive(
            f'[databases.test]\nhosts = ["127.0.0.1:{port}", "127.0.0.1:{mariadb.port}"]\n'
            f'user = "{APP.user}"\npassword = "{APP.password}"\n'
        )
        assert value(node, "SELECT @@port") == mariadb.port
        assert value(node, "SELECT @@port") == mariadb.port
    finally:
        second.query("SET GLOBAL read_only = 0")


def test_the_first_database_is_away(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    """Clients of another one need not wait for it."""
    node = outlive([f"mysql://app:app-secret@127.0.0.1:{free_port()}/away", mariadb.url()])
    assert value(node, "SELECT @@port") == mariadb.port


def test_closed_after_each_transaction(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    mariadb.query("CREATE OR REPLACE TABLE test.closed_after (id INT) ENGINE=InnoDB")
    node = outlive(mariadb.url(client_connection="transaction"))
    connection = node.connect(autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # which begins no transaction
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
        cursor.execute("ROLLBACK")  # nor ends one: pools send it to be sure
        cursor.execute("SELECT COUNT(*) FROM closed_after")
        cursor.execute("COMMIT")
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("SELECT 3")
    connection = node.connect(autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")
        cursor.execute("SELECT 2")
        cursor.execute("ROLLBACK")
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("SELECT 3")


def test_figures(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    """`/metrics` has what operators need; each is there and moves."""
    node = outlive(mariadb.url(max_connections=3, acquire_timeout_s=1))
    holders = [node.connect() for _ in range(3)]
    for holder in holders[:2]:
        with holder.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(%s, 1)", (f"figures {id(holder)}",))
    with pytest.raises(pymysql.err.OperationalError, match="1040"), holders[2].cursor() as cursor:
        cursor.execute("SELECT 1")
    with pytest.raises(pymysql.err.OperationalError, match="1045"):
        node.connect(password="wrong")
    for name, labels in {
        "outlive_clients": {},
        "outlive_leases_held": {},
        "outlive_leases_total": {},
        "outlive_server_connections": {"state": "leased"},
        "outlive_server_budget": {},
        "outlive_pins_total": {"reason": "get_lock"},
        "outlive_pinned": {"reason": "get_lock"},
        "outlive_client_logins_total": {},
        "outlive_client_logins_refused_total": {"reason": "access_denied"},
        "outlive_server_logins_total": {},
        "outlive_errors_total": {"kind": "1040"},
        "outlive_wait_timeouts_total": {},
        "outlive_bytes_from_clients_total": {},
        "outlive_bytes_to_clients_total": {},
        "outlive_bytes_from_server_total": {},
        "outlive_bytes_to_server_total": {},
        "outlive_dials_total": {},
    }.items():
        assert node.metric(name, **labels) > 0, name
    text = node.get("/metrics")[1]
    for name in ("outlive_wait_seconds_bucket", "outlive_client_evictions_total", "outlive_waiters", "outlive_kills"):
        assert name in text
    for holder in holders:
        holder.close()
