"""One Outlive per PostgreSQL server for all hazard tests of a file: a budget of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from zlib import crc32

import pytest

from ...servers import OutliveProcess, PostgresServer
from ...servers.database import APP2
from ...servers.postgres import SUPERUSER
from .scripts import Script, Stage, Thief


def configuration(server: PostgresServer, **options: object) -> str:
    """A node in front of this server with one connection, for three users."""
    lines = "\n".join(f"{name} = {value}" for name, value in options.items())
    return f"""
[databases.test]
url = "{server.url(max_connections=1)}"
key_switch_after_ms = 0
acquire_timeout_s = 5
{lines}
[databases.test.users]
{APP2.user} = "{APP2.password}"
{SUPERUSER.user} = "{SUPERUSER.password}"
"""


@pytest.fixture(scope="module")
def node(pg: PostgresServer) -> Iterator[OutliveProcess]:
    """The node that the tests of a file share."""
    with OutliveProcess(configuration(pg)) as started:
        yield started
        print(f"--- log of the hazard tests' node ---\n{started.log[-20000:]}")


@pytest.fixture(scope="module")
def stage(pg: PostgresServer, node: OutliveProcess) -> Iterator[Stage]:
    """Where the scripts of a file run."""
    made = Stage(pg, node)
    yield made
    made.close()


@pytest.fixture(scope="module")
def thieves(stage: Stage) -> Iterator[tuple[Thief, ...]]:
    """One with settings of its own, one without any (whose victims speak in segments), others of other users."""
    node = stage.node
    all_of_them = Thief(node), Thief(node, dressed=False, split=True), Thief(node, APP2), Thief(node, SUPERUSER)
    yield all_of_them
    for thief in all_of_them:
        thief.close()


@pytest.fixture
def same_as_direct(
    stage: Stage, thieves: tuple[Thief, ...], count: Callable[[int, int], int]
) -> Callable[[Script], None]:
    """Runs a script direct, and through Outlive with a thief between its steps, and compares all that is seen.

    With one thief: the superuser's scripts with another session of the superuser, few of the others with another user,
    for whom the connection is replaced each time. With `--full` with each of them.
    """
    dressed, bare, other_user, superuser = thieves

    def check(found: Script) -> None:
        own = superuser if found.account is SUPERUSER else dressed
        turn = crc32(found.name.encode()) % 10
        chosen = other_user if turn == 0 and found.replaced else bare if turn < 4 else own
        for thief in count(1, 0) * [chosen] or (own, bare, *[other_user] * found.replaced):
            stage.same(found, thief)

    return check
