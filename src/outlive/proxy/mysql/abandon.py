"""What becomes of a lease whose client died.

In a transaction: the statement that runs is killed, the rollback begun, the connection reset and used again. Outside
one a read is killed and a write finishes. Half a command cannot be taken back: that connection is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.phases import INFILE, RELAYING, UPLOADING
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import SERVER_STATUS_AUTOCOMMIT

if TYPE_CHECKING:
    from outlive.proxy.mysql.client import MySQLClient
    from outlive.upstream.mysql.connection import MySQLConnection
    from outlive.upstream.mysql.server import MySQLServer
    from outlive.wire.mysql.reply import ReplyReader


def abandon(client: MySQLClient, connection: MySQLConnection, phase: int) -> None:
    """The client is gone and leaves `connection` in the middle of `phase`."""
    server = client.server
    connection.session.forget_owner()
    if connection.lost:
        return
    if connection.transport is not None:
        connection.transport.resume_reading()
    if connection.changing is not None:
        connection.changing = None, lambda error: server.clean(connection)
    elif connection.on_drained is not None:
        connection.on_drained = lambda error: server.clean(connection)
    elif phase in (UPLOADING, INFILE):
        connection.fail("its client died in the middle of a command")
    elif phase == RELAYING:
        leftover = Leftover(server, connection, client.reader)
        connection.lessee = leftover
        session = client.session
        # Without autocommit the statement has begun a transaction, which no status has told yet.
        implicit = not session.status & SERVER_STATUS_AUTOCOMMIT
        if session.in_transaction or implicit or session.holds or session.analysis.read:
            server.killer.kill(connection, "client_gone")
    elif connection.running:
        connection.then(lambda error: server.clean(connection))
    else:
        server.clean(connection)


class Leftover:
    """Takes the rest of a reply that nobody waits for, then has the connection cleaned."""

    __slots__ = ("_connection", "_reader", "_server")

    def __init__(self, server: MySQLServer, connection: MySQLConnection, reader: ReplyReader) -> None:
        self._server = server
        self._connection = connection
        self._reader = reader

    def server_data(self, data: bytes) -> None:
        """See `Lessee`."""
        reader = self._reader
        try:
            reader.feed(data)
        except ProtocolError as error:
            self._connection.fail(str(error))
            return
        if reader.local_infile:
            self._connection.fail("its client died before the file it was asked for")
        elif reader.done:
            self._server.clean(self._connection)

    def server_lost(self) -> None:
        """Nobody is left to be told."""

    def server_paused(self, paused: bool) -> None:
        """Nothing is sent."""
