"""One node with MariaDB and PostgreSQL behind it, as a client of the RDS Data API finds it."""

from collections.abc import Iterator

import pytest

from tests.gateway.caller import configuration
from tests.gateway.rds.clients import NARROW, Place, principal
from tests.servers import MariaDB, MySQL97, OutliveProcess, Postgres15


@pytest.fixture(scope="session")
def rds(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    urls = {"my": maria.url(max_connections=6), "pg": postgres.url(max_connections=5)}
    http = "transaction_idle_timeout_s = 1.0"
    narrow = {"read_only": True, "max_rows": 2, "max_time_s": 0.5, "max_concurrency": 1}
    principals = [principal(urls), principal(urls, "narrow", NARROW, **narrow)]
    with OutliveProcess(configuration(urls, "\n".join(principals), http=http)) as outlive:
        yield outlive


@pytest.fixture(params=["pg", "my"])
def place(request: pytest.FixtureRequest, rds: OutliveProcess) -> Place:
    return Place(rds, request.param)


@pytest.fixture
def pg(rds: OutliveProcess) -> Place:
    return Place(rds, "pg")


@pytest.fixture
def my(rds: OutliveProcess) -> Place:
    return Place(rds, "my")


@pytest.fixture(scope="session")
def nine() -> Iterator[MySQL97]:
    with MySQL97() as server:
        yield server
