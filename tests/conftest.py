"""Fixtures that every test shares, the size of the runs, and each folder's budget of time."""

import contextlib
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .servers import MariaDB, MySQL97, Network, OutliveProcess, Postgres15, Postgres18, PostgresServer
from .servers.database import DatabaseServer
from .servers.processes import eventually

ROOT = Path(__file__).parent

# Seconds of test time a folder may take, servers' starts included. `make test` runs four at a time on two cores, so
# that all of it stays under the twelve minutes. A folder that grows past its budget fails the run: then make it faster
# or raise the figure here, in view of everybody.
BUDGETS_S = {
    "unit": 240.0,
    "servers": 40.0,
    "logins": 110.0,
    "operation": 400.0,
    "hazards": 530.0,
    "clients": 460.0,
    "chaos": 340.0,
    "fuzz": 180.0,
    "advisor": 25.0,
    "storm": 85.0,
    "function": 40.0,
    "reaper": 54.0,
    "login_service": 22.0,
    "tcp": 28.0,
    "redis": 70.0,
    "gateway": 150.0,
    "locks": 40.0,
}
DEFAULT_BUDGET_S = 60.0

LONG = (
    "operation/test_demo",
    "operation/test_passthrough",
    "operation/test_drain",
    "operation/test_postgres_cancel",
    "operation/test_postgres_vanishing",
    "operation/test_embedded_serve",
    "storm/test_postgres",
    "storm/test_mariadb",
    "chaos/test_silence",
    "chaos/test_vanishing",
    "chaos/test_database_away",
    "chaos/test_dead_man",
    "chaos/test_faults",
    "chaos/postgres/test_silence",
    "chaos/postgres/test_budget",
    "clients/test_shown_by",
    "clients/test_node",
    "clients/test_connector_j",
    "clients/test_two_sessions",
    "clients/test_thousand",
    "clients/test_mysql_connector",
    "clients/postgres/test_two_sessions",
    "clients/postgres/test_thousand",
    "hazards/test_large",
    "hazards/postgres/test_encodings",
)
"""The files that take more than 15 s each."""

_spent_s: defaultdict[str, float] = defaultdict(float)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full", action="store_true", help="full counts in the long tests, and no budgets of time (make prove)"
    )


def pytest_configure() -> None:
    """A shell starts what runs in its background with SIGINT ignored, and every child would inherit that."""
    with contextlib.suppress(ValueError):  # a worker of xdist may run its tests outside of the main thread
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pure tests first: they are the quickest to say no. Then the files that take long, or one of them would be the
    last to run, alone. And what needs root is skipped without it.
    """
    order = {"unit": 0, "servers": 1}
    items.sort(key=lambda item: order.get(_folder(item.nodeid), 3 - _takes_long(item.nodeid)))
    possible = Network.possible() if any(item.get_closest_marker("root") for item in items) else False
    for item in items:
        if item.get_closest_marker("root") and not possible:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))


def _folder(nodeid: str) -> str:
    parts = nodeid.split("::", maxsplit=1)[0].split("/")
    return parts[1] if len(parts) > 2 else "."


def _takes_long(nodeid: str) -> bool:
    return nodeid.split("::", maxsplit=1)[0].removeprefix("tests/").removesuffix(".py") in LONG


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _spent_s[_folder(report.nodeid)] += report.duration / _burden()


def _burden() -> float:
    """How much longer things take than with this run alone, which itself wants up to two processes a processor."""
    return max(1.0, os.getloadavg()[0] / (2 * (os.cpu_count() or 1)))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if _over_budget(session.config) and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    spent = ", ".join(
        f"{folder} {seconds:.0f} s of {BUDGETS_S.get(folder, DEFAULT_BUDGET_S):.0f}"
        for folder, seconds in sorted(_spent_s.items())
    )
    terminalreporter.write_line(f"time: {spent}")
    for folder, seconds in _over_budget(config).items():
        terminalreporter.write_line(
            f"FAILED: tests/{folder} took {seconds:.0f} s, over its budget (tests/conftest.py)", red=True
        )


def _over_budget(config: pytest.Config) -> dict[str, float]:
    if config.getoption("--full"):
        return {}
    return {
        folder: seconds for folder, seconds in _spent_s.items() if seconds > BUDGETS_S.get(folder, DEFAULT_BUDGET_S)
    }


@pytest.fixture(scope="session")
def count(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """`count(scaled, full)`: the first in `make test`, the second in `make prove`."""
    full = bool(request.config.getoption("--full"))
    return lambda scaled, complete: complete if full else scaled


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    """A MariaDB for each file of tests: no other file's connections are counted, and none of its settings met."""
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="module")
def mysql97() -> Iterator[MySQL97]:
    """A MySQL 9.7 for each file of tests."""
    with MySQL97() as server:
        yield server


@pytest.fixture(scope="module", params=["mariadb", "mysql97"])
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    """Each of the servers in turn."""
    found: DatabaseServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="module")
def postgres15() -> Iterator[Postgres15]:
    """A PostgreSQL 15 for each file of tests."""
    with Postgres15() as server:
        yield server


@pytest.fixture(scope="module")
def postgres18() -> Iterator[Postgres18]:
    """A PostgreSQL 18 for each file of tests."""
    with Postgres18() as server:
        yield server


@pytest.fixture(scope="module", params=["postgres15", "postgres18"])
def pg(request: pytest.FixtureRequest) -> PostgresServer:
    """Each PostgreSQL in turn."""
    found: PostgresServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def outlive(request: pytest.FixtureRequest) -> Iterator[Callable[..., OutliveProcess]]:
    """`outlive(target, ...)` starts a node as `OutliveProcess` does, and ends it after the test.

    Its log is shown when the test fails.
    """
    started: list[OutliveProcess] = []

    def start(*arguments: object, **options: object) -> OutliveProcess:
        node = OutliveProcess(*arguments, **options)  # type: ignore[arg-type]
        started.append(node)
        return node

    yield start
    for node in started:
        print(f"--- log of outlive {node.pid} ---\n{node.log[-20000:]}")
        node.close()


@pytest.fixture
def network() -> Iterator[Network]:
    """Two hosts on a link that can be cut. Mark the test with `pytest.mark.root`."""
    with Network() as made:
        yield made


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[..., None]:
    """`eventually(condition, timeout_s=20)`: returns when `condition()` is true; for states of other processes that
    announce nothing.
    """
    return eventually
