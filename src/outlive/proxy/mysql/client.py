"""One MySQL client after its login: its commands go to leased server connections, the replies come back."""

from __future__ import annotations

import re
from typing import Final

from outlive.proxy.mysql import errors
from outlive.proxy.mysql.abandon import abandon
from outlive.proxy.mysql.long_text import LONG_BYTES, LongText
from outlive.proxy.mysql.upload import PREPARE_BYTES, Upload
from outlive.proxy.mysql.uploading import UploadingClient
from outlive.proxy.phases import (
    ASKING,
    BLOCKED,
    BUSY,
    CLOSED,
    INFILE,
    LEXING,
    PREPARING,
    READY,
    RELAYING,
    UPLOADING,
    WAITING,
)
from outlive.session.mysql import actions
from outlive.session.mysql.analysis import PLAIN_READ
from outlive.session.mysql.executes import NO_REPLY, bind_to
from outlive.session.mysql.steps import ASK_STATUS, ping_step, query_step
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.upstream.mysql.key import as_key
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import COM_STMT_PREPARE, SERVER_STATUS_AUTOCOMMIT, SERVER_STATUS_IN_TRANS
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import packet as frame
from outlive.wire.mysql.reply import ANY_SEQUENCE, REPLY_PREPARE

WHOLE_BYTES: Final = 256 * 1024
"""A command up to this size is held whole before it goes on; a larger one is streamed."""
_WRITTEN: Final = re.compile(b"[wWL]")
"""In the server's own account of a transaction: a function called by a SELECT wrote, or tables are locked."""
_ENDING: Final = frozenset((b"COMMIT", b"ROLLBACK"))
_TRANSACTIONAL: Final = frozenset(
    (b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b"REPLACE", b"COMMIT", b"ROLLBACK", b"CALL", b"WITH", b"DO")
)


_EXPIRED: Final = {
    "transaction_idle_timeout": errors.TRANSACTION_EXPIRED,
    "pin_idle_timeout": errors.PIN_EXPIRED,
    "killed": errors.KILLED,
}


class MySQLClient(UploadingClient):
    """See the module, and `ProxiedClient`."""

    __slots__ = ()

    # -- from the client ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the client, decrypted."""
        if self.phase == READY and not self._inbox:
            size = len(data)
            if size > 4 and size - 4 == data[0] | data[1] << 8 | data[2] << 16 and not data[3] and size <= WHOLE_BYTES:
                self._command(data)
                return
        self._inbox += data
        self.read_on()

    def read_on(self) -> None:
        """See `ProxiedClient`."""
        inbox = self._inbox
        while inbox:
            if self.stalled_at:
                break  # whoever does not take answers gets no more of them
            if self.phase == READY:
                if not self._take_command():
                    break
            elif self.phase in (UPLOADING, INFILE):
                if not self._take_upload():
                    break
            else:
                break
        held = len(inbox)
        # A whole command may be held while it is incomplete; what was sent ahead of its turn may not grow like that.
        limit = self._whole_bytes() + 4 if self.phase == READY else self.services.client_buffer_bytes
        self.channel.pause_reading(
            held >= limit
            or self.stalled_at > 0.0
            # A packet's header may come in two parts: less than one stops nothing.
            or (self._upload is not None and (held >= 4 or self._upload.turn_over))
        )

    def _whole_bytes(self) -> int:
        """Up to what size the command at the head of the inbox is held whole."""
        inbox = self._inbox
        return PREPARE_BYTES if len(inbox) > 4 and inbox[4] == COM_STMT_PREPARE else WHOLE_BYTES

    def _take_command(self) -> bool:
        inbox = self._inbox
        if len(inbox) < 5:
            if len(inbox) == 4 and not (inbox[0] or inbox[1] or inbox[2]):
                inbox.clear()
                self._command(b"\0\0\0\0\0")  # a packet without a command: COM_SLEEP, as the servers take it
                return True
            return False
        length = inbox[0] | inbox[1] << 8 | inbox[2] << 16
        if inbox[3]:
            self._refuse_and_close(errors.OUT_OF_ORDER)
            return False
        end = length + 4
        if end > WHOLE_BYTES and end > self._whole_bytes():
            return self._begin_upload()
        if length == 0:
            del inbox[:4]
            self._command(b"\0\0\0\0\0")
            return True
        if len(inbox) < end:
            return False
        command = bytes(inbox[:end])
        del inbox[:end]
        self._command(command)
        return True

    def _command(self, packet: bytes) -> None:
        session = self.session
        self.active_at = self.services.now
        self.activity += 1
        try:
            if len(packet) > LONG_BYTES and session.lexed is None and session.has_text(packet):
                self._text = LongText(packet, session)
                self.phase = LEXING
                self.services.in_turn(self._lex)
                return
            action = session.command(packet)
        except ProtocolError:
            self._refuse_and_close(errors.MALFORMED)
            return
        if action == actions.RELAY:
            self._relay(packet)
        elif action == actions.FORWARD:
            self._forward(session.packet or packet)
        elif action == actions.ANSWER:
            self.services.metrics.bytes_to_clients += len(session.answer)
            self.reader.status = session.status
            self.channel.send(session.answer)
        else:
            self._act(action, packet)

    def _lex(self) -> None:
        """A turn of a long text, then the next client's: so no text, however it is made, holds all of them up."""
        text = self._text
        if self.phase != LEXING or text is None:
            return
        analysis = text.go_on()
        if analysis is None:
            self.services.in_turn(self._lex)
            return
        self.phase = READY
        self._text = None
        self.session.lexed = analysis
        self._command(text.packet)
        self.session.lexed = None
        self.read_on()

    def _act(self, action: int, packet: bytes) -> None:
        if action == actions.STREAM:
            self._forward(packet)
        elif action == actions.QUIT:
            self.channel.close()
        elif action == actions.KILL:
            self.phase = BUSY
            self.services.kill(self, self.session.kill)
        elif action == actions.RESET:
            self._reset()
        elif action == actions.CHANGE_USER:
            self.phase = BUSY
            ahead = bytes(self._inbox)
            self._inbox.clear()
            self.channel.change_user(packet[4:], ahead)

    def answer(self, data: bytes) -> None:
        """The answer to a command that was BUSY."""
        if self.phase == BUSY:
            self.phase = READY
            self.channel.send(data)
            self._read_on_soon()  # not at once: a row of KILLs would come back here for each of them

    def _reset(self) -> None:
        """COM_RESET_CONNECTION: the held connection is cleaned; the answer need not wait for it."""
        connection, self.connection = self.connection, None
        self.services.unpinned(self)
        last, self.last = self.last, None
        if last is not None and last.session.owner is self.session:
            last.session.forget_owner()  # what it knows is of the session before the reset
        if connection is not None:
            self.server.clean(connection)
        self.reader.policy = self.session.policy
        self.reader.status = self.session.status
        self.channel.send(self.session.answer)

    # -- to the server -----------------------------------------------------------------------------

    def _relay(self, packet: bytes) -> None:
        """The hot path: a plain statement on a connection that is in the session's state already.

        Everything that `_forward`, `_prepare` and `_send` do in that case, in one function: calls are what costs here.
        """
        session = self.session
        server = self.server
        connection = self.connection
        if connection is None:
            connection = server.pool.acquire(self.key, session.settings, self.last, self)
            if connection is None:
                self._outgoing = packet
                self._wait(plain=True)
                return
            self.connection = self.last = connection
            connection.lessee = self
            now = self.leased_at = self.services.now
            server.metrics.leases += 1
            if now - connection.seen_at >= server.pool.limits.check_after_idle_s:
                self._prepare(connection, packet, stale=True)
                return
        state = connection.session
        if state.settings is not session.settings or state.residue or state.unwanted:
            self._prepare(connection, packet)
            return
        handle = session.statement
        if handle is not None:
            prepared = state.found(handle)
            if prepared is None:
                self._prepare(connection, packet)
                return
            packet = bind_to(session, packet, handle, prepared)
        state.owner = session
        self.reader.start(session.reply_kind)
        self.phase = RELAYING
        self._begun = False
        server.metrics.bytes_to_server += len(packet)
        connection.send(packet)

    def _forward(self, packet: bytes) -> None:
        connection = self.connection
        if connection is None:
            session = self.session
            pool = self.server.pool
            connection = pool.acquire(self.key, session.settings, self.last, self)
            if connection is None:
                self._outgoing = packet
                self._wait()
                return
            self._take(connection)
            self._prepare(connection, packet, stale=self.server.pool.stale(connection, self.services.now))
            return
        self._prepare(connection, packet)

    def _wait(self, *, again: bool = False, plain: bool = False) -> None:
        self._plain = plain
        self._enqueue(again=again)

    def queue_full(self) -> None:
        """See `ProxiedClient`."""
        self._give_up(errors.queue_full(self.server))

    def lent(self, connection: MySQLConnection) -> None:
        """From the queue: the lease begins."""
        if self.phase != WAITING:  # the client died, and the pool could not know
            self.server.give_back(connection)
            return
        self.server.metrics.waits.observe(self.services.time() - self.waiting_since)
        self._take(connection)
        packet, self._outgoing = self._outgoing, b""
        stale = self.server.pool.stale(connection, self.services.now)
        if self._plain and not stale:
            self._relay(packet)
        else:
            self._prepare(connection, packet, stale=stale)
            if self._inbox:
                self.read_on()  # the rest of a long command, or what follows one that has no answer

    def expired(self) -> None:
        """The deadline passed."""
        self._give_up(errors.waited(self.server, self.services.time() - self.waiting_since))

    def refused(self, refusal: ERR) -> None:
        """The server refuses the user: its own words."""
        self._give_up(refusal)

    def interrupt(self) -> None:
        """KILL QUERY: a statement that still waits for its connection will not run."""
        if self.phase == WAITING:
            self.server.pool.cancel(self)
            if self.server.pool.stirred:
                self.server.stir()
            self._give_up(errors.INTERRUPTED)

    def queue_again(self) -> None:
        """See `Client`: at the new server it waits on, with the deadline it had."""
        self._wait(again=True, plain=self._plain)

    def _send(self, connection: MySQLConnection, packet: bytes) -> None:
        session = self.session
        state = connection.session
        state.owner = session
        try:
            data = session.bind(packet, state)
        except ProtocolError:
            self._refuse_and_close(errors.MALFORMED)
            return
        if self._upload is not None:
            data = self._upload.begun(data)
        if state.unwanted:
            data = state.take_closes() + data
        kind = session.reply_kind
        if kind == NO_REPLY:
            self._send_unanswered(connection, data)
            return
        handle = session.statement
        client_id = int.from_bytes(handle.id_bytes, "little") if kind == REPLY_PREPARE and handle is not None else 0
        if self._upload is None:
            self.reader.start(kind, client_id=client_id)
            self.phase = RELAYING
        else:
            self.reader.start(kind, client_id=client_id, sequence=ANY_SEQUENCE)
            self.phase = UPLOADING
        self._begun = False
        self.reader.file_expected = not session.analysis.plain
        self.server.metrics.bytes_to_server += len(data)
        connection.send(data)
        if self._upload is not None:
            self._read_on_soon()  # it waited for its connection, and what came meanwhile is still to be sent

    def _send_unanswered(self, connection: MySQLConnection, data: bytes) -> None:
        """COM_STMT_SEND_LONG_DATA, or COM_STMT_CLOSE of a statement that holds."""
        self.server.metrics.bytes_to_server += len(data)
        connection.send(data)
        if self._upload is not None:
            self.phase = UPLOADING
        elif connection.writable:
            self._streamed(connection)
        else:
            self.phase = BLOCKED  # the server is slow to take it: what follows may not pile up here
        self._read_on_soon()  # no answer is awaited before the next command, which may be here already

    def _streamed(self, connection: MySQLConnection) -> None:
        """A command without an answer has gone."""
        self.session.streamed(connection.session)
        self.phase = READY
        self._settle()

    # -- from the server ---------------------------------------------------------------------------

    @property
    def reply_is_complete(self) -> bool:
        """See `ProxiedClient`."""
        return self.reader.done

    def server_data(self, data: bytes) -> None:
        """Bytes of the reply."""
        reader = self.reader
        connection = self.connection
        assert connection is not None
        if self.phase not in (RELAYING, UPLOADING, INFILE):
            connection.fail("the server spoke without being asked")
            return
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
            self._replied(connection)
        elif reader.local_infile and self.phase == RELAYING:
            self.phase = INFILE
            self._upload = Upload.of_file(self.session, reader.sequence_shift)
            self.read_on()

    def _replied(self, connection: MySQLConnection) -> None:
        if self.phase != RELAYING:
            # An answer in the middle of a command: the server has refused it (too large) and reads no further.
            self._upload = None
            self._drop_connection("the server refused a command before its end")
            self.channel.close()
            return
        session = self.session
        reader = self.reader
        try:
            after = session.finish(reader, connection.session)
        except ProtocolError as error:
            connection.fail(str(error))
            return
        if reader.error:
            self.route.statement_refused(connection, session, reader.error, reader.error_message)
        if after:
            self.phase = ASKING
            connection.run(after, self._asked)
            return
        self.phase = READY
        if session.status & SERVER_STATUS_IN_TRANS:
            if session.holds or self.pins:
                self.services.pinned(self)
        elif session.analysis.plain and not (
            session.holds or session.transaction_state or connection.doubtful or self.pins
        ):
            self._release(connection)
        else:
            self._settle()
        if self._inbox:
            self.read_on()

    def _asked(self, error: ERR | None) -> None:
        connection = self.connection
        if connection is None or self.phase == CLOSED:
            return
        if error is not None:
            connection.fail("a question about the session was refused")
            return
        self.phase = READY
        self._settle()
        if self._inbox:
            self.read_on()

    def _settle(self) -> None:
        """After a command: keep the connection where the session needs it, else give it back."""
        connection = self.connection
        if connection is None:
            return
        session = self.session
        self.reader.policy = session.policy
        if session.role is not None or as_key(self.key).role is not None:
            self.key = self.route.key(session)
        if session.holds or session.transaction_state:
            self.services.pinned(self)
        if session.holds_connection:
            return
        if connection.doubtful:
            self.phase = ASKING
            self.server.drain_kill(connection, self._asked)
            return
        if self.pins:
            self.services.unpinned(self)
        if connection.session.role != connection.login.role:
            self.connection = self.last = None
            self.server.clean(connection)
            return
        self._release(connection)

    def _release(self, connection: MySQLConnection) -> None:
        self.connection = None
        if self.probing:
            self.services.relax(self)
        self.server.give_back(connection)
        if self.route.closes_after_transaction:
            # With autocommit=0 a statement that opened none, as SELECT 1, has not ended one either.
            automatic = self.session.status & SERVER_STATUS_AUTOCOMMIT
            if self.session.analysis.verb in (_TRANSACTIONAL if automatic else _ENDING):
                self.channel.close()

    def server_lost(self) -> None:
        """The connection ended with the lease on it. What was under way gets the protocol's error;
        nothing is sent again."""
        connection, self.connection = self.connection, None
        self.last = None
        if connection is not None:
            self.session.connection_lost(connection.session)
        phase = self.phase
        if phase == CLOSED:
            return
        if phase == PREPARING and not self.session.holds_connection:
            self._wait(again=True)  # nothing of the command was sent
            return
        error = errors.LOST
        self.services.metrics.errors.add(str(error.code))
        if phase in (LEXING, PREPARING) or (phase in (RELAYING, UPLOADING, INFILE, ASKING) and not self._begun):
            self.channel.send(frame(1, error.encode()))
        self.channel.close()

    # -- a quiet lease -----------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """See `ProxiedClient`."""
        return self.session.in_transaction

    @property
    def can_lose_transaction(self) -> bool:
        """Whether a rollback would cost the client nothing but its snapshot:
        reads only, and autocommit=0 begins the next."""
        session = self.session
        return self.phase == READY and session.only_reads and not _WRITTEN.search(session.transaction_state)

    def lose_transaction(self) -> None:
        """Rolls back a transaction of plain SELECTs that its client left open; the client stays."""
        connection = self.connection
        assert connection is not None
        self.phase = ASKING
        self.session.analysis = PLAIN_READ
        connection.run([query_step(b"ROLLBACK"), ping_step(ASK_STATUS, self.session)], self._asked)

    def end(self, kind: str) -> None:
        """See `ProxiedClient`."""
        error = _EXPIRED.get(kind)
        if error is None:
            self.channel.abort()
            return
        if self.phase == READY:
            # As the servers do: the error lies in the socket, and is the answer to whatever the client sends next.
            self.channel.send(frame(1, error.encode()))
        self.channel.close()

    def end_for_drain(self) -> None:
        """Outlive is stopping: the error lies in the socket, and is the answer to whatever the client sends next."""
        self.channel.send(frame(1, errors.DRAINING.encode()))
        self.channel.close()

    def keep_alive(self) -> None:
        """See `ProxiedClient`."""
        connection = self.connection
        assert connection is not None
        self.phase = ASKING
        connection.run([ping_step()], self._asked)

    def server_paused(self, paused: bool) -> None:
        """The server is slow to read: so is the client's upload read."""
        if paused:
            return
        if self.phase == BLOCKED and self.connection is not None:
            self._streamed(self.connection)
            self.read_on()
        elif self.phase == UPLOADING:
            self._upload_on()
        elif self._upload is not None:
            self.read_on()

    # -- the end -----------------------------------------------------------------------------------

    def forget_last(self, last: MySQLConnection) -> None:
        """See `ProxiedClient`."""
        if last.session.owner is self.session:
            last.session.forget_owner()

    def abandon(self, connection: MySQLConnection, phase: int) -> None:
        """See `ProxiedClient`."""
        abandon(self, connection, phase)
