"""Users that the configuration does not list: `auth_query` and passthrough, and how often strangers may ask."""

import threading
from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.servers import OutliveProcess, Postgres18, PostgresServer
from tests.servers.database import APP, APP2, Account
from tests.servers.postgres import CLEAR, MD5
from tests.servers.processes import eventually

from .raw_postgres import Raw
from .test_postgres_methods import entry, tls, who

Start = Callable[..., OutliveProcess]
QUERY = "SELECT * FROM looked_up($1)"
FRESH_S = 5.0


@pytest.fixture(scope="module")
def directory(postgres18: Postgres18) -> PostgresServer:
    """Gives the app user a function that looks secrets up, as one is told to make for such a query."""
    for statement in (
        "CREATE TABLE asked (name text)",
        "CREATE FUNCTION looked_up(who text, OUT name text, OUT secret text) LANGUAGE plpgsql SECURITY DEFINER AS "
        "$$ BEGIN INSERT INTO public.asked VALUES (who); "
        "SELECT rolname, rolpassword FROM pg_catalog.pg_authid WHERE rolname = who INTO name, secret; END $$",
        "GRANT SELECT ON asked TO PUBLIC",
    ):
        postgres18.query(statement)
    return postgres18


def asked(pg: PostgresServer, user: str) -> int:
    return int(pg.query("SELECT count(*) FROM asked WHERE name = %s", user)[0][0])


@pytest.fixture(scope="module")
def node(directory: PostgresServer) -> Iterator[OutliveProcess]:
    with OutliveProcess(tls() + entry(directory, f'auth_query = "{QUERY}"\ntls = "required"')) as started:
        yield started


def test_scram_and_md5(node: OutliveProcess, directory: PostgresServer) -> None:
    """What clients prove is what logs Outlive in at the server, on connections of the user's own."""
    for method, account in (("scram-sha-256", APP2), ("md5", MD5)):
        assert who(node, account, require_auth=method, sslmode="disable") == account.user
        assert directory.connection_ids(account.user)
    assert who(node, APP2, channel_binding="require", sslmode="require") == APP2.user


def test_a_proof_is_no_password(node: OutliveProcess) -> None:
    """Where the server asks Outlive for the clear one, as its pg_hba.conf says of this user."""
    with pytest.raises(psycopg.OperationalError, match="the server asks for a password, and none is known"):
        who(node, CLEAR, sslmode="disable")


def test_whoever_is_not_there_or_wrong_is_refused(node: OutliveProcess) -> None:
    wrong = Account(APP2.user, "wrong"), Account(MD5.user, "wrong"), Account("nobody", "x"), Account("ä'\"", "x")
    for account in wrong:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed for user"):
            who(node, account, sslmode="disable")


def test_a_burst_asks_once_and_listed_users_never(node: OutliveProcess, directory: PostgresServer) -> None:
    directory.query("CREATE ROLE burst LOGIN PASSWORD 'burst'")
    connections = [node.pg(Account("burst", "burst")) for _ in range(10)]
    assert asked(directory, "burst") <= 3
    assert asked(directory, APP.user) == 0
    for connection in connections:
        connection.close()


def test_a_changed_password_counts_soon(node: OutliveProcess, directory: PostgresServer) -> None:
    old, new = Account("changing", "old"), Account("changing", "new")
    directory.query("CREATE ROLE changing LOGIN PASSWORD 'old'")
    assert who(node, old) == "changing"
    directory.query("ALTER ROLE changing PASSWORD 'new'")

    def gets_in() -> bool:
        try:
            return who(node, new) == "changing"
        except psycopg.OperationalError:
            return False

    # A wrong password makes the next attempt ask the server again, so this is no matter of seconds.
    eventually(gets_in, FRESH_S)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, old)


def test_no_setting_of_a_client_reaches_the_query(node: OutliveProcess, directory: PostgresServer) -> None:
    """A client of the user who runs it may have a search_path, a role or a function of the same name."""
    directory.query("CREATE SCHEMA trap AUTHORIZATION app")
    directory.query("CREATE ROLE victim LOGIN PASSWORD 'right'")
    directory.query("CREATE ROLE weak")
    directory.query("GRANT weak TO app")
    connections = [node.pg(options="-c search_path=trap,public") for _ in range(5)]
    for connection in connections:
        connection.execute("SET ROLE weak")
    connections[0].execute("RESET ROLE")
    connections[0].execute(
        "CREATE FUNCTION trap.looked_up(who text, OUT name text, OUT secret text) LANGUAGE sql AS "
        "$$ SELECT who, 'md5' || md5('trapped' || who) $$"
    )
    for connection in connections:
        assert connection.execute("SHOW search_path").fetchone() == ("trap,public",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, Account("victim", "trapped"))
    assert who(node, Account("victim", "right")) == "victim"
    for connection in connections:
        assert connection.execute("SHOW search_path").fetchone() == ("trap,public",)
        connection.close()


@pytest.mark.parametrize(
    "query",
    ["SELECT no_such_column FROM pg_authid WHERE rolname = $1", "SELECT pg_sleep(60), $1::text", "nonsense $1"],
)
def test_a_query_that_fails(outlive: Start, directory: PostgresServer, query: str) -> None:
    node = outlive(entry(directory, f'auth_query = "{query}"'))
    with pytest.raises(psycopg.OperationalError, match="the user's password could not be looked up"):
        who(node, APP2, connect_timeout=30)
    assert who(node, APP) == APP.user
    eventually(lambda: "auth_query" in node.log)
    assert node.metric("outlive_leases_held") == 0


def test_an_answer_that_is_no_secret(outlive: Start, directory: PostgresServer) -> None:
    node = outlive(entry(directory, "auth_query = \"SELECT 'hunter2', $1::text\""))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        who(node, APP2)
    assert "hunter2" not in node.log
    assert APP2.user not in node.log


def test_any_database_is_looked_up_in_one(outlive: Start, directory: PostgresServer) -> None:
    """The entry * runs it in a database of the operator's choice, and not of a stranger's."""
    node = outlive(
        f'[databases."*"]\nurl = "{directory.url(database="")}"\nauth_query = "{QUERY}"\nauth_database = "test"\n'
    )
    assert who(node, APP2, dbname="other") == APP2.user
    with node.pg(APP2, dbname="other") as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("other",)
    with pytest.raises(psycopg.OperationalError, match='database "nonesuch" does not exist'):
        who(node, APP2, dbname="nonesuch")


def test_a_flood_of_names_takes_one_connection(outlive: Start, directory: PostgresServer) -> None:
    before = len(directory.connection_ids(APP.user))
    node = outlive(entry(directory, f'auth_query = "{QUERY}"'))
    strangers = []
    for number in range(200):
        raw = Raw(node.pg_port)
        raw.start(Account(f"stranger{number}", ""))
        strangers.append(raw)
    assert who(node, APP2) == APP2.user
    assert len(directory.connection_ids(APP.user)) == before + 1
    for raw in strangers:
        raw.close()


# -- passthrough -----------------------------------------------------------------------------------


PASSTHROUGH = 'passthrough = true\ntls = "required"\n'


@pytest.fixture
def passing(outlive: Start, postgres18: Postgres18) -> OutliveProcess:
    return outlive(tls() + entry(postgres18, PASSTHROUGH).replace("= 5\n", "= 20\n"))


def test_passthrough(passing: OutliveProcess) -> None:
    for account in (APP2, MD5, CLEAR):
        assert who(passing, account, sslmode="require", require_auth="password") == account.user
    assert who(passing, APP, sslmode="require", require_auth="scram-sha-256") == APP.user  # it is listed
    dials = passing.metric("outlive_dials_total")
    assert who(passing, APP2, sslmode="require") == APP2.user
    assert passing.metric("outlive_dials_total") == dials  # by the password that was right before


def test_passthrough_needs_tls(passing: OutliveProcess) -> None:
    with pytest.raises(psycopg.OperationalError, match="over TLS only"):
        who(passing, APP2, sslmode="disable")


def test_a_guesser_has_so_many_attempts(passing: OutliveProcess, postgres18: Postgres18) -> None:
    start = len(postgres18.process.lines) if postgres18.process else 0
    for _ in range(15):
        with pytest.raises(psycopg.OperationalError, match='password authentication failed for user "app2"'):
            who(passing, Account(APP2.user, "wrong"), sslmode="require")
    assert postgres18.process is not None
    tried = [line for line in postgres18.process.lines[start:] if 'authentication failed for user "app2"' in line]
    assert len(tried) == 10
    # Others are not kept out by it.
    assert who(passing, CLEAR, sslmode="require") == CLEAR.user


def test_a_rotated_password_passes_through(passing: OutliveProcess, postgres18: Postgres18) -> None:
    postgres18.query("CREATE ROLE rotated LOGIN PASSWORD 'old'")
    assert who(passing, Account("rotated", "old"), sslmode="require") == "rotated"
    postgres18.query("ALTER ROLE rotated PASSWORD 'new'")
    assert who(passing, Account("rotated", "new"), sslmode="require") == "rotated"
    with passing.pg(Account("rotated", "new"), sslmode="require") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("rotated",)


def test_trials_keep_to_the_budget_and_wait_their_turn(outlive: Start, postgres18: Postgres18) -> None:
    before = set(postgres18.connection_ids())
    node = outlive(tls() + entry(postgres18, PASSTHROUGH).replace("= 5\n", "= 1\n"))
    with node.pg(autocommit=False, sslmode="require") as holder:
        holder.execute("SELECT 1")
        found: list[str] = []
        waiting = threading.Thread(target=lambda: found.append(who(node, APP2, sslmode="require", connect_timeout=30)))
        waiting.start()
        eventually(lambda: node.metric("outlive_waiters") == 1)
        assert len(set(postgres18.connection_ids()) - before) == 1
        holder.rollback()
    waiting.join()
    assert found == [APP2.user]
    assert len(set(postgres18.connection_ids()) - before) <= 1


def test_a_trial_that_waits_too_long(outlive: Start, postgres18: Postgres18) -> None:
    node = outlive(tls() + entry(postgres18, PASSTHROUGH + "acquire_timeout_s = 0.5").replace("= 5\n", "= 1\n"))
    with node.pg(autocommit=False, sslmode="require") as holder:
        holder.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match=r"too many connections: all 1 server .* 0\.\d s"):
            who(node, APP2, sslmode="require")
        with pytest.raises(psycopg.OperationalError, match="too many connections"):
            who(node, APP2, sslmode="require")
