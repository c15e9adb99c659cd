"""A database on a host of its own, and functions on hosts that vanish."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pymysql

from outlive.config.load import load
from outlive.config.model import Database
from outlive.config.origin import Origin

from ..servers import DatabaseServer, MariaDB, MySQL97, Postgres15, Postgres18, PostgresServer
from ..servers.database import APP, ROOT, Account
from ..servers.hosts import ClientHost, Hosts, in_namespace
from ..servers.postgres import SUPERUSER

T = TypeVar("T")
REFUSED = (pymysql.err.OperationalError, psycopg.OperationalError)

SERVERS: dict[str, type[DatabaseServer] | type[PostgresServer]] = {
    "mariadb": MariaDB,
    "mysql97": MySQL97,
    "postgres15": Postgres15,
    "postgres18": Postgres18,
}


class Far:
    """A server, and hosts around it. Connections are functions'; they are never closed in order."""

    def __init__(self, hosts: Hosts, server: DatabaseServer | PostgresServer) -> None:
        self.hosts = hosts
        self.server = server
        self._watching: Any = server.connect()
        self.namespace = hosts.server

    @property
    def is_postgres(self) -> bool:
        return isinstance(self.server, PostgresServer)

    @property
    def is_mysql(self) -> bool:
        return isinstance(self.server, MySQL97)

    @property
    def operator(self) -> Account:
        return SUPERUSER if self.is_postgres else ROOT

    def url(self, account: Account | None = None, **parameters: object) -> str:
        """As seen on the server's own host."""
        return self.server.url(account or self.operator, host="127.0.0.1", **parameters)

    def connect(self, host: ClientHost, account: Account = APP, **options: Any) -> Any:
        """From that host."""
        where = {"host": host.server, "port": self.server.port, "user": account.user, "password": account.password}
        if self.is_postgres:
            found = {**where, "dbname": "test", "autocommit": True, "connect_timeout": 5, **options}
            return in_namespace(host.name, lambda: psycopg.connect(**found))
        found = {**where, "database": "test", "autocommit": True, "connect_timeout": 5, **options}
        return in_namespace(host.name, lambda: pymysql.connect(**found))

    def number(self, connection: Any) -> int:
        """Its id at the server."""
        return int(connection.info.backend_pid if self.is_postgres else connection.thread_id())

    def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """In a loop of its own, on the server's own host."""
        return in_namespace(self.namespace, lambda: asyncio.run(work()))

    def query(self, statement: str) -> tuple[tuple[Any, ...], ...]:
        """On one connection that stays open: opening another takes places that tests count."""
        with self._watching.cursor() as cursor:
            cursor.execute(statement)
            return tuple(cursor.fetchall()) if cursor.description else ()

    def numbers(self, account: Account = APP) -> set[int]:
        """The user's connections, as the server lists them."""
        table = "pg_stat_activity" if self.is_postgres else "information_schema.processlist"
        number, user = ("pid", "usename") if self.is_postgres else ("id", "user")
        return {int(row[0]) for row in self.query(f"SELECT {number} FROM {table} WHERE {user} = '{account.user}'")}

    def database(self, account: Account | None = None) -> Database:
        """The server as a reaper is given it."""
        (found,) = load(Origin(urls=(self.url(account),)), {}).databases.values()
        return found


def _probe_often() -> None:
    """Of the calling thread's network: after a second of silence, each second, and never given up in a test's time."""
    for name, value in (("time", 1), ("intvl", 1), ("probes", 100)):
        Path(f"/proc/sys/net/ipv4/tcp_keepalive_{name}").write_text(str(value))


@contextlib.contextmanager
def far(name: str, **options: Any) -> Iterator[Far]:
    """Its kernel's keepalive is quick, as doctor recommends."""
    with Hosts() as hosts:
        in_namespace(hosts.server, _probe_often)
        with _server(name, hosts, options) as server:
            yield Far(hosts, server)


def _server(name: str, hosts: Hosts, options: dict[str, Any]) -> DatabaseServer | PostgresServer:
    return SERVERS[name](namespace=hosts.server, host="0.0.0.0", tls=False, **options)


def fill(place: Far, host: ClientHost, most: int) -> list[Any]:
    """Connections from there until the server has no more for such a user, which comes before `most`."""
    made: list[Any] = []
    while len(made) < most:
        try:
            made.append(place.connect(host))
        except REFUSED:
            return made
    raise AssertionError("the server is not full")
