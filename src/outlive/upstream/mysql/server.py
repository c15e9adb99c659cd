"""One MySQL server: its pool, and the I/O that carries out what the pool plans."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Final

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
from outlive.pool.waiter import Waiter
from outlive.session.mysql import steps
from outlive.session.mysql.outcome import residue_steps, step_done
from outlive.session.mysql.server_facts import ServerFacts
from outlive.session.mysql.server_state import RESIDUE_OF_OWNER
from outlive.session.mysql.steps import Step
from outlive.upstream.mysql.connection import ServerConnection
from outlive.upstream.mysql.dial import Dialer, Failure
from outlive.upstream.mysql.key import Key, as_key
from outlive.upstream.mysql.kill import Killer
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.small_reply import SmallReply

if TYPE_CHECKING:
    from outlive.upstream.mysql.route import Route
    from outlive.wire.mysql.handshake import Greeting

log = logging.getLogger("outlive.upstream")

CLOSE_TIMEOUT_S: Final = 5.0
"""How long the server's EOF is awaited after COM_QUIT; then KILL. The slot is free at the dead man's bound at the
latest.
"""
SETTLE_S: Final = 0.05
"""Servers free the place of a connection a little after they closed its socket; who dials at once is refused (1040)."""
ANSWER_TIMEOUT_S: Final = 5.0
"""A server that does not answer a ping for this long hangs, or is gone: whoever waits for it goes back to the queue."""
_CLOSE_REASONS: Final = {AGE: "age", BUDGET: "budget", DRAIN: "drain", IDLE_TIMEOUT: "idle", KEY_SWITCH: "key_switch"}


class Client(Waiter):
    """What the server calls on those who wait for a lease."""

    __slots__ = ()

    def lent(self, connection: ServerConnection) -> None:
        """The lease begins."""
        raise NotImplementedError

    def expired(self) -> None:
        """The deadline passed in the queue."""
        raise NotImplementedError

    def refused(self, refusal: ERR) -> None:
        """The server will not have this user."""
        raise NotImplementedError

    def comes_by(self, route: Route) -> bool:
        """Whether it came by this route, and may move on with it."""
        raise NotImplementedError

    def queue_again(self) -> None:
        """It was taken out of the queue, because its route leads to another server now."""
        raise NotImplementedError


class Server:
    """One host and port with its budget.

    `facts` are None until the first login told them; `on_facts` is called then. `routes` are told of dials that failed.
    """

    def __init__(
        self,
        address: Address,
        limits: Limits,
        dialer: Dialer,
        metrics: ServerMetrics,
        *,
        dead_man_s: int,
        prepared_statements: int,
    ) -> None:
        self.address = address
        self.metrics = metrics
        self.dialer = dialer
        self.dead_man_s = dead_man_s
        self.prepared_statements = prepared_statements
        self.facts: ServerFacts | None = None
        self.greeting: Greeting | None = None
        self.login_options: tuple[object, ...] = ()
        """What a connection cannot change after its login; a reload that does retires them."""
        self.pool: Pool[ServerConnection, Client] = Pool(limits, random.random, self._new_connection, self._convertible)
        self.on_facts: Callable[[], None] | None = None
        self.routes: list[Route] = []
        self.known_schemas: set[tuple[str, bytes]] = set()
        """(user, schema) that a session was let into: a later login into it needs no server."""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._stirring = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending: dict[ServerConnection, float] = {}
        self._orphans: dict[ServerConnection, float] = {}
        self.killer = Killer(self)
        metrics.snapshot = self._snapshot

    def __repr__(self) -> str:
        return f"Server({self.address}, {self.pool!r})"

    def meet(self, connection: ServerConnection) -> None:
        """The server's greeting came: clients can be greeted, whether or not a login succeeded."""
        if self.greeting is None and connection.greeting is not None:
            self.greeting = connection.greeting
            if self.on_facts is not None:
                self.on_facts()

    def baseline(self) -> Mapping[bytes, bytes]:
        """The variables that all settings of this server are relative to."""
        return {} if self.facts is None else self.facts.baseline

    def remember_schema(self, user: str, schema: bytes) -> None:
        """The user was let into the schema."""
        if len(self.known_schemas) >= _KNOWN_SCHEMAS_MAX:
            self.known_schemas.clear()
        self.known_schemas.add((user, schema))
        self.known_schemas.add((user, b""))  # and so into none: a KILL's login must not wait for what it is to end

    def time(self) -> float:
        """Seconds on the loop's clock, which is the pool's."""
        return self._loop.time()

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
            self._start(self._dial(action.slot))
        elif isinstance(action, Close):
            self._close(action.slot, action.why)
        elif isinstance(action, Ping):
            # A former client's answers are asked for first: while the ping runs, that client may be lent another one.
            connection = action.slot
            connection.run(
                [*residue_steps(connection.session), steps.ping_step()], lambda error: self._checked(connection, error)
            )
        elif isinstance(action, Convert):
            self.metrics.conversions += 1
            self._capture_then(action.slot, lambda: self._start(self._convert(action.slot, as_key(action.key))))
        elif isinstance(action, Expire):
            self.metrics.wait_timeouts += 1
            action.waiter.expired()
        elif isinstance(action, Refuse):
            action.waiter.refused(action.refusal)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _new_connection(self, key: object) -> ServerConnection:
        assert isinstance(key, Key)
        return ServerConnection(self, key)

    def _convertible(self, connection: ServerConnection, key: object) -> bool:
        """COM_CHANGE_USER changes the user and what a login sets, but no capability; and it runs no init_connect."""
        if self.facts is not None and self.facts.init_connect:
            return False
        return connection.login.capabilities == as_key(key).capabilities

    # -- dialling and converting -------------------------------------------------------------------

    async def _dial(self, connection: ServerConnection) -> None:
        self.metrics.dials += 1
        failure = await self._try(connection, self.dialer.dial(self, connection))
        now = self._loop.time()
        if failure is None:
            self.metrics.logins_ok += 1
            self._serve(connection, self.pool.ready(connection, now))
            return
        self._tell_failure(connection, failure, now)

    async def _try(
        self, connection: ServerConnection, attempt: Coroutine[None, None, Failure | None]
    ) -> Failure | None:
        """A dial or a change of user. Until it is over the end of the connection is its own to tell, with the
        reason.
        """
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

    def _tell_failure(self, connection: ServerConnection, failure: Failure, now: float) -> None:
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
            self._gone(connection, now)
        else:
            self._end(connection, now)
        for route in self.routes:
            route.trouble(self, failure)
        self.stir()

    def dial_control(self, connection: ServerConnection, done: Callable[[bool], None]) -> None:
        """Dials a connection of the reserved part of the budget."""
        self._start(self._dial_control(connection, done))

    async def _dial_control(self, connection: ServerConnection, done: Callable[[bool], None]) -> None:
        self.metrics.dials += 1
        failure = await self._try(connection, self.dialer.dial(self, connection))
        if failure is None:
            self.pool.ready(connection, self._loop.time())
        else:
            connection.refusal = failure.refusal
            self._tell_failure(connection, failure, self._loop.time())
        done(failure is None)

    async def _convert(self, connection: ServerConnection, key: Key) -> None:
        failure = await self._try(connection, self.dialer.change_user(self, connection, key))
        now = self._loop.time()
        if failure is None:
            self._serve(connection, self.pool.ready(connection, now))
        else:
            self._tell_failure(connection, failure, now)

    def _serve(self, connection: ServerConnection, waiter: Client | None) -> None:
        if waiter is not None:
            waiter.lent(connection)
        if self.pool.stirred:
            self.stir()

    def _checked(self, connection: ServerConnection, error: ERR | None) -> None:
        if error is not None:
            self.retire_now(connection, "ping refused")
        else:
            self._serve(connection, self.pool.ready(connection, self._loop.time()))

    def _capture_then(self, connection: ServerConnection, go_on: Callable[[], None]) -> None:
        """Asks for what the last client left and only this connection knows, then goes on."""
        found = residue_steps(connection.session)
        if found and not connection.lost:
            connection.run(found, lambda error: go_on())
        else:
            go_on()

    # -- leases ------------------------------------------------------------------------------------

    def give_back(self, connection: ServerConnection) -> None:
        """The lease of a connection in a clean state ends."""
        connection.lessee = None
        session = connection.session
        connection.settings = session.settings
        connection.residue_of = connection.owner if session.residue else None
        waiter = self.pool.release(connection, self._loop.time())
        if waiter is not None:
            waiter.lent(connection)
        if self.pool.stirred:
            self.stir()

    def clean(self, connection: ServerConnection) -> None:
        """The lease ends with state left behind (a transaction, pins): reset, then back into the pool.

        COM_RESET_CONNECTION rolls back and keeps roles: those take a change of user. Neither runs an init_connect (both
        servers, measured), so where there is one the connection is closed, and another dialled.
        """
        connection.lessee = None
        if connection.doubtful:
            self.drain_kill(connection, lambda error: self.clean(connection))
            return
        state = connection.session
        if state.owner is not None and state.residue & RESIDUE_OF_OWNER:
            # Its client lives and goes on with another connection.
            connection.run(residue_steps(state), lambda error: self._forget_and_clean(connection))
            return
        state.forget_owner()
        facts = self.facts
        key = connection.key
        assert facts is not None
        assert isinstance(key, Key)
        if facts.init_connect:
            self.replace(connection)
            return
        if connection.session.role != key.role:
            self.change_to_itself(connection, lambda error: self._cleaned(connection, error))
            return
        connection.run(steps.reset_steps(facts), lambda error: self._cleaned(connection, error))

    def _forget_and_clean(self, connection: ServerConnection) -> None:
        state = connection.session
        if state.owner is not None:
            state.owner.connection_lost(state)
        state.forget_owner()
        self.clean(connection)

    def renew(self, connection: ServerConnection, done: Callable[[ERR | None], None], *, change_user: bool) -> None:
        """A session as new for the lessee, after what the connection's last client left was captured for that one.

        `change_user`: also without a schema, which a reset keeps.
        """
        facts = self.facts
        assert facts is not None

        def captured() -> None:
            if facts.init_connect:
                self.replace(connection)
            elif change_user:
                self.change_to_itself(connection, done)
            else:
                connection.run(steps.reset_steps(facts), done)

        self._capture_then(connection, captured)

    def replace(self, connection: ServerConnection) -> None:
        """Closes a connection that only a login makes as new; the lessee, if any, waits for another one."""
        self.metrics.closes.add("init_connect")
        lessee, connection.lessee = connection.lessee, None
        self.pool.closing(connection)
        self._end(connection, self._loop.time())
        if lessee is not None:
            lessee.server_lost()
        if self.pool.stirred:
            self.stir()

    def change_to_itself(self, connection: ServerConnection, done: Callable[[ERR | None], None]) -> None:
        """A change of user to the same user: a session as new, without a schema and with the default role.

        If it fails the connection is ended, and the lessee told so; `done` is not called then.
        """
        found = residue_steps(connection.session)
        if found:  # what the last client left would go with its session
            connection.run(found, lambda error: self._begin_change(connection, done))
        else:
            self._begin_change(connection, done)

    def _begin_change(self, connection: ServerConnection, done: Callable[[ERR | None], None]) -> None:
        lessee, connection.lessee = connection.lessee, None
        connection.changing = lessee, done
        self._start(self._change(connection))

    async def _change(self, connection: ServerConnection) -> None:
        key = connection.key
        assert isinstance(key, Key)
        failure = await self._try(connection, self.dialer.change_user(self, connection, key))
        assert connection.changing is not None
        (lessee, done), connection.changing = connection.changing, None
        if failure is None:
            connection.lessee = lessee
            done(None)
            return
        self.metrics.dial_failures.add(failure.kind)
        self.log_failure(connection, failure.text)
        if connection.lost:
            self._gone(connection, self._loop.time())
            if lessee is not None:
                lessee.server_lost()
            self.stir()
        else:
            connection.lessee = lessee
            self.retire_now(connection, "change of user refused")

    def _cleaned(self, connection: ServerConnection, error: ERR | None) -> None:
        if error is not None:
            self.retire_now(connection, "reset refused")
        else:
            self.give_back(connection)

    def step_done(self, connection: ServerConnection, step: Step, reply: SmallReply) -> None:
        """A step of Outlive's own was answered."""
        if step.purpose == steps.SNAPSHOT:
            facts = self.facts
            assert facts is not None
            facts.defaults = facts.read_snapshot(reply.row(len(facts.tracked)))
            connection.session.reset(facts.defaults)
        elif step.purpose == steps.FACTS:
            self.dialer.learn(connection, reply)
        elif step.purpose == steps.ASK_READ_ONLY:
            connection.read_only = reply.value() not in (b"0", b"OFF")
        else:
            step_done(step, reply, connection.session)

    def drain_kill(self, connection: ServerConnection, done: Callable[[ERR | None], None]) -> None:
        """A KILL was sent for what ran here. Late, it hits the next statement (measured: MariaDB 5 of 300, MySQL 1
        of 300).

        So its answer is awaited, and then a ping takes what is left of it. `done` is given no error for the ping's own.
        """

        under_way = connection.on_drained is not None
        connection.on_drained = done
        if not under_way:
            ping = [steps.ping_step()]
            self.killer.when_answered(connection, lambda: connection.run(ping, lambda error: _drained(connection)))

    # -- the end of connections --------------------------------------------------------------------

    def retire_now(self, connection: ServerConnection, why: str) -> None:
        """Ends a connection in doubt, whatever it is doing; its lessee learns it first."""
        if connection.logging_in:
            self.dialer.failed(connection, why)
            return
        lessee, connection.lessee = connection.lessee, None
        self.metrics.closes.add(why if why in _KNOWN_REASONS else "failure")
        self.pool.closing(connection)
        self._end(connection, self._loop.time(), polite=False)
        if lessee is not None:
            lessee.server_lost()
        if self.pool.stirred:
            self.stir()

    def _close(self, connection: ServerConnection, why: str) -> None:
        self.metrics.closes.add(_CLOSE_REASONS.get(why, why))
        self._capture_then(connection, lambda: self._end(connection, self._loop.time()))

    def _end(self, connection: ServerConnection, now: float, *, polite: bool = True) -> None:
        owner = connection.session.owner
        if owner is not None:
            owner.connection_lost(connection.session)
        connection.session.owner = None
        if connection.lost or connection.closing_since is not None:
            return
        self._ending[connection] = now + CLOSE_TIMEOUT_S
        connection.quit(now, polite=polite)
        self.killer.connection_lost(connection)

    def connection_lost(self, connection: ServerConnection) -> None:
        """The socket is closed."""
        now = self._loop.time()
        self._ending.pop(connection, None)
        lessee, connection.lessee = connection.lessee, None
        owner = connection.session.owner
        if owner is not None:
            owner.connection_lost(connection.session)
        connection.session.owner = None
        if connection.logging_in:
            self.dialer.failed(connection, "the server closed the connection during the login")
        else:
            self._gone(connection, now)
        self.killer.connection_lost(connection)
        if lessee is not None:
            lessee.server_lost()
        self.stir()

    def _gone(self, connection: ServerConnection, now: float) -> None:
        """The socket is closed: the slot is free if it was the server's doing; else at the dead man's bound."""
        self.pool.closing(connection)
        if connection.saw_end and self.pool.draining:
            self.pool.closed(connection, now)
        elif connection.saw_end:
            self._loop.call_later(SETTLE_S, self._settled, connection)
        else:
            self._orphans[connection] = now + self.dead_man_s

    def _settled(self, connection: ServerConnection) -> None:
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
        self.killer.go_on()

    def _end_by_force(self, connection: ServerConnection, now: float) -> None:
        """A statement may run on it, and the server looks at the socket only after it: KILL frees the slot at once.

        The socket stays open until the server's EOF, so that the slot is free as soon as a server that hangs goes on.
        """
        bound = (connection.closing_since or now) + max(self.dead_man_s, CLOSE_TIMEOUT_S)
        if now < bound:
            self._ending[connection] = bound
            self.killer.end(connection)
        else:
            del self._ending[connection]
            connection.abort()  # connection_lost follows, and finds the slot free
            self.pool.closed(connection, now)
            self.stir()

    def abort_all(self) -> None:
        """The process ends: whatever is still open is cut."""
        for connection in [*self.pool.slots, *self.pool.control]:
            connection.abort()

    def log_failure(self, connection: ServerConnection, why: str) -> None:
        """Why a connection had to be ended."""
        log.warning("server connection failed", extra=fields(server=self.address, user=connection.key, reason=why))

    def tls_parameters(self) -> tuple[ssl.SSLContext, str]:
        """The context for a new connection and the name to verify."""
        return self.dialer.tls_parameters()

    def _snapshot(self) -> Snapshot:
        states = self.pool.states()
        return Snapshot(states.get("leased", 0), self.pool.waiters, states, self.pool.limits.max_connections)


def _drained(connection: ServerConnection) -> None:
    connection.doubtful = False
    done, connection.on_drained = connection.on_drained, None
    if done is not None:
        done(None)


_ROUNDS_MAX: Final = 1000
_KNOWN_SCHEMAS_MAX: Final = 10_000
_KNOWN_REASONS: Final = frozenset(
    ("ping refused", "reset refused", "change of user refused", "demoted", "kill", "passthrough")
)
