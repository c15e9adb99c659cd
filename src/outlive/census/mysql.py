"""MySQL and MariaDB: the process list, the open transactions and the connection attributes.

Statements' texts are never read: they may hold anybody's data. Sources: the MySQL 9 manual, "The processlist Table",
"The INFORMATION_SCHEMA INNODB_TRX Table", "The events_transactions_current Table", "The session_connect_attrs Table";
the MariaDB documentation, "Information Schema PROCESSLIST Table".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar, Final

from outlive.census.connection import Census, Connection, Kind, State, Transaction
from outlive.census.errors import CensusError
from outlive.census.session import Row, Session
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.mysql.steps import FACTS, Step, ask_step, query_step
from outlive.upstream.mysql.dial import MySQLDialer
from outlive.upstream.mysql.key import key_of
from outlive.upstream.mysql.server import MySQLServer
from outlive.upstream.users import Users
from outlive.wire.mysql.ok import ERR

_ROWS: Final = 20_000
"""The most the upstream layer reads of one answer; no server has as many connections."""
_NEWER_LIST: Final = "performance_schema.processlist"
_SERVERS_OWN: Final = frozenset(("system user", "event_scheduler"))
_REPLICATION: Final = ("Binlog Dump", "Slave", "Register", "Group Replication")
_ATTRIBUTES: Final = (
    "SELECT PROCESSLIST_ID,"
    " MAX(CASE WHEN ATTR_NAME = 'program_name' THEN ATTR_VALUE END),"
    " MAX(CASE WHEN ATTR_NAME = '_client_name' THEN ATTR_VALUE END),"
    " MAX(CASE WHEN ATTR_NAME = 'outlive_node' THEN ATTR_VALUE END)"
    f" FROM performance_schema.session_connect_attrs GROUP BY PROCESSLIST_ID LIMIT {_ROWS}"
)
_INNODB: Final = (
    "SELECT trx_mysql_thread_id, TIMESTAMPDIFF(SECOND, trx_started, NOW()), trx_rows_modified + trx_rows_locked > 0"
    f" FROM information_schema.INNODB_TRX LIMIT {_ROWS}"
)
# innodb_trx is a cache that a frequent reader keeps from being renewed; the events of transactions are not.
_EVENTS: Final = (
    "SELECT t.PROCESSLIST_ID, e.TIMER_WAIT / 1e12 FROM performance_schema.events_transactions_current AS e"
    " JOIN performance_schema.threads AS t USING (THREAD_ID)"
    f" WHERE e.STATE = 'ACTIVE' AND t.PROCESSLIST_ID IS NOT NULL LIMIT {_ROWS}"
)


class MySQLSession(Session):
    """See `Session`."""

    when_full: ClassVar[str] = (
        "One connection above max_connections is kept for users with CONNECTION_ADMIN (SUPER on MariaDB before 10.5 and"
        " MySQL before 8): name such a user in the URL. MySQL with admin_address listens on admin_port (33062)"
        " for users with SERVICE_CONNECTION_ADMIN, MariaDB with extra_port on that one: name it with --admin-port. If"
        " that fails too: SET GLOBAL max_connections over any connection that is still open, end a client that you"
        " know, or restart the server."
    )

    list_table: str = "information_schema.PROCESSLIST"

    @property
    def time_column(self) -> str:
        """How long the state lasts: seconds; MariaDB has milliseconds."""
        return "TIME_MS" if self.is_mariadb else "TIME"

    @property
    def is_mariadb(self) -> bool:
        """By the greeting, which names it (Source: MariaDB documentation, "Connection", initial handshake packet)."""
        return b"MariaDB" in bytes(self._connection.greeting.server_version)

    @property
    def product(self) -> str:
        """See `Session`."""
        version = self._connection.greeting.server_version.decode("ascii", "replace")
        return f"MariaDB {version.removeprefix('5.5.5-').split('-')[0]}" if self.is_mariadb else f"MySQL {version}"

    def _server(self, users: Users, dead_man_s: int) -> tuple[Any, Any]:
        dialer = MySQLDialer(self.address, users, 0, connect_timeout_s=self.database.connect_timeout_s, tls=None)
        server = MySQLServer(
            self.address,
            Limits(),
            dialer,
            ServerMetrics(str(self.address)),
            dead_man_s=dead_man_s,
            prepared_statements=1,
        )
        return server, key_of(self.database.user, 0)

    async def rows(self, sql: str) -> list[Row]:
        """See `Session`."""
        return await self._asked([ask_step(sql.encode(), FACTS)])

    async def guarded(self, condition: str, command: str, question: str) -> list[Row]:
        """Two statements without a result and a question behind them, in one write: nothing of ours comes between.

        The question's rows. Raises CensusError with the first error; the others have run all the same.
        """
        commands = [query_step(sql.encode(), FACTS) for sql in (condition, command)]
        return await self._asked([*commands, ask_step(question.encode(), FACTS)])

    async def _asked(self, steps: list[Step]) -> list[Row]:
        learned: list[list[tuple[bytes | None, ...]]] = self._connection.learned
        learned.clear()
        await self.answered(steps)
        return [_as_text(row) for row in learned[-1]]

    def _refusal(self, error: ERR) -> CensusError:
        text = error.message.decode("utf-8", "replace")[:200]
        return CensusError(f"The database refuses: {error.code} {text}.", code=str(error.code))

    # -- the list ----------------------------------------------------------------------------------

    async def census(self) -> Census:
        """See `Session`."""
        await self._find_list()
        listed = await self.rows(
            f"SELECT ID, USER, HOST, DB, COMMAND, {self.time_column} FROM {self.list_table}"
            f" WHERE ID <> CONNECTION_ID() ORDER BY ID LIMIT {_ROWS}"
        )
        transactions, told = await self._transactions()
        programs = await self._programs()
        connections = tuple(
            replace(
                _connection(
                    row, transactions.get(row[0] or ""), programs.get(row[0] or "", ("", False)), self.is_mariadb
                ),
                tells_transaction=told,
            )
            for row in listed
        )
        return Census(connections, tuple(await self._blind(len(connections), told=told)))

    async def _find_list(self) -> None:
        """MySQL's information_schema.PROCESSLIST holds a global lock while it is read, and is deprecated."""
        if self.is_mariadb or self.list_table == _NEWER_LIST:
            return
        shown = await self.optional(f"SELECT @@performance_schema AND COUNT(*) > 0 FROM {_NEWER_LIST}")
        if shown == [("1",)]:
            self.list_table = _NEWER_LIST

    async def seen_as(self) -> tuple[str, int]:
        """See `Session`."""
        rows = await self.rows(f"SELECT HOST FROM {self.list_table} WHERE ID = CONNECTION_ID()")
        return split_host(rows[0][0] or "") if rows else ("", 0)

    async def remaining(self, numbers: Collection[int]) -> set[int]:
        """See `Session`."""
        wanted = ",".join(map(str, numbers))
        return {int(row[0] or 0) for row in await self.rows(f"SELECT ID FROM {self.list_table} WHERE ID IN ({wanted})")}

    async def _transactions(self) -> tuple[dict[str, Transaction], bool]:
        """Those that are open, by connection, and whether this user is told of them."""
        found: dict[str, Transaction] = {}
        for row in await self.optional(_EVENTS) or ():
            found[row[0] or ""] = Transaction(float(row[1] or 0))
        rows = await self.optional(_INNODB)
        for row in rows or ():
            found[row[0] or ""] = Transaction(float(row[1] or 0), row[2] == "1")
        return found, rows is not None

    async def _programs(self) -> dict[str, tuple[str, bool]]:
        rows = await self.optional(_ATTRIBUTES) or ()
        return {row[0] or "": (row[1] or row[2] or "", row[3] is not None) for row in rows}

    async def _blind(self, shown: int, *, told: bool) -> list[str]:
        found = []
        rows = await self.rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
        if rows and shown + 1 < int(rows[0][1] or 0) - 1:
            found.append("Other users' connections are not shown to this user: GRANT PROCESS ON *.* lets it see them.")
        if not told:
            found.append("Open transactions are not shown to this user: GRANT PROCESS ON *.* lets it see them.")
        return found


def _as_text(row: tuple[bytes | None, ...]) -> Row:
    return tuple(None if value is None else value.decode("utf-8", "replace") for value in row)


def _connection(row: Row, transaction: Transaction | None, program: tuple[str, bool], is_mariadb: bool) -> Connection:
    number, user, host, database, command, time = (value or "" for value in row)
    kind = _kind(user, command)
    idle = command == "Sleep"
    address, port = split_host(host)
    return Connection(
        id=int(number),
        began=host,
        changed=time,
        kind=kind,
        state=_state(command, transaction),
        user=user,
        database=database,
        host=address,
        port=port,
        program=program[0],
        command=command,
        # Whole seconds of two clocks' readings: it may be almost one less.
        idle_s=None if not idle else float(time or 0) / 1000 if is_mariadb else max(0.0, float(time or 0) - 1),
        transaction=transaction if kind is Kind.CLIENT else None,
        is_outlive=program[1] or program[0] == "outlive",
    )


def _kind(user: str, command: str) -> Kind:
    if command.startswith(_REPLICATION):
        return Kind.REPLICATION
    if user in _SERVERS_OWN or command == "Daemon":
        return Kind.SERVER
    return Kind.LOGIN if user == "unauthenticated user" else Kind.CLIENT


def _state(command: str, transaction: Transaction | None) -> State:
    if command == "Sleep":
        return State.IDLE if transaction is None else State.IN_TRANSACTION
    return State.ENDING if command == "Killed" else State.ACTIVE


def split_host(host: str) -> tuple[str, int]:
    """`address:port`, where an IPv6 address has no brackets; over a unix socket it is `localhost` alone: ("", 0)."""
    name, _, port = host.rpartition(":")
    if not name or not port.isdecimal():
        return "", 0
    return name.removeprefix("[").removesuffix("]").removeprefix("::ffff:"), int(port)
