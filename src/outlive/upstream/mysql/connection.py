"""One connection to a MySQL server: its login, and Outlive's own commands on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from outlive.net.tls import TLSError
from outlive.pool.slot import DIALING
from outlive.session.mysql.server_state import ServerState
from outlive.session.mysql.steps import CAPTURE_INSERT_ID, CAPTURE_WARNINGS, PING, Step
from outlive.upstream.connection import ServerConnection
from outlive.upstream.mysql.key import Key, as_key
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import CLIENT_QUERY_ATTRIBUTES, COM_QUIT
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import PacketReader, packet
from outlive.wire.mysql.small_reply import SmallReply

if TYPE_CHECKING:
    from outlive.upstream.lease import Lessee
    from outlive.upstream.mysql.login import Login
    from outlive.upstream.mysql.server import MySQLServer
    from outlive.wire.mysql.handshake import Greeting

OWN_REPLY_LIMIT_BYTES: Final = 1 << 20
"""A packet in reply to a command of Outlive's own; the largest is a row of SHOW WARNINGS or of the variables."""
_QUESTIONS: Final = (CAPTURE_WARNINGS, CAPTURE_INSERT_ID)
_PROMPT: Final = frozenset((PING, CAPTURE_WARNINGS, CAPTURE_INSERT_ID))
"""Purposes of steps that the server answers at once, as long as it lives."""


class MySQLConnection(ServerConnection):
    """A connection to a MySQL or MariaDB server. `session` is what is known of the state there."""

    __slots__ = (
        "_login",
        "_on_steps",
        "_reply",
        "_steps_error",
        "capabilities",
        "changing",
        "greeting",
        "learned",
        "on_drained",
        "packets",
        "session",
    )

    goodbye = packet(0, bytes((COM_QUIT,)))
    server: MySQLServer

    def __init__(self, server: MySQLServer, key: Key) -> None:
        ServerConnection.__init__(self, server, key)
        self.session = ServerState(server.prepared_statements)
        self.packets = PacketReader(OWN_REPLY_LIMIT_BYTES)
        self.greeting: Greeting | None = None
        self.capabilities = 0
        self.changing: tuple[Lessee | None, Callable[[ERR | None], None]] | None = None
        """During a change of user to itself: who has the connection after it, and what is called then."""
        self.on_drained: Callable[[ERR | None], None] | None = None
        """While a KILL of what ran here is awaited and drained: what is called then."""
        self.learned: list[list[tuple[bytes | None, ...]]] = []
        self._login: Login | None = None
        self._steps_error: ERR | None = None
        self._reply = SmallReply()
        self._on_steps: Callable[[ERR | None], None] | None = None

    @property
    def login(self) -> Key:
        """Who it is logged in as: the pool's key."""
        return as_key(self.key)

    @property
    def thread_id(self) -> int:
        """The connection's id at the server, for KILL."""
        return self.greeting.connection_id if self.greeting is not None else 0

    def secured(self) -> None:
        """See `ServerConnection`."""
        if self._login is not None:
            self._login.respond()

    # -- Outlive's own commands --------------------------------------------------------------------

    def log_in(self, login: Login) -> None:
        """The packets from here on are the login's, and what came before it was asked for:
        the greeting comes by itself."""
        self._login = login
        self.own_data(b"")

    def logged_in(self) -> None:
        """The login is over, either way."""
        self._login = None

    def send_packet(self, payload: bytes) -> None:
        """One packet of a login exchange, numbered after what was received."""
        self.send(packet(self.packets.sequence, payload))
        self.packets.sequence = (self.packets.sequence + 1) & 0xFF

    def run(self, steps: Sequence[Step], done: Callable[[ERR | None], None], then: bytes = b"") -> None:
        """Sends `steps` (at least one), and `then` behind them, in one write;
        `done` with the first error when all are answered.

        What the server sends after the steps' replies goes to the lessee. If the connection ends before, or has ended,
        `done` is never called: the lessee learns it by `server_lost`, the server by `connection_lost`.
        """
        if self.lost or self._closing_since is not None:
            return
        assert not self._steps
        assert steps
        self._asked_at = self.server.time()
        self._steps.extend(steps)
        self._steps_error = None
        self._on_steps = done
        self._reply = SmallReply(steps[0].kind)
        self.packets.sequence = 1
        if self.capabilities & CLIENT_QUERY_ATTRIBUTES:
            self.send(b"".join(step.with_attributes() for step in steps) + then)
        else:
            self.send(b"".join(step.bytes for step in steps) + then)

    def then(self, done: Callable[[ERR | None], None]) -> None:
        """Replaces what is to be called when the steps under way are answered."""
        self._on_steps = done

    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """Whether an own command that nothing at the server can hold up has had no answer for `limit_s`.

        Others may wait for locks (a PREPARE), or take their time (the rollback of a reset).
        """
        if not self._steps or now - self._asked_at < limit_s:
            return False
        return self.control or self._steps[0].purpose in _PROMPT

    def own_data(self, data: bytes) -> None:
        """See `ServerConnection`."""
        try:
            self.packets.feed(data)
            while self._login is not None:
                payload = self.packets.next()
                if payload is None:
                    return
                self._login.receive(payload)
            if self._steps:
                self._read_steps()
            elif self.packets.pending and not self.lost and self.state != DIALING:
                self.fail("the server spoke without being asked")
        except ProtocolError as error:
            self.fail(str(error))
        except TLSError as error:
            self.fail(f"TLS: {error}")

    def _read_steps(self) -> None:
        packets = self.packets
        while self._steps:
            payload = packets.next()
            if payload is None:
                return
            if not self._reply.add(payload):
                continue
            self._step_done(self._steps.popleft(), self._reply)
            packets.sequence = 1
            if self._steps:
                self._reply = SmallReply(self._steps[0].kind)
        rest = packets.rest()
        done, self._on_steps = self._on_steps, None
        if done is not None:
            done(self._steps_error)
        if rest and not self.lost:
            if self.lessee is None or self._steps:
                raise ProtocolError("the server sent more than its reply")
            self.lessee.server_data(rest)

    def _step_done(self, step: Step, reply: SmallReply) -> None:
        if reply.err is None:
            self.server.step_done(self, step, reply)
        elif self._steps_error is None and step.purpose not in _QUESTIONS:
            self._steps_error = reply.err
        elif step.session is not None:
            # A question for a former client that fails leaves that client without the answer, and harms no one else.
            step.session.connection_lost(self.session)

    def forget_own(self) -> None:
        """See `ServerConnection`."""
        ServerConnection.forget_own(self)
        self._login = None
        self._on_steps = None
