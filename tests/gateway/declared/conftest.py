"""One node with declared operations on PostgreSQL, MariaDB and MySQL 9.7."""

from collections.abc import Iterator

import pytest

from tests.gateway.declared.shop import TABLES, Shop, text
from tests.servers import MariaDB, MySQL97, OutliveProcess, Postgres15
from tests.servers.database import APP


@pytest.fixture(scope="session")
def nine() -> Iterator[MySQL97]:
    with MySQL97() as server:
        yield server


@pytest.fixture(scope="session")
def urls(maria: MariaDB, postgres: Postgres15, nine: MySQL97) -> dict[str, str]:
    """Databases with the tables."""
    mysql, postgresql = {"time": "timestamp NULL", "bytes": "blob"}, {"time": "timestamptz", "bytes": "bytea"}
    for server, kinds in ((maria, mysql), (nine, mysql), (postgres, postgresql)):
        for table in TABLES:
            server.query(table.format(**kinds))
    for table in ("items", "moves"):
        postgres.query(f"GRANT ALL ON {table} TO {APP.user}")
    return {
        "my": maria.url(max_connections=4),
        "nine": nine.url(max_connections=4),
        "pg": postgres.url(max_connections=4),
    }


@pytest.fixture(scope="session")
def declared(urls: dict[str, str]) -> Iterator[OutliveProcess]:
    with OutliveProcess(text(urls, "transaction_idle_timeout_s = 1.0")) as node:
        yield node


@pytest.fixture(params=["pg", "my", "nine"])
def shop(request: pytest.FixtureRequest, declared: OutliveProcess) -> Shop:
    return Shop(declared, request.param)
