"""One server and one node a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import OutliveProcess
from ..servers.processes import free_port
from ..servers.redis import RedisServer


class Node(OutliveProcess):
    """A node for Redis; `redis_port` is where its clients connect."""

    def __init__(self, target: str, *, arguments: tuple[str, ...] = (), **options: object) -> None:
        self.redis_port = free_port()
        super().__init__(target, arguments=("--redis", f"127.0.0.1:{self.redis_port}", *arguments), **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node(f"redis://default@127.0.0.1:{server.port}/0?max_connections=5&passthrough=true") as found:
        yield found


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        request.getfixturevalue("server").ask("FLUSHALL")


HERE = Path(__file__).parent
