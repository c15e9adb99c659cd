"""A request's session at a PostgreSQL database: the extended protocol, one statement at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from outlive.gateway.channel import InProcessPostgresChannel
from outlive.gateway.conversation import Conversation, Described, Done, Isolation
from outlive.gateway.failure import bad_request
from outlive.gateway.placeholders import numbered
from outlive.gateway.postgres.client import RequestPostgresClient
from outlive.gateway.postgres.reply import DescribeReply, PostgresReply
from outlive.gateway.postgres.types import bound
from outlive.gateway.rows import Rows
from outlive.gateway.rules.canon import Reading
from outlive.gateway.statement import Statement
from outlive.proxy.postgres.entry import PostgresEntry
from outlive.session.postgres.client_session import ClientSession
from outlive.session.postgres.replay import intern
from outlive.wire.postgres.constants import IDLE
from outlive.wire.postgres.errors import ErrorFields
from outlive.wire.postgres.messages import SYNC, bind, copy_fail, describe, execute, parse

if TYPE_CHECKING:
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.route import PostgresRoute

_SETTINGS: Final = intern({b"client_encoding": b"UTF8", b"datestyle": b"ISO"})
"""What the reading of values relies on, whatever the role or the database has set."""
_TAIL: Final = describe(ord("P"), b"") + execute() + SYNC
_PARAMETERS_MAX: Final = 65_535


class PostgresConversation(Conversation):
    """See the module. `database` is the name at the server."""

    protocol = "postgresql"

    def __init__(self, services: PostgresServices, route: PostgresRoute, database: str) -> None:
        Conversation.__init__(self, services, route, InProcessPostgresChannel(services))
        self.channel: InProcessPostgresChannel
        self._database = database

    async def open(self) -> None:
        """See `Conversation`."""
        self._join()
        services, route = self.services, self.route
        entry = PostgresEntry(services, route, self.user, self._database, _SETTINGS, self._enter)
        entry.begin(None)
        try:
            refusal: ErrorFields | None = await self._entered
        except BaseException:
            entry.cancel()
            self.close()
            raise
        if refusal is not None:
            self.close()
            raise self._turned_away(_text(refusal), "full" if refusal.code == b"53300" else "refused")
        session = ClientSession(
            user=entry.user,
            database=entry.database,
            startup=_SETTINGS,
            reported=entry.reported,
            connection_id=self.channel.connection_id,
            analyser=route.analyser,
            limits=services.session_limits,
            keeps=route.database.pool_mode == "session",
        )
        self.client = RequestPostgresClient(self.channel, session, route, services)
        self.client.turned_away = ""
        self.channel.client = self.client

    def _enter(self, refusal: ErrorFields | None) -> None:
        if not self._entered.done():
            self._entered.set_result(refusal)

    async def _run(self, statement: Statement, rows: Rows) -> Done:
        sql, values = statement.sql, statement.parameters
        if isinstance(values, dict):
            sql, values = numbered(sql, values)
        text = sql.encode("utf-8", "replace")
        if len(values) > _PARAMETERS_MAX:
            raise bad_request("The statement has more than 65535 parameters.")
        types, texts = bound(values)
        reply = PostgresReply(rows, self._copies)
        await self._exchange(parse(b"", text, types) + bind(b"", b"", texts) + _TAIL, reply)
        self._check_admitted(reply)
        return reply.done()

    def _check_admitted(self, reply: PostgresReply) -> None:
        if self.client.turned_away:
            kind, self.client.turned_away = self.client.turned_away, ""
            raise self._turned_away("" if reply.error is None else _text(reply.error), kind)

    async def _describe(self, sql: str) -> Described:
        rows = Rows("arrays", max_rows=1, max_bytes=1024)
        reply = DescribeReply(rows, self._copies)
        text = sql.encode("utf-8", "replace")
        await self._exchange(parse(b"", text) + describe(ord("S"), b"") + SYNC, reply)
        self._check_admitted(reply)
        reply.done()
        return Described([*reply.parameters], rows.columns)

    def _copies(self, from_client: bool) -> None:
        if from_client:
            # The Sync that was sent behind the statement does not count: the server reads it as data.
            refusal = copy_fail(b"not over HTTP") + SYNC
            self._loop.call_soon(self._say, refusal)
        else:
            self._loop.call_soon(self.cancel)

    def _say(self, data: bytes) -> None:
        if not self.closed:
            self.client.data_received(data)

    async def begin(self, *, isolation: Isolation | None, read_only: bool, deferrable: bool = False) -> None:
        """See `Conversation`."""
        level = f" ISOLATION LEVEL {isolation.upper()}" if isolation else ""
        await self.command(f"BEGIN{level}{' READ ONLY' if read_only else ''}{' DEFERRABLE' if deferrable else ''}")
        if read_only:
            # Once a snapshot is taken, SET TRANSACTION READ WRITE is an error (PostgreSQL manual, SET TRANSACTION).
            await self.command("SELECT 1")

    @property
    def in_transaction(self) -> bool:
        """See `Conversation`."""
        return bool(self.client.session.status != IDLE)

    @property
    def is_read_only(self) -> bool:
        """See `Conversation`. Nothing that runs inside can change it, and what ends the transaction shows."""
        return self.in_transaction

    @property
    def reading(self) -> Reading:
        """See `Conversation`."""
        settings = self.client.session.reported.values
        return Reading("postgres", settings.get(b"standard_conforming_strings") == b"off")

    def cancel(self) -> None:
        """See `Conversation`."""
        client: Any = self.client
        if client is not None and not self.closed:
            client.cancelled()


def _text(error: ErrorFields) -> str:
    return error.message.decode("utf-8", "replace")
