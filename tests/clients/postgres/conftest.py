"""Outlive with one server connection to lend, and the comparison of what a client sees direct and through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ...servers import OutliveProcess, PostgresServer
from ...servers.database import APP2
from ..rival import Rival
from ..target import assert_same
from .rival import prepare, rival
from .target import Target


@pytest.fixture(scope="module")
def narrow(pg: PostgresServer) -> Iterator[OutliveProcess]:
    """A node with a budget of one."""
    prepare(pg)
    with OutliveProcess(
        f"""
        tls_cert = "{pg.certificates.server_cert}"
        tls_key = "{pg.certificates.server_key}"
        [databases."*"]
        url = "{pg.url(database="", acquire_timeout_s=30)}"
        max_connections = 1
        users = {{ {APP2.user} = "{APP2.password}" }}
        """
    ) as node:
        yield node


@pytest.fixture
def through(narrow: OutliveProcess) -> Iterator[Target]:
    """The narrow node; what it logged during the test is shown when that fails."""
    seen = len(narrow.process.lines)
    yield Target.through(narrow)
    print(f"--- log of outlive {narrow.pid} ---\n" + "\n".join(narrow.process.lines[seen:][-100:]))


@pytest.fixture
def direct(pg: PostgresServer) -> Target:
    return Target.direct(pg)


@pytest.fixture
def compare(direct: Target, through: Target) -> Callable[..., list[Any]]:
    """`compare(scenario, other=None)`: runs `scenario(target)` direct, then through with a rival at work, and compares
    what the two return.
    """

    def run(scenario: Callable[[Target], list[Any]], other: Rival | None = None) -> list[Any]:
        expected = scenario(direct)
        with other or rival(through):
            found = scenario(through)
        assert_same(expected, found)
        return found

    return run
