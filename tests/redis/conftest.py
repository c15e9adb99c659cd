"""One server and one node a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import OutliveProcess
from ..servers.processes import free_port
from ..servers.redis import RedisServer

OPERATORS = "acl,config,debug,failover,flushall,latency,module,replicaof,slaveof,slowlog,swapdb"
"""What a node lets through that refuses nothing it can be told to let through (but for shutdown)."""


class Node(OutliveProcess):
    """A node for Redis; `redis_port` is where its clients connect."""

    def __init__(
        self, target: str, *, arguments: tuple[str, ...] = (), host: str = "127.0.0.1", **options: object
    ) -> None:
        self.redis_port = free_port()
        super().__init__(target, arguments=("--redis", f"{host}:{self.redis_port}", *arguments), host=host, **options)  # type: ignore[arg-type]

    @classmethod
    def of(cls, server: RedisServer, *, path: str = "/0", **options: object) -> "Node":
        """In front of `server`, with options of its URL."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        return cls(f"redis://default@{server.host}:{server.port}{path}?{query}")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as found:
        yield found


@pytest.fixture(scope="module")
def node(server: RedisServer) -> Iterator[Node]:
    with Node.of(server, max_connections=5, passthrough="true") as found:
        yield found


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        request.getfixturevalue("server").ask("FLUSHALL")


HERE = Path(__file__).parent
