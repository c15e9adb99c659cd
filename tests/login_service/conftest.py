"""The versions of the login service: how each is called, with its own data behind it."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.caller import KEY, hashed
from tests.servers import MariaDB, OutliveProcess, Postgres15
from tests.servers.database import APP

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "login_service"
sys.path.insert(0, str(EXAMPLE.parent))
VERSIONS = ("dynamodb", "http", "operations", "operations-postgres")


def configuration(url: str) -> str:
    """The example's own, with the database's URL, the key, and SQL for version 2."""
    text = (EXAMPLE / "operations.toml").read_text()
    text = re.sub(r"^url = .*$", f'url = "{url}"', text, flags=re.MULTILINE)
    return text.replace("0" * 64, hashed(KEY)).replace(
        "[principals.devices]", '[principals.devices]\ndatabases = ["login"]'
    )


def statements() -> list[str]:
    text = (EXAMPLE / "schema.sql").read_text()
    return [part for part in text.split(";") if part.strip()]


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[str]:
    """moto's server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def mysql_node() -> Iterator[OutliveProcess]:
    with MariaDB() as server:
        for statement in statements():
            server.query(statement)
        with OutliveProcess(configuration(server.url(max_connections=6))) as node:
            yield node


@pytest.fixture(scope="session")
def postgres_node() -> Iterator[OutliveProcess]:
    with Postgres15() as server:
        for statement in statements():
            server.query(statement)
        server.query(f"GRANT ALL ON devices TO {APP.user}")
        with OutliveProcess(configuration(server.url(max_connections=5))) as node:
            yield node


def url(node: OutliveProcess) -> str:
    return f"http://{node.http_host}:{node.http_port}"


@pytest.fixture(scope="session", params=VERSIONS)
def call(request: pytest.FixtureRequest) -> Any:
    """One version."""
    from login_service.flow import by_handler, by_http
    from login_service.handler import handler

    if request.param == "dynamodb":
        from login_service.dynamodb import DynamoStore

        with pytest.MonkeyPatch.context() as patch:
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "of-the-tests")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            dynamo = DynamoStore("devices", request.getfixturevalue("dynamodb"))
            dynamo.create_table()
        return by_handler(lambda event: handler(event, using=dynamo))
    if request.param == "http":
        from login_service.outlive_http import OutliveStore

        store = OutliveStore(url(request.getfixturevalue("mysql_node")), KEY)
        return by_handler(lambda event: handler(event, using=store))
    node = "postgres_node" if request.param == "operations-postgres" else "mysql_node"
    return by_http(url(request.getfixturevalue(node)), KEY)
