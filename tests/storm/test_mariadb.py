"""`outlive storm` on MariaDB: functions as they are fill it up, through Outlive they do not. Nothing stays behind."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import MariaDB, Process
from tests.servers.database import APP

from .cli import PASSWORD, command, environment, expected, storm

Count = Callable[[int, int], int]


@pytest.fixture(scope="module")
def database(count: Count) -> Iterator[MariaDB]:
    with MariaDB(max_connections=count(50, 151)) as server:
        yield server


def url(server: MariaDB, user: str = APP.user) -> str:
    return f"mysql://{user}@{server.host}:{server.port}/test?password_env={PASSWORD}"


def is_clean(server: MariaDB, eventually: Callable[..., None]) -> None:
    """No connection, no table, no link and no rule is left of any storm."""
    eventually(lambda: not server.connection_ids())
    assert server.query("SHOW TABLES FROM test") == ()
    eventually(lambda: not _ours("ip", "-o", "link", "show"))
    eventually(lambda: not _ours("nft", "list", "tables"))


_started: list[int] = []


def _ours(*asked: str) -> list[str]:
    shown = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return [line for line in shown.splitlines() if any(f"olv{pid}" in line for pid in _started)]


def test_persistent_refuses_from_the_second_generation_on_and_proxy_never(
    database: MariaDB, count: Count, tmp_path: Path, eventually: Callable[..., None]
) -> None:
    page, png = tmp_path / "page.html", tmp_path / "figure.png"
    told = storm(
        url(database), APP.password, "--remedies", "persistent,proxy", "--page", page, "--png", png,
        "--functions", count(210, 1000), "--generations", count(5, 10), "--seconds", count(5, 30),
    )  # fmt: skip
    persistent, proxy = told["remedies"]["persistent"], told["remedies"]["proxy"]
    assert persistent["requests"] == proxy["requests"] == expected(told)

    assert persistent["refused_by_generation"][0] == 0
    assert all(persistent["refused_by_generation"][1:])
    assert persistent["refused"] == sum(persistent["refused_by_generation"]) == persistent["codes"]["1040"]
    assert persistent["dangling"] == persistent["handshakes"] == told["places"] == told["max_connections"] - 2
    # One that is being refused is counted, too.
    assert told["places"] <= persistent["server_connections_peak"] <= told["max_connections"]
    assert persistent["recovery_s"] is None

    assert proxy["refused"] == proxy["failed"] == proxy["dangling"] == 0
    assert proxy["answered"] == proxy["requests"]
    assert 0 < proxy["server_connections_peak"] <= told["budget"] == proxy["policy"]["budget"]
    assert proxy["server_handshakes"] < proxy["handshakes"] == told["load"]["functions"]
    assert proxy["recovery_s"] == 0

    # A transaction has four round trips: nothing can be faster, however the delay is made.
    assert told["rtt_by"] in ("netem", "relay")
    assert min(persistent["p50_ms"], proxy["p50_ms"]) >= 4 * 20
    text = page.read_text()
    assert f"{persistent['refused']:,} of {persistent['requests']:,} requests" in text
    assert f"None of {proxy['requests']:,} requests was refused" in text
    assert "<script" not in text
    assert "http" not in text.replace("http: skipped", "")
    assert png.read_bytes().startswith(b"\x89PNG")
    is_clean(database, eventually)


@pytest.mark.root
@pytest.mark.parametrize(
    ("number", "user", "seen"),
    [(signal.SIGKILL, APP.user, "an address of its own"), (signal.SIGINT, "local", "under this host's address")],
)
def test_whatever_ends_it_nothing_stays_behind(
    database: MariaDB, number: int, user: str, seen: str, eventually: Callable[..., None]
) -> None:
    if user == "local":  # one whom the database knows on its own host only
        database.query(f"CREATE USER local@'127.0.0.1' IDENTIFIED BY '{APP.password}'")
        database.query("GRANT ALL ON test.* TO local@'127.0.0.1'")
    arguments = ("--remedies", "persistent", "--functions", 40, "--generations", 4, "--seconds", 8)
    with Process(
        command(url(database, user), *arguments), name="storm", environment=environment(APP.password)
    ) as process:
        process.wait_line("generation 1 of 4", 60)
        _started.append(process.pid)
        assert "links are cut" in process.log
        assert seen in process.log
        assert len(_ours("ip", "-o", "link", "show")) >= 4
        assert len(_ours("nft", "list", "tables")) == 1
        assert len(database.connection_ids()) >= 10
        process.signal(number)
        process.wait(60)
    is_clean(database, eventually)
