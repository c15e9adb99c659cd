"""One PostgreSQL client after its login: its units go to leased server connections, the replies come back.

A unit is a Query, a FunctionCall, or the extended protocol's messages up to a Sync; one at a time is under way, and
what the client pipelines behind it waits in `_inbox`. A connection is given back when the ReadyForQuery of the unit
says that no transaction is open, and nothing else ties it to the session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from outlive.proxy.phases import ASKING, CLOSED, INFILE, PREPARING, READY, RELAYING, UPLOADING, WAITING
from outlive.proxy.postgres import errors
from outlive.proxy.postgres.abandon import abandon
from outlive.proxy.postgres.units import UnitClient
from outlive.session.postgres.steps import Step, ping_step
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import IDLE, QUERY
from outlive.wire.postgres.errors import ErrorFields, encode_error
from outlive.wire.postgres.frontend import scan, unpack_length
from outlive.wire.postgres.reply import COPY_BOTH, COPY_IN, EXTENDED

_BATCH: Final = re.compile(rb"[PBDECH]+S")
"""The types of a unit of the extended protocol that has come whole."""
_USUAL: Final = frozenset((b"PBDES", b"BDES", b"BES", b"PDS", b"PBES"))
_NO_WORK: Final = frozenset((b"SET", b"RESET", b"SHOW", b"DISCARD", b"DEALLOCATE"))
_EXPIRED: Final = {
    "transaction_idle_timeout": errors.TRANSACTION_EXPIRED,
    "pin_idle_timeout": errors.PIN_EXPIRED,
    "killed": errors.KILLED,
}


class PostgresClient(UnitClient):
    """See the module, and `ProxiedClient`."""

    __slots__ = ()

    # -- from the client ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """See `ProxiedClient`."""
        if self.phase == READY and not self._inbox:
            size = len(data)
            if size > 5 and data[0] == QUERY and unpack_length(data)[0] == size - 1:
                self._query(data)
                return
            try:
                kinds, bounds = scan(data)
            except ProtocolError:
                self._malformed()
                return
            if (kinds in _USUAL or _BATCH.fullmatch(kinds)) and bounds[-1] == size:
                self._begin(EXTENDED, data, kinds, bounds)
                return
        self._inbox += data
        self.read_on()

    # -- from the server ---------------------------------------------------------------------------

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`."""
        return self.reader.done

    def server_data(self, data: bytes) -> None:
        """Bytes of the reply; between units notices, notifications and news of settings, for a session that holds."""
        reader = self.reader
        connection = self.connection
        assert connection is not None
        try:
            out = reader.feed(data)
        except ProtocolError as error:
            connection.fail(str(error))
            return
        if out:
            self._begun = True
            self.services.metrics.bytes_to_clients += len(out)
            self.channel.send(out)
        if reader.done:
            if self.phase in (RELAYING, UPLOADING, INFILE):
                self._replied(connection)
        elif reader.copy or reader.error is not None:
            self._turn(connection)

    def _turn(self, connection: PostgresConnection) -> None:
        """A COPY has begun or ended, or an error came in the middle: whose turn is it to speak?"""
        reader = self.reader
        if reader.copy == COPY_IN:
            if self.phase != INFILE and not any(ordinal > reader.completed for ordinal in self._copies_ended):
                # The server ignores a Sync that it reads before the data; the one after them counts (measured).
                self._open = self._kind == EXTENDED
                self.phase = INFILE
                self._read_on_soon()
        elif reader.copy == COPY_BOTH:
            connection.fail("a replication stream")
        elif self.phase == INFILE:
            self.phase = UPLOADING if self._open else RELAYING
            self._read_on_soon()
        elif self.phase == RELAYING and self._is_skipped:
            self._open = True
            self._ended = False
            self.phase = UPLOADING
            self._read_on_soon()

    @property
    def _is_skipped(self) -> bool:
        """An error came before the Query that was to end the unit: the server skips even that up to the next Sync."""
        unit = self.session.unit
        return unit.ended_by_query and 0 <= self.reader.failed_at < unit.messages

    def _replied(self, connection: PostgresConnection) -> None:
        if self._left or (self._open and self.phase == UPLOADING and not self._ended):
            self._drop_connection("the server answered before it was asked to")
            self.channel.close()
            return
        session = self.session
        reader = self.reader
        connection.session.status = reader.status
        after = session.finish(reader, connection.session, self._kind)
        if reader.error is not None:
            self._statement_failed(connection, reader.error)
        if after:
            self.phase = ASKING
            if connection.doubtful:  # a late CancelRequest would hit the questions
                self.server.drain_cancel(connection, lambda error: self._ask(after))
            else:
                connection.run(after, self._asked)
            return
        self.phase = READY
        if (
            session.status != IDLE
            or session.held
            or session.keeps
            or self.pins
            or self.probing
            or connection.doubtful
            or self.route.ends_with_transaction
        ):
            self._settle()
        else:  # what `_settle` comes to, in fewer calls
            self.connection = None
            self.server.give_back(connection)
        if self._inbox:
            self.read_on()

    def _statement_failed(self, connection: PostgresConnection, error: ErrorFields) -> None:
        session = self.session
        session.failed(error, self.reader.failed_at, connection.session)
        self.route.statement_refused(connection, session, error)

    def _ask(self, steps: Sequence[Step]) -> None:
        connection = self.connection
        if connection is not None and self.phase == ASKING:
            connection.run(steps, self._asked)

    def _asked(self, error: ErrorFields | None) -> None:
        connection = self.connection
        if connection is None or self.phase == CLOSED:
            return
        self._pass_notifications(connection)
        if error is not None:
            connection.fail("a question about the session was refused")
            return
        self.phase = READY
        self._settle()
        if self._inbox and self.phase == READY:
            self.read_on()

    def _settle(self) -> None:
        """After a unit: keep the connection where the session needs it, else give it back."""
        connection = self.connection
        if connection is None:
            return
        session = self.session
        if session.holds:
            self.services.pinned(self)
        if session.holds_connection:
            return
        if connection.doubtful:
            self.phase = ASKING
            self.server.drain_cancel(connection, self._asked)
            return
        if self.pins:
            self.services.unpinned(self)
        self._release(connection)

    def _release(self, connection: PostgresConnection) -> None:
        if self.route.resets_always:
            self.connection = None
            connection.session.left = True
            if self.probing:
                self.services.relax(self)
            self.server.clean(connection)
        else:
            self._give_back()
        if self.route.closes_after_transaction and self.reader.done:
            tags = self.reader.tags
            if tags and tags[-1].partition(b" ")[0] not in _NO_WORK:
                self.channel.close()

    def server_lost(self) -> None:
        """See `ProxiedClient`."""
        self.connection = self.last = None
        phase = self.phase
        held = self.session.holds_connection
        self.session.connection_lost()
        if phase == CLOSED:
            return
        if phase == PREPARING and not held:
            self._enqueue(again=True)  # nothing of the unit was sent
            return
        told = self.reader.error is not None and self.reader.error.fatal
        self.services.metrics.errors.add(errors.LOST.code.decode())
        if not told and (phase == READY or not self._begun or phase in (PREPARING, ASKING)):
            self.channel.send(encode_error(errors.LOST))
        self.channel.close()

    # -- the queue ---------------------------------------------------------------------------------

    def lent(self, connection: PostgresConnection) -> None:
        """From the queue: the lease begins."""
        if self._began(connection):
            self._prepare(connection, stale=self.server.pool.stale(connection, self.services.now))

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self._give_up(errors.queue_full(self.server))

    def expired(self) -> None:
        """The deadline passed."""
        self._give_up(errors.waited(self.server, self.services.time() - self.waiting_since, self.key))

    def refused(self, refusal: ErrorFields) -> None:
        """The server refuses the user: its own words. The next login asks it again."""
        self.server.forget_welcomes(self.session.user)
        self._give_up(errors.passed_on(refusal))

    def queue_again(self) -> None:
        """See `Client`: at the new server it waits on, with the deadline it had."""
        self._enqueue(again=True)

    def cancelled(self) -> None:
        """A CancelRequest for what is under way; between units there is nothing to cancel."""
        if self.phase == WAITING:
            self._leave_queue()
            self._give_up(errors.CANCELED)
        elif self.phase == PREPARING:
            self._is_cancelled = True
        elif self.phase in (RELAYING, UPLOADING, INFILE) and self.connection is not None:
            self.server.cancel(self.connection, "client")

    # -- a quiet lease -----------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`. A unit without its Sync is one, too."""
        return self.session.status != IDLE or self.phase in (UPLOADING, INFILE)

    @property
    def may_be_silent(self) -> bool:
        """See `ProxiedClient`."""
        return self.session.keeps and not self.in_transaction

    def end(self, kind: str) -> None:
        """See `ProxiedClient`."""
        error = _EXPIRED.get(kind)
        if error is None:
            self.channel.abort()
            return
        if (self.phase in (READY, UPLOADING) and self.reader.done) or self.phase == READY:
            # As the server does: the error lies in the socket, and is the answer to whatever the client sends next.
            self.channel.send(encode_error(error))
        self.channel.close()

    def end_for_drain(self) -> None:
        """See `ProxiedClient`."""
        self.channel.send(encode_error(errors.DRAINING))
        self.channel.close()

    def keep_alive(self) -> None:
        """See `ProxiedClient`."""
        connection = self.connection
        assert connection is not None
        self.phase = ASKING
        connection.run((ping_step(),), self._asked)

    def server_paused(self, paused: bool) -> None:
        """See `Lessee`."""
        if not paused:
            self.read_on()

    # -- the end -----------------------------------------------------------------------------------

    def forget_last(self, last: PostgresConnection) -> None:
        """See `ProxiedClient`."""
        if last.session.owner is self.session:
            last.session.owner = None

    def abandon(self, connection: PostgresConnection, phase: int) -> None:
        """See `ProxiedClient`."""
        abandon(self, connection, phase, kind=self._kind, half_sent=self._left > 0, is_open=self._open)
