"""The ways to the database that are compared: direct, through HAProxy in TCP mode (the floor of any relay),
through Outlive.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import HAProxy, MariaDB, OutliveProcess
from tests.servers.database import APP, DatabaseServer

BUDGET = 21  # twenty that clients share, and the one that is kept for KILL


@dataclass(frozen=True, slots=True)
class Route:
    """One way to the database. `pid` is the relay's process; None when there is none."""

    name: str
    host: str
    port: int
    pid: int | None

    def cpu_s(self) -> float:
        """CPU seconds, user and system, that the relay's process has used so far with all its threads; 0.0 without
        one.
        """
        if self.pid is None:
            return 0.0
        # Fields 14 and 15 of proc(5), counted behind the name, which may contain anything.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        """Resident memory of the relay's process."""
        if self.pid is None:
            return 0
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@contextlib.contextmanager
def database() -> Iterator[MariaDB]:
    """A MariaDB with room for every client that comes direct."""
    # A large pool of pages and threads kept for new connections: the database must not be what is measured.
    with MariaDB(max_connections=500, thread_cache_size=200, innodb_buffer_pool_size="256M", back_log=500) as server:
        yield server


@contextlib.contextmanager
def routes(server: DatabaseServer) -> Iterator[list[Route]]:
    """All three, running at the same time."""
    with HAProxy(server.host, server.port) as relay, outlive(server) as node:
        yield [
            Route("direct", server.host, server.port, None),
            Route("HAProxy", relay.host, relay.port, relay.pid),
            Route("Outlive", node.host, node.port, node.pid),
        ]


def outlive(server: DatabaseServer, *, tls: bool = False, max_clients: int = 12_000) -> OutliveProcess:
    """Outlive with every hazard treatment on, as it comes; with certificates when `tls`."""
    certificates = server.certificates
    lines = [f"max_clients = {max_clients}"]
    if tls:
        lines += [f'tls_cert = "{certificates.server_cert}"', f'tls_key = "{certificates.server_key}"']
    lines += [
        "[databases.test]",
        f'url = "{server.url(APP)}"',
        f"max_connections = {BUDGET}",
    ]
    return OutliveProcess("\n".join(lines) + "\n")
