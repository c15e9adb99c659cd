"""Limits by user and by database under a server's one budget."""

import threading
from collections import Counter
from collections.abc import Callable

import psycopg
import pytest

from tests.servers import OutliveProcess, PostgresServer
from tests.servers.database import APP, APP2, Account
from tests.servers.processes import eventually

Start = Callable[..., OutliveProcess]


def configuration(pg: PostgresServer, options: str) -> str:
    return (
        f'[databases."*"]\nurl = "{pg.url(database="")}"\nmax_connections = 6\n{options}\n'
        f'[databases."*".users]\n{APP2.user} = "{APP2.password}"\n'
    )


def held(pg: PostgresServer) -> Counter[tuple[str, str]]:
    rows = pg.query(
        "SELECT usename, datname FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'postgres'"
    )
    return Counter((str(user), str(database)) for user, database in rows)


def test_a_user_has_so_many_over_all_databases(outlive: Start, postgres18: PostgresServer) -> None:
    node = outlive(configuration(postgres18, "max_per_user = 2\nacquire_timeout_s = 1"))
    with (
        node.pg(autocommit=False) as first,
        node.pg(autocommit=False, dbname="other") as second,
        node.pg(APP2, autocommit=False) as another,
    ):
        for connection in (first, second, another):
            connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match=r"all 2 server connections .* that user app may have"):
            node.pg(application_name="new settings are asked for at the server")
        with node.pg(APP2) as more:
            assert more.execute("SELECT 1").fetchone() == (1,)
        assert held(postgres18)["app", "test"] + held(postgres18)["app", "other"] == 2
        second.rollback()
        with node.pg() as late:  # in the place of the one that rests, of the other database
            assert late.execute("SELECT current_database()").fetchone() == ("test",)
        assert held(postgres18)["app", "test"] + held(postgres18)["app", "other"] <= 2


def test_a_database_has_so_many_over_all_users(outlive: Start, postgres18: PostgresServer) -> None:
    node = outlive(configuration(postgres18, "max_per_database = 1"))
    with node.pg(autocommit=False) as first, node.pg(dbname="other") as elsewhere:
        first.execute("SELECT 1")
        found: list[object] = []

        def ask() -> None:
            with node.pg(APP2) as second:
                found.append(second.execute("SELECT current_user").fetchone())

        waiting = threading.Thread(target=ask)
        waiting.start()
        eventually(lambda: node.metric("outlive_waiters") == 1)
        assert elsewhere.execute("SELECT 1").fetchone() == (1,)  # nobody waits behind what is not to be had
        assert not found
        first.rollback()
        waiting.join()
        assert found == [("app2",)]


def test_crowds_keep_to_it(outlive: Start, postgres18: PostgresServer, count: Callable[[int, int], int]) -> None:
    """Two users in two databases, more clients than connections: none is lost, and the server never counts more."""
    node = outlive(configuration(postgres18, "max_per_user = 2\nmax_per_database = 2"))
    rounds = count(30, 300)
    errors: list[Exception] = []
    done = threading.Event()
    most: Counter[str] = Counter()

    def client(account: Account, database: str) -> None:
        try:
            for _ in range(rounds):
                with node.pg(account, dbname=database) as connection:
                    found = connection.execute("SELECT current_user, current_database()").fetchone()
                    assert found == (account.user, database)
        except Exception as error:
            errors.append(error)

    def watch() -> None:
        with postgres18.connect() as connection:
            while not done.is_set():
                rows = connection.execute(
                    "SELECT usename, datname FROM pg_stat_activity "
                    "WHERE backend_type = 'client backend' AND usename <> 'postgres'"
                ).fetchall()
                counts = Counter(name for row in rows for name in row)
                for name, number in counts.items():
                    most[name] = max(most[name], number)

    threads = [
        threading.Thread(target=client, args=(account, database))
        for account in (APP, APP2)
        for database in ("test", "other")
        for _ in range(3)
    ]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert errors == []
    assert set(most) == {"app", "app2", "test", "other"}
    assert max(most.values()) <= 2
