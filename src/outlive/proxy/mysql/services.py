"""What the MySQL clients of one node share: the greeting, users, KILL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.auth.mysql.rsa import LoginKey
from outlive.config.model import Config
from outlive.observe.metrics import Metrics
from outlive.proxy.mysql import errors
from outlive.proxy.mysql.channel import MySQLChannel
from outlive.proxy.mysql.gate import MySQLGate
from outlive.proxy.mysql.passthrough import PassthroughLogins
from outlive.proxy.mysql.users import MySQLUsers
from outlive.proxy.phases import INFILE, RELAYING
from outlive.proxy.routes import Routes
from outlive.proxy.services import Services
from outlive.session.limits import SessionLimits
from outlive.session.mysql import local_answers
from outlive.session.mysql.analysis import Kill
from outlive.wire.mysql.packets import packet as frame

if TYPE_CHECKING:
    from outlive.proxy.channel import Channel
    from outlive.proxy.mysql.client import MySQLClient
    from outlive.session.mysql.server_facts import ServerFacts
    from outlive.upstream.mysql.route import MySQLRoute
    from outlive.upstream.users import Users
    from outlive.wire.mysql.handshake import Greeting

_VIRTUAL_ID: Final = 0x80000000


class MySQLServices(Services):
    """See `Services`."""

    listener = "mysql"
    first_id = _VIRTUAL_ID
    channels: dict[int, MySQLChannel]
    routes: Routes[MySQLRoute]

    def __init__(self, config: Config, metrics: Metrics, routes: Routes[MySQLRoute]) -> None:
        Services.__init__(self, config, metrics, routes)
        self.passthrough = PassthroughLogins(self)
        self.rsa_key = LoginKey()
        self._users: dict[Users, MySQLUsers] = {}
        self._waiting_for_greeting: dict[MySQLGate, None] = {}

    def configure(self, config: Config) -> None:
        """See `Services`."""
        Services.configure(self, config)
        self.session_limits = SessionLimits(
            config.client_prepared_statements, config.client_prepared_bytes, config.client_variables_bytes
        )

    def new_channel(self) -> MySQLChannel:
        """See `Services`."""
        return MySQLChannel(self)

    def new_gate(self, channel: Channel) -> MySQLGate:
        """See `Services`."""
        assert isinstance(channel, MySQLChannel)
        return MySQLGate(channel, self)

    def turn_away(self, channel: Channel) -> None:
        """See `Services`."""
        channel.send(frame(0, errors.TOO_MANY_CLIENTS.encode()))

    def look_after(self) -> None:
        """See `Services`."""
        self.look_for_greeting()

    # -- what gates ask ----------------------------------------------------------------------------

    def greeting(self) -> Greeting | None:
        """The greeting of the default server; None while it has not been reached yet."""
        default = self.routes.default.servers
        found = next((server.greeting for server in default if server.greeting is not None), None)
        if found is None and all(server.metrics.dial_failures for server in default):
            # It is away: clients of the node's other databases need not wait for it.
            servers = (server for route in self.routes.by_name.values() for server in route.servers)
            found = next((server.greeting for server in servers if server.greeting is not None), None)
        return found

    @property
    def is_mariadb(self) -> bool:
        """The flavour of the listener."""
        greeting = self.greeting()
        return greeting is not None and greeting.is_mariadb

    def when_greeting(self, gate: MySQLGate) -> None:
        """`gate.server_known` once the server's version is known."""
        self._waiting_for_greeting[gate] = None
        self.look_for_greeting()

    def look_for_greeting(self) -> None:
        """While clients wait for one: at once, and with each sweep."""
        if not self._waiting_for_greeting:
            return
        if self.greeting() is not None:
            self.server_known()
            return
        route = self.routes.default
        if not route.database.user:
            self.passthrough.meet(route.server())

    def waits_no_more(self, gate: MySQLGate) -> None:
        """The client is gone, or its time was up: while a database is away, those who come and go must not pile up."""
        self._waiting_for_greeting.pop(gate, None)

    def server_known(self) -> None:
        """A server was reached for the first time."""
        gates, self._waiting_for_greeting = self._waiting_for_greeting, {}
        for gate in gates:
            gate.server_known()

    def facts_of(self, route: MySQLRoute | None) -> ServerFacts | None:
        """The facts of a route's server, or of another one of the node while it was not reached yet."""
        servers = [] if route is None else route.servers
        for server in (*servers, *self.routes.default.servers):
            facts: ServerFacts | None = server.facts
            if facts is not None:
                return facts
        return None

    def users_of(self, route: MySQLRoute) -> MySQLUsers:
        """Whose passwords count on this route."""
        users = route.servers[0].dialer.users
        found = self._users.get(users)
        if found is None:
            found = self._users[users] = MySQLUsers(users)
        return found

    # -- KILL --------------------------------------------------------------------------------------

    def kill(self, killer: MySQLClient, kill: Kill | None) -> None:
        """KILL of another client by the id it was given at its login."""
        assert kill is not None
        assert kill.id is not None
        number = kill.id
        channel = self.channels.get(number)
        victim = None if channel is None else channel.client
        if channel is None or victim is None:
            killer.answer(frame(1, errors.no_such_thread(number).encode()))
        elif victim.session.user != killer.session.user:
            killer.answer(frame(1, errors.not_owner(number).encode()))
        elif victim is killer:
            self._kill_itself(killer, kill)
        elif kill.kind == "connection":
            if victim.connection is not None and victim.phase == RELAYING:
                # A write too, which a client's death would let finish.
                victim.server.killer.kill(victim.connection, "client")
            killer.answer(local_answers.ok(killer.session))
            channel.close()
        elif victim.connection is not None and victim.phase in (RELAYING, INFILE):
            victim.server.killer.kill(
                victim.connection, "client", lambda: killer.answer(local_answers.ok(killer.session))
            )
        else:
            victim.interrupt()
            killer.answer(local_answers.ok(killer.session))

    def _kill_itself(self, killer: MySQLClient, kill: Kill) -> None:
        """The statement that runs is the KILL: it is the one that is interrupted (both servers, measured)."""
        ended = kill.kind == "connection" and killer.session.facts.mariadb
        killer.answer(frame(1, (errors.KILLED if ended else errors.INTERRUPTED).encode()))
        if kill.kind == "connection":
            killer.channel.close()
