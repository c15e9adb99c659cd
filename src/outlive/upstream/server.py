"""One server: its pool, and the I/O that carries out what the pool plans.

What is said to a server, and how a session is cleaned, is its protocol's (`upstream/mysql`, `upstream/postgres`).
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, Final

from outlive.config.addresses import Address
from outlive.observe.log import fields
from outlive.observe.metrics import ServerMetrics, Snapshot
from outlive.pool.actions import (
    AGE,
    BUDGET,
    DRAIN,
    IDLE_TIMEOUT,
    KEY_SWITCH,
    Close,
    Convert,
    Dial,
    Expire,
    Lend,
    Ping,
    Refuse,
)
from outlive.pool.limits import Limits
from outlive.pool.pool import Pool
from outlive.upstream.failure import Failure
from outlive.upstream.lease import Client

if TYPE_CHECKING:
    from outlive.upstream.dial import Dialer
    from outlive.upstream.route import Route

log = logging.getLogger("outlive.upstream")

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the server's EOF is awaited after the goodbye; then what runs there is ended. The slot is free at the dead
man's bound at the latest.
"""
SETTLE_S: Final = 0.05
"""Servers free the place of a connection a little after they closed its socket; who dials at once is refused."""
ANSWER_TIMEOUT_S: Final = 5.0
"""A server that does not answer a ping for this long hangs, or is gone: whoever waits for it goes back to the queue."""
_CLOSE_REASONS: Final = {AGE: "age", BUDGET: "budget", DRAIN: "drain", IDLE_TIMEOUT: "idle", KEY_SWITCH: "key_switch"}
_KNOWN_REASONS: Final = frozenset(
    ("ping refused", "reset refused", "change of user refused", "demoted", "kill", "passthrough", "reconnect")
)
_ROUNDS_MAX: Final = 1000


class Server(ABC):
    """One host and port with its budget. `routes` are told of dials that failed.

    Connections are of the protocol's own kind, which only its own subclass looks into: here they are Any.
    """

    dialer: Dialer

    def __init__(self, address: Address, limits: Limits, metrics: ServerMetrics, *, dead_man_s: int) -> None:
        self.address = address
        self.metrics = metrics
        self.dead_man_s = dead_man_s
        self.prepared_statements = 0
        """How many prepared statements a connection keeps."""
        self.login_options: tuple[object, ...] = ()
        """What a connection cannot change after its login; a reload that does retires them."""
        self.pool: Pool[Any, Client] = Pool(limits, random.random, self.new_connection, self.convertible)
        self.on_facts: Callable[[], None] | None = None
        """Called when the first login told what the server is."""
        self.routes: list[Route] = []
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._stirring = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: dict[Any, float] = {}
        self._orphans: dict[Any, float] = {}
        metrics.snapshot = self._snapshot

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address}, {self.pool!r})"

    def time(self) -> float:
        """Seconds on the loop's clock, which is the pool's."""
        return self._loop.time()

    def set_dead_man(self, seconds: int) -> None:
        """The bound after which the server itself ends a silent connection; for logins from here on."""
        self.dead_man_s = seconds

    # -- what a protocol adds ----------------------------------------------------------------------

    @property
    @abstractmethod
    def is_known(self) -> bool:
        """Whether a login has told what server this is."""

    @abstractmethod
    def new_connection(self, key: Hashable) -> Any:
        """A slot of the pool."""

    @abstractmethod
    def clean(self, connection: Any) -> None:
        """The lease ends with state left behind (a transaction, pins): reset, then back into the pool."""

    @abstractmethod
    def settle_lease(self, connection: Any) -> None:
        """The lease of a connection in a clean state ends: its slot gets its settings."""

    @abstractmethod
    def check(self, connection: Any) -> None:
        """Shows that an idle connection lives; then `checked`."""

    @abstractmethod
    def end_statement(self, connection: Any) -> None:
        """A connection that was told goodbye does not end, perhaps because a statement runs on it: ends that."""

    def convertible(self, connection: Any, key: Hashable) -> bool:
        """Whether a connection can be logged in anew with another key."""
        return False

    def convert(self, connection: Any, key: Hashable) -> None:
        """Logs a connection in anew; only where `convertible`."""
        raise NotImplementedError

    def before_close(self, connection: Any, go_on: Callable[[], None]) -> None:
        """What only this connection knows is asked for before it is closed."""
        go_on()

    @abstractmethod
    def ended(self, connection: Any) -> None:
        """The connection is lost, or was told goodbye: nothing more is to be had of it."""

    @abstractmethod
    def look_after(self) -> None:
        """Once a second."""

    # -- what the pool plans -----------------------------------------------------------------------

    def stir(self) -> None:
        """Carries out the pool's plan; call after anything that may have changed it."""
        if self._stirring:
            return
        self._stirring = True
        try:
            for _ in range(_ROUNDS_MAX):
                for action in self.pool.plan(self._loop.time()):
                    self._carry_out(action)
                if not self.pool.stirred:
                    break
        finally:
            self._stirring = False
        self._set_timer()

    def _set_timer(self) -> None:
        at = self.pool.next_wakeup(self._loop.time())
        if self._timer is not None:
            if at == self._timer_at:
                return
            self._timer.cancel()
            self._timer = None
        if at != float("inf"):
            self._timer_at = at
            self._timer = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.stir()

    def _carry_out(self, action: object) -> None:
        if isinstance(action, Lend):
            action.waiter.lent(action.slot)
        elif isinstance(action, Dial):
            self.start(self._dial(action.slot))
        elif isinstance(action, Close):
            self._close(action.slot, action.why)
        elif isinstance(action, Ping):
            self.check(action.slot)
        elif isinstance(action, Convert):
            self.metrics.conversions += 1
            self.convert(action.slot, action.key)
        elif isinstance(action, Expire):
            self.metrics.wait_timeouts += 1
            action.waiter.expired()
        elif isinstance(action, Refuse):
            action.waiter.refused(action.refusal)

    def start(self, work: Coroutine[None, None, None]) -> None:
        """A dial, or what else takes turns with the server outside a lease."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- dialling ----------------------------------------------------------------------------------

    async def _dial(self, connection: Any) -> None:
        self.metrics.dials += 1
        failure = await self.attempt(connection, self.dialer.dial(connection))
        now = self._loop.time()
        if failure is None:
            self.metrics.logins_ok += 1
            self.serve(connection, self.pool.ready(connection, now))
            return
        self.tell_failure(connection, failure, now)

    async def attempt(self, connection: Any, attempt: Coroutine[None, None, Failure | None]) -> Failure | None:
        """A dial or a change of user. Until it is over the end of the connection is its own to tell,
        with the reason."""
        connection.logging_in = True
        try:
            failure = await attempt
        except Exception:  # a bug, or a server that no code foresaw: either way the slot must not be lost with it
            log.exception("login failed unexpectedly")
            return Failure("internal", "internal error")
        finally:
            connection.logging_in = False
        if failure is None and connection.lost:
            return Failure("refused", "the server closed the connection after the login")
        return failure

    def tell_failure(self, connection: Any, failure: Failure, now: float) -> None:
        """The dial or the change of user failed: the pool, the log and the routes hear of it."""
        self.metrics.dial_failures.add(failure.kind)
        log.warning(
            "dial failed",
            extra=fields(server=self.address, user=connection.key, kind=failure.kind, reason=failure.text),
        )
        refusal = failure.refusal
        if refusal is not None:
            self.metrics.logins_refused += 1
        self.pool.dial_failed(connection, now, refusal=refusal, server_full=failure.server_full)
        if connection.transport is None:
            self.pool.closed(connection, now)
        elif connection.lost:
            self.gone(connection, now)
        else:
            self._end(connection, now)
        for route in self.routes:
            route.trouble(self, failure)
        self.stir()

    def dial_control(self, connection: Any, done: Callable[[bool], None]) -> None:
        """Dials a connection of the reserved part of the budget."""
        self.start(self._dial_control(connection, done))

    async def _dial_control(self, connection: Any, done: Callable[[bool], None]) -> None:
        self.metrics.dials += 1
        failure = await self.attempt(connection, self.dialer.dial(connection))
        if failure is None:
            self.pool.ready(connection, self._loop.time())
        else:
            connection.refusal = failure.refusal
            self.tell_failure(connection, failure, self._loop.time())
        done(failure is None)

    def serve(self, connection: Any, waiter: Client | None) -> None:
        """A connection is ready; the pool may have named who gets it."""
        if waiter is not None:
            waiter.lent(connection)
        if self.pool.stirred:
            self.stir()

    def checked(self, connection: Any, error: object) -> None:
        """The answer to `check` came."""
        if error is not None:
            self.retire_now(connection, "ping refused")
        else:
            self.serve(connection, self.pool.ready(connection, self._loop.time()))

    # -- leases ------------------------------------------------------------------------------------

    def give_back(self, connection: Any) -> None:
        """The lease of a connection in a clean state ends."""
        connection.lessee = None
        self.settle_lease(connection)
        waiter = self.pool.release(connection, self._loop.time())
        if waiter is not None:
            waiter.lent(connection)
        if self.pool.stirred:
            self.stir()

    def cleaned(self, connection: Any, error: object) -> None:
        """The answer to a reset came."""
        if error is not None:
            self.retire_now(connection, "reset refused")
        else:
            self.give_back(connection)

    # -- the end of connections --------------------------------------------------------------------

    def retire_now(self, connection: Any, why: str, *, polite: bool = False) -> None:
        """Ends a connection in doubt, whatever it is doing; its lessee learns it first."""
        if connection.logging_in:
            self.dialer.failed(connection, why)
            return
        lessee, connection.lessee = connection.lessee, None
        self.metrics.closes.add(why if why in _KNOWN_REASONS else "failure")
        self.pool.closing(connection)
        self._end(connection, self._loop.time(), polite=polite)
        if lessee is not None:
            lessee.server_lost()
        if self.pool.stirred:
            self.stir()

    def replace(self, connection: Any, why: str) -> None:
        """Closes a connection that only a login makes as new; the lessee, if any, waits for another one."""
        self.metrics.closes.add(why)
        lessee, connection.lessee = connection.lessee, None
        self.pool.closing(connection)
        self._end(connection, self._loop.time())
        if lessee is not None:
            lessee.server_lost()
        if self.pool.stirred:
            self.stir()

    def _close(self, connection: Any, why: str) -> None:
        self.metrics.closes.add(_CLOSE_REASONS.get(why, why))
        self.before_close(connection, lambda: self._end(connection, self._loop.time()))

    def _end(self, connection: Any, now: float, *, polite: bool = True) -> None:
        if connection.lost or connection.closing_since is not None:
            self.ended(connection)
            return
        self._ending[connection] = now + CLOSE_TIMEOUT_S
        connection.quit(now, polite=polite)
        self.ended(connection)

    def connection_lost(self, connection: Any) -> None:
        """The socket is closed."""
        now = self._loop.time()
        self._ending.pop(connection, None)
        lessee, connection.lessee = connection.lessee, None
        if connection.logging_in:
            self.dialer.failed(connection, "the server closed the connection during the login")
        else:
            self.gone(connection, now)
        self.ended(connection)
        if lessee is not None:
            lessee.server_lost()
        self.stir()

    def gone(self, connection: Any, now: float) -> None:
        """The socket is closed: the slot is free if it was the server's doing; else at the dead man's bound."""
        self.pool.closing(connection)
        if connection.saw_end and self.pool.draining:
            self.pool.closed(connection, now)
        elif connection.saw_end:
            self._loop.call_later(SETTLE_S, self._settled, connection)
        else:
            self._orphans[connection] = now + self.dead_man_s

    def _settled(self, connection: Any) -> None:
        self.pool.closed(connection, self._loop.time())
        self.stir()

    def sweep(self, now: float) -> None:
        """Once a second: connections that give no answer, or do not end, and orphans whose bound has passed."""
        for connection in [*self.pool.slots, *self.pool.control]:
            if connection.keeps_silent(now, ANSWER_TIMEOUT_S):
                connection.fail("no answer to Outlive's own command")
        for connection in [found for found, at in self._ending.items() if at <= now]:
            self._end_by_force(connection, now)
        for connection in [found for found, at in self._orphans.items() if at <= now]:
            del self._orphans[connection]
            self.pool.closed(connection, now)
            self.stir()
        self.look_after()

    def _end_by_force(self, connection: Any, now: float) -> None:
        """A statement may run on it, and the server looks at the socket only after it: ending that frees the slot.

        The socket stays open until the server's EOF, so that the slot is free as soon as a server that hangs goes on.
        """
        bound = (connection.closing_since or now) + max(self.dead_man_s, CLOSE_TIMEOUT_S)
        if now < bound:
            self._ending[connection] = bound
            self.end_statement(connection)
        else:
            del self._ending[connection]
            connection.abort()  # connection_lost follows, and finds the slot free
            self.pool.closed(connection, now)
            self.stir()

    def abort_all(self) -> None:
        """The process ends: whatever is still open is cut."""
        for connection in [*self.pool.slots, *self.pool.control]:
            connection.abort()

    def log_failure(self, connection: Any, why: str) -> None:
        """Why a connection had to be ended."""
        log.warning("server connection failed", extra=fields(server=self.address, user=connection.key, reason=why))

    def tls_parameters(self) -> tuple[ssl.SSLContext, str]:
        """The context for a new connection and the name to verify."""
        return self.dialer.tls_parameters()

    def _snapshot(self) -> Snapshot:
        states = self.pool.states()
        return Snapshot(states.get("leased", 0), self.pool.waiters, states, self.pool.limits.max_connections)
