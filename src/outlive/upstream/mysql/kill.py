"""KILL QUERY over a control connection, whose slot is reserved inside the budget.

The control connection is logged in as the victim's own user, who may kill its own threads on every server. KILLs of one
server go one after the other; an idle control connection stays for the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from outlive.pool.slot import DIALING
from outlive.session.mysql.steps import query_step
from outlive.upstream.mysql.key import Key, key_of

if TYPE_CHECKING:
    from outlive.upstream.mysql.connection import ServerConnection
    from outlive.upstream.mysql.server import Server
    from outlive.wire.mysql.ok import ERR

_RETRY_S = 0.05


class Killer:
    """The KILLs of one server."""

    __slots__ = ("_answered", "_current", "_queue", "_retry", "_server")

    def __init__(self, server: Server) -> None:
        self._server = server
        self._queue: deque[ServerConnection] = deque()
        self._current: tuple[ServerConnection, ServerConnection] | None = None  # (victim, control)
        self._answered: dict[ServerConnection, list[Callable[[], None]]] = {}
        self._retry: asyncio.TimerHandle | None = None

    def kill(self, victim: ServerConnection, cause: str, done: Callable[[], None] | None = None) -> None:
        """Ends the statement that runs on `victim`; `done` when the server answered, or the victim is gone."""
        victim.doubtful = True
        if victim not in self._answered:
            self._answered[victim] = []
            self._queue.append(victim)
            self._server.metrics.kills.add(cause)
        if done is not None:
            self._answered[victim].append(done)
        self.go_on()

    def when_answered(self, victim: ServerConnection, done: Callable[[], None]) -> None:
        """`done` when no KILL of `victim` is under way, which may be now."""
        if victim in self._answered:
            self._answered[victim].append(done)
        else:
            done()

    def go_on(self) -> None:
        """Sends the next KILL if there is one and a control connection for it."""
        server = self._server
        if self._current is not None or not self._queue:
            return
        victim = self._queue[0]
        assert isinstance(victim.key, Key)
        control = server.pool.acquire_control(key_of(victim.key.user, 0), server.time())
        if control is None:
            self._try_later()
            return
        self._queue.popleft()
        self._current = victim, control
        if control.state == DIALING:
            server.dial_control(control, self._dialled)
        else:
            self._send(victim, control)

    def _try_later(self) -> None:
        """All reserved connections are in use or of another user: one comes back, or ends, soon."""
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY_S, self._again)
        self._server.stir()

    def _again(self) -> None:
        self._retry = None
        self.go_on()

    def _dialled(self, ok: bool) -> None:
        if self._current is None:
            return
        victim, control = self._current
        if ok:
            self._send(victim, control)
            return
        self._current = None
        if victim in self._answered:
            self._queue.append(victim)
        self._try_later()

    def _send(self, victim: ServerConnection, control: ServerConnection) -> None:
        if victim.lost:
            self._finish(victim, control)
            return
        control.run([query_step(b"KILL QUERY %d" % victim.thread_id)], lambda error: self._sent(victim, control, error))

    def _sent(self, victim: ServerConnection, control: ServerConnection, error: ERR | None) -> None:
        self._finish(victim, control)

    def _finish(self, victim: ServerConnection, control: ServerConnection) -> None:
        self._current = None
        server = self._server
        server.pool.release(control, server.time())
        self._tell(victim)
        self.go_on()
        if server.pool.stirred:
            server.stir()

    def _tell(self, victim: ServerConnection) -> None:
        for done in self._answered.pop(victim, ()):
            done()

    def connection_lost(self, connection: ServerConnection) -> None:
        """A victim, or the control connection, has ended."""
        if connection in self._queue:
            self._queue.remove(connection)
        current = self._current
        if current is not None and current[1] is connection:
            self._current = None
            self._tell(current[0])  # whether it was killed is not known: the ping that follows, or a timeout, will show
        self._tell(connection)
