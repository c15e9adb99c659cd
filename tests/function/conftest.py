"""The three servers of a file, and each driver with its own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outlive.function import life

from ..servers import MariaDB, Postgres15
from .drivers import DRIVERS, Driver
from .redis_server import Redis


@pytest.fixture(scope="module")
def function_servers() -> Iterator[dict[str, Any]]:
    with MariaDB() as mariadb, Postgres15(max_connections=12, tls=False) as postgres, Redis() as redis:
        mariadb.query("CREATE TABLE test.work (n INT PRIMARY KEY) ENGINE=InnoDB")
        postgres.query("CREATE TABLE work (n INT PRIMARY KEY)")
        postgres.query("GRANT ALL ON work TO PUBLIC")
        yield {"mariadb": mariadb, "postgres": postgres, "redis": redis}


@pytest.fixture(params=DRIVERS, ids=lambda driver: driver.name)
def driver(request: pytest.FixtureRequest, function_servers: dict[str, Any]) -> Driver:
    found: Driver = request.param
    found.servers = function_servers
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`later(seconds)`: a freeze of so long, as both clocks show it."""
    real = life.now
    passed = 0.0

    def pass_by(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(life, "now", lambda: tuple(clock + passed for clock in real()))
    return pass_by
