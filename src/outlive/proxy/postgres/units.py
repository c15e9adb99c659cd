"""Units of a client's messages: begun when one comes, prepared on a connection, sent on as they come."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from outlive.proxy.client import ProxiedClient
from outlive.proxy.phases import CLOSED, INFILE, PREPARING, READY, RELAYING, UPLOADING
from outlive.proxy.postgres import errors
from outlive.session.postgres import virtual
from outlive.session.postgres.client_session import ClientSession
from outlive.session.postgres.extended import TooManyStatements, bound, translate
from outlive.session.postgres.lexer import Lexer
from outlive.session.postgres.steps import ping_step
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    BIND,
    COPY_DATA,
    COPY_DONE,
    COPY_FAIL,
    FLUSH,
    FUNCTION_CALL,
    PARSE,
    QUERY,
    SYNC,
    TERMINATE,
)
from outlive.wire.postgres.errors import ErrorFields, encode_error
from outlive.wire.postgres.frontend import copy_data_end, head, scan
from outlive.wire.postgres.messages import query, ready_for_query
from outlive.wire.postgres.reply import EXTENDED, FUNCTION, SIMPLE, ReplyReader

if TYPE_CHECKING:
    from outlive.proxy.postgres.channel import PostgresChannel
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.postgres.server import PostgresServer

WHOLE_BYTES: Final = 256 * 1024
"""A message up to this size is held whole before it goes on; a larger one is streamed."""
PARSE_BYTES: Final = 4 * 1024 * 1024
"""The longest Parse: its text is kept for as long as it is prepared anywhere."""
_NO_UNIT: Final = -1
"""In place of a unit's kind: messages between units that nobody answers."""
_OF_COPY: Final = frozenset((COPY_DATA, COPY_DONE, COPY_FAIL))
_IGNORED_IN_COPY: Final = frozenset((FLUSH, SYNC))
_ENDS: Final = frozenset((SYNC, QUERY, FUNCTION_CALL))
_STRAY: Final = frozenset((COPY_DATA, COPY_DONE, COPY_FAIL, FLUSH))
"""Between units servers ignore what is left of a COPY that failed; and there is nothing to flush."""


class UnitClient(ProxiedClient):
    """A client in the middle of its unit, or before the next."""

    __slots__ = (
        "_begun",
        "_copies_ended",
        "_ended",
        "_is_cancelled",
        "_kind",
        "_left",
        "_lexer",
        "_open",
        "_skipping",
        "reader",
    )

    session: ClientSession
    channel: PostgresChannel
    route: PostgresRoute
    services: PostgresServices
    server: PostgresServer
    connection: PostgresConnection | None
    last: PostgresConnection | None

    def __init__(
        self, channel: PostgresChannel, session: ClientSession, route: PostgresRoute, services: PostgresServices
    ) -> None:
        ProxiedClient.__init__(self, channel, session, route, services)
        self.key = route.key(session)
        self.reader = ReplyReader(self._told, session.worded)
        self._kind = SIMPLE
        self._begun = False
        """Something of the reply has gone to the client."""
        self._open = False
        """More messages of the unit are to come: its Sync was not seen."""
        self._copies_ended: list[int] = []
        """Before which ordinals of the unit a CopyDone or CopyFail went out that nobody had asked for yet."""
        self._ended = False
        """A message that the server answers with ReadyForQuery has gone out."""
        self._skipping = False
        """The unit was refused here: the rest of it is thrown away up to its Sync."""
        self._is_cancelled = False
        """A CancelRequest came before the unit was sent."""
        self._left = 0
        """Bytes of a large message that are still to come; its beginning has gone out."""
        self._lexer: Lexer | None = None
        """Reads the text of a large Query on its way."""

    @abstractmethod
    def _settle(self) -> None:
        """Keep the connection where the session needs it, else give it back."""

    def _told(self, name: bytes, value: bytes) -> bool | bytes:
        connection = self.connection
        if connection is None:
            return False
        is_default = connection.logged_in_with.values.get(name) == value
        return self.session.told(name, value, connection.session, is_default=is_default)

    def _pass_notifications(self, connection: PostgresConnection) -> None:
        """What came for this session while Outlive asked something of its own."""
        if connection.notifications:
            self.channel.send(b"".join(connection.notifications))
            connection.notifications.clear()

    # -- a unit begins -----------------------------------------------------------------------------

    def _query(self, message: bytes) -> None:
        self.active_at = self.services.now
        self.activity += 1
        session = self.session
        outgoing = session.query(message)
        if outgoing is None:
            self.services.metrics.bytes_to_clients += len(session.answer)
            self.channel.send(session.answer)
            session.answer = b""
            return
        self._kind = SIMPLE
        self._open = False
        self._lease(outgoing)

    def _begin(
        self,
        kind: int,
        outgoing: bytes,
        kinds: bytes = b"",
        bounds: Sequence[int] = (),
        *,
        is_open: bool = False,
    ) -> None:
        """`outgoing` is the whole unit, of which `kinds` and `bounds` may be known, or b"" where it is taken from the
        inbox as it comes.
        """
        self.active_at = self.services.now
        self.activity += 1
        session = self.session
        session.unit.begin(session.status)
        if kind == FUNCTION:
            session.unit.reads = False
        self._kind = kind
        self._open = is_open
        self._lease(outgoing, kinds, bounds)

    def _lease(self, outgoing: bytes, kinds: bytes = b"", bounds: Sequence[int] = ()) -> None:
        """The unit goes out, or waits for a connection.

        Where the connection is as the session wants it, it does what `_prepare` and `_go` do else: calls are what
        costs here.
        """
        session = self.session
        server = self.server
        connection = self.connection
        if connection is None:
            connection = server.pool.acquire(self.key, session.settings, self.last, self)
            if connection is None:
                self._outgoing = outgoing
                self._enqueue()
                return
            self.connection = self.last = connection
            connection.lessee = self
            now = self.leased_at = self.services.now
            server.metrics.leases += 1
            if now - connection.seen_at >= server.pool.limits.check_after_idle_s:
                self._outgoing = outgoing
                self._prepare(connection, stale=True)
                return
        state = connection.session
        if (
            state.settings is not session.settings
            or state.reported is not session.reported
            or session.unit.executed
            or self._open
            or (session.asks_sequences and state.owner is not session)
        ):
            self._outgoing = outgoing
            self._prepare(connection)
            return
        kind = self._kind
        self.reader.start(kind)
        self._begun = False
        self._ended = True
        self.phase = RELAYING
        if kind == EXTENDED:
            if not kinds:
                kinds, bounds = scan(outgoing)
            if not self._translated(connection, outgoing, kinds, bounds):
                return
        else:
            if kind == SIMPLE:
                session.unnamed = state.unnamed = None  # the server drops it, whatever comes of the Query
            if state.owner is not session:
                state.lend(session)
            server.metrics.bytes_to_server += len(outgoing)
            connection.send(outgoing)
        if self._inbox:
            self.read_on()

    def _prepare(self, connection: PostgresConnection, *, stale: bool = False) -> None:
        """Brings the connection into the session's state, then sends the unit; `stale`: asks first whether it lives."""
        session = self.session
        state = connection.session
        if (
            session.unit.executed
            if session.in_transaction
            else stale
            or state.settings is not session.settings
            or session.unit.executed
            or (session.asks_sequences and state.owner is not session)
        ):
            steps = session.steps_before(state)
            if steps or stale:
                self.phase = PREPARING
                connection.run((*((ping_step(),) if stale else ()), *steps), self._prepared)
                return
        self._go(connection)

    def _prepared(self, error: ErrorFields | None) -> None:
        connection = self.connection
        if connection is None or self.phase == CLOSED:
            return
        self._pass_notifications(connection)
        session = self.session
        cancelled, self._is_cancelled = self._is_cancelled, False
        if error is None:
            session.replayed(connection.session)
            if cancelled:
                self._give_up(errors.CANCELED)
            else:
                self._go(connection)
            return
        if not session.holds_connection:
            self.connection = self.last = None
            connection.session.left = True
            self.server.clean(connection)
        self._give_up(errors.passed_on(error))

    def _go(self, connection: PostgresConnection) -> None:
        """The connection is in the session's state: the unit goes out."""
        session = self.session
        state = connection.session
        if state.reported is not session.reported:
            news = session.catch_up(state)
            if news:
                self.channel.send(news)
        outgoing, self._outgoing = self._outgoing, b""
        kind = self._kind
        self.reader.start(kind)
        self._begun = False
        if self._copies_ended:
            self._copies_ended.clear()
        self._ended = not self._open
        self.phase = RELAYING
        if self._open:
            self.phase = UPLOADING
        elif kind == EXTENDED:
            kinds, bounds = scan(outgoing)
            if not self._translated(connection, outgoing, kinds, bounds):
                return
        else:
            if kind == SIMPLE:
                session.unnamed = state.unnamed = None  # the server drops it, whatever comes of the Query
            state.lend(session)
            self.server.metrics.bytes_to_server += len(outgoing)
            connection.send(outgoing)
        if self._inbox:
            self._read_on_soon() if self.phase == UPLOADING else self.read_on()

    def _translated(self, connection: PostgresConnection, data: bytes, kinds: bytes, bounds: Sequence[int]) -> bool:
        """Sends messages of the extended protocol on; False where the client had to be ended."""
        session = self.session
        state = connection.session
        try:
            out = translate(session, state, self.reader, data, kinds, bounds)
        except ProtocolError:
            self._malformed()
            return False
        except TooManyStatements:
            self._end_with(errors.TOO_MANY_STATEMENTS)
            return False
        state.lend(session)
        if session.answer:
            answer, session.answer = session.answer, b""
            self._begun = True
            self.channel.send(answer)
        self.server.metrics.bytes_to_server += len(out)
        connection.send(out)
        return True

    # -- what waits in the inbox -------------------------------------------------------------------

    def read_on(self) -> None:
        """See `ProxiedClient`."""
        inbox = self._inbox
        try:
            while inbox and not self.stalled_at:
                if self.phase == READY:
                    if not self._take_unit():
                        break
                elif self.phase in (UPLOADING, INFILE):
                    if not self._take_more():
                        break
                else:
                    break
        except ProtocolError:
            self._malformed()
            return
        held = len(inbox)
        speaking = self.phase in (READY, UPLOADING, INFILE)
        connection = self.connection
        self.channel.pause_reading(
            held >= (PARSE_BYTES + WHOLE_BYTES if speaking else self.services.client_buffer_bytes)
            or self.stalled_at > 0.0
            or (speaking and held > 0 and connection is not None and not connection.writable)
        )

    def _take_unit(self) -> bool:
        """READY: the next unit, as far as it has come."""
        data = bytes(self._inbox)
        kinds, bounds = scan(data)
        if not kinds:
            return self._take_large_unit(data)
        first = kinds[0]
        if first == QUERY:
            del self._inbox[: bounds[1]]
            self._query(data[: bounds[1]])
        elif first == FUNCTION_CALL:
            del self._inbox[: bounds[1]]
            self._begin(FUNCTION, data[: bounds[1]])
        elif first == TERMINATE:
            self.channel.close()
            return False
        elif first in _STRAY:
            del self._inbox[: bounds[1]]
        else:
            self._take_batch(data, kinds, bounds)
        return True

    def _take_batch(self, data: bytes, kinds: bytes, bounds: Sequence[int]) -> None:
        for number, kind in enumerate(kinds):
            if kind == SYNC:
                end = bounds[number + 1]
                del self._inbox[:end]
                self._begin(EXTENDED, data[:end])
                return
            if kind in _ENDS or kind == TERMINATE or kind in _OF_COPY:
                break
        self._begin(EXTENDED, b"", is_open=True)

    def _take_large_unit(self, data: bytes) -> bool:
        """The first message is not whole: if it is large, a unit begins with it."""
        found = head(data, 0)
        if found is None or found[1] <= WHOLE_BYTES or len(data) < WHOLE_BYTES:
            return False
        kind, end = found
        if kind in _STRAY:
            self._skip_large(end)
            return True
        if kind == PARSE and end > PARSE_BYTES:
            raise ProtocolError("a Parse longer than Outlive takes")
        if kind == PARSE:
            return False
        unit = self.session.unit
        if kind == QUERY:
            unit.begin(self.session.status)
            self._kind = SIMPLE
            self._open = True
            self.activity += 1
            self._lease(b"")
        else:
            self._begin(FUNCTION if kind == FUNCTION_CALL else EXTENDED, b"", is_open=True)
        return self.phase == UPLOADING

    def _skip_large(self, end: int) -> None:
        """What is left of a COPY that failed."""
        self._kind = _NO_UNIT
        self._left = end - len(self._inbox)
        self._inbox.clear()
        self._skipping = True
        self.phase = UPLOADING

    def _take_more(self) -> bool:
        """The unit's next messages, or the data of a COPY."""
        if self._skipping:
            return self._skip()
        connection = self.connection
        if connection is None or not connection.writable:
            return False
        if self._left:
            return self._pass_on(connection)
        data = bytes(self._inbox)
        if self.phase == INFILE:
            return self._copy(connection, data)
        kinds, bounds = scan(data)
        if not kinds:
            return self._take_large(connection, data)
        count = 0
        for kind in kinds:
            if kind in _ENDS or kind == TERMINATE or kind in _OF_COPY:
                break
            count += 1
        if count:
            end = bounds[count]
            del self._inbox[:end]
            self.activity += 1
            return self._translated(connection, data[:end], kinds[:count], bounds[: count + 1])
        end = bounds[1]
        del self._inbox[:end]
        if kinds[0] == TERMINATE:
            self.channel.close()
            return False
        if kinds[0] in _ENDS:
            self._end_unit(connection, kinds[0], data[:end])
        else:
            # Of a COPY that the server may be about to begin; where it does not, it ignores them, too.
            if kinds[0] != COPY_DATA:
                self._copies_ended.append(self.session.unit.messages)
            self.server.metrics.bytes_to_server += end
            connection.send(data[:end])
        return True

    def _end_unit(self, connection: PostgresConnection, kind: int, message: bytes) -> None:
        """The message that the server answers with ReadyForQuery."""
        session = self.session
        unit = session.unit
        if kind != SYNC and self.reader.error is not None:
            return  # the server would skip it, too: only a Sync ends a unit that has failed
        if kind == QUERY:
            unit.ended_by_query = True
            text = message[5:-1]
            analysis = session.analyse(text)
            unit.note(analysis)
            if not analysis.plain:
                rewritten = virtual.rewritten(session, text, analysis, names=False)
                message = message if rewritten is text else query(rewritten)
            session.unnamed = connection.session.unnamed = None
        elif kind == FUNCTION_CALL:
            unit.ended_by_query = True
            unit.reads = False
        self._open = False
        self._ended = True
        self.phase = RELAYING
        self.server.metrics.bytes_to_server += len(message)
        connection.send(message)

    # -- large messages and COPY -------------------------------------------------------------------

    def _take_large(self, connection: PostgresConnection, data: bytes) -> bool:
        """A message that is not whole: a large one goes on in the pieces in which it comes."""
        found = head(data, 0)
        if found is None or found[1] <= WHOLE_BYTES or len(data) < WHOLE_BYTES:
            return False
        kind, end = found
        session = self.session
        out: list[bytes] = []
        position = 0
        if kind == BIND:
            out.append(bound(session, connection.session, self.reader, data, 0, len(data), out))
            position = session.unit.bind_rest
        elif kind == QUERY:
            self._lexer = session.analyser.lexer(session.mode)
            self._lexer.feed(data[5:])
            session.unnamed = connection.session.unnamed = None
        elif kind == PARSE:
            if end > PARSE_BYTES:
                raise ProtocolError("a Parse longer than Outlive takes")
            return False
        elif kind not in (FUNCTION_CALL, COPY_DATA):
            raise ProtocolError("a large message where none such can be")
        connection.session.lend(session)
        self._inbox.clear()
        self._left = end - len(data)
        self._large_kind(kind)
        out.append(data[position:])
        message = b"".join(out)
        self.server.metrics.bytes_to_server += len(message)
        connection.send(message)
        return True

    def _large_kind(self, kind: int) -> None:
        """What follows when the large message has gone: more of the unit, or its reply."""
        self._open = kind in (BIND, PARSE, COPY_DATA)
        if kind in (QUERY, FUNCTION_CALL) and self._kind == EXTENDED:
            self.session.unit.ended_by_query = True

    def _pass_on(self, connection: PostgresConnection) -> bool:
        data = bytes(self._inbox[: self._left])
        del self._inbox[: len(data)]
        self._left -= len(data)
        lexer = self._lexer
        if lexer is not None:
            lexer.feed(data if self._left else data[:-1])
            if not self._left:
                self._lexer = None
                analysis = lexer.finish()
                if virtual.must_not_run(analysis):
                    self._drop_connection("a long Query that Outlive would have to change")
                    self._end_with(errors.TOO_LARGE)
                    return False
                self.session.unit.note(analysis)
        self.activity += 1
        self.server.metrics.bytes_to_server += len(data)
        connection.send(data)
        if not self._left and self.phase == UPLOADING and not self._open:
            self._ended = True
            self.phase = RELAYING
        return True

    def _copy(self, connection: PostgresConnection, data: bytes) -> bool:
        """COPY FROM STDIN: the client's data, up to CopyDone or CopyFail."""
        end = copy_data_end(data, 0)
        if not end:
            found = head(data, 0)
            if found is None:
                return False
            kind, end = found
            if kind == TERMINATE:
                self.channel.close()
                return False
            if end > WHOLE_BYTES:
                raise ProtocolError("a large message in the middle of a COPY")
            if end > len(data):
                return False
            if kind not in _IGNORED_IN_COPY:  # anything but data ends it: with an error, where it is not one of its own
                self.phase = UPLOADING if self._open else RELAYING
        end_here = min(end, len(data))
        self._left = end - end_here
        del self._inbox[:end_here]
        self.activity += 1
        self.server.metrics.bytes_to_server += end_here
        connection.send(data[:end_here])
        return True

    # -- errors of Outlive's own -------------------------------------------------------------------

    def _give_up(self, error: ErrorFields) -> None:
        """The unit will not run: it gets this error, and its rest is thrown away."""
        self.services.metrics.errors.add(error.code.decode())
        self.channel.send(encode_error(error))
        self._outgoing = b""
        if self._open:
            self._skipping = True
            self.phase = UPLOADING
        else:
            self._refused()
        self._read_on_soon()

    def _refused(self) -> None:
        self._skipping = self._open = False
        self.phase = READY
        self.channel.send(ready_for_query(self.session.status))
        self._settle()

    def _skip(self) -> bool:
        """The rest of a unit that will not run, as a server skips it after an error."""
        inbox = self._inbox
        if self._left:
            count = min(self._left, len(inbox))
            del inbox[:count]
            self._left -= count
            if not self._left and self._kind == _NO_UNIT:
                self._skipping = False
                self.phase = READY
            elif not self._left and self._kind != EXTENDED:
                self._refused()
            return True
        found = head(bytes(inbox[:5]), 0)
        if found is None:
            return False
        kind, end = found
        here = min(end, len(inbox))
        if kind == TERMINATE:
            self.channel.close()
            return False
        del inbox[:here]
        self._left = end - here
        if kind == SYNC or (self._kind != EXTENDED and not self._left):
            self._refused()
        return True

    def _malformed(self) -> None:
        self._end_with(errors.MALFORMED)

    def _end_with(self, error: ErrorFields) -> None:
        self.services.metrics.errors.add(error.code.decode())
        self.channel.send(encode_error(error))
        self.channel.close()
