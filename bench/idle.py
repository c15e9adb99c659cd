"""Memory of idle clients: the growth of a relay's resident memory, divided by their number."""

import sys

from tests.servers import Process

from .route import Route

WARM_UP = 300
# What a relay needs open besides: its own limit must not be what ends the run.
SPARE_CLIENTS = 100


def bytes_per_idle_client(protocol: str, relay: Route, count: int, *, tls: bool) -> float:
    """`count` clients log in at `relay`, run a query and stay. Bytes of its resident memory that each adds."""
    # What is loaded once, and the memory that the first clients leave behind for the next, is nobody's share.
    _clients(protocol, relay, WARM_UP, tls=tls).close()
    before = relay.rss_bytes()
    with _clients(protocol, relay, count, tls=tls):
        return (relay.rss_bytes() - before) / count


def _clients(protocol: str, relay: Route, count: int, *, tls: bool) -> Process:
    arguments = [protocol, relay.host, str(relay.port), str(count), *(["tls"] if tls else [])]
    process = Process([sys.executable, "-m", "bench.idle_clients", *arguments], name="idle clients")
    process.wait_line("^ready$", 300)
    return process
