"""PostgreSQL: pg_stat_activity. Statements' texts are never read: they may hold anybody's data.

Source: PostgreSQL manual, "pg_stat_activity" (the cumulative statistics system).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Final

from outlive.census.connection import Census, Connection, Kind, State, Transaction
from outlive.census.errors import CensusError
from outlive.census.session import Row, Session
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.postgres.steps import FACTS, ask_step
from outlive.upstream.postgres.dial import PostgresDialer
from outlive.upstream.postgres.key import key_of
from outlive.upstream.postgres.server import PostgresServer
from outlive.upstream.users import Users
from outlive.wire.postgres.errors import ErrorFields

MAINTENANCE_DATABASE: Final = "postgres"
_ROWS: Final = 20_000
_SET_UP: Final = (
    # Names and operators are the server's own, whatever the owner of this database has put where they are looked for.
    "SET search_path = pg_catalog, pg_temp",
    "SET application_name = 'outlive operator'",
    "SET statement_timeout = '10s'",
    "SET lock_timeout = '2s'",
    "SET default_transaction_isolation = 'read committed'",
)
_LIST: Final = f"""
SELECT pid, extract(epoch FROM backend_start), extract(epoch FROM state_change), backend_type, state, usename, datname,
 coalesce(host(client_addr), ''), coalesce(client_port, 0), application_name,
 extract(epoch FROM clock_timestamp() - state_change), extract(epoch FROM clock_timestamp() - backend_start),
 extract(epoch FROM clock_timestamp() - xact_start), backend_xid IS NOT NULL
 FROM pg_stat_activity WHERE pid <> pg_backend_pid() ORDER BY pid LIMIT {_ROWS}
"""
_STATES: Final = {
    "idle": State.IDLE,
    "idle in transaction": State.IN_TRANSACTION,
    "idle in transaction (aborted)": State.IN_TRANSACTION,
    "active": State.ACTIVE,
    "fastpath function call": State.ACTIVE,
}


class PostgresSession(Session):
    """See `Session`."""

    when_full: ClassVar[str] = (
        "superuser_reserved_connections (3 by default) are kept for superusers, and since PostgreSQL 16"
        " reserved_connections for roles with pg_use_reserved_connections: name such a role in the URL. If that fails"
        " too: SELECT pg_terminate_backend(pid) over any connection that is still open, or, on the server itself,"
        " SIGTERM (never SIGKILL) to a backend that ps shows as idle."
    )

    @property
    def product(self) -> str:
        """See `Session`."""
        version = self._connection.server.version.decode("ascii", "replace")
        return f"PostgreSQL {version.split(' ')[0]}"

    @property
    def version(self) -> int:
        """The major version."""
        return int(self._connection.server.version.split(b".")[0].split(b" ")[0].rstrip(b"abcdelrtv") or 0)

    def _server(self, users: Users, dead_man_s: int) -> tuple[Any, Any]:
        database = self.database
        dialer = PostgresDialer(self.address, users, 0, connect_timeout_s=database.connect_timeout_s, tls=None)
        dialer.requires_channel_binding = database.channel_binding == "require"
        server = PostgresServer(
            self.address,
            Limits(control_connections=0),
            dialer,
            ServerMetrics(str(self.address)),
            dead_man_s=0 if self.plain else dead_man_s,
            prepared_statements=1,
        )
        return server, key_of(database.user, database.database or MAINTENANCE_DATABASE)

    async def open(self) -> None:
        """See `Session`."""
        await Session.open(self)
        for sql in _SET_UP:
            await self.rows(sql)

    async def rows(self, sql: str) -> list[Row]:
        """See `Session`."""
        found: list[Row] = []

        def take(rows: list[tuple[bytes | None, ...]]) -> None:
            found.extend(tuple(None if v is None else v.decode("utf-8", "replace") for v in row) for row in rows)

        await self.answered([ask_step(sql.encode(), FACTS, take)])
        return found

    def _refusal(self, error: ErrorFields) -> CensusError:
        code, text = error.code.decode("ascii", "replace"), error.message.decode("utf-8", "replace")[:200]
        return CensusError(f"The database refuses: {code} {text}.", code=code)

    async def census(self) -> Census:
        """See `Session`."""
        connections = tuple(_connection(row) for row in await self.rows(_LIST))
        hidden = sum(found.kind is Kind.HIDDEN for found in connections)
        blind = (
            f"What {hidden} connections of other users do is not shown to this role: GRANT pg_read_all_stats shows it.",
        )
        return Census(connections, blind if hidden else ())

    async def seen_as(self) -> tuple[str, int]:
        """See `Session`."""
        rows = await self.rows("SELECT coalesce(host(inet_client_addr()), ''), coalesce(inet_client_port(), 0)")
        return rows[0][0] or "", int(rows[0][1] or 0)

    async def remaining(self, numbers: Collection[int]) -> set[int]:
        """See `Session`."""
        wanted = ",".join(map(str, numbers))
        rows = await self.rows(f"SELECT pid FROM pg_stat_activity WHERE pid IN ({wanted})")
        return {int(row[0] or 0) for row in rows}


def _connection(row: Row) -> Connection:
    number, began, changed, kind, state, user, database, host, port, program, idle, age, transaction, writes = row
    found_kind = _kind(kind, database)
    found = _STATES.get(state or "", State.UNKNOWN)
    return Connection(
        id=int(number or 0),
        began=began or "",
        changed=changed or "",
        kind=found_kind,
        state=found,
        user=user or "",
        database=database or "",
        host=(host or "").removeprefix("::ffff:"),
        port=max(0, int(port or 0)),  # -1 over a unix socket
        program=program or "",
        command=state or kind or "",
        idle_s=max(0.0, float(idle or 0)) if found in (State.IDLE, State.IN_TRANSACTION) else None,
        age_s=None if age is None else max(0.0, float(age)),
        transaction=None if transaction is None else Transaction(max(0.0, float(transaction)), writes == "t"),
        is_outlive=(program or "").startswith("outlive"),
    )


def _kind(backend_type: str | None, database: str | None) -> Kind:
    if backend_type is None:
        # Not shown to this role; but a client is always in a database, and the server's own mostly in none.
        return Kind.HIDDEN if database else Kind.SERVER
    if backend_type == "client backend":
        return Kind.CLIENT
    return Kind.REPLICATION if backend_type == "walsender" else Kind.SERVER
