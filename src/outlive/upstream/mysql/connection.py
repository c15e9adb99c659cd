"""One connection to a MySQL server: bytes in and out, whoever holds it, and Outlive's own commands on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

from outlive.net.tls import TLS, TLSError
from outlive.pool.slot import DIALING, Slot
from outlive.session.mysql.server_state import ServerState
from outlive.session.mysql.steps import CAPTURE_INSERT_ID, CAPTURE_WARNINGS, PING, Step
from outlive.upstream.mysql.key import Key, as_key
from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import CLIENT_QUERY_ATTRIBUTES, COM_QUIT
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import PacketReader, packet
from outlive.wire.mysql.small_reply import SmallReply

if TYPE_CHECKING:
    from outlive.upstream.mysql.login import Login
    from outlive.upstream.mysql.server import Server
    from outlive.wire.mysql.handshake import Greeting

OWN_REPLY_LIMIT_BYTES: Final = 1 << 20
"""A packet in reply to a command of Outlive's own; the largest is a row of SHOW WARNINGS or of the variables."""
_QUIT: Final = packet(0, bytes((COM_QUIT,)))
_QUESTIONS: Final = (CAPTURE_WARNINGS, CAPTURE_INSERT_ID)
_PROMPT: Final = frozenset((PING, CAPTURE_WARNINGS, CAPTURE_INSERT_ID))
"""Purposes of steps that the server answers at once, as long as it lives."""


class Lessee(Protocol):
    """Who holds a connection."""

    def server_data(self, data: bytes) -> None:
        """Bytes of the reply."""

    def server_lost(self) -> None:
        """The connection ended; the lease with it."""

    def server_paused(self, paused: bool) -> None:
        """The server does not (or does again) take what is written to it."""


class ServerConnection(Slot, asyncio.Protocol):
    """A slot of the pool with its socket. `session` is what is known of the state at the server."""

    __slots__ = (
        "_asked_at",
        "_closing_since",
        "_login",
        "_on_steps",
        "_reply",
        "_steps",
        "_steps_error",
        "capabilities",
        "changing",
        "doubtful",
        "greeting",
        "learned",
        "lessee",
        "logging_in",
        "lost",
        "on_drained",
        "packets",
        "pinged_at",
        "read_only",
        "refusal",
        "saw_end",
        "send",
        "server",
        "session",
        "tls",
        "transport",
        "writable",
    )

    def __init__(self, server: Server, key: Key) -> None:
        Slot.__init__(self, key)
        self.server = server
        self.session = ServerState(server.prepared_statements)
        self.transport: asyncio.Transport | None = None
        self.send: Callable[[bytes], None] = self._send_nowhere
        self.tls: TLS | None = None
        self.lessee: Lessee | None = None
        self.packets = PacketReader(OWN_REPLY_LIMIT_BYTES)
        self.greeting: Greeting | None = None
        self.capabilities = 0
        self.changing: tuple[Lessee | None, Callable[[ERR | None], None]] | None = None
        """During a change of user to itself: who has the connection after it, and what is called then."""
        self.doubtful = False
        self.on_drained: Callable[[ERR | None], None] | None = None
        """While a KILL of what ran here is awaited and drained: what is called then."""
        self.logging_in = False
        """A dial or a change of user is under way, which tells the pool how it ended."""
        self.learned: list[list[tuple[bytes | None, ...]]] = []
        self.pinged_at = 0.0
        self.read_only = False
        self.refusal: ERR | None = None
        self.saw_end = False
        self.lost = False
        self.writable = True
        self._login: Login | None = None
        self._steps: deque[Step] = deque()
        self._steps_error: ERR | None = None
        self._reply = SmallReply()
        self._on_steps: Callable[[ERR | None], None] | None = None
        self._closing_since: float | None = None
        self._asked_at = 0.0

    @property
    def login(self) -> Key:
        """Who it is logged in as: the pool's key."""
        return as_key(self.key)

    @property
    def thread_id(self) -> int:
        """The connection's id at the server, for KILL."""
        return self.greeting.connection_id if self.greeting is not None else 0

    # -- asyncio.Protocol --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.send = self.transport.write

    def data_received(self, data: bytes) -> None:
        if self._closing_since is not None:
            return
        if self.tls is not None:
            data = self._decrypt(data)
            if not data:
                return
        self.server.metrics.bytes_from_server += len(data)
        if self.lessee is not None and not self._steps:
            self.lessee.server_data(data)
        else:
            self._own_data(data)

    def eof_received(self) -> bool:
        # At once: connection_lost comes a turn of the loop later, and a statement that came in the same turn as this
        # end would be lent the connection and be lost with it.
        self.saw_end = True
        self._ended()
        return False  # the transport closes

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, ConnectionResetError | BrokenPipeError):
            self.saw_end = True
        if not self.lost:
            self._ended()

    def _ended(self) -> None:
        self.lost = True
        self.send = self._send_nowhere
        self._steps.clear()
        self.server.connection_lost(self)

    def pause_writing(self) -> None:
        self.writable = False
        if self.lessee is not None:
            self.lessee.server_paused(True)

    def resume_writing(self) -> None:
        self.writable = True
        if self.lessee is not None:
            self.lessee.server_paused(False)

    # -- TLS ---------------------------------------------------------------------------------------

    def start_tls(self) -> None:
        """Raises TLSError where the host's name cannot be one."""
        assert self.transport is not None
        context, name = self.server.tls_parameters()
        self.tls = TLS(context, server_side=False, server_hostname=name)
        self.send = self._send_encrypted
        self.transport.write(self.tls.outgoing())

    def _decrypt(self, data: bytes) -> bytes:
        tls, transport = self.tls, self.transport
        assert tls is not None
        assert transport is not None
        fresh = not tls.established
        try:
            plain = tls.receive(data)
        except TLSError as error:
            self.fail(f"TLS: {error}")
            return b""
        finally:
            answer = tls.outgoing()
            if answer and not self.lost:
                transport.write(answer)
        if fresh and tls.established and self._login is not None:
            self._login.respond()
        return plain

    def _send_encrypted(self, data: bytes) -> None:
        assert self.tls is not None
        assert self.transport is not None
        try:
            self.tls.send(data)
        except TLSError as error:
            self.fail(f"TLS: {error}")
            return
        self.transport.write(self.tls.outgoing())

    def _send_nowhere(self, data: bytes) -> None:
        """Before the connection and after its end there is nobody to write to; the loss is told by connection_lost."""

    # -- Outlive's own commands --------------------------------------------------------------------

    def log_in(self, login: Login) -> None:
        """The packets from here on are the login's, and what came before it was asked for: the greeting comes by
        itself.
        """
        self._login = login
        self._own_data(b"")

    def logged_in(self) -> None:
        """The login is over, either way."""
        self._login = None

    def send_packet(self, payload: bytes) -> None:
        """One packet of a login exchange, numbered after what was received."""
        self.send(packet(self.packets.sequence, payload))
        self.packets.sequence = (self.packets.sequence + 1) & 0xFF

    def run(self, steps: Sequence[Step], done: Callable[[ERR | None], None], then: bytes = b"") -> None:
        """Sends `steps` (at least one), and `then` behind them, in one write; `done` with the first error when all
        are answered.

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

    @property
    def running(self) -> bool:
        """Whether own commands are unanswered."""
        return bool(self._steps)

    def keeps_silent(self, now: float, limit_s: float) -> bool:
        """Whether an own command that nothing at the server can hold up has had no answer for `limit_s`.

        Others may wait for locks (a PREPARE), or take their time (the rollback of a reset).
        """
        if not self._steps or now - self._asked_at < limit_s:
            return False
        return self.control or self._steps[0].purpose in _PROMPT

    def _own_data(self, data: bytes) -> None:
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

    # -- the end -----------------------------------------------------------------------------------

    def fail(self, why: str) -> None:
        """The connection cannot go on (protocol, TLS, doubt). What the server still says is not read any more."""
        if self._closing_since is None:
            if not self.logging_in:  # whose failure is logged where it is told
                self.server.log_failure(self, why)
            self.server.retire_now(self, why)

    def quit(self, now: float, *, polite: bool = True) -> None:
        """COM_QUIT, or only the end of our side where a packet may be half sent; then the server's EOF is awaited.

        The slot is free when the server closed, and not before: closing and dialling anew at the limit is refused else.
        """
        if self._closing_since is not None:
            return
        self._closing_since = now
        self.lessee = None
        self._login = None
        self._steps.clear()
        self._on_steps = None
        transport = self.transport
        if transport is None or self.lost:
            return
        transport.resume_reading()
        if polite:
            self.send(_QUIT)
        self.send = self._send_nowhere
        try:
            transport.write_eof()
        except OSError:
            transport.abort()

    def abort(self) -> None:
        """RST towards the server."""
        if self.transport is not None:
            self.transport.abort()

    @property
    def closing_since(self) -> float | None:
        """When `quit` was called."""
        return self._closing_since
