"""One request's, or one transaction's, session at a database: a client of the wire that lives in this process.

It has the same session, queue, lease and cleaning as a client with a socket, because it is one: `PostgresClient` or
`MySQLClient` behind an in-process channel. What it has set is gone for others when it closes.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol

from outlive.config.http import Principal
from outlive.gateway.channel import InProcessChannel
from outlive.gateway.failure import Failure, bad_request, draining, lost
from outlive.gateway.rows import Column, Rows
from outlive.gateway.rules.canon import Reading
from outlive.gateway.rules.guard import Guard
from outlive.gateway.statement import Statement
from outlive.wire import ProtocolError

Isolation = Literal["read uncommitted", "read committed", "repeatable read", "serializable"]
CANCEL_S: Final = 5.0
"""How long a statement that was cancelled has to say so; then its connection is ended."""


class Done(NamedTuple):
    """What a statement did. `rows_affected` is None where it is no such statement, `last_insert_id` is MySQL's, `tag`
    is all of PostgreSQL's CommandComplete.
    """

    rows_affected: int | None = None
    command: str | None = None
    last_insert_id: int | None = None
    further_results: int = 0
    tag: bytes = b""


class Described(NamedTuple):
    """What the database says of a statement that it has prepared: the types of its parameters in their order (None
    where it does not say them), and its columns (None where it has no result).
    """

    parameters: list[str | None]
    columns: list[Column] | None


class Reply(Protocol):
    """Reads what the server says to what was sent last."""

    def feed(self, data: bytes) -> bool:
        """Whether it is complete. Raises ProtocolError."""

    def lost(self) -> Failure:
        """It ended before it was complete."""


class Conversation(ABC):
    """See the module. Not for two tasks at once."""

    protocol: ClassVar[Literal["postgresql", "mysql"]]

    def __init__(self, services: Any, route: Any, channel: InProcessChannel) -> None:
        self._loop = asyncio.get_running_loop()
        self.services = services
        self.route = route
        self.user: str = route.database.user
        """As whom it logs in."""
        self.channel = channel
        self.guard: Guard | None = None
        self.client: Any = None
        self.closed = False
        self.deadline_passed = False
        self._reply: Reply | None = None
        self._done: asyncio.Future[None] | None = None
        self._rows: Rows | None = None
        self._entered: asyncio.Future[Any] = self._loop.create_future()

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    async def open(self) -> None:
        """The login; it costs a server connection where the server was not asked before. Raises Failure."""

    @abstractmethod
    async def _run(self, statement: Statement, rows: Rows) -> Done:
        """Raises Failure."""

    @abstractmethod
    async def _describe(self, sql: str) -> Described:
        """Raises Failure."""

    @abstractmethod
    async def begin(self, *, isolation: Isolation | None, read_only: bool, deferrable: bool = False) -> None:
        """Begins a transaction; one that is `read_only` cannot be made to write by what runs in it. `deferrable` is
        PostgreSQL's. Raises Failure.
        """

    async def confirm(self) -> None:  # noqa: B027 - only where the protocol's errors do not tell
        """After an error in a transaction: makes sure that `in_transaction` is true. Raises Failure."""

    @property
    @abstractmethod
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""

    @property
    @abstractmethod
    def is_read_only(self) -> bool:
        """Whether the transaction that is open cannot write, as far as the server says."""

    @abstractmethod
    def cancel(self) -> None:
        """Cancels the statement that is under way, a write too."""

    @property
    @abstractmethod
    def reading(self) -> Reading:
        """How the server reads a text of this session."""

    # -- for requests ------------------------------------------------------------------------------

    async def admit(self, principal: Principal, statement: Statement) -> Statement:
        """The statement as the principal may run it; it asks the rules. Raises Failure."""
        return statement if self.guard is None else await self.guard.admit(principal, self.reading, statement)

    async def run(self, statement: Statement, rows: Rows, timeout_s: float) -> Done:
        """Runs one statement, which is cancelled after `timeout_s`. Raises Failure, with what became of it."""
        if "\0" in statement.sql:
            raise bad_request("The statement has a NUL character.")
        self._rows = rows
        self.deadline_passed = False
        rows.on_overflow = self.cancel
        rows.on_pause = self._pause
        timer = self._loop.call_later(timeout_s, self._deadline)
        try:
            done = await self._run(statement, rows)
        except Failure as failure:
            if rows.overflow:
                raise _overflowed(rows, failure.outcome) from None
            if self.deadline_passed and failure.outcome == "not_run":
                raise self._turned_away(f"No server connection was to be had for {timeout_s:g} s.", "full") from None
            if self.deadline_passed:
                raise _timed_out(timeout_s, failure.outcome) from None
            raise
        finally:
            timer.cancel()
            self._rows = None
        if rows.overflow:
            raise _overflowed(rows, "done")
        return done

    async def describe(self, sql: str, timeout_s: float) -> Described:
        """Prepares a statement with the database's own placeholders; it does not run. Raises Failure."""
        self.deadline_passed = False
        timer = self._loop.call_later(timeout_s, self._deadline)
        try:
            return await self._describe(sql)
        except Failure:
            if self.deadline_passed:
                raise self._turned_away(f"No description of a statement came in {timeout_s:g} s.", "full") from None
            raise
        finally:
            timer.cancel()

    async def command(self, sql: str, timeout_s: float = CANCEL_S * 2) -> None:
        """Runs a statement of Outlive's own, as COMMIT. Raises Failure."""
        await self.run(Statement(sql), Rows("arrays", max_rows=1, max_bytes=1024), timeout_s)

    def _deadline(self) -> None:
        self.deadline_passed = True
        self.stop()

    def stop(self) -> None:
        """Cancels what runs, and closes if that has no effect within CANCEL_S."""
        self.cancel()
        current = self._done
        if current is None:
            # Still in the queue for its login: nothing has run.
            if not self._entered.done():
                self.close()
            return
        self._loop.call_later(CANCEL_S, lambda: self.close() if self._done is current else None)

    def close(self) -> None:
        """Ends the session. What is open is rolled back, and what was set is cleaned as for any client that goes."""
        self.closed = True
        self.channel.close()

    # -- the wire ----------------------------------------------------------------------------------

    def _join(self) -> None:
        if self.services.draining:
            raise draining()
        self.channel.listen(self._received, self._ended, self._unsent)

    def _unsent(self) -> int:
        return 0 if self._rows is None else self._rows.held_bytes

    def _pause(self, paused: bool) -> None:
        if self.client is not None and not self.closed:
            self.client.client_paused(paused)

    async def _exchange(self, data: bytes, reply: Reply) -> None:
        if self.closed:
            raise draining()
        self._reply = reply
        done = self._done = self._loop.create_future()
        try:
            self.client.data_received(data)
            await done
        finally:
            self._reply = self._done = None

    def _received(self, data: bytes) -> None:
        reply, done = self._reply, self._done
        if reply is None or done is None or done.done():
            return  # news of settings, or the error that stands before an end
        try:
            complete = reply.feed(data)
        except ProtocolError:
            done.set_exception(lost())
            self._loop.call_soon(self.close)  # not from inside of the client that is sending
            return
        if complete:
            done.set_result(None)

    def _ended(self) -> None:
        self.closed = True
        if self._done is not None and not self._done.done():
            assert self._reply is not None
            self._done.set_exception(self._reply.lost())
        if not self._entered.done():
            self._entered.set_exception(draining())
            self._entered.exception()  # looked at: nobody may wait for it any more

    def _turned_away(self, message: str, kind: str) -> Failure:
        """The queue had no place, or its deadline passed; or the server refused the user, or cannot be reached."""
        if kind == "full" and not self.route.is_away:
            return Failure(503, "pool_full", message)
        return Failure(503, "database_unavailable", message)


def _overflowed(rows: Rows, outcome: Any) -> Failure:
    return Failure(
        400,
        "result_too_large",
        f"The result is larger than {rows.overflow}: ask for less, or raise the limit.",
        outcome=outcome,
    )


def _timed_out(timeout_s: float, outcome: Any) -> Failure:
    return Failure(400, "statement_timeout", f"The statement was cancelled after {timeout_s:g} s.", outcome=outcome)
