"""One Outlive per database server for all hazard tests: a budget of two, of which one is the control connection's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from zlib import crc32

import pytest

from ..servers import OutliveProcess
from ..servers.database import APP, APP2, DatabaseServer
from .scripts import (
    FRESH,
    Script,
    Step,
    Thief,
    Watched,
    other_user,
    run_direct,
    run_through,
    same_user,
    seen,
    with_variables,
)


def configuration(server: DatabaseServer, **options: object) -> str:
    """A node in front of this server with one lendable connection, for both users."""
    lines = "\n".join(f"{name} = {value}" for name, value in options.items())
    return f"""
[databases.test]
url = "mysql://{APP.user}:{APP.password}@{server.host}:{server.port}/test?max_connections=2"
key_switch_after_ms = 0
{lines}
[databases.test.users]
{APP2.user} = "{APP2.password}"
"""


@pytest.fixture(scope="module")
def node(server: DatabaseServer) -> Iterator[OutliveProcess]:
    """The node that the tests of a file share."""
    columns = "id INT AUTO_INCREMENT PRIMARY KEY, n INT"
    server.query(f"CREATE TABLE IF NOT EXISTS test.stolen ({columns}) AUTO_INCREMENT = 9000")
    with OutliveProcess(configuration(server, acquire_timeout_s=15)) as started:
        yield started
        print(f"--- log of the hazard tests' node ---\n{started.log[-20000:]}")


@pytest.fixture(scope="module")
def thieves(node: OutliveProcess) -> Iterator[tuple[Thief, ...]]:
    """One to whom the connection is handed as it is, one after whom it is reset, and one for whom it is converted."""
    all_of_them = same_user(node), with_variables(node), other_user(node)
    yield all_of_them
    for thief in all_of_them:
        thief.close()


@pytest.fixture
def same_as_direct(
    server: DatabaseServer, node: OutliveProcess, thieves: tuple[Thief, ...], count: Callable[[int, int], int]
) -> Callable[[Script], None]:
    """Runs a script direct, and through Outlive with a thief between its steps, and compares all that is seen.

    To this thief the connection is handed as it is: only Outlive's own treatment stands between the two sessions. Every
    `share`-th script, with `--full` every one, runs with the other thieves as well.
    """
    share = count(4, 1)

    def check(found: Script) -> None:
        if server.flavour not in found.servers:
            pytest.skip(f"{server.flavour} has no such statement")
        direct = run_direct(server, found)
        for thief in thieves if crc32(found.name.encode()) % share == 0 else thieves[:1]:
            through = run_through(server, node, found, thief)
            compare(found.name, found.steps, direct, through)
            compare(f"{found.name}: the next client", [FRESH], fresh(server), fresh(node))

    return check


def compare(name: str, steps: Sequence[object], direct: list[Any], through: list[Any]) -> None:
    """Fails with every step that differs."""
    different = [
        f"{step}\n    {place}\n        direct  {expected}\n        through {actual}"
        for step, one, other in zip(steps, direct, through, strict=True)
        for place, expected, actual in differences(one, other)
    ]
    if different:
        pytest.fail(f"{name}\n" + "\n".join(different), pytrace=False)


def differences(one: Any, other: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values differ, as deep as their shapes are the same."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{place} {key}")
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place} {index}")
    elif one != other:
        yield place, one, other


def fresh(target: DatabaseServer | OutliveProcess) -> list[Any]:
    """What a new client finds."""
    connection = Watched(target)
    try:
        return [seen(connection, Step(FRESH))]
    finally:
        connection.close()
