"""The embedded PostgreSQL: how it is made, who gets in, and what a second start finds."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from outlive.embedded import EmbeddedError, EmbeddedPostgres, account, default_folder, postgres, programs
from outlive.embedded.log_file import LogFile
from tests.servers import Network
from tests.servers.processes import free_port, own_folder, run

from .embedded import Owner, connect

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="about running as root")


@pytest.fixture(scope="module")
def made() -> Path:
    folder = own_folder("embedded") / "data"
    EmbeddedPostgres(folder).close()
    return folder


@pytest.fixture
def folder(made: Path) -> Path:
    """A folder made before, of which the server is down."""
    return _copy(made)


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(_copy(made), max_connections=20) as started:
        yield started


def _copy(folder: Path) -> Path:
    copy = own_folder("embedded") / "data"
    run(["cp", "-a", str(folder), str(copy)])
    return copy


def test_it_is_18_safe_on_the_disk_and_on_loopback_only(server: EmbeddedPostgres) -> None:
    with connect(server, "postgres") as superuser:
        settings = dict(superuser.execute("SELECT name, setting FROM pg_settings").fetchall())
    assert settings["server_version_num"].startswith("18")
    assert settings["fsync"] == settings["full_page_writes"] == settings["synchronous_commit"] == "on"
    assert settings["listen_addresses"] == "127.0.0.1"
    assert settings["unix_socket_directories"] == ""
    assert settings["max_connections"] == "20"


def test_only_passwords_get_in_and_the_user_is_no_superuser(server: EmbeddedPostgres) -> None:
    with connect(server) as client:
        client.execute("CREATE TABLE mine (text text)")
        assert client.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
    for user in (server.user, server.superuser):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(server, user, password="wrong")
    with connect(server, "postgres") as superuser:
        stored = superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolcanlogin").fetchall()
    assert all(secret.startswith("SCRAM-SHA-256$") for (secret,) in stored)


def test_passwords_are_in_private_files_and_nowhere_else(server: EmbeddedPostgres) -> None:
    passwords = [file.read_text().strip() for file in (server.password_file, server.superuser_password_file)]
    assert len(set(passwords)) == 2
    for file in (server.password_file, server.superuser_password_file, server.log_path):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = [repr(server), server.url(), server.log_path.read_text(), Path(f"/proc/{server.pid}/cmdline").read_text()]
    assert not [text for text in shown for password in passwords if password in text]
    assert f"password_file={server.password_file}" in server.url()


def test_the_server_does_not_get_the_environment(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("OUTLIVE_TEST_SECRET", "s3cret")
    monkeypatch.setenv("PGPORT", "1")
    with EmbeddedPostgres(folder) as server:
        given = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"s3cret" not in given
    assert b"PGPORT" not in given


def test_a_second_start_finds_data_and_passwords(server: EmbeddedPostgres, folder: Path) -> None:
    passwords = (folder / "app.password").read_text()
    with EmbeddedPostgres(folder) as first, connect(first) as client:
        client.execute("CREATE TABLE kept AS SELECT 7 AS number")
    with EmbeddedPostgres(folder) as second, connect(second) as client:
        assert client.execute("SELECT number FROM kept").fetchone() == (7,)
        assert second.port != server.port
    assert (folder / "app.password").read_text() == passwords


def test_a_folder_serves_one_at_a_time(server: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedError, match=f"in use by another Outlive \\(process {os.getpid()}\\)"):
        EmbeddedPostgres(server.folder)
    with connect(server) as client:
        assert client.execute("SELECT 1").fetchone() == (1,)


def test_a_lost_password_is_made_anew(folder: Path) -> None:
    old = (folder / "app.password").read_text().strip()
    (folder / "app.password").unlink()
    with EmbeddedPostgres(folder) as server:
        assert stat.S_IMODE(server.password_file.stat().st_mode) == 0o600
        connect(server).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(server, password=old)


def test_a_taken_port_is_not_the_end(server: EmbeddedPostgres, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = iter([server.port, free_port()])
    monkeypatch.setattr(postgres, "free_port", lambda host: next(ports))
    with EmbeddedPostgres(folder) as second:
        assert second.port != server.port
        connect(second).close()
    with pytest.raises(EmbeddedError, match="did not start"):
        EmbeddedPostgres(folder, port=server.port)


def test_a_wrong_setting_says_so_and_leaves_the_folder_usable(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match="unrecognized configuration parameter"):
        EmbeddedPostgres(folder, settings={"no_such_setting": 1})
    EmbeddedPostgres(folder).close()


def test_folders_that_cannot_be_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match=r"file.*[Nn]ot a directory"):
        EmbeddedPostgres(tmp_path / "file" / "data")
    (folder / "postgresql" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match=r"PostgreSQL 17's.*pg_dump"):
        EmbeddedPostgres(folder)
    (folder / "postgresql" / "PG_VERSION").unlink()
    with pytest.raises(EmbeddedError, match="not a data folder"):
        EmbeddedPostgres(folder)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "PACKAGE", "embedded_postgres_that_is_not_there")
    with pytest.raises(EmbeddedError, match=r"pip install 'outlive\[embedded\]'"):
        EmbeddedPostgres(tmp_path / "data")


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert default_folder() == tmp_path / ".local" / "share" / "outlive"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert default_folder() == tmp_path / ".local" / "share" / "outlive"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert default_folder() == tmp_path / "data" / "outlive"


def test_its_log_is_bounded(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", limit_bytes=100)
    for number in range(50):
        log.write(f"line {number}")
    log.close()
    log.write("after the end")
    now, before = (tmp_path / "log").read_text(), (tmp_path / "log.1").read_text()
    assert max(len(now), len(before)) <= 100
    assert (before + now).splitlines()[-1] == "line 49"


@as_root
def test_as_root_it_runs_as_another_user_in_a_home_that_stays_closed() -> None:
    home = own_folder("home")
    with EmbeddedPostgres(home / ".local" / "share" / "outlive") as server:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert os.stat(f"/proc/{server.pid}").st_uid != 0
        groups = [line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "Groups:" in line]
        assert groups[0].split() == ["Groups:"]
        with connect(server) as client:
            client.execute("CREATE TABLE large AS SELECT generate_series(1, 100000)")
            assert client.execute("SELECT count(*) FROM large").fetchone() == (100000,)


@as_root
def test_as_root_programs_out_of_reach_are_copied_once() -> None:
    closed = own_folder("closed")
    installed = programs._installed()
    for name in (installed.name, f"{installed.name}.libs"):
        shutil.copytree(installed.parent / name, closed / name, symlinks=True)
    server_user = account.server_account()
    assert server_user is not None
    cache = Path(tempfile.mkdtemp(dir="/var/tmp"))
    cache.chmod(0o755)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(programs, "_installed", lambda: closed / installed.name)
            found = programs.programs(server_user, cache / "outlive")
            assert found == programs.programs(server_user, cache / "outlive")
            # What root installs for itself is run in place.
            assert programs.programs(None) == closed / installed.name / "pginstall" / "bin"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert len(list((cache / "outlive").iterdir())) == 1
        done = subprocess.run(
            [found / "postgres", "--version"], user=server_user.uid, group=server_user.gid, extra_groups=[],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.startswith("postgres (PostgreSQL) 18")
    finally:
        shutil.rmtree(cache)


@as_root
def test_any_other_user_has_it_too_in_the_default_folder() -> None:
    """In a process of another user, who runs the server as itself."""
    python = next((path for path in (sys.executable, "/usr/bin/python3.11") if _reachable(path)), None)
    if python is None or not _reachable(programs.__file__) or not programs._open_to_all(programs._installed()):
        pytest.skip("this clone or its Python is out of another user's reach")
    home = own_folder("home")
    os.chown(home, 65534, 65534)
    program = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--", python)
    paths = (Path(programs.__file__).parents[2], programs._installed().parent)
    environment = {"XDG_DATA_HOME": str(home), "PYTHONPATH": ":".join(map(str, paths))}
    with Owner(None, program=program, **environment) as owner:
        assert owner.folder == home / "outlive"
        assert os.stat(f"/proc/{owner.pid}").st_uid == 65534
        with connect(owner) as client:
            assert client.execute("SELECT 1").fetchone() == (1,)


def _reachable(path: str) -> bool:
    return os.path.exists(path) and all(folder.stat().st_mode & 0o001 for folder in Path(path).resolve().parents)


@pytest.mark.root
def test_in_a_network_namespace_it_is_reached_by_its_socket(network: Network, folder: Path) -> None:
    port = free_port()
    with EmbeddedPostgres(folder, host=network.server.address, port=port, namespace=network.server.name) as server:
        with connect(server, host=str(server.socket_folder)) as client:
            assert client.execute("SELECT inet_server_addr()").fetchone() == (None,)
        network.client.connect(network.server.address, port).close()
        with pytest.raises(psycopg.OperationalError, match="refused"):
            connect(server)
