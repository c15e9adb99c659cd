"""Outlive with one server connection to lend, and the comparison of what a client sees direct and through it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ..servers import DatabaseServer, OutliveProcess
from ..servers.database import APP2
from .rival import Rival
from .target import Target, assert_same


@pytest.fixture(scope="module")
def narrow(mariadb: DatabaseServer, mysql97: DatabaseServer) -> Iterator[dict[str, OutliveProcess]]:
    """By the server's flavour: a node with a budget of two, of which one is the control connection's."""
    nodes = {server.flavour: OutliveProcess(_configuration(server)) for server in (mariadb, mysql97)}
    for server in (mariadb, mysql97):
        Rival.prepare(server)
    yield nodes
    for node in nodes.values():
        node.close()


def _configuration(server: DatabaseServer) -> str:
    return f"""
        tls_cert = "{server.certificates.server_cert}"
        tls_key = "{server.certificates.server_key}"
        [databases."*"]
        url = "{server.url(database="", acquire_timeout_s=30)}"
        max_connections = 2
        users = {{ {APP2.user} = "{APP2.password}" }}
    """


@pytest.fixture
def through(
    server: DatabaseServer, narrow: dict[str, OutliveProcess], request: pytest.FixtureRequest
) -> Iterator[Target]:
    """The narrow node in front of `server`; what it logged during the test is shown when that fails."""
    node = narrow[server.flavour]
    seen = len(node.process.lines)
    yield Target.through(node, server)
    print(f"--- log of outlive {node.pid} ---\n" + "\n".join(node.process.lines[seen:][-100:]))


@pytest.fixture
def direct(server: DatabaseServer) -> Target:
    return Target.direct(server)


@pytest.fixture
def compare(direct: Target, through: Target) -> Callable[..., list[Any]]:
    """`compare(scenario, rival=None)`: runs `scenario(target)` direct, then through with a rival at work, and compares
    what the two return.
    """

    def run(scenario: Callable[[Target], list[Any]], rival: Rival | None = None) -> list[Any]:
        expected = scenario(direct)
        with rival or Rival.at(through):
            found = scenario(through)
        assert_same(expected, found)
        return found

    return run
