"""The operators' console, with psql and a driver, on real servers."""

import os
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from ..servers import OutliveProcess, Postgres18
from ..servers.database import APP, APP2
from ..servers.namespaces import Network

EVERY_REPORT = ("POOLS", "CLIENTS", "SERVERS", "STATS", "PINS", "CONFIG", "DATABASES", "LISTS", "VERSION", "HELP")


def console(node: OutliveProcess, **options: Any) -> psycopg.Connection:
    return node.pg(dbname="outlive", **options)


def rows(found: psycopg.Connection, command: str) -> list[dict[str, Any]]:
    cursor = found.execute(command)
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.fixture
def node(postgres18: Postgres18, outlive: Callable[..., OutliveProcess]) -> OutliveProcess:
    return outlive(postgres18.url(max_connections=3, acquire_timeout_s=5))


def psql(server: Postgres18, node: OutliveProcess, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            f"{server.programs()}/psql",
            *("-X", "-h", "127.0.0.1", "-p", str(node.pg_port), "-U", APP.user, "-c", command, "outlive"),
        ],
        env={**os.environ, "PGPASSWORD": APP.password},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_psql_shows_every_report(postgres18: Postgres18, node: OutliveProcess) -> None:
    for name in EVERY_REPORT:
        found = psql(postgres18, node, f"show {name};")
        assert found.returncode == 0, found.stderr
        assert "row" in found.stdout
        assert APP.password not in found.stdout
    assert psql(postgres18, node, "SHOW NOTHING").returncode == 1


def test_what_is_shown_is_what_is(node: OutliveProcess) -> None:
    operator = console(node)
    holder, waiting = node.pg(), node.pg()
    holder.execute("SELECT pg_advisory_lock(1)")
    waiting.execute("SELECT 1")
    (pool,) = rows(operator, "SHOW POOLS")
    assert (pool["database"], pool["user"], pool["pool_mode"]) == ("test", APP.user, "transaction")
    assert (pool["cl_active"], pool["cl_waiting"], pool["pinned"]) == (1, 0, 1)
    assert (pool["sv_active"], pool["budget"]) == (1, 3)
    (pin,) = rows(operator, "SHOW PINS")
    assert pin["reason"] == "advisory_lock"
    assert {client["id"] for client in rows(operator, "SHOW CLIENTS")} >= {pin["id"]}
    held = [server for server in rows(operator, "SHOW SERVERS") if server["state"] == "leased"]
    assert [server["remote_pid"] for server in held] == [holder.execute("SELECT pg_backend_pid()").fetchall()[0][0]]
    options = {row["key"]: row["value"] for row in rows(operator, "SHOW CONFIG")}
    assert options["databases.test.max_connections"] == "3"
    assert options["databases.test.password"] == "********"


def test_the_extended_protocol_and_errors(node: OutliveProcess) -> None:
    operator = console(node)
    assert operator.execute("SHOW VERSION", prepare=True).fetchall()[0][0].startswith("Outlive")
    with operator.pipeline():
        cursor = operator.execute("SHOW LISTS")
    assert cursor.fetchall()
    with pytest.raises(psycopg.errors.SyntaxError):
        operator.execute("DROP EVERYTHING")
    with pytest.raises(psycopg.errors.UndefinedObject):
        operator.execute("RESUME nobody")
    assert rows(operator, "SHOW VERSION")


def test_pause_waits_for_leases_and_resume_serves_those_who_waited(node: OutliveProcess, eventually: Any) -> None:
    operator, other = console(node), console(node)
    client, late = node.pg(autocommit=False), node.pg()
    client.execute("SELECT 1")  # in a transaction
    pausing = threading.Thread(target=lambda: operator.execute("PAUSE test"))
    pausing.start()
    eventually(lambda: rows(other, "SHOW DATABASES")[0]["paused"] == 1)
    answers: list[Any] = []
    asking = threading.Thread(target=lambda: answers.append(late.execute("SELECT 2").fetchall()))
    asking.start()
    eventually(lambda: rows(other, "SHOW POOLS")[0]["cl_waiting"] == 1)
    assert pausing.is_alive()
    assert client.execute("SELECT 3").fetchall() == [(3,)]
    client.commit()
    pausing.join(5)
    assert not pausing.is_alive()
    assert rows(other, "SHOW SERVERS") == []
    assert not answers
    other.execute("RESUME")
    asking.join(5)
    assert answers == [[(2,)]]


def test_reconnect_replaces_every_connection(node: OutliveProcess, eventually: Any) -> None:
    operator = console(node)
    client = node.pg()
    before = client.execute("SELECT pg_backend_pid()").fetchall()
    operator.execute("RECONNECT")
    assert client.execute("SELECT pg_backend_pid()").fetchall() != before


def test_kill_ends_a_client_or_all_of_a_database(node: OutliveProcess) -> None:
    operator = console(node)
    one, two = node.pg(), node.pg()
    one.execute("SELECT pg_advisory_lock(1)")
    (pin,) = rows(operator, "SHOW PINS")
    operator.execute(f"KILL {pin['id']}")
    with pytest.raises(psycopg.errors.AdminShutdown):
        one.execute("SELECT 1")
    assert two.execute("SELECT 1").fetchall() == [(1,)]
    operator.execute("KILL test")
    with pytest.raises(psycopg.OperationalError):
        two.execute("SELECT 1")
    operator.execute("RESUME test")
    assert node.pg().execute("SELECT 1").fetchall() == [(1,)]


def test_reload(node: OutliveProcess) -> None:
    console(node).execute("RELOAD")
    assert node.metric("outlive_reloads_total") == 1


def test_who_may(postgres18: Postgres18, outlive: Callable[..., OutliveProcess], eventually: Any) -> None:
    """The console's users: those of the configuration's list, or Outlive's own from this machine."""
    configuration = f"""
{{admins}}
[databases.test]
url = "{postgres18.url(max_connections=3)}"
[databases.test.users]
{APP2.user} = "{APP2.password}"
"""
    node = outlive(configuration.format(admins=""))
    assert rows(console(node), "SHOW VERSION")
    with pytest.raises(psycopg.OperationalError, match="operators"):
        console(node, user=APP2.user, password=APP2.password)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        console(node, password="wrong")
    # RELOAD of a wrong file is refused like SIGHUP's, and the old configuration stays.
    assert node.configuration is not None
    operator = console(node)
    node.configuration.write_text("nonsense = 1\n")
    with pytest.raises(psycopg.errors.ConfigFileError, match="refused"):
        operator.execute("RELOAD")
    eventually(lambda: any("nonsense" in line for line in node.process.lines))
    assert node.pg().execute("SELECT 1").fetchone() == (1,)
    node = outlive(configuration.format(admins=f'admin_users = ["{APP2.user}"]'))
    assert rows(console(node, user=APP2.user, password=APP2.password), "SHOW VERSION")
    with pytest.raises(psycopg.OperationalError, match="operators"):
        console(node)


@pytest.mark.root
def test_from_another_machine(network: Network, outlive: Callable[..., OutliveProcess]) -> None:
    """Without a list nobody from elsewhere, whatever the password; the console needs no database."""
    near, far = network.server, network.client
    node = outlive(f"postgresql://{APP.user}:{APP.password}@127.0.0.1:1/test", namespace=near, host=near.address)
    with pytest.raises(psycopg.OperationalError, match="operators"):
        far.call(lambda: console(node, host=near.address))
