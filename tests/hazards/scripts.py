"""Scripts of statements that run twice, straight to the server and through Outlive, and must look the same.

Through Outlive there is one lendable server connection, and another client (the thief) takes it between every two
statements, so that nothing that seems to be kept is kept by chance. What a script says of each step:

- a text: it leaves nothing that holds the connection, so the thief must get it at once;
- `held(text, reason, ...)`: from here on the session holds the connection, and /metrics names exactly these reasons
  (none: a transaction).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import COMMAND
from pymysql.protocol import EOFPacketWrapper

from ..servers import OutliveProcess
from ..servers.database import APP, APP2, Account, DatabaseServer

SETTLED_WITHIN_S = 20.0
BOTH = ("mariadb", "mysql")


@dataclass(frozen=True, slots=True)
class Step:
    """One command: the text of a COM_QUERY, or a `command` with its argument."""

    text: str | bytes
    command: int = COMMAND.COM_QUERY
    holds: tuple[str, ...] | None = None
    holds_on: tuple[str, ...] = BOTH

    def __str__(self) -> str:
        return f"{self.command}: {self.text!r}"


@dataclass(frozen=True, slots=True)
class Script:
    """`setup` is run by root before each run; `options` are PyMySQL's; `servers` those that know the statements."""

    name: str
    steps: tuple[Step, ...]
    setup: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()
    servers: tuple[str, ...] = BOTH


def held(text: str, *reasons: str) -> Step:
    """A statement after which the session holds its connection for exactly these reasons (none: a transaction)."""
    return Step(text, holds=tuple(sorted(reasons)))


def held_on(server: str, text: str, *reasons: str) -> Step:
    """`held` on this flavour only: the servers differ about what begins a transaction under autocommit=0."""
    return Step(text, holds=tuple(sorted(reasons)), holds_on=(server,))


def init_db(schema: str) -> Step:
    """COM_INIT_DB."""
    return Step(schema, COMMAND.COM_INIT_DB)


RESET_CONNECTION = Step("", 0x1F)
PING = Step("", COMMAND.COM_PING)
MULTI_STATEMENTS_ON = Step(b"\0\0", 0x1B)
MULTI_STATEMENTS_OFF = Step(b"\1\0", 0x1B)


def script(
    name: str,
    *steps: str | Step,
    setup: Iterable[str] = (),
    servers: Sequence[str] = BOTH,
    **options: Any,
) -> Script:
    """See `Script`."""
    wrapped = tuple(Step(step) if isinstance(step, str) else step for step in steps)
    return Script(name, wrapped, tuple(setup), tuple(options.items()), tuple(servers))


# -- what a client sees ---------------------------------------------------------------------------


class _Result(MySQLResult):
    """PyMySQL's, with the status word of a result set's end as well."""

    def _check_packet_is_eof(self, packet: Any) -> bool:
        if not packet.is_eof_packet():
            return False
        end = EOFPacketWrapper(packet)
        self.server_status, self.warning_count, self.has_next = end.server_status, end.warning_count, end.has_next
        return True


class Watched(Connection):
    """A connection that shows all of a reply, and sends as little of its own as can be."""

    def __init__(self, target: DatabaseServer | OutliveProcess, account: Account = APP, **options: Any) -> None:
        defaults = {"database": "test", "use_unicode": False, "autocommit": None, "charset": "utf8mb4"}
        super().__init__(
            host=target.host,
            port=target.port,
            user=account.user,
            password=account.password,
            **{**defaults, **options},
        )
        self.encoding = "latin1"  # of names and messages, which come in whatever charset was asked for
        self.decoders: dict[int, Any] = {}  # values as they came, whatever charset was asked for

    def _read_query_result(self, unbuffered: bool = False) -> int:
        self._result: Any = None
        result = _Result(self)
        result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return int(result.affected_rows or 0)


def seen(connection: Watched, step: Step) -> list[dict[str, Any]]:
    """All that a client can see of the reply to one command: one entry a result."""
    try:
        if step.command == COMMAND.COM_QUERY:
            connection.query(step.text.encode() if isinstance(step.text, str) else step.text)
        else:
            connection._execute_command(step.command, step.text)
            if step.command == 0x1B and not connection._read_packet().is_ok_packet():
                return [{"eof": True}]
            connection._read_query_result()
        found = [_result(connection)]
        while connection._result.has_next:
            connection.next_result()
            found.append(_result(connection))
    except pymysql.MySQLError as error:
        return [{"error": error.args}]
    return found


def _result(connection: Watched) -> dict[str, Any]:
    result = connection._result
    if not result.field_count:
        return {
            "affected": result.affected_rows,
            "insert id": result.insert_id,
            "warnings": result.warning_count,
            "status": result.server_status,
            "message": result.message,
        }
    names = ("db", "table_name", "org_table", "name", "org_name", "charsetnr", "length", "type_code", "flags", "scale")
    return {
        "rows": result.rows,
        "warnings": result.warning_count,
        "status": result.server_status,
        "columns": [{name: getattr(field, name) for name in names} for field in result.fields],
    }


# -- the other client -----------------------------------------------------------------------------


class Thief:
    """Takes the connection, makes a session of its own of it, and finds that session as it left it every time."""

    _ENDINGS = (
        ("INSERT INTO test.stolen () VALUES (), (), ()",),
        ("SELECT nothing FROM nowhere",),
        ("SELECT SQL_CALC_FOUND_ROWS id FROM test.stolen LIMIT 1",),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",),
        ("SELECT CAST('warns' AS SIGNED)",),
        ("UPDATE test.stolen SET n = n + 1",),
        ("SELECT 1",),
    )

    def __init__(self, connection: Connection[Any], mark: str | None) -> None:
        """`mark`: the value of its user variables; None for none of them."""
        self._connection = connection
        self._mark = mark
        self._turn = 0
        for statement in (
            "SET NAMES latin1 COLLATE latin1_german1_ci",
            "SET time_zone = '+05:30', lc_time_names = 'de_DE', sql_select_limit = 77",
            "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
            "USE other",
            *((f"SET @x = '{mark}', @y = 4711",) if mark else ()),
        ):
            self._connection.query(statement)

    def steal(self) -> None:
        """One turn: checks its own session, and leaves what a last statement can leave."""
        # Each turn ends otherwise: what is left behind by one of them is what the next client must not see.
        found = self._ask("SELECT @x, @y, DATABASE(), @@time_zone, @@sql_select_limit, @@collation_connection")
        assert found == [(self._mark, 4711 if self._mark else None, "other", "+05:30", 77, "latin1_german1_ci")], found
        for statement in self._ENDINGS[self._turn % len(self._ENDINGS)]:
            try:
                self._ask(statement)
            except pymysql.MySQLError as error:
                if error.args[0] != 1146:
                    raise
        self._turn += 1

    def _ask(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Ends its session."""
        self._connection.close()


# -- running --------------------------------------------------------------------------------------

FRESH = (
    "SELECT @x, @y, DATABASE(), @@sql_mode, @@time_zone, @@autocommit, @@collation_connection, @@character_set_results,"
    " @@character_set_client, @@lc_time_names, @@sql_select_limit, @@foreign_key_checks, CURRENT_ROLE(), ROW_COUNT(),"
    " @@last_insert_id, @@warning_count"
)


def run_direct(server: DatabaseServer, found: Script) -> list[list[dict[str, Any]]]:
    """What each step shows straight at the server."""
    prepare(server, found)
    connection = Watched(server, **dict(found.options))
    try:
        return [seen(connection, step) for step in found.steps]
    finally:
        connection.close()
        if any(step.holds is not None for step in found.steps):
            server.wait_end(connection.thread_id())


def run_through(
    server: DatabaseServer, node: OutliveProcess, found: Script, thief: Thief
) -> list[list[dict[str, Any]]]:
    """What each step shows through Outlive, with the thief between every two."""
    prepare(server, found)
    thief.steal()
    connection = Watched(node, **dict(found.options))
    results = []
    try:
        for step in found.steps:
            results.append(seen(connection, step))
            if step.holds is None or server.flavour not in step.holds_on:
                _steal(node, thief, step)
            else:
                _check_held(node, step)
    finally:
        connection.close()
    thief.steal()
    return results


def _steal(node: OutliveProcess, thief: Thief, step: Step) -> None:
    try:
        thief.steal()
    except pymysql.MySQLError as error:
        if error.args[0] != 1040:
            raise
        pytest.fail(f"{step} holds the connection, for {pins(node)}", pytrace=False)


def _check_held(node: OutliveProcess, step: Step) -> None:
    """What Outlive asks behind a reply may be under way when the client has it: the reasons settle a moment later."""
    end = time.monotonic() + SETTLED_WITHIN_S
    while pins(node) != step.holds:
        if time.monotonic() > end:
            pytest.fail(f"{step} holds the connection for {pins(node)}", pytrace=False)
        time.sleep(0.002)  # the node needs the processor
    if not node.metric("outlive_leases_held"):
        pytest.fail(f"{step} does not hold the connection", pytrace=False)


def pins(node: OutliveProcess) -> tuple[str, ...]:
    """The reasons of the pins there are now, as /metrics tells."""
    found = []
    for line in node.get("/metrics")[1].splitlines():
        if line.startswith("outlive_pinned{") and float(line.rpartition(" ")[2]):
            found.append(line.partition('reason="')[2].partition('"')[0])
    return tuple(sorted(found))


def prepare(server: DatabaseServer, found: Script) -> None:
    """Root makes the tables as the script wants them."""
    with server.connect(autocommit=True) as root:
        for statement in found.setup:
            with root.cursor() as cursor:
                cursor.execute(statement)


def other_user(node: OutliveProcess) -> Thief:
    """A thief of another pool key: the connection is converted for it, and back."""
    return Thief(node.connect(APP2), "other user")


def same_user(node: OutliveProcess) -> Thief:
    """A thief of the same pool key: the connection is handed over as it is, but for its settings."""
    return Thief(node.connect(APP), None)


def with_variables(node: OutliveProcess) -> Thief:
    """A thief whose user variables only a reset takes away."""
    return Thief(node.connect(APP), "with variables")
