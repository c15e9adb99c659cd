"""One PostgreSQL server: what is known of it, and how its sessions are cleaned and interrupted."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

from outlive.config.addresses import Address
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.postgres.steps import discard_step, ping_step, rollback_step
from outlive.upstream.postgres.cancel import Canceller
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.upstream.postgres.dial import PostgresDialer
from outlive.upstream.postgres.key import Key, as_key
from outlive.upstream.server import Server
from outlive.wire.postgres.constants import IDLE
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.session.postgres.replay import Settings
    from outlive.session.postgres.reported import Reported

_WELCOMES_MAX: Final = 10_000
_SERVER_VERSION: Final = b"server_version"


class PostgresServer(Server):
    """`version` is what the first login told (server_version), b"" until then; `on_facts` is called then."""

    dialer: PostgresDialer

    def __init__(
        self,
        address: Address,
        limits: Limits,
        dialer: PostgresDialer,
        metrics: ServerMetrics,
        *,
        dead_man_s: int,
        prepared_statements: int,
    ) -> None:
        Server.__init__(self, address, limits, metrics, dead_man_s=dead_man_s)
        self.dialer = dialer
        dialer.server = self
        self.prepared_statements = prepared_statements
        self.version = b""
        self._welcomes: dict[tuple[Key, Settings], Reported] = {}
        self._canceller = Canceller(self)

    @property
    def is_known(self) -> bool:
        """See `Server`."""
        return bool(self.version)

    def new_connection(self, key: Hashable) -> PostgresConnection:
        """See `Server`."""
        return PostgresConnection(self, as_key(key))

    # -- what is known -----------------------------------------------------------------------------

    def meet(self, connection: PostgresConnection) -> None:
        """A login succeeded."""
        version = connection.logged_in_with.values.get(_SERVER_VERSION, b"unknown")
        if version == self.version:
            return
        first, self.version = not self.version, version
        self._welcomes.clear()  # a server of another version says other things
        if first and self.on_facts is not None:
            self.on_facts()

    def welcome(self, key: Key, settings: Settings) -> Reported | None:
        """What a client of this key that starts with these settings is told of its settings; None where no client was
        let in so before.
        """
        return self._welcomes.get((key, settings))

    def remember_welcome(self, key: Key, settings: Settings, reported: Reported) -> None:
        """A client was let in: a later login of the same kind needs no server."""
        if len(self._welcomes) >= _WELCOMES_MAX:
            self._welcomes.clear()
        self._welcomes[key, settings] = reported

    def forget_welcomes(self, user: str) -> None:
        """The user's role may have changed, or gone."""
        for key, settings in [found for found in self._welcomes if found[0].user == user]:
            del self._welcomes[key, settings]

    # -- idle connections --------------------------------------------------------------------------

    def give_back(self, connection: PostgresConnection) -> None:
        """See `Server`. In one function: calls are what costs after every unit."""
        connection.lessee = None
        connection.settings = connection.session.settings
        if connection.notifications:
            connection.notifications.clear()
        pool = self.pool
        waiter = pool.release(connection, self._loop.time())
        if waiter is not None:
            waiter.lent(connection)
        if pool.stirred:
            self.stir()

    def settle_lease(self, connection: PostgresConnection) -> None:
        """See `Server`."""
        connection.settings = connection.session.settings
        if connection.notifications:
            connection.notifications.clear()

    def check(self, connection: PostgresConnection) -> None:
        """See `Server`. Statements that nobody wants any more are closed along with it."""
        step = ping_step(connection.session.take_closes())
        connection.run([step], lambda error: self.checked(connection, error))

    # -- cleaning ----------------------------------------------------------------------------------

    def clean(self, connection: PostgresConnection) -> None:
        """See `Server`. After the unit's ReadyForQuery, whose status is in `session.status`."""
        connection.lessee = None
        if connection.doubtful:
            self.drain_cancel(connection, lambda error: self.clean(connection))
            return
        state = connection.session
        if state.loaded:  # DISCARD ALL does not take it away
            self.replace(connection, "loaded")
            return
        steps = []
        if state.status != IDLE:
            steps.append(rollback_step())
        if state.left:
            steps.append(discard_step())
        if steps:
            connection.run(steps, lambda error: self.cleaned(connection, error))
        else:
            self.cleaned(connection, None)

    # -- CancelRequest -----------------------------------------------------------------------------

    def cancel(self, connection: PostgresConnection, cause: str, done: Callable[[], None] | None = None) -> None:
        """Ends the statement that runs on `connection`; `done` when the request is settled. `cause` is the metric's
        label; of "client" it is sent once, of others until the statement has ended.

        `connection.doubtful` from here on, until `drain_cancel`: before that it must not go on to others.
        """
        self._canceller.cancel(connection, cause, done)

    def drain_cancel(self, connection: PostgresConnection, done: Callable[[ErrorFields | None], None]) -> None:
        """A CancelRequest was sent for what ran here, whose ReadyForQuery has come. Late, it hits the next statement.

        So its connection's end is awaited, behind which the signal has been sent, and then the answer to a Sync, before
        which the server has taken it: a session that waits for a message drops it. `done` is given no error for that.
        """
        under_way = connection.on_drained is not None
        connection.on_drained = done
        if not under_way:
            self._canceller.when_settled(
                connection, lambda: connection.run([ping_step()], lambda error: _drained(connection))
            )

    def end_statement(self, connection: PostgresConnection) -> None:
        """See `Server`."""
        self._canceller.cancel(connection, "not_ending")

    def look_after(self) -> None:
        """See `Server`."""
        self._canceller.press()

    def ended(self, connection: PostgresConnection) -> None:
        """See `Server`."""
        connection.session.owner = None
        connection.on_drained = None
        self._canceller.connection_lost(connection)


def _drained(connection: PostgresConnection) -> None:
    connection.doubtful = False
    done, connection.on_drained = connection.on_drained, None
    if done is not None:
        done(None)
