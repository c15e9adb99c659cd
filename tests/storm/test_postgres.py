"""`outlive storm` on PostgreSQL: the remedies that need no proxy of ours, and functions that can only be frozen."""

import shutil
from collections.abc import Iterator

import pytest

from outlive.cli.app import run
from tests.servers import Postgres15
from tests.servers.database import APP

from .cli import PASSWORD, expected, storm

SIZE = ("--functions", 60, "--generations", 2, "--seconds", 3)


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres15]:
    with Postgres15(max_connections=40) as server:
        yield server


def url(server: Postgres15) -> str:
    return f"postgresql://{APP.user}@{server.host}:{server.port}/test?password_env={PASSWORD}"


def test_containers_that_are_told_a_reaper_and_the_http_port_leave_nothing_dangling(database: Postgres15) -> None:
    told = storm(url(database), APP.password, "--remedies", "container,reaper,http", "--rtt", 5, *SIZE)
    container, reaper = told["remedies"]["container"], told["remedies"]["reaper"]
    assert container["requests"] == reaper["requests"] == expected(told)
    assert container["refused"] == container["failed"] == container["dangling"] == 0
    assert (
        container["server_connections_peak"] <= container["policy"]["pool_processes"] * container["policy"]["pool_size"]
    )
    # Some of the second generation come before it has ended the first one's, and then it is served.
    assert reaper["dangling"] == 0
    assert reaper["handshakes"] > told["places"]
    assert reaper["answered"] > reaper["requests"] / 3
    http = told["remedies"]["http"]
    assert http["unfinished"] == told["load"]["functions"] // told["load"]["unfinished_every"]  # over HTTP, too
    assert http["answered"] == http["requests"] == expected(told), http["codes"]
    assert http["refused"] == http["failed"] == http["dangling"] == http["open_transactions"] == 0
    assert 0 < http["server_connections_peak"] <= told["budget"] == http["policy"]["budget"]
    # A function's connection outlasts its requests, and a server connection the functions.
    assert http["server_handshakes"] < http["handshakes"] == told["load"]["functions"]
    assert _tables(database) == ()


def test_pgbouncer_keeps_what_the_dead_began_and_per_request_what_died_within(database: Postgres15) -> None:
    if not shutil.which("pgbouncer", path="/usr/sbin:/usr/bin"):
        pytest.skip("PgBouncer is not installed")
    told = storm(url(database), APP.password, "--remedies", "pgbouncer,per-request", "--rtt", 0, "--frozen", *SIZE)
    assert "frozen by SIGSTOP" in told["deaths"]
    assert told["rtt_by"] == "none"
    pgbouncer, per_request = told["remedies"]["pgbouncer"], told["remedies"]["per-request"]
    assert pgbouncer["refused"] == per_request["refused"] == 0
    # Every tenth function dies inside a transaction: 0, 10, ... 50.
    assert pgbouncer["dangling"] == per_request["dangling"] == per_request["open_transactions"] == 6
    assert pgbouncer["server_connections_peak"] <= pgbouncer["policy"]["budget"]
    assert per_request["handshakes"] == per_request["requests"] + 6
    assert _tables(database) == ()


def test_a_budget_that_the_database_does_not_have_is_refused(
    database: Postgres15, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(PASSWORD, APP.password)
    assert run(["storm", url(database), "--budget", "39"]) == 1
    assert "A budget of 39 does not fit: of 43 connections 38 are free" in capsys.readouterr().err
    assert _tables(database) == ()


def _tables(database: Postgres15) -> tuple[tuple[str, ...], ...]:
    return database.query("SELECT tablename FROM pg_tables WHERE tablename LIKE 'outlive_storm%%'")
