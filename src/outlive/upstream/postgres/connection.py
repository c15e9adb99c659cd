"""One connection to a PostgreSQL server: its login, and Outlive's own questions on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from outlive.net.tls import TLSError
from outlive.session.postgres.reported import NOTHING_REPORTED
from outlive.session.postgres.server_state import ServerState
from outlive.session.postgres.steps import ASK_HOLDS, ASK_SETTINGS, DISCARD, PING, Step
from outlive.upstream.connection import ServerConnection
from outlive.upstream.postgres.key import Key, as_key
from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    ERROR_RESPONSE,
    NOTICE_RESPONSE,
    NOTIFICATION_RESPONSE,
    PARAMETER_STATUS,
    QUERY,
)
from outlive.wire.postgres.errors import ErrorFields, parse_error
from outlive.wire.postgres.messages import TERMINATE, parse_parameter_status
from outlive.wire.postgres.reader import MessageReader
from outlive.wire.postgres.small_reply import BYTES_LIMIT, SmallReply

if TYPE_CHECKING:
    from outlive.upstream.postgres.login import Login
    from outlive.upstream.postgres.server import PostgresServer

IN_HOT_STANDBY: Final = b"in_hot_standby"
_PROMPT: Final = frozenset((PING, ASK_SETTINGS, ASK_HOLDS))
"""Purposes of steps that the server answers at once, as long as it lives."""


class PostgresConnection(ServerConnection):
    """`session` is what is known of the state there; `backend` its process id and cancel key."""

    __slots__ = (
        "_login",
        "_on_steps",
        "_reply",
        "_steps_error",
        "backend",
        "last_words",
        "logged_in_with",
        "messages",
        "notifications",
        "on_drained",
        "session",
    )

    goodbye = TERMINATE
    server: PostgresServer

    def __init__(self, server: PostgresServer, key: Key) -> None:
        ServerConnection.__init__(self, server, key)
        self.session = ServerState(server.prepared_statements)
        self.messages = MessageReader(BYTES_LIMIT)
        self.backend: tuple[int, bytes] = (0, b"")
        self.last_words: ErrorFields | None = None
        """The error with which the server ended the connection, outside of a client's unit."""
        self.logged_in_with = NOTHING_REPORTED
        """What the server said of itself at the login, before any client's settings."""
        self.notifications: list[bytes] = []
        """NotificationResponses, whole messages, that came between the replies to own steps: the lessee's."""
        self.on_drained: Callable[[ErrorFields | None], None] | None = None
        """While a cancel of what ran here is awaited and drained: what is called then."""
        self._login: Login | None = None
        self._steps_error: ErrorFields | None = None
        self._reply = SmallReply()
        self._on_steps: Callable[[ErrorFields | None], None] | None = None

    @property
    def login(self) -> Key:
        """Who it is logged in as: the pool's key."""
        return as_key(self.key)

    @property
    def thread_id(self) -> int:
        """See `ServerConnection`: the process id of its backend."""
        return self.backend[0]

    def secured(self) -> None:
        """See `ServerConnection`."""
        if self._login is not None:
            self._login.start()

    def report(self, parameters: Mapping[bytes, bytes]) -> None:
        """ParameterStatus messages came, in whatever reply."""
        if parameters:
            self.session.report(parameters)
            self.read_only = self.session.reported.values.get(IN_HOT_STANDBY) == b"on"

    # -- Outlive's own questions -------------------------------------------------------------------

    def log_in(self, login: Login) -> None:
        """The messages from here on are the login's."""
        self._login = login

    def logged_in(self) -> None:
        """The login is over, either way."""
        self._login = None

    def run(self, steps: Sequence[Step], done: Callable[[ErrorFields | None], None]) -> None:
        """Sends `steps` (at least one) in one write; `done` with the first error when all are answered.

        What the server sends after their replies goes to the lessee. If the connection ends before, or has ended,
        `done` is never called: the lessee learns it by `server_lost`, the server by `connection_lost`.
        """
        if self.lost or self._closing_since is not None:
            return
        assert not self._steps
        assert steps
        self._asked_at = self.server.time()
        self._steps.extend(steps)
        self._steps_error = None
        if any(step.message[0] == QUERY for step in steps):
            self.session.unnamed = None  # a Query takes the unnamed statement away (exec_simple_query)
        self._on_steps = done
        self._reply = SmallReply()
        self.send(steps[0].message if len(steps) == 1 else b"".join([step.message for step in steps]))

    def then(self, done: Callable[[ErrorFields | None], None]) -> None:
        """Replaces what is to be called when the steps under way are answered."""
        self._on_steps = done

    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """Whether an own question that nothing at the server can hold up has had no answer for `limit_s`.

        Others may take their time: the rollback, and what DISCARD ALL drops.
        """
        if not self._steps or now - self._asked_at < limit_s:
            return False
        return self._steps[0].purpose in _PROMPT

    def own_data(self, data: bytes) -> None:
        """See `ServerConnection`."""
        try:
            if self._login is not None and self._login.awaits_answer_to_ssl_request:
                self._login.answered(data)  # one byte, and no message
                return
            self.messages.feed(data)
            while self._login is not None:
                found = self.messages.next()
                if found is None:
                    return
                self._login.receive(*found)
            if self._steps:
                self._read_steps()
            elif self.messages.pending and not self.lost and self._closing_since is None:
                self._read_unasked()
        except ProtocolError as error:
            self.fail(str(error))
        except TLSError as error:
            self.fail(f"TLS: {error}")

    def _read_steps(self) -> None:
        while self._steps:
            found = self.messages.next()
            if found is None:
                return
            reply = self._reply
            if reply.add(*found):
                self._step_done(self._steps.popleft(), reply)
                self._reply = SmallReply()
            elif reply.error is not None and reply.error.fatal:
                self.last_words = reply.error  # no ReadyForQuery follows
        rest = self.messages.rest()
        done, self._on_steps = self._on_steps, None
        if done is not None:
            done(self._steps_error)
        if not rest or self.lost or self._closing_since is not None:
            return
        if self.lessee is not None and not self._steps:
            self.lessee.server_data(rest)
        else:
            self.own_data(rest)

    def _step_done(self, step: Step, reply: SmallReply) -> None:
        state = self.session
        state.status = reply.status
        if step.purpose != PING:
            state.unnamed = None  # every Query takes it away
        self.report(reply.parameters)
        self.notifications += reply.notifications
        if reply.error is not None and step.may_fail and not reply.error.fatal:
            return
        if reply.error is not None:
            if self._steps_error is None:
                self._steps_error = reply.error
            return
        if step.purpose == DISCARD:
            state.reset()
        if step.take is not None:
            step.take(reply.rows)

    def _read_unasked(self) -> None:
        """Between leases a server may tell of a setting that its operator changed, or that it ends the connection."""
        while (found := self.messages.next()) is not None:
            kind, payload = found
            if kind == PARAMETER_STATUS:
                self.report(dict((parse_parameter_status(payload),)))
            elif kind == ERROR_RESPONSE:
                error = self.last_words = parse_error(payload)
                self.fail(f"{error.code.decode('ascii', 'replace')} {error.message.decode('utf-8', 'replace')[:200]}")
                return
            elif kind not in (NOTICE_RESPONSE, NOTIFICATION_RESPONSE):
                self.fail("the server spoke without being asked")
                return
        if self.messages.pending:
            # The next lessee would get the second half alone. Messages of a hundred bytes are hardly ever cut in two.
            self.fail("half a message without being asked")

    def forget_own(self) -> None:
        """See `ServerConnection`."""
        ServerConnection.forget_own(self)
        self._login = None
        self._on_steps = None
