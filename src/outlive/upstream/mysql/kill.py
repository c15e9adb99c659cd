"""KILL over a control connection, whose slot is reserved inside the budget.

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
    from outlive.upstream.mysql.connection import MySQLConnection
    from outlive.upstream.mysql.server import MySQLServer

_RETRY_S = 0.05


class Killer:
    """The KILLs of one server: those that wait, and the one that was sent and is not answered."""

    __slots__ = ("_answered", "_control", "_queue", "_retry", "_server", "_victim")

    def __init__(self, server: MySQLServer) -> None:
        self._server = server
        self._queue: deque[MySQLConnection] = deque()
        self._control: MySQLConnection | None = None
        """The control connection in use: being dialled, or with a KILL on it."""
        self._victim: MySQLConnection | None = None
        """Whose KILL was sent and is not answered."""
        self._answered: dict[MySQLConnection, list[Callable[[], None]]] = {}
        self._retry: asyncio.TimerHandle | None = None

    def kill(self, victim: MySQLConnection, cause: str, done: Callable[[], None] | None = None) -> None:
        """Ends the statement that runs on `victim`;
        `done` when the server answered, or there is nothing to end any more."""
        victim.doubtful = True
        if victim not in self._answered:
            self._answered[victim] = []
            self._queue.append(victim)
            self._server.metrics.kills.add(cause)
        if done is not None:
            self._answered[victim].append(done)
        self.go_on()

    def end(self, victim: MySQLConnection) -> None:
        """Ends the whole connection `victim`, which is closing and does not end by itself."""
        if victim not in self._queue and victim is not self._victim and victim.thread_id:
            self._queue.append(victim)
            self._server.metrics.kills.add("not_ending")
            self.go_on()

    def when_answered(self, victim: MySQLConnection, done: Callable[[], None]) -> None:
        """The statement on `victim` has ended; `done` when no KILL of it can come any more, which may be now.

        One that waits for its control connection is not sent at all.
        """
        if victim in self._queue:
            self._queue.remove(victim)
            self._tell(victim)
        if victim in self._answered:
            self._answered[victim].append(done)
        else:
            done()

    def go_on(self) -> None:
        """Sends the next KILL if there is one and a control connection for it."""
        server = self._server
        if self._control is not None or not self._queue:
            return
        victim = self._queue[0]
        assert isinstance(victim.key, Key)
        control = server.pool.acquire_control(key_of(victim.key.user, 0), server.time())
        if control is None:
            self._try_later()
            return
        self._control = control
        if control.state == DIALING:
            server.dial_control(control, self._dialled)
        else:
            self._send(control)

    def _try_later(self) -> None:
        """All reserved connections are in use or of another user: one comes back, or ends, soon."""
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(_RETRY_S, self._again)
        self._server.stir()

    def _again(self) -> None:
        self._retry = None
        self.go_on()

    def _dialled(self, ok: bool) -> None:
        control = self._control
        if ok and control is not None:
            self._send(control)
            return
        self._control = None
        # Who was refused does not keep the others, of other users perhaps, from their turn.
        self._queue.rotate(-1)
        if self._queue:
            self._try_later()

    def _send(self, control: MySQLConnection) -> None:
        """Whoever is first now and may be killed as this user: the one it was dialled for may have ended meanwhile."""
        for victim in self._queue:
            if victim.login.user == control.login.user:
                break
        else:
            self._finish(control)
            return
        self._queue.remove(victim)
        self._victim = victim
        what = b"KILL %d" if victim.closing_since is not None else b"KILL QUERY %d"
        control.run([query_step(what % victim.thread_id)], lambda error: self._sent(control))

    def _sent(self, control: MySQLConnection) -> None:
        victim, self._victim = self._victim, None
        self._finish(control)
        if victim is not None:
            self._tell(victim)
        self.go_on()

    def _finish(self, control: MySQLConnection) -> None:
        self._control = None
        server = self._server
        server.pool.release(control, server.time())
        if server.pool.stirred:
            server.stir()

    def _tell(self, victim: MySQLConnection) -> None:
        for done in self._answered.pop(victim, ()):
            done()

    def connection_lost(self, connection: MySQLConnection) -> None:
        """A victim has ended or is closing, or the control connection is."""
        if connection in self._queue:
            self._queue.remove(connection)
        self._tell(connection)
        if connection is not self._control or connection.logging_in:
            return  # while it is dialled `_dialled` says how it ended
        self._control = None
        victim, self._victim = self._victim, None
        if victim is not None:
            # Whether and when the KILL arrives is not known, and it would hit whoever has the connection then.
            self._server.retire_now(victim, "kill")
        self.go_on()
