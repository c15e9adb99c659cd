"""What the PostgreSQL clients of one node share: users, their lookups and trials, databases by name, cancellation."""

from __future__ import annotations

from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from outlive.auth.postgres.certificate import tls_server_end_point
from outlive.auth.postgres.mock import MockSecrets
from outlive.config.addresses import is_loopback
from outlive.config.model import ANY_DATABASE, Config
from outlive.observe.metrics import Metrics
from outlive.proxy.phases import CLOSED, READY
from outlive.proxy.postgres import errors
from outlive.proxy.postgres.channel import PostgresChannel
from outlive.proxy.postgres.gate import PostgresGate
from outlive.proxy.postgres.lookup import Lookups
from outlive.proxy.postgres.passthrough import PassthroughLogins
from outlive.proxy.postgres.users import PostgresUsers
from outlive.proxy.routes import READ_ONLY_SUFFIX, Routes
from outlive.proxy.services import Services
from outlive.session.limits import SessionLimits
from outlive.upstream.postgres.key import as_key
from outlive.wire.postgres.errors import encode_error

if TYPE_CHECKING:
    from outlive.auth.postgres.credential import Credential
    from outlive.auth.postgres.verdict import Accepted
    from outlive.proxy.channel import Channel
    from outlive.upstream.postgres.dial import PostgresDialer
    from outlive.upstream.postgres.route import PostgresRoute
    from outlive.upstream.users import Users

_NAMES_SHOWN: Final = 10
"""Databases that an error lists."""


class PostgresServices(Services):
    """See `Services`. The ids of its clients are the process ids of their BackendKeyData: 11 bits of the node's number,
    then a counter, so that a CancelRequest that comes to another node can be told apart.
    """

    listener = "postgres"
    spare_clients = 32
    """Of a full node, too, a statement can be cancelled; and what others are told comes by TLS, where they use it.
    Together with what else is open it stays within what `descriptors_needed` leaves.
    """
    channels: dict[int, PostgresChannel]
    routes: Routes[PostgresRoute]

    def __init__(self, config: Config, metrics: Metrics, routes: Routes[PostgresRoute]) -> None:
        Services.__init__(self, config, metrics, routes)
        self.mock = MockSecrets()
        self.passthrough = PassthroughLogins(self)
        self.lookups = Lookups(self)
        self._users: dict[Users, PostgresUsers] = {}
        self._binding: tuple[bytes, bytes | None] = (b"", None)

    def configure(self, config: Config) -> None:
        """See `Services`."""
        Services.configure(self, config)
        self.admin_users = frozenset(config.admin_users)
        self.session_limits = SessionLimits(
            config.client_prepared_statements, config.client_prepared_bytes, config.client_variables_bytes
        )

    def new_channel(self) -> PostgresChannel:
        """See `Services`."""
        return PostgresChannel(self)

    def new_gate(self, channel: Channel) -> PostgresGate:
        """See `Services`."""
        assert isinstance(channel, PostgresChannel)
        return PostgresGate(channel, self)

    def turn_away(self, channel: Channel) -> None:
        """See `Services`."""
        channel.send(encode_error(errors.TOO_MANY_CLIENTS))

    def look_after(self) -> None:
        """See `Services`."""
        self.lookups.look_after()

    def server_known(self) -> None:
        """See `Services`. No gate waits for it: clients speak first, and are told what the server says last."""

    # -- where clients go --------------------------------------------------------------------------

    def find(self, database: bytes) -> tuple[PostgresRoute, str | None]:
        """The route for a client that asked for `database`, and the database's name at the server; None for one that
        nobody serves, with a route whose users may be told so.

        `*` serves any name. Without it the name at the server will do as well, where there is one database only.
        """
        name = database.decode("utf-8", "surrogateescape")
        by_name = self.routes.by_name
        route = by_name.get(name)
        if route is not None and name not in (ANY_DATABASE, ANY_DATABASE + READ_ONLY_SUFFIX):
            return route, route.database.database or name.removesuffix(READ_ONLY_SUFFIX)
        if name.endswith(READ_ONLY_SUFFIX):
            route = by_name.get(ANY_DATABASE + READ_ONLY_SUFFIX)
            if route is not None:
                return route, route.database.database or name.removesuffix(READ_ONLY_SUFFIX)
        route = by_name.get(ANY_DATABASE)
        if route is not None:
            return route, route.database.database or name
        writers = [found for found in by_name.values() if found.writes]
        only = writers[0]
        return only, name if len(writers) == 1 and only.database.database == name else None

    def served(self) -> str:
        """The names of the databases, for whoever asked for another one."""
        names = sorted(self.routes.by_name)
        more = f" and {len(names) - _NAMES_SHOWN} others" if len(names) > _NAMES_SHOWN else ""
        return ", ".join(names[:_NAMES_SHOWN]) + more

    # -- who clients are ---------------------------------------------------------------------------

    def users_of(self, route: PostgresRoute) -> PostgresUsers:
        """Whose passwords count on this route."""
        users = route.servers[0].dialer.users
        found = self._users.get(users)
        if found is None:
            found = self._users[users] = PostgresUsers(users, self.mock)
        return found

    def learn(self, route: PostgresRoute, proven: Accepted, credential: Credential) -> None:
        """A login at Outlive proved what serves for logins at the servers: any of them may be the primary next."""
        name = proven.user.decode("utf-8", "surrogateescape")
        for server in route.servers:
            dialer: PostgresDialer = server.dialer
            if proven.password is not None and name not in dialer.users.secrets:
                dialer.users.passed_through[name] = proven.password
            elif proven.keys is not None:
                dialer.learn_keys(name, proven.keys)
            elif credential.md5 is not None:
                dialer.learn_hash(name, credential.md5)
            # If the server refused what was known before: this may be the password of now.
            server.pool.forgive(lambda key: as_key(key).user == name)

    def binding(self, certificate: bytes | None) -> bytes | None:
        """Channel binding of the certificate, in DER, that clients are shown."""
        if certificate is None:
            return None
        if self._binding[0] != certificate:
            self._binding = certificate, tls_server_end_point(certificate)
        return self._binding[1]

    def may_operate(self, user: str, peer: str) -> bool:
        """Whether the console is open to this user, who has logged in."""
        if self.admin_users:
            return user in self.admin_users
        own = {route.database.user for route in self.routes.by_name.values()}
        return user in own and is_loopback(peer)

    # -- cancellation ------------------------------------------------------------------------------

    def cancel(self, number: int, key: bytes) -> None:
        """A CancelRequest. Whoever sends one is told nothing, so none is told whether there is such a client.

        It is dropped where the client's statement is over: it must not hit the client's next one, and still less what
        another client runs on the connection that was this one's.
        """
        channel = self.channels.get(number)
        if channel is None or not channel.cancel_key or not compare_digest(channel.cancel_key, key):
            self.metrics.refused.add("cancel")
            return
        client = channel.client
        if client is not None and client.phase not in (READY, CLOSED):
            client.cancelled()
