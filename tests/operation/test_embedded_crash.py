"""The embedded PostgreSQL after deaths: of its owner, of its processes, in the middle of being made."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from outlive.embedded import EmbeddedError, EmbeddedPostgres, programs
from tests.servers.families import Family
from tests.servers.postgres import as_server_user
from tests.servers.processes import Process, own_folder

from .embedded import OWNER, Owner, connect


@pytest.fixture(scope="module")
def made() -> Path:
    folder = own_folder("embedded") / "data"
    EmbeddedPostgres(folder).close()
    return folder


@pytest.fixture
def folder(made: Path) -> Iterator[Path]:
    """A folder made before, of which the server is down and nothing is left at the end."""
    copy = own_folder("embedded") / "data"
    subprocess.run(["cp", "-a", str(made), str(copy)], check=True)
    yield copy
    assert not _servers(copy)


def _servers(folder: Path) -> list[str]:
    """Process ids with the folder's data as their working folder."""
    data = os.stat(folder / "postgresql")
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samestat((process / "cwd").stat(), data):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_kill_9_of_the_owner_shuts_the_server_down_in_order(folder: Path, eventually: Callable[..., None]) -> None:
    owner = Owner(folder)
    client = connect(owner)
    client.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(owner.process.pid, signal.SIGKILL)
    assert owner.server_ended(30)
    with pytest.raises(psycopg.OperationalError, match=r"administrator command|closed"):
        client.execute("SELECT 1")
    eventually(lambda: not _servers(folder), what="a process of the server is left")
    control = subprocess.run(
        [programs._installed() / "pginstall" / "bin" / "pg_controldata", folder / "postgresql"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert re.search(r"cluster state: +shut down\n", control)
    owner.close()
    with EmbeddedPostgres(folder) as server, connect(server) as again:
        assert again.execute("SELECT number FROM kept").fetchone() == (7,)


def test_a_start_right_after_kill_9_waits_for_the_old_server_to_end(folder: Path) -> None:
    owner = Owner(folder)
    clients = [connect(owner) for _ in range(10)]
    for number, client in enumerate(clients):
        client.execute(f"CREATE TABLE busy_{number} AS SELECT generate_series(1, 20000)")
    os.kill(owner.process.pid, signal.SIGKILL)
    with EmbeddedPostgres(folder) as server, connect(server) as client:
        assert client.execute("SELECT count(*) FROM busy_9").fetchone() == (20000,)
        assert len({Path(f"/proc/{pid}/stat").read_text().split()[3] for pid in _servers(folder)}) == 2  # one family
    owner.close()


def test_kill_9_of_everything_loses_nothing_that_was_committed(folder: Path) -> None:
    owner = Owner(folder)
    with connect(owner) as client:
        client.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    family = Family(owner.pid)
    family.kill()
    owner.process.kill()
    assert (folder / "postgresql" / "postmaster.pid").exists()
    owner.close()
    with EmbeddedPostgres(folder) as server, connect(server) as client:
        assert client.execute("SELECT count(*) FROM kept").fetchone() == (1000,)
        assert "database system was not properly shut down" in server.log_path.read_text()


def test_a_stale_pid_that_is_another_process_now_hinders_nothing(folder: Path) -> None:
    """As in containers, where the numbers start over: PostgreSQL alone refuses to start."""
    stale = folder / "postgresql" / "postmaster.pid"
    with Process(as_server_user(["sleep", "60"]), name="sleep") as other:
        stale.write_text(f"{other.pid}\n{folder / 'postgresql'}\n0\n5432\n\n\n0 0\nready\n")
        with EmbeddedPostgres(folder) as server:
            connect(server).close()
            assert stale.read_text().startswith(f"{server.pid}\n")


def test_a_server_started_by_hand_on_the_data_is_left_alone(folder: Path) -> None:
    data = folder / "postgresql"
    with EmbeddedPostgres(folder) as server:
        program, port = Path(f"/proc/{server.pid}/exe").readlink(), server.port
    # As pg_ctl would: without the locks of Outlive.
    command = ["env", "-C", str(data), *as_server_user([str(program), "-D", "/proc/self/cwd", "-p", str(port)])]
    with Process([*command, "-c", "unix_socket_directories="], name="by-hand") as by_hand:
        by_hand.wait_line("ready to accept", 30)
        with pytest.raises(EmbeddedError, match="Outlive did not start"):
            EmbeddedPostgres(folder)
        assert by_hand.running
        by_hand.signal(signal.SIGINT)
        by_hand.wait(30)
    EmbeddedPostgres(folder).close()


def test_ctrl_c_in_the_terminal_is_for_the_owner(folder: Path) -> None:
    """It drains first, and needs its database for that."""
    with Owner(folder) as owner:
        assert os.getpgid(owner.pid) != os.getpgid(owner.process.pid)
        assert os.getsid(owner.pid) != os.getsid(owner.process.pid)


def test_an_end_of_the_server_alone_is_seen(folder: Path, eventually: Callable[..., None]) -> None:
    with EmbeddedPostgres(folder) as server:
        Family(server.pid).kill()
        eventually(lambda: not server.running)
    EmbeddedPostgres(folder).close()


@pytest.mark.parametrize("part", ["postgresql.part", "postgresql.part/PG_VERSION", "app.password"])
def test_a_making_that_is_cut_short_is_made_good(part: str, eventually: Callable[..., None]) -> None:
    """The owner is killed as soon as a file of that name exists."""
    folder = own_folder("embedded") / "data"
    starting = Process(_owner_command(folder), name="owner")
    eventually((folder / part).exists, timeout_s=20)
    starting.kill()
    assert not (folder / "postgresql").exists(), "it was faster than the kill"
    with EmbeddedPostgres(folder) as server:
        connect(server).close()
        connect(server, "postgres").close()
    starting.close()


def _owner_command(folder: Path) -> list[str]:
    return [sys.executable, "-c", OWNER, str(folder)]
