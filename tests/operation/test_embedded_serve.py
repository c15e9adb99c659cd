"""`outlive serve` with neither URL nor configuration: databases of its own, from nothing to the first query."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from outlive.embedded import EmbeddedError, EmbeddedPostgres, EmbeddedValkey
from tests.servers import Process
from tests.servers.processes import free_port, own_folder


class Serve:
    """`outlive serve --data FOLDER` on a free port, ready when constructed; without a folder, the default one."""

    def __init__(self, folder: Path | None, **environment: str) -> None:
        self.port = free_port()
        self.redis_port = free_port()
        listeners = ["--postgres", f"127.0.0.1:{self.port}", "--redis", f"127.0.0.1:{self.redis_port}"]
        listeners += ["--http", "127.0.0.1:0"]
        data = ["--data", str(folder)] if folder is not None else []
        self.process = Process(
            [sys.executable, "-m", "outlive", "serve", *data, *listeners], name="serve", environment=environment
        )
        self.process.wait_line("^Python:  redis", 60)
        self.told = [line for line in self.process.log.splitlines() if "time=" not in line]
        self.first, self.psql, self.python, self.second, self.redis_cli, self.redis_python = self.told

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """As the line for Python says."""
        connection: psycopg.Connection[tuple[object, ...]] = eval(self.python.removeprefix("Python:").strip())
        return connection

    def redis(self) -> "redis.Redis":
        """As the other line for Python says."""
        client: redis.Redis = eval(self.redis_python.removeprefix("Python:").strip())
        return client

    def __enter__(self) -> "Serve":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.close()


@pytest.fixture(scope="module")
def made() -> Path:
    folder = own_folder("embedded") / "data"
    EmbeddedPostgres(folder).close()
    return folder


@pytest.fixture
def folder(made: Path) -> Path:
    """A folder made before, of which the server is down."""
    copy = own_folder("embedded") / "data"
    subprocess.run(["cp", "-a", str(made), str(copy)], check=True)
    return copy


def _valkeys(folder: Path) -> list[int]:
    """Process ids of servers in the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").samefile(folder / "valkey"):
                found.append(int(process.name))
    return found


def test_from_nothing_to_the_first_query_in_the_default_folder() -> None:
    home = own_folder("home")
    with Serve(None, XDG_DATA_HOME=str(home)) as serve:
        assert serve.first == f"Serving PostgreSQL 18 on 127.0.0.1:{serve.port}; its data are in {home / 'outlive'}."
        where = f"127.0.0.1:{serve.redis_port}; its data are in {home / 'outlive'}."
        assert serve.second == f"Serving Valkey 9 on {where}"
        command = f"{serve.psql.removeprefix('psql:')} -Atc 'SHOW server_version'"
        shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True)
        assert shown.stdout.startswith("18.")
        with serve.connect() as client:
            assert client.execute("SELECT current_user, current_database()").fetchone() == ("app", "app")
        command = f"{serve.redis_cli.removeprefix('redis-cli:')} SET greeting hello"
        shown = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30, check=True)
        assert shown.stdout == "OK\n"
        with serve.redis() as cache:
            assert cache.get("greeting") == b"hello"
        with redis.Redis(port=serve.redis_port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.get("greeting")
        assert serve.process.stop() == 0


def test_a_second_start_finds_the_data_of_the_first(folder: Path) -> None:
    with Serve(folder) as first:
        with first.connect() as client:
            client.execute("CREATE TABLE kept AS SELECT 7 AS number")
        with first.redis() as cache:
            cache.set("kept", 7)
        assert first.process.stop() == 0
        assert not _valkeys(folder)
    with Serve(folder) as second, second.connect() as client, second.redis() as cache:
        assert client.execute("SELECT number FROM kept").fetchone() == (7,)
        assert cache.get("kept") == b"7"


def test_a_second_one_at_the_same_time_is_told_of_the_first(folder: Path) -> None:
    with Serve(folder) as serve:
        command = [sys.executable, "-m", "outlive", "serve", "--data", str(folder), "--postgres", "127.0.0.1:0"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert f"in use by another Outlive (process {serve.process.pid})" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_kill_9_hinders_no_start(folder: Path) -> None:
    with Serve(folder) as first:
        with first.connect() as client:
            client.execute("CREATE TABLE kept AS SELECT 7 AS number")
        with first.redis() as cache:
            cache.set("kept", 7)
        os.kill(first.process.pid, signal.SIGKILL)
    with Serve(folder) as second:
        with second.connect() as client, second.redis() as cache:
            assert client.execute("SELECT number FROM kept").fetchone() == (7,)
            assert cache.get("kept") == b"7"
        assert len(_valkeys(folder)) == 1  # that of the first has ended
        for pid in _valkeys(folder):
            os.kill(pid, signal.SIGKILL)  # and then Outlive ends, for whoever restarts it
        assert second.process.wait(60) == 1
        assert "The embedded Valkey has ended by itself" in second.process.log
    with EmbeddedValkey(folder) as server:
        with redis.Redis(port=server.port, password=server.password_file.read_text().strip()) as cache:
            assert cache.get("kept") == b"7"
        assert os.geteuid() or Path(f"/proc/{server.pid}").stat().st_uid, "it runs as root"
        with pytest.raises(EmbeddedError, match="in use by another Outlive"):
            EmbeddedValkey(folder)


def test_when_its_database_ends_it_ends_too(folder: Path) -> None:
    with Serve(folder) as serve:
        pid = int((folder / "postgresql" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        assert serve.process.wait(60) == 1
        assert "The embedded PostgreSQL has ended by itself" in serve.process.log


def test_a_taken_port_is_said_and_nothing_is_left(folder: Path) -> None:
    with Serve(folder) as serve:
        other = own_folder("embedded") / "data"
        subprocess.run(["cp", "-a", str(folder), str(other)], check=True)
        command = [sys.executable, "-m", "outlive", "serve", "--data", str(other)]
        done = subprocess.run(
            [*command, "--postgres", f"127.0.0.1:{serve.port}", "--redis", "127.0.0.1:0", "--http", "127.0.0.1:0"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert "ddress already in use" in done.stderr
        assert "Serving" not in done.stdout
        assert not (other / "postgresql" / "postmaster.pid").exists()
