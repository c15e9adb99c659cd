"""What is found in what was read: pure."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from outlive.census.connection import Connection, Kind, State, Transaction
from outlive.census.sockets import Socket, SocketTable
from outlive.doctor import mysql, postgres
from outlive.doctor.finding import Finding, Severity, by_share, worst_first
from outlive.doctor.holders import check_use, clients_of, histogram, holders
from outlive.doctor.machine import Cost, Machine, check_machine, read_machine
from outlive.doctor.mysql import MySQLFacts
from outlive.doctor.postgres import PostgresFacts
from outlive.doctor.sockets import check_sockets, count_sockets
from outlive.doctor.words import share, size, span

MIB = 1 << 20
MYSQL = MySQLFacts(
    "MySQL 9.7.4",
    {
        "max_connections": "151",
        "max_user_connections": "0",
        "open_files_limit": "1000000",
        "table_open_cache": "4000",
        "wait_timeout": "28800",
        "interactive_timeout": "28800",
        "sort_buffer_size": str(MIB),
        "innodb_buffer_pool_size": str(128 * MIB),
        "skip_name_resolve": "ON",
        "admin_address": "127.0.0.1",
        "admin_port": "33062",
    },
    {"Threads_connected": "11", "Max_used_connections": "20", "Uptime": "3600"},
    limits=(("app@%", 100),),
    used=10,
    by_user={"app": 10},
)
POSTGRES = PostgresFacts(
    "PostgreSQL 18.1",
    {
        "max_connections": 100,
        "superuser_reserved_connections": 3,
        "reserved_connections": 0,
        "shared_buffers": 128 * MIB,
        "work_mem": 4 * MIB,
        "hash_mem_multiplier": 2,
        "max_files_per_process": 1000,
        "tcp_keepalives_idle": 7_200_000,
        "tcp_keepalives_interval": 75_000,
        "tcp_keepalives_count": 9,
        "idle_in_transaction_session_timeout": 60_000,
        "client_connection_check_interval": 10_000,
    },
    roles=(("app", 50),),
    used=10,
    by_user={"app": 10},
)


def check(facts: Any) -> dict[str, Finding]:
    checks = mysql.CHECKS if isinstance(facts, MySQLFacts) else postgres.CHECKS
    return collected(finding for one in checks for finding in one(facts))  # type: ignore[operator]


def collected(findings: Iterable[Finding]) -> dict[str, Finding]:
    found = {finding.subject: finding for finding in findings}
    for finding in found.values():
        assert finding.why.endswith(".")
        assert finding.source
        assert finding.mend or finding.severity in (Severity.GOOD, Severity.NOTE)
        assert not finding.measured.endswith(".")
    return found


def bad(facts: Any) -> dict[str, Severity]:
    return {
        subject: finding.severity for subject, finding in check(facts).items() if finding.severity is not Severity.GOOD
    }


def with_variables(**variables: object) -> MySQLFacts:
    return replace(MYSQL, variables={**MYSQL.variables, **{name: str(value) for name, value in variables.items()}})


def with_settings(**settings: float) -> PostgresFacts:
    return replace(POSTGRES, settings={**POSTGRES.settings, **settings})


def test_mysqls_defaults() -> None:
    """Only how long a dangling connection stays is wrong with them, and memory is not known."""
    assert bad(MYSQL) == {"how long a dangling connection stays": Severity.WARNING, "memory": Severity.NOTE}
    assert check(MYSQL)["how long a dangling connection stays"].measured.startswith("2.19 h by keepalive")


def test_postgres_defaults() -> None:
    assert bad(POSTGRES) == {"how long a dangling connection stays": Severity.WARNING, "memory": Severity.NOTE}
    assert check(POSTGRES)["places"].measured == "10 of 97 are taken (10 %); max_connections 100 less 3 reserved"


@pytest.mark.parametrize(
    ("facts", "subject", "severity"),
    [
        (replace(MYSQL, used=130), "places", Severity.WARNING),
        (replace(MYSQL, used=150), "places", Severity.CRITICAL),
        (replace(MYSQL, status={**MYSQL.status, "Connection_errors_max_connections": "3"}), "places", Severity.WARNING),
        (replace(MYSQL, limits=(("app@%", 10),)), "places of app@%", Severity.CRITICAL),
        (replace(MYSQL, limits=()), "limits per user", Severity.NOTE),
        (with_variables(admin_address=""), "the operators' door", Severity.NOTE),
        (replace(MYSQL, product="MariaDB 10.11.8"), "the operators' door", Severity.NOTE),
        (with_variables(open_files_limit=1024, max_connections=1000), "file descriptors", Severity.WARNING),
        (with_variables(sort_buffer_size=1 << 30, max_connections=151), "memory", Severity.NOTE),
        (
            replace(with_variables(sort_buffer_size=1 << 30), machine=Machine(memory_bytes=1 << 34)),
            "memory",
            Severity.WARNING,
        ),
        (with_variables(thread_handling="one-thread-per-connection", max_connections=5000), "threads", Severity.NOTE),
        (with_variables(skip_name_resolve="OFF"), "name lookups", Severity.NOTE),
        (
            with_variables(idle_transaction_timeout=0),
            "transactions of functions that are gone",
            Severity.NOTE,
        ),
        (with_variables(wait_timeout=1800), "how long a dangling connection stays", Severity.NOTE),
        (replace(POSTGRES, used=97), "places", Severity.CRITICAL),
        (replace(POSTGRES, roles=(("app", 12),)), "places of role app", Severity.WARNING),
        (
            replace(POSTGRES, databases=(("shop", 10),), by_database={"shop": 10}),
            "places of database shop",
            Severity.CRITICAL,
        ),
        (replace(POSTGRES, roles=()), "limits per role and database", Severity.NOTE),
        (replace(POSTGRES, superusers=3), "the operators' door", Severity.NOTE),
        (with_settings(superuser_reserved_connections=0), "the operators' door", Severity.WARNING),
        (replace(POSTGRES, machine=Machine(memory_bytes=1 << 30)), "memory", Severity.WARNING),
        (with_settings(max_connections=1000), "processes", Severity.NOTE),
        (with_settings(idle_session_timeout=1_200_000), "how long a dangling connection stays", Severity.NOTE),
        (with_settings(client_connection_check_interval=0), "statements of functions that are gone", Severity.NOTE),
        (
            with_settings(idle_in_transaction_session_timeout=0),
            "transactions of functions that are gone",
            Severity.NOTE,
        ),
    ],
)
def test_what_is_wrong_is_found(facts: Any, subject: str, severity: Severity) -> None:
    assert check(facts)[subject].severity is severity


def test_what_is_mended_is_good() -> None:
    mended = with_variables(tcp_keepalive_time=60, tcp_keepalive_interval=10, tcp_keepalive_probes=3)
    assert check(mended)["how long a dangling connection stays"].measured.startswith("90 s by keepalive")
    assert not bad(replace(mended, machine=Machine(memory_bytes=1 << 34)))
    mine = with_settings(tcp_keepalives_idle=60_000, tcp_keepalives_interval=10_000, tcp_keepalives_count=3)
    assert not bad(replace(mine, machine=Machine(memory_bytes=1 << 34)))


CLIENTS = [
    Connection(1, "", "", state=State.ACTIVE, user="app", host="10.0.0.7", program="shop"),
    Connection(2, "", "", state=State.IDLE, user="app", host="10.0.0.8", program="shop", idle_s=0.5),
    Connection(3, "", "", state=State.IDLE, user="app", host="10.0.0.8", program="shop", idle_s=700.0),
    Connection(
        4, "", "", state=State.IN_TRANSACTION, user="batch", host="", idle_s=70.0, transaction=Transaction(4000.0)
    ),
]


def test_who_holds_connections_and_idle_since_when() -> None:
    server = Connection(9, "", "", kind=Kind.SERVER, user="system user")
    assert clients_of([*CLIENTS, server]) == CLIENTS
    app, batch = holders(CLIENTS, "user")
    assert (app.name, app.connections, app.active, app.idle, app.in_transaction, app.longest_idle_s) == (
        "app",
        3,
        1,
        2,
        0,
        700.0,
    )
    assert (batch.name, batch.in_transaction) == ("batch", 1)
    assert [holder.name for holder in holders(CLIENTS, "host")] == ["10.0.0.8", "10.0.0.7", "unix socket"]
    assert [(bound, count) for bound, count in histogram(CLIENTS) if count] == [(1.0, 1), (600.0, 1), (3600.0, 1)]
    assert histogram([])[-1] == (inf, 0)
    found = collected(check_use(CLIENTS, 100))
    assert found["idle connections"].measured == (
        "1 of 4 connections (1 % of the places) have been idle for 10 min or more, one for 11.7 min"
    )
    assert found["idle connections"].severity is Severity.NOTE
    assert "the oldest transaction is 66.7 min old" in found["idle in transaction"].measured
    assert collected(check_use(CLIENTS, 4))["idle connections"].severity is Severity.WARNING
    assert not list(check_use(CLIENTS[:2], 100))


def sockets(*clients: Socket) -> SocketTable:
    return SocketTable([Socket("0.0.0.0", 3306, "0.0.0.0", 0, "LISTEN", inode=1), *clients], 3306)


def near(peer: str, port: int, state: str = "ESTABLISHED", **more: int) -> Socket:
    return Socket("10.0.0.1", 3306, peer, port, state, **more)


def test_a_dead_peer_is_told_from_a_client_that_closed() -> None:
    table = sockets(
        near("10.0.0.7", 1, probes=3),
        near("10.0.0.7", 2, "CLOSE_WAIT"),
        near("10.0.0.7", 3),
        near("10.0.0.7", 4, "TIME_WAIT"),
        near("10.0.0.1", 5),
        Socket("10.0.0.1", 5, "10.0.0.1", 3306, "ESTABLISHED"),
        near("10.0.0.1", 6),
    )
    listed = [Connection(n, "", "", host="10.0.0.7", port=n) for n in (1, 2, 3)]
    found = count_sockets(table, listed, ("10.0.0.1", 6))
    assert (found.states, found.silent, found.quiet, found.here, found.unlisted) == (
        {"ESTABLISHED": 3, "CLOSE_WAIT": 1},
        1,
        1,
        1,
        1,
    )
    (finding,) = check_sockets(found)
    assert finding.severity is Severity.WARNING
    assert "1 whose peer does not answer" in finding.measured
    assert "1 in CLOSE_WAIT" in finding.measured
    (finding,) = check_sockets(count_sockets(sockets(near("10.0.0.7", 3)), listed, ("", 0)))
    assert finding.severity is Severity.GOOD
    (finding,) = check_sockets(None)
    assert "not on this machine" in finding.measured


def test_the_machines_limits() -> None:
    small = Machine(
        open_files=1000,
        open_files_limit=1024,
        memory_bytes=1 << 30,
        somaxconn=64,
        keepalive=(7200, 75, 9),
        ports=(32768, 60999),
        pid_max=32768,
    )
    cost = Cost(limit=151, backlog=80, each="threads", bytes_each=MIB, shares_files=True)
    found = collected(check_machine(small, cost))
    assert found["open files of the server"].severity is Severity.CRITICAL
    assert found["queue of new connections"].severity is Severity.NOTE
    assert found["the kernel's keepalive"].severity is Severity.NOTE
    words = found["ten thousand connections"].measured
    for part in ("10000 threads", "of the 1024", "at most 28232 of them", "9.77 GiB of memory"):
        assert part in words
    assert "open files of the server" not in collected(check_machine(small, replace(cost, shares_files=False)))
    large = replace(small, open_files_limit=65535, somaxconn=4096, memory_bytes=1 << 35, keepalive=(60, 10, 3))
    assert {finding.severity for finding in check_machine(large, replace(cost, backlog=None))} == {Severity.GOOD}


def test_a_machine_that_shows_nothing_is_no_error() -> None:
    assert not [finding for finding in check_machine(Machine(), Cost(1, None, "threads", 1, True)) if finding.mend]
    assert read_machine(0).server_pid is None


def test_order_and_words() -> None:
    findings: Iterator[Finding] = (Finding(severity, "", "", "") for severity in reversed(Severity))
    assert [finding.severity for finding in worst_first(findings)] == list(Severity)
    assert [by_share(used, 100) for used in (0, 79, 80, 95, 200)] == [
        Severity.GOOD,
        Severity.GOOD,
        Severity.WARNING,
        Severity.CRITICAL,
        Severity.CRITICAL,
    ]
    assert by_share(1, 0) is Severity.GOOD
    assert [span(found) for found in (45, 600, 28800, 259200)] == ["45 s", "10 min", "8 h", "3 d"]
    assert [size(found) for found in (10, 16384, 1.5 * (1 << 30))] == ["10 bytes", "16 KiB", "1.5 GiB"]
    assert share(1, 0) == "none"
