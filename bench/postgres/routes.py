"""The ways to the database that are compared: direct, through PgBouncer, through Outlive."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers import OutliveProcess, PgBouncer118, PgBouncer126, Postgres15, PostgresServer
from tests.servers.database import APP
from tests.servers.pgbouncer import PgBouncer
from tests.servers.postgres import give_away

from ..comparison import DIRECT, OUTLIVE
from ..node import node
from ..route import Route

BUDGET = 20  # server connections of each relay
PGBOUNCER = "PgBouncer"


@dataclass(frozen=True, slots=True)
class Routes:
    """All of them, running at the same time; each takes TLS from who asks for it."""

    direct: Route
    old: Route
    new: Route
    outlive: Route

    def of(self, mode: str) -> list[Route]:
        """Those that are compared in a mode of pgbench: PgBouncer 1.18 has no prepared statements, 1.26 has."""
        return [self.direct, self.new if mode == "prepared" else self.old, self.outlive]


@contextlib.contextmanager
def database() -> Iterator[PostgresServer]:
    """A PostgreSQL 15 with room for every client that comes direct."""
    with Postgres15(max_connections=500) as server:
        yield server


@contextlib.contextmanager
def routes(server: PostgresServer) -> Iterator[Routes]:
    """All of them before `server`."""
    with (
        pgbouncer(PgBouncer118, server, tls=True) as old,
        pgbouncer(PgBouncer126, server, tls=True) as new,
        outlive(server, tls=True) as own,
    ):
        yield Routes(Route(DIRECT, server.host, server.port), route(old), route(new), route(own))


def pgbouncer(version: type[PgBouncer], server: PostgresServer, *, tls: bool) -> PgBouncer:
    """A PgBouncer before `server`, with as many server connections as Outlive has.

    It knows the passwords as the server stores them, as its manual has it: of clear ones it would make such a secret at
    every login, in milliseconds.
    """
    return version(server, pool_size=BUDGET, tls=tls, server_tls_sslmode="disable", auth_file=_secrets(server))


def _secrets(server: PostgresServer) -> Path:
    rows = server.query("SELECT rolname, rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
    path = server.folder / "users.txt"
    path.write_text("".join(f'"{user}" "{secret}"\n' for user, secret in rows))
    give_away(path)
    return path


def outlive(server: PostgresServer, *, tls: bool, max_clients: int = 12_000) -> OutliveProcess:
    """Outlive before `server`."""
    url = server.url(APP, sslmode="disable")
    return node(server, url=url, budget=BUDGET, tls=tls, max_clients=max_clients)


def route(relay: PgBouncer | OutliveProcess) -> Route:
    """The way through a relay that runs."""
    if isinstance(relay, OutliveProcess):
        return Route(OUTLIVE, relay.host, relay.pg_port, relay.pid)
    return Route(PGBOUNCER, relay.host, relay.port, relay.pid)
