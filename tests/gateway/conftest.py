"""MariaDB, PostgreSQL and one node with both behind it, for the whole folder."""

from collections.abc import Iterator

import pytest

from tests.gateway.caller import Caller, configuration
from tests.servers import MariaDB, OutliveProcess, Postgres15


@pytest.fixture(scope="session")
def maria() -> Iterator[MariaDB]:
    with MariaDB() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres15]:
    with Postgres15() as server:
        yield server


@pytest.fixture(scope="session")
def node(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    """A budget of 5 that can be shared, on either server."""
    urls = {"my": maria.url(max_connections=6), "pg": postgres.url(max_connections=5)}
    http = "transaction_idle_timeout_s = 1.0"
    with OutliveProcess(configuration(urls, http=http)) as outlive:
        yield outlive


@pytest.fixture(params=["pg", "my"])
def caller(request: pytest.FixtureRequest, node: OutliveProcess) -> Caller:
    return Caller(node, request.param)
