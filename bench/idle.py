"""Memory of idle clients: the growth of Outlive's resident memory, divided by their number."""

import sys

from tests.servers import MariaDB, Process

from .routes import Route, outlive

WARM_UP = 300


def bytes_per_idle_client(server: MariaDB, count: int, *, tls: bool) -> float:
    """`count` clients log in, run a query and stay. Bytes of resident memory of the node that each adds."""
    with outlive(server, tls=tls, max_clients=count + 100) as node:
        route = Route("Outlive", node.host, node.port, node.pid)
        # What is loaded once, and the memory that the first clients leave behind for the next, is nobody's share.
        _clients(route, WARM_UP, tls=tls).close()
        before = route.rss_bytes()
        with _clients(route, count, tls=tls):
            return (route.rss_bytes() - before) / count


def _clients(route: Route, count: int, *, tls: bool) -> Process:
    arguments = [route.host, str(route.port), str(count), *(["tls"] if tls else [])]
    process = Process([sys.executable, "-m", "bench.idle_clients", *arguments], name="idle clients")
    process.wait_line("^ready$", 300)
    return process
