"""What comes before a command: the connection is brought into the session's state, or the command gets its error."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from outlive.proxy.client import ProxiedClient
from outlive.proxy.mysql.long_text import LongText
from outlive.proxy.phases import CLOSED, PREPARING, READY, UPLOADING
from outlive.session.mysql import actions
from outlive.session.mysql.analysis import WARNINGS
from outlive.session.mysql.client_session import RENEW_BY_CHANGE_OF_USER, ClientSession
from outlive.session.mysql.executes import NO_REPLY
from outlive.session.mysql.steps import ping_step
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.wire.mysql.constants import COM_QUERY
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import packet as frame
from outlive.wire.mysql.reply import ReplyReader

if TYPE_CHECKING:
    from outlive.proxy.mysql.channel import MySQLChannel
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.proxy.mysql.upload import Upload
    from outlive.upstream.mysql.route import MySQLRoute
    from outlive.upstream.mysql.server import MySQLServer


class PreparingClient(ProxiedClient):
    """A client that holds a connection which is not, or perhaps not, in its session's state."""

    __slots__ = ("_begun", "_plain", "_text", "_upload", "charset", "reader")

    session: ClientSession
    channel: MySQLChannel
    route: MySQLRoute
    services: MySQLServices
    server: MySQLServer
    connection: MySQLConnection | None
    last: MySQLConnection | None

    def __init__(
        self, channel: MySQLChannel, session: ClientSession, route: MySQLRoute, services: MySQLServices
    ) -> None:
        ProxiedClient.__init__(self, channel, session, route, services)
        self.key = route.key(session)
        self.reader = ReplyReader(session.capabilities, session.policy)
        self.charset = 0
        self._begun = False
        self._plain = False
        self._text: LongText | None = None
        self._upload: Upload | None = None

    @abstractmethod
    def _send(self, connection: MySQLConnection, packet: bytes) -> None:
        """The connection is in the session's state: the command goes out."""

    @abstractmethod
    def _settle(self) -> None:
        """After a command: keep the connection where the session needs it, else give it back."""

    # -- errors of Outlive's own -------------------------------------------------------------------

    def _give_up(self, error: ERR) -> None:
        self._outgoing = b""
        if self.session.reply_kind == NO_REPLY:
            # A part of a parameter is lost, which no answer can tell, and must not be missing from what is executed.
            self._refuse_and_close(error)
            return
        self.services.metrics.errors.add(str(error.code))
        self._answer_error(error)

    def _answer_error(self, error: ERR) -> None:
        if self._upload is None:
            self.phase = READY
            self.channel.send(frame(1, error.encode()))
        else:
            self._upload.refuse(error)  # the rest of the command is still to come
            self.phase = UPLOADING
        self._read_on_soon()

    def _refuse_and_close(self, error: ERR) -> None:
        self.services.metrics.errors.add(str(error.code))
        self.channel.send(frame(1, error.encode()))
        self.channel.close()

    # -- the session's state -----------------------------------------------------------------------

    def _prepare(self, connection: MySQLConnection, packet: bytes, *, stale: bool = False) -> None:
        """Brings the connection into the session's state, then sends the command;
        `stale`: asks first whether it lives."""
        session = self.session
        state = connection.session
        if not session.analysis.plain:
            if self._await_capture(connection, packet) or self._knows_now(packet):
                return
            packet = session.packet or packet
        questions = session.questions_first(state)
        if questions:
            self._outgoing = packet
            self.phase = PREPARING
            connection.run([*([ping_step()] if stale else ()), *questions], self._prepared_afresh)
            return
        renewal = session.renewal(state)
        if renewal:  # asked first: what needs one may have no steps
            self._renew(connection, packet, renewal)
            return
        steps = session.steps_before(state)
        if not steps and not stale:
            self._send(connection, packet)
            return
        self._outgoing = packet
        self.phase = PREPARING
        connection.run([*([ping_step()] if stale else ()), *steps], self._prepared)

    def _await_capture(self, connection: MySQLConnection, packet: bytes) -> bool:
        """What the command asks for is on its way from the connection before, which another client has taken by now."""
        session = self.session
        if not session.lacks(connection.session):
            return False
        self._outgoing = packet
        self.phase = PREPARING
        session.when_captured = self._captured
        return True

    def _captured(self) -> None:
        connection = self.connection
        if connection is not None and self.phase == PREPARING:
            packet, self._outgoing = self._outgoing, b""
            self._prepare(connection, packet, stale=True)

    def _knows_now(self, packet: bytes) -> bool:
        """Warnings that still lived on a connection when the command came, and were captured while it waited."""
        session = self.session
        if packet[4] != COM_QUERY or session.captured_warnings is None or not session.analysis.needs & WARNINGS:
            return False
        if self._upload is not None or session.command(packet) != actions.ANSWER:
            return False
        self.phase = READY
        self.channel.send(session.answer)
        self._settle()
        self._read_on_soon()
        return True

    def _renew(self, connection: MySQLConnection, packet: bytes, renewal: int) -> None:
        """The session has no schema and this connection has one, which only a change of user takes away; or others'
        user variables, which only a reset does.
        """
        self._outgoing = packet
        self.phase = PREPARING
        self.server.renew(connection, self._prepared_afresh, change_user=renewal == RENEW_BY_CHANGE_OF_USER)

    def _prepared_afresh(self, error: ERR | None) -> None:
        connection = self.connection
        if connection is None or self.phase == CLOSED:
            return
        connection.lessee = self
        if error is not None:
            self._prepared(error)
            return
        packet, self._outgoing = self._outgoing, b""
        self._prepare(connection, packet)

    def _prepared(self, error: ERR | None) -> None:
        connection = self.connection
        if connection is None or self.phase == CLOSED:
            return
        if error is not None:
            self._replay_failed(connection, error)
            return
        self.session.replayed(connection.session)
        packet, self._outgoing = self._outgoing, b""
        self._send(connection, packet)
        if self._inbox:
            self.read_on()

    def _replay_failed(self, connection: MySQLConnection, error: ERR) -> None:
        """The connection is not in the session's state, and the command was not sent:
        the server's reason is its answer."""
        self._outgoing = b""
        session = self.session
        if session.in_transaction or session.holds:
            # It is the session's own connection: only the step failed, such as preparing on a changed table.
            if session.reply_kind == NO_REPLY:
                self._refuse_and_close(error)
            else:
                self._answer_error(error)
            return
        self.connection = self.last = None
        self.server.clean(connection)
        self._give_up(error)
