"""One MySQL server: what is known of it, and how its sessions are cleaned, renewed and interrupted."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, Final

from outlive.config.addresses import Address
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.mysql import steps
from outlive.session.mysql.outcome import residue_steps, step_done
from outlive.session.mysql.server_facts import ServerFacts
from outlive.session.mysql.server_state import RESIDUE_CHARACTERISTICS, RESIDUE_OF_OWNER
from outlive.session.mysql.steps import Step
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.upstream.mysql.dial import MySQLDialer
from outlive.upstream.mysql.key import Key, as_key
from outlive.upstream.mysql.kill import Killer
from outlive.upstream.server import Server
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.small_reply import SmallReply

if TYPE_CHECKING:
    from outlive.wire.mysql.handshake import Greeting

_KNOWN_SCHEMAS_MAX: Final = 10_000


class MySQLServer(Server):
    """`facts` and `greeting` are None until the first login told them; `on_facts` is called then."""

    dialer: MySQLDialer

    def __init__(
        self,
        address: Address,
        limits: Limits,
        dialer: MySQLDialer,
        metrics: ServerMetrics,
        *,
        dead_man_s: int,
        prepared_statements: int,
    ) -> None:
        Server.__init__(self, address, limits, metrics, dead_man_s=dead_man_s)
        self.dialer = dialer
        dialer.server = self
        self.prepared_statements = prepared_statements
        self.facts: ServerFacts | None = None
        self.greeting: Greeting | None = None
        self.known_schemas: set[tuple[str, bytes]] = set()
        """(user, schema) that a session was let into: a later login into it needs no server."""
        self.killer = Killer(self)

    @property
    def is_known(self) -> bool:
        """See `Server`."""
        return self.facts is not None

    def new_connection(self, key: Hashable) -> MySQLConnection:
        """See `Server`."""
        return MySQLConnection(self, as_key(key))

    def convertible(self, connection: MySQLConnection, key: Hashable) -> bool:
        """COM_CHANGE_USER changes the user and what a login sets, but no capability; and it runs no init_connect."""
        if self.facts is not None and self.facts.init_connect:
            return False
        return connection.login.capabilities == as_key(key).capabilities

    def set_dead_man(self, seconds: int) -> None:
        """See `Server`."""
        Server.set_dead_man(self, seconds)
        if self.facts is not None:
            self.facts.dead_man_s = seconds

    # -- what is known -----------------------------------------------------------------------------

    def meet(self, connection: MySQLConnection) -> None:
        """The server's greeting came: clients can be greeted, whether or not a login succeeded."""
        if self.greeting is None and connection.greeting is not None:
            self.greeting = connection.greeting
            if self.on_facts is not None:
                self.on_facts()

    def learn(self, facts: ServerFacts, greeting: Greeting) -> None:
        """The first login told what the server is."""
        if self.facts is None:
            self.greeting = greeting
            self.facts = facts
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

    def step_done(self, connection: MySQLConnection, step: Step, reply: SmallReply) -> None:
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

    # -- idle connections --------------------------------------------------------------------------

    def settle_lease(self, connection: MySQLConnection) -> None:
        """See `Server`."""
        session = connection.session
        connection.settings = session.settings
        kept = session.residue & (RESIDUE_OF_OWNER | RESIDUE_CHARACTERISTICS)
        connection.residue_of = connection.owner if kept else None

    def check(self, connection: MySQLConnection) -> None:
        """See `Server`. A former client's answers are asked for first:
        while the ping runs, that client may be lent another connection."""
        connection.run(
            [*residue_steps(connection.session), steps.ping_step()], lambda error: self.checked(connection, error)
        )

    def convert(self, connection: MySQLConnection, key: Hashable) -> None:
        """See `Server`."""
        self.before_close(connection, lambda: self.start(self._convert(connection, as_key(key))))

    async def _convert(self, connection: MySQLConnection, key: Key) -> None:
        failure = await self.attempt(connection, self.dialer.change_user(connection, key))
        now = self.time()
        if failure is None:
            self.serve(connection, self.pool.ready(connection, now))
        else:
            self.tell_failure(connection, failure, now)

    def before_close(self, connection: MySQLConnection, go_on: Callable[[], None]) -> None:
        """Asks for what the last client left and only this connection knows, then goes on."""
        found = residue_steps(connection.session)
        if found and not connection.lost:
            connection.run(found, lambda error: go_on())
        else:
            go_on()

    # -- cleaning ----------------------------------------------------------------------------------

    def clean(self, connection: MySQLConnection) -> None:
        """See `Server`.

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
        key = connection.login
        assert facts is not None
        if facts.init_connect:
            self.replace(connection, "init_connect")
        elif connection.session.role != key.role:
            self.change_to_itself(connection, lambda error: self.cleaned(connection, error))
        else:
            connection.run(steps.reset_steps(facts), lambda error: self.cleaned(connection, error))

    def _forget_and_clean(self, connection: MySQLConnection) -> None:
        state = connection.session
        if state.owner is not None:
            state.owner.connection_lost(state)
        state.forget_owner()
        self.clean(connection)

    def renew(self, connection: MySQLConnection, done: Callable[[ERR | None], None], *, change_user: bool) -> None:
        """A session as new for the lessee, after what the connection's last client left was captured for that one.

        `change_user`: also without a schema, which a reset keeps.
        """
        facts = self.facts
        assert facts is not None

        def captured() -> None:
            if facts.init_connect:
                self.replace(connection, "init_connect")
            elif change_user:
                self.change_to_itself(connection, done)
            else:
                connection.run(steps.reset_steps(facts), done)

        self.before_close(connection, captured)

    def change_to_itself(self, connection: MySQLConnection, done: Callable[[ERR | None], None]) -> None:
        """A change of user to the same user: a session as new, without a schema and with the default role.

        If it fails the connection is ended, and the lessee told so; `done` is not called then.
        """
        found = residue_steps(connection.session)
        if found:  # what the last client left would go with its session
            connection.run(found, lambda error: self._begin_change(connection, done))
        else:
            self._begin_change(connection, done)

    def _begin_change(self, connection: MySQLConnection, done: Callable[[ERR | None], None]) -> None:
        lessee, connection.lessee = connection.lessee, None
        connection.changing = lessee, done
        self.start(self._change(connection))

    async def _change(self, connection: MySQLConnection) -> None:
        failure = await self.attempt(connection, self.dialer.change_user(connection, connection.login))
        assert connection.changing is not None
        (lessee, done), connection.changing = connection.changing, None
        if failure is None:
            connection.lessee = lessee
            done(None)
            return
        self.metrics.dial_failures.add(failure.kind)
        self.log_failure(connection, failure.text)
        if connection.lost:
            self.gone(connection, self.time())
            if lessee is not None:
                lessee.server_lost()
            self.stir()
        else:
            connection.lessee = lessee
            self.retire_now(connection, "change of user refused")

    # -- KILL --------------------------------------------------------------------------------------

    def drain_kill(self, connection: MySQLConnection, done: Callable[[ERR | None], None]) -> None:
        """A KILL was sent for what ran here. Late, it hits the next statement (measured:
        MariaDB 5 of 300, MySQL 1 of 300).

        So its answer is awaited, and then a ping takes what is left of it. `done` is given no error for the ping's own.
        """
        under_way = connection.on_drained is not None
        connection.on_drained = done
        if not under_way:
            ping = [steps.ping_step()]
            self.killer.when_answered(connection, lambda: connection.run(ping, lambda error: _drained(connection)))

    def end_statement(self, connection: MySQLConnection) -> None:
        """See `Server`."""
        self.killer.end(connection)

    def look_after(self) -> None:
        """See `Server`."""
        self.killer.go_on()

    def ended(self, connection: MySQLConnection) -> None:
        """See `Server`."""
        owner, connection.session.owner = connection.session.owner, None
        if owner is not None:
            owner.connection_lost(connection.session)
        if connection.lost or connection.closing_since is not None:
            self.killer.connection_lost(connection)


def _drained(connection: MySQLConnection) -> None:
    connection.doubtful = False
    done, connection.on_drained = connection.on_drained, None
    if done is not None:
        done(None)
