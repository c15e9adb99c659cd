"""The ways to the database that are compared: direct, through HAProxy in TCP mode (the floor of any relay),
through Outlive.
"""

import contextlib
from collections.abc import Iterator

from tests.servers import HAProxy, MariaDB, OutliveProcess
from tests.servers.database import APP, DatabaseServer

from ..comparison import DIRECT, OUTLIVE
from ..node import node
from ..route import Route

BUDGET = 21  # twenty that clients share, and the one that is kept for KILL
HAPROXY = "HAProxy"


@contextlib.contextmanager
def database() -> Iterator[DatabaseServer]:
    """A MariaDB with room for every client that comes direct."""
    # A large pool of pages and threads kept for new connections: the database must not be what is measured.
    with MariaDB(max_connections=500, thread_cache_size=200, innodb_buffer_pool_size="256M", back_log=500) as server:
        yield server


@contextlib.contextmanager
def routes(server: DatabaseServer) -> Iterator[list[Route]]:
    """All three, running at the same time."""
    with HAProxy(server.host, server.port) as relay, outlive(server) as own:
        yield [
            Route(DIRECT, server.host, server.port),
            Route(HAPROXY, relay.host, relay.port, relay.pid),
            Route(OUTLIVE, own.host, own.port, own.pid),
        ]


def outlive(server: DatabaseServer, *, tls: bool = False, max_clients: int = 12_000) -> OutliveProcess:
    """Outlive before `server`."""
    return node(server, url=server.url(APP), budget=BUDGET, tls=tls, max_clients=max_clients)
