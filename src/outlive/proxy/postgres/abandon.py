"""What becomes of a lease whose client died.

In a transaction the statement that runs is cancelled, the rollback begun, the connection cleaned and used again.
Outside one a read is cancelled and a write finishes. Half a message cannot be taken back: that connection is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.proxy.phases import ASKING, INFILE, PREPARING, RELAYING, UPLOADING
from outlive.session.postgres.outcome import SURVIVING
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import IDLE
from outlive.wire.postgres.messages import SYNC, bind, copy_fail, execute, parse
from outlive.wire.postgres.reply import COPY_IN, EXTENDED

if TYPE_CHECKING:
    from outlive.proxy.postgres.units import UnitClient
    from outlive.session.postgres.unit import Unit
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.server import PostgresServer
    from outlive.wire.postgres.reply import ReplyReader

_UNDO: Final = parse(b"", b"ROLLBACK") + bind(b"", b"") + execute() + SYNC
"""A Sync alone would commit what the unit has done so far; a server that loses its client before the Sync does not."""


def abandon(
    client: UnitClient, connection: PostgresConnection, phase: int, *, kind: int, half_sent: bool, is_open: bool
) -> None:
    """The client is gone and leaves `connection` in the middle of `phase`."""
    session = client.session
    server = client.server
    state = connection.session
    if state.owner is session:
        state.owner = None
    if connection.lost:
        return
    if connection.transport is not None:
        connection.transport.resume_reading()
    if session.holds or session.unsure or session.asks or session.rereads or not session.unit.plain:
        state.left = True
    if session.held & SURVIVING:
        state.loaded = True
    if half_sent:
        connection.fail("its client died in the middle of a message")
    elif phase in (RELAYING, UPLOADING, INFILE) and not client.reader.done:
        connection.lessee = Leftover(server, connection, client.reader, session.unit, kind)
        if phase != RELAYING:
            _end_unit(connection, client.reader, is_open=is_open)
        if session.status != IDLE or session.holds or session.unit.reads:
            server.cancel(connection, "client_gone")
    elif connection.on_drained is not None:  # first: its own ping may be what runs
        connection.on_drained = lambda error: server.clean(connection)
    elif phase in (PREPARING, ASKING) and connection.running:
        connection.then(lambda error: server.clean(connection))
    else:
        server.clean(connection)


def _end_unit(connection: PostgresConnection, reader: ReplyReader, *, is_open: bool) -> None:
    """The server waits for what the client will not send."""
    if reader.copy == COPY_IN:
        connection.send(copy_fail(b"the client is gone"))
    if is_open:
        connection.session.unnamed = None
        connection.send(_UNDO)


class Leftover:
    """Takes the rest of a reply that nobody waits for, then has the connection cleaned."""

    __slots__ = ("_connection", "_kind", "_reader", "_server", "_unit")

    def __init__(
        self, server: PostgresServer, connection: PostgresConnection, reader: ReplyReader, unit: Unit, kind: int
    ) -> None:
        self._server = server
        self._connection = connection
        self._reader = reader
        self._unit = unit
        self._kind = kind
        reader.parameter = self._told

    def _told(self, name: bytes, value: bytes) -> bool:
        state = self._connection.session
        state.reported = state.reported.with_(name, value)
        return False

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        reader = self._reader
        copied, failed = reader.copy, reader.errors
        try:
            reader.feed(data)
        except ProtocolError as error:
            self._connection.fail(str(error))
            return
        if reader.done:
            self._connection.session.status = reader.status
            if reader.error is not None and self._kind == EXTENDED:
                self._unit.fail(reader.failed_at)  # statements that were to be prepared are not
            self._server.clean(self._connection)
        elif failed != reader.errors and self._unit.ended_by_query and reader.failed_at < self._unit.messages:
            self._connection.send(SYNC)  # the Query that was to end the unit is skipped
        elif reader.copy == COPY_IN and copied != COPY_IN:
            _end_unit(self._connection, reader, is_open=self._kind == EXTENDED)

    def server_lost(self) -> None:
        """Nobody is left to be told."""

    def server_paused(self, paused: bool) -> None:
        """Nothing is sent."""
