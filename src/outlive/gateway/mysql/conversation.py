"""A request's session at a MySQL or MariaDB database: prepared statements, whose parameters and rows have types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.gateway.channel import InProcessMySQLChannel
from outlive.gateway.conversation import Conversation, Described, Done, Isolation
from outlive.gateway.failure import bad_request
from outlive.gateway.mysql.client import RequestMySQLClient
from outlive.gateway.mysql.reply import DescribeReply, MySQLReply, PrepareReply, ResultReply
from outlive.gateway.mysql.types import bound, column, parse_definition
from outlive.gateway.placeholders import questions
from outlive.gateway.rows import Rows
from outlive.gateway.rules.canon import Reading
from outlive.gateway.statement import Statement
from outlive.proxy.mysql.entry import MySQLEntry
from outlive.proxy.mysql.gate import OFFERED
from outlive.session.mysql.analysis import ANSI_QUOTES, MULTIBYTE_ESCAPES, NO_BACKSLASH_ESCAPES
from outlive.session.mysql.client_session import ClientSession
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import packet

if TYPE_CHECKING:
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.upstream.mysql.route import MySQLRoute

_CAPABILITIES: Final = OFFERED & ~(
    wire.CLIENT_FOUND_ROWS
    | wire.CLIENT_LOCAL_FILES
    | wire.CLIENT_MULTI_STATEMENTS
    | wire.CLIENT_SESSION_TRACK
    | wire.CLIENT_QUERY_ATTRIBUTES
    | wire.CLIENT_IGNORE_SPACE
    | wire.CLIENT_INTERACTIVE
    | wire.CLIENT_NO_SCHEMA
    | wire.CLIENT_ODBC
)
_UTF8MB4: Final = 45
_UNPREPARABLE: Final = 1295
"""ER_UNSUPPORTED_PS: some statements, as LOCK TABLES, can be sent as text only."""


class MySQLConversation(Conversation):
    """See the module."""

    protocol = "mysql"

    def __init__(self, services: MySQLServices, route: MySQLRoute, schema: bytes) -> None:
        Conversation.__init__(self, services, route, InProcessMySQLChannel(services))
        self.channel: InProcessMySQLChannel
        self._schema = schema

    async def open(self) -> None:
        """See `Conversation`."""
        self._join()
        services, route = self.services, self.route
        entry = MySQLEntry(services, route, self.user, _CAPABILITIES, self._schema, self._enter)
        entry.begin(None)
        try:
            refusal: ERR | None = await self._entered
        except BaseException:
            entry.cancel()
            self.close()
            raise
        if refusal is not None:
            self.close()
            full = refusal.code == wire.ER_CON_COUNT_ERROR
            raise self._turned_away(_text(refusal), "full" if full else "refused")
        facts = services.facts_of(route)
        session = ClientSession(
            facts,
            user=entry.user,
            capabilities=_CAPABILITIES,
            collation_id=_UTF8MB4,
            schema=self._schema,
            connection_id=self.channel.connection_id,
            analyser=route.analyser,
            limits=services.session_limits,
        )
        self.client = RequestMySQLClient(self.channel, session, route, services)
        self.client.turned_away = ""
        self.client.charset = _UTF8MB4
        self.channel.client = self.client

    def _enter(self, refusal: ERR | None) -> None:
        if not self._entered.done():
            self._entered.set_result(refusal)

    async def _ask(self, command: bytes, reply: MySQLReply) -> None:
        await self._exchange(packet(0, command), reply)
        if self.client.turned_away:
            kind, self.client.turned_away = self.client.turned_away, ""
            raise self._turned_away("" if reply.error is None else _text(reply.error), kind)

    async def _run(self, statement: Statement, rows: Rows) -> Done:
        if statement.as_text:
            if self.client.session.mode & (NO_BACKSLASH_ESCAPES | MULTIBYTE_ESCAPES):
                # A value that the caller escaped with backslashes would end its literal, and go on as SQL.
                raise bad_request("Not with NO_BACKSLASH_ESCAPES, or a charset that has backslashes in characters.")
            return await self._query(statement.sql.encode("utf-8", "replace"), rows)
        sql, values = statement.sql, statement.parameters
        if isinstance(values, dict):
            sql, values = questions(sql, values)
        text = sql.encode("utf-8", "replace")
        parameters = bound(values)
        prepared = PrepareReply()
        await self._ask(bytes((wire.COM_STMT_PREPARE,)) + text, prepared)
        if prepared.error is not None and prepared.error.code == _UNPREPARABLE and not values:
            return await self._query(text, rows)
        prepared.check()
        number = prepared.statement_id.to_bytes(4, "little")
        try:
            if prepared.parameters != len(values):
                raise bad_request(f"The statement has {prepared.parameters} parameters, the request has {len(values)}.")
            result = ResultReply(rows, binary=True)
            head = bytes((wire.COM_STMT_EXECUTE,)) + number + b"\0\x01\0\0\0"
            await self._ask(head + (parameters if values else b""), result)
        finally:
            if not self.closed:
                self.client.data_received(packet(0, bytes((wire.COM_STMT_CLOSE,)) + number))
        return result.done()

    async def _describe(self, sql: str) -> Described:
        prepared = DescribeReply()
        await self._ask(bytes((wire.COM_STMT_PREPARE,)) + sql.encode("utf-8", "replace"), prepared)
        prepared.check()
        number = prepared.statement_id.to_bytes(4, "little")
        self.client.data_received(packet(0, bytes((wire.COM_STMT_CLOSE,)) + number))
        columns = [column(parse_definition(payload)) for payload in prepared.definitions[prepared.parameters :]]
        # What is said of parameters is no more than a guess at what they will be compared with; of MariaDB, nothing.
        return Described([None] * prepared.parameters, columns or None)

    async def _query(self, text: bytes, rows: Rows) -> Done:
        result = ResultReply(rows, binary=False)
        await self._ask(bytes((wire.COM_QUERY,)) + text, result)
        return result.done()

    async def begin(self, *, isolation: Isolation | None, read_only: bool, deferrable: bool = False) -> None:
        """See `Conversation`. The level counts for the next transaction only, which is this one."""
        if isolation:
            await self.command(f"SET TRANSACTION ISOLATION LEVEL {isolation.upper()}")
        await self.command(f"START TRANSACTION{' READ ONLY' if read_only else ''}")

    async def confirm(self) -> None:
        """See `Conversation`. An error packet has no status, and a deadlock has rolled the whole transaction back."""
        if not self.closed:
            await self.command("SELECT 1")

    @property
    def in_transaction(self) -> bool:
        """See `Conversation`."""
        return bool(self.client.session.status & wire.SERVER_STATUS_IN_TRANS)

    @property
    def is_read_only(self) -> bool:
        """See `Conversation`. A START TRANSACTION of the caller's own would have begun another one."""
        return bool(self.client.session.status & wire.SERVER_STATUS_IN_TRANS_READONLY)

    @property
    def reading(self) -> Reading:
        """See `Conversation`."""
        mode = self.client.session.mode
        return Reading("mysql", not mode & NO_BACKSLASH_ESCAPES, bool(mode & ANSI_QUOTES))

    def cancel(self) -> None:
        """See `Conversation`."""
        if self.client is not None and not self.closed:
            self.client.cancelled()


def _text(error: ERR) -> str:
    return error.message.decode("utf-8", "replace")
