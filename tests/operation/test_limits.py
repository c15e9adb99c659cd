"""Limits of the operating system and of the node: open files, clients, keepalive."""

import contextlib
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pymysql
import pytest

from tests.servers import MariaDB, OutliveProcess

from . import raw


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_files_limit(pid: int) -> int:
    return resource.prlimit(pid, resource.RLIMIT_NOFILE)[0]


def test_the_limit_of_open_files_is_raised(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        node = outlive(mariadb.url())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files_limit(node.pid) >= 10_000


def test_more_clients_than_open_files_are_refused(mariadb: MariaDB) -> None:
    command = f"ulimit -n 500; exec {sys.executable} -m outlive serve --http 127.0.0.1:0 --mysql 127.0.0.1:0"
    done = subprocess.run(
        ["sh", "-c", f"{command} '{mariadb.url()}'"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env={**os.environ, "OUTLIVE_MAX_CLIENTS": "1000"},
    )
    assert done.returncode == 2
    assert "max_clients" in done.stderr
    assert "500" in done.stderr


def test_without_free_descriptors_it_neither_spins_nor_dies(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    node = outlive(mariadb.url(max_connections=3), environment={"OUTLIVE_MAX_CLIENTS": "500"})
    with node.connect() as before, before.cursor() as cursor:
        cursor.execute("SELECT 1")
        used = len(os.listdir(f"/proc/{node.pid}/fd"))
        resource.prlimit(node.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        crowd = []
        for _ in range(60):
            with contextlib.suppress(OSError):
                crowd.append(raw.dial(node))
        time.sleep(0.5)  # until it has accepted as many as it can
        began = cpu_s(node.pid)
        time.sleep(1.5)  # in which one that spins would use as much of the processor
        assert cpu_s(node.pid) - began < 0.3
        cursor.execute("SELECT 2")  # those who are there are served
        assert cursor.fetchone() == (2,)
        for sock in crowd:
            sock.close()

        def served() -> bool:
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                node.connect(connect_timeout=2).close()
                return True
            return False

        eventually(served)
        assert node.get("/readyz")[0] == 200
        assert "Traceback" not in node.log


def test_the_client_idle_longest_makes_room(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(mariadb.url(max_connections=3), environment={"OUTLIVE_MAX_CLIENTS": "3"})
    clients = []
    for _ in range(3):
        clients.append(node.connect())
        time.sleep(1.05)  # the clock of idleness is the sweep's, once a second
    with clients[0].cursor() as cursor:  # the oldest, but it holds a lease
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")
    with node.connect() as another, another.cursor() as cursor:
        cursor.execute("SELECT 1")
        with clients[0].cursor() as held:
            held.execute("COMMIT")
        with pytest.raises(pymysql.err.OperationalError), clients[1].cursor() as ended:
            ended.execute("SELECT 1")
        for client in clients[2:]:
            with client.cursor() as alive:
                alive.execute("SELECT 1")
        assert node.metric("outlive_client_evictions_total") == 1


def test_nobody_is_ended_at_work(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(mariadb.url(max_connections=4), environment={"OUTLIVE_MAX_CLIENTS": "2"})
    clients = [node.connect() for _ in range(2)]
    for client in clients:
        with client.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1")
    with pytest.raises(pymysql.err.OperationalError, match="max_clients"):
        node.connect()
    for client in clients:
        with client.cursor() as cursor:
            cursor.execute("COMMIT")
    assert node.connect().open
    assert node.metric("outlive_clients_refused_total", reason="max_clients") == 1


def test_idle_clients_hold_nothing_and_get_a_keepalive(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    mariadb.wait_gone("app")  # of an earlier test's node
    node = outlive(mariadb.url(max_connections=3))
    clients = [node.connect() for _ in range(50)]
    for client in clients:
        with client.cursor() as cursor:
            cursor.execute("SELECT 1")
    eventually(lambda: node.metric("outlive_leases_held") == 0)
    eventually(lambda: len(mariadb.connection_ids("app")) <= 2)
    eventually(lambda: len(_keepalive_timers_s(node.port)) == 50)  # the others have a byte under way
    assert all(280 < seconds <= 300 for seconds in _keepalive_timers_s(node.port))
    # One that holds a lease longer than a second is probed each second, and relaxed after it.
    with clients[0].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1")
        eventually(lambda: sum(seconds <= 1 for seconds in _keepalive_timers_s(node.port)) == 1)
        cursor.execute("COMMIT")
    eventually(lambda: len(_keepalive_timers_s(node.port)) == 50)
    assert all(seconds > 280 for seconds in _keepalive_timers_s(node.port))


def _keepalive_timers_s(port: int) -> list[float]:
    """Of the node's side of its clients' connections, as the kernel has them (/proc/net/tcp)."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01":
            kind, _, left = fields[5].partition(":")
            if kind == "02":  # the keepalive timer; 01 would be that of bytes which are not acknowledged yet
                found.append(int(left, 16) / os.sysconf("SC_CLK_TCK"))
    return found


def test_min_idle_is_kept_and_zero_keeps_none(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    mariadb.wait_gone("app")  # of an earlier test's node
    node = outlive(mariadb.url(max_connections=6, min_idle=3))
    eventually(lambda: len(mariadb.connection_ids("app")) == 3)
    before = set(mariadb.connection_ids("app"))
    mariadb.kill_connections("app")
    eventually(lambda: len(set(mariadb.connection_ids("app")) - before) == 3)
    node.stop()
    mariadb.wait_gone("app")
    node = outlive(mariadb.url(max_connections=6, idle_timeout_s=1))
    node.connect().close()
    mariadb.wait_gone("app")
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
