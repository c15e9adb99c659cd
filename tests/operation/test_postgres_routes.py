"""Which server PostgreSQL clients come to: by name, for reading, after a failover; and what a reload changes."""

import signal
import threading
from collections.abc import Callable, Iterator

import psycopg
import pymysql
import pytest

from outlive.wire.postgres.constants import ERROR_RESPONSE, READY_FOR_QUERY
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import query
from tests.logins.raw_postgres import Raw
from tests.servers import MariaDB, OutliveProcess, Postgres15, Postgres18
from tests.servers.certificates import Certificates
from tests.servers.database import APP, APP2
from tests.servers.processes import eventually, free_port

Start = Callable[..., OutliveProcess]


@pytest.fixture(scope="module")
def second() -> Iterator[Postgres15]:
    with Postgres15() as server:
        yield server


def port(node: OutliveProcess, **options: object) -> int:
    """The port of the server that a new client is served by."""
    with node.pg(**options) as connection:
        row = connection.execute("SELECT current_setting('port')::int").fetchone()
    assert row is not None
    return int(row[0])


def test_names(outlive: Start, postgres18: Postgres18, second: Postgres15) -> None:
    node = outlive(
        f'[databases.shop]\nurl = "{postgres18.url()}"\n'
        f'[databases.log]\nurl = "{second.url(database="other")}"\n'
        f'[databases."*"]\nurl = "{second.url(database="")}"\n'
    )
    assert port(node, dbname="shop") == postgres18.port
    for asked, there in {"shop": "test", "log": "other", "test": "test", "postgres": "postgres"}.items():
        with node.pg(dbname=asked) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (there,)
    with pytest.raises(psycopg.OperationalError, match='database "nonesuch" does not exist'):
        node.pg(dbname="nonesuch")
    with pytest.raises(psycopg.OperationalError, match='database "app" does not exist'):
        node.pg(dbname="")


def test_a_single_database_under_either_name(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive(f'[databases.shop]\nurl = "{postgres18.url()}"\n')
    assert port(node, dbname="shop") == port(node, dbname="test") == postgres18.port
    with pytest.raises(psycopg.OperationalError, match='database "other" does not exist'):
        node.pg(dbname="other")


def test_replicas(outlive: Start, postgres18: Postgres18, second: Postgres15) -> None:
    node = outlive([postgres18.url(replicas=f"127.0.0.1:{second.port}")])
    assert port(node) == postgres18.port
    assert port(node, dbname="test.ro") == second.port
    second.demote()
    try:
        with node.pg(dbname="test.ro") as reader:
            assert reader.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)
            assert reader.info.parameter_status("in_hot_standby") in (None, "on")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                reader.execute("CREATE TABLE nothing (n int)")
        assert port(node) == postgres18.port
    finally:
        second.promote()


def test_the_writer_is_found_among_the_hosts(outlive: Start, postgres18: Postgres18, second: Postgres15) -> None:
    second.demote()
    try:
        node = outlive([second.url().replace(f":{second.port}/", f":{second.port},127.0.0.1:{postgres18.port}/")])
        assert port(node) == postgres18.port
    finally:
        second.promote()
    node = outlive([second.url().replace(f":{second.port}/", f":{free_port()},127.0.0.1:{second.port}/")])
    assert port(node) == second.port


def test_a_server_that_is_away(outlive: Start) -> None:
    """Clients wait for it, and are told how long."""
    with Postgres18() as server:
        server.stop()
        node = outlive([server.url(acquire_timeout_s=1)])
        with pytest.raises(psycopg.OperationalError, match=r"the server .* could not be reached for 1\.\d s"):
            node.pg()
        later = outlive([server.url(acquire_timeout_s=30)])
        found: list[int] = []
        waiting = threading.Thread(target=lambda: found.append(port(later, connect_timeout=30)))
        waiting.start()
        eventually(lambda: later.metric("outlive_waiters") == 1)
        server.start()
        waiting.join()
        assert found == [server.port]


def test_both_protocols_on_one_node(outlive: Start, postgres18: Postgres18, mariadb: MariaDB) -> None:
    node = outlive(
        f'[databases.pg]\nurl = "{postgres18.url()}"\nmax_connections = 1\n'
        f'[databases.my]\nurl = "{mariadb.url()}"\nmax_connections = 2\n'
    )
    with node.pg(dbname="pg") as one, node.connect(database="my") as other:
        assert one.execute("SELECT 1").fetchone() == (1,)
        with other.cursor() as cursor:
            cursor.execute("SELECT 2")
            assert cursor.fetchall() == ((2,),)
        # Each listener serves its own databases only.
        with pytest.raises(psycopg.OperationalError, match='database "my" does not exist'):
            node.pg(dbname="my")
        with pytest.raises(pymysql.err.OperationalError, match="to database 'pg'"):
            node.connect(database="pg")
    # The console is that of the whole node.
    operator = node.pg(dbname="outlive")
    with node.connect(database="my") as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")
        assert [row[2] for row in operator.execute("SHOW CLIENTS") if row[11] == "mysql"] == ["my"]
        (number,) = (row[10] for row in operator.execute("SHOW CLIENTS") if row[11] == "mysql")
        operator.execute(f"KILL {number}")
        with pytest.raises(pymysql.err.OperationalError, match="1927"):
            cursor.execute("SELECT 2")
    operator.execute("PAUSE my")
    assert [row[0] for row in operator.execute("SHOW DATABASES") if row[8]] == ["my"]
    operator.execute("RESUME my")
    with node.connect(database="my") as other, other.cursor() as cursor:
        assert cursor.execute("SELECT 3") == 1


def test_a_reload_opens_the_listener(outlive: Start, postgres18: Postgres18, mariadb: MariaDB) -> None:
    node = outlive(f'[databases.my]\nurl = "{mariadb.url()}"\n')
    with pytest.raises(psycopg.OperationalError, match="refused"):
        node.pg()
    assert node.configuration is not None
    text = node.configuration.read_text()
    node.configuration.write_text(f'{text}[databases.test]\nurl = "{postgres18.url()}"\n')
    node.signal(signal.SIGHUP)
    eventually(lambda: node.metric("outlive_reloads_total") == 1)

    def served() -> bool:
        try:
            return port(node) == postgres18.port
        except psycopg.OperationalError:
            return False

    eventually(served)


def test_a_reload_changes_what_clients_are_judged_by(outlive: Start, postgres18: Postgres18) -> None:
    entry = f'[databases.test]\nurl = "{postgres18.url()}"\nmax_connections = 3\n'
    node = outlive(entry)
    kept = node.pg()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        node.pg(APP2)
    certificates = Certificates.shared()
    assert node.configuration is not None
    node.configuration.write_text(
        f'tls_cert = "{certificates.server_cert}"\ntls_key = "{certificates.server_key}"\n'
        f'{entry}[databases.test.users]\n{APP2.user} = "{APP2.password}"\n'
    )
    node.signal(signal.SIGHUP)
    eventually(lambda: node.metric("outlive_reloads_total") == 1)
    for account in (APP, APP2):
        with node.pg(account, sslmode="require", channel_binding="require") as connection:
            assert connection.execute("SELECT current_user").fetchone() == (account.user,)
    assert kept.execute("SELECT 1").fetchone() == (1,)
    kept.close()


def talk(raw: Raw) -> ErrorFields:
    """Statement after statement, until the error behind which the connection ends."""
    while True:
        raw.send(query(b"SELECT 1"))
        kind = 0
        while kind != READY_FOR_QUERY:
            kind, payload = raw.next()
            if kind == ERROR_RESPONSE:
                assert raw.sock.recv(1) == b""
                return parse_error(payload)


def test_the_drain_ends_postgresql_clients_too(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive([postgres18.url(max_connections=4)], environment={"OUTLIVE_DRAIN_DELAY_S": "0"})
    before = set(postgres18.connection_ids())
    idle, talking = node.pg(), Raw(node.pg_port)
    talking.start()
    talking.authenticate()
    talking.until(READY_FOR_QUERY)
    busy = node.pg(autocommit=False)
    busy.execute("SELECT 1")
    node.signal(signal.SIGTERM)
    # Also where the end crosses the client's next statement: the error is behind the last answer, and no RST takes it.
    assert talk(talking).message == b"terminating connection: Outlive is draining"
    with pytest.raises(psycopg.errors.AdminShutdown, match="Outlive is draining"):
        idle.execute("SELECT 1")
    assert busy.execute("SELECT 2").fetchone() == (2,)
    busy.commit()
    assert node.stop() == 0
    assert set(postgres18.connection_ids()) - before == set()
