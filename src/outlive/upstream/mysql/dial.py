"""Dialling a server: address, TLS, login, and the questions whose answers every connection needs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Final

from outlive.config.addresses import Address
from outlive.config.secrets import Secret, SecretError
from outlive.net.certificates import Certificates
from outlive.net.sockets import relax_probe, set_no_delay
from outlive.net.tls import TLSError
from outlive.session.mysql import steps
from outlive.session.mysql.server_facts import ServerFacts, from_tables
from outlive.session.mysql.steps import Step
from outlive.upstream.mysql.key import Key
from outlive.upstream.mysql.login import Login
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outlive.upstream.mysql.connection import ServerConnection
    from outlive.upstream.mysql.server import Server
    from outlive.wire.mysql.small_reply import SmallReply

SERVER_KEEPALIVE_S: Final = 30
"""TCP keepalive of server connections, below the idle limits of load balancers and NAT between here and the database."""
_FULL: Final = frozenset((wire.ER_CON_COUNT_ERROR, wire.ER_TOO_MANY_USER_CONNECTIONS, wire.ER_USER_LIMIT_REACHED))
_DENIED: Final = frozenset(
    (
        wire.ER_ACCESS_DENIED_ERROR,
        wire.ER_DBACCESS_DENIED_ERROR,
        wire.ER_NOT_SUPPORTED_AUTH_MODE,
        1698,
        3118,
        4151,
        2059,
        2061,
    )
)
"""Refusals of the user, not of the moment: access denied, no access to the schema, an unusable plugin, a locked account."""


class Failure:
    """Why a dial or a change of user failed. `refusal`: the server will not have this user."""

    __slots__ = ("kind", "refusal", "server_full", "text")

    def __init__(self, kind: str, text: str, *, refusal: ERR | None = None, server_full: bool = False) -> None:
        self.kind = kind
        self.text = text
        self.refusal = refusal
        self.server_full = server_full


class Users:
    """The passwords with which Outlive logs in at a server.

    Configured users have a secret that is read at each dial. Those of passthrough are kept in memory as their clients gave
    them, and nowhere else.
    """

    __slots__ = ("last_read", "passed_through", "secrets", "trials")

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.passed_through: dict[str, bytes] = {}
        self.last_read: dict[str, bytes] = {}
        """What commands gave last, by user."""
        self.trials: dict[int, bytes] = {}
        """Passwords being tried, by `Key.attempt`."""

    def __repr__(self) -> str:
        return f"Users({', '.join(sorted(self.secrets))})"

    async def password(self, key: Key) -> bytes:
        """Raises SecretError."""
        if key.attempt:
            return self.trials.get(key.attempt, b"")
        secret = self.secrets.get(key.user)
        if secret is None:
            return self.passed_through.get(key.user, b"")
        if secret.blocks:
            password = await asyncio.get_running_loop().run_in_executor(None, secret.read)
            self.last_read[key.user] = password
            return password
        return secret.read()


class Dialer:
    """Opens the connections of one server."""

    def __init__(
        self,
        address: Address,
        users: Users,
        node: int,
        *,
        connect_timeout_s: float,
        tls: Certificates | None,
        refuses_read_only: bool = False,
    ) -> None:
        self.address = address
        self.users = users
        self.node = node
        self.connect_timeout_s = connect_timeout_s
        self.tls = tls
        self.refuses_read_only = refuses_read_only
        """Several writers are configured: one that is read-only is not the primary."""
        self._logins: dict[ServerConnection, asyncio.Future[ERR | None]] = {}

    async def dial(self, server: Server, connection: ServerConnection) -> Failure | None:
        """TCP, TLS, login and setup within connect_timeout_s. After a failure the connection may still be open."""
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, self.address.host, self.address.port
                )
                self._set_socket(connection)
                return await self._log_in(server, connection)
        except TimeoutError:
            return Failure("timeout", f"no login within {self.connect_timeout_s:g} s")
        except socket.gaierror as error:
            return Failure("name", f"the name {self.address.host} is not resolved: {error.strerror}")
        except SecretError as error:
            return Failure("secret", str(error))
        except OSError as error:
            return Failure("refused", error.strerror or str(error))

    def _set_socket(self, connection: ServerConnection) -> None:
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        set_no_delay(sock)
        relax_probe(sock, keepalive_s=SERVER_KEEPALIVE_S)

    async def _log_in(self, server: Server, connection: ServerConnection) -> Failure | None:
        key = connection.key
        assert isinstance(key, Key)
        password = await self.users.password(key)
        error = await self._exchange(connection, key, password, None)
        if error is not None and error.code == wire.ER_ACCESS_DENIED_ERROR:
            # The secret may have been rotated between reading it and using it; the next dial reads it again.
            renewed = await self.users.password(key)
            if renewed != password:
                return Failure("login", "access denied while the password was rotated")
        if error is not None:
            return _failure(error)
        return await self._set_up(server, connection, key)

    async def change_user(self, server: Server, connection: ServerConnection, key: Key) -> Failure | None:
        """COM_CHANGE_USER and setup, within connect_timeout_s."""
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                error = await self._exchange(connection, key, await self.users.password(key), connection.capabilities)
                if error is not None:
                    return _failure(error)
                connection.session.role = None
                return await self._set_up(server, connection, key)
        except TimeoutError:
            return Failure("timeout", f"no change of user within {self.connect_timeout_s:g} s")
        except SecretError as error:
            return Failure("secret", str(error))
        except OSError as error:
            return Failure("refused", error.strerror or str(error))

    async def _exchange(
        self, connection: ServerConnection, key: Key, password: bytes, capabilities: int | None
    ) -> ERR | None:
        outcome: asyncio.Future[ERR | None] = asyncio.get_running_loop().create_future()

        def done(error: ERR | None) -> None:
            connection.logged_in()
            if not outcome.done():
                outcome.set_result(error)

        login = Login(connection, key, password, self.node, tls=self.tls is not None, done=done)
        self._logins[connection] = outcome
        connection.log_in(login)
        if capabilities is not None:
            login.change_user(capabilities)
        try:
            return await outcome
        finally:
            self._logins.pop(connection, None)

    async def _run(self, connection: ServerConnection, commands: Sequence[Step]) -> ERR | None:
        outcome: asyncio.Future[ERR | None] = asyncio.get_running_loop().create_future()
        self._logins[connection] = outcome
        connection.run(commands, lambda error: None if outcome.done() else outcome.set_result(error))
        try:
            return await outcome
        finally:
            self._logins.pop(connection, None)

    async def _set_up(self, server: Server, connection: ServerConnection, key: Key) -> Failure | None:
        if server.facts is None:
            error = await self._run(connection, steps.facts_steps())
            if error is not None:
                return _failure(error)
            assert connection.greeting is not None
            variables, collations = connection.learned
            facts = from_tables(connection.greeting.server_version, variables, collations)
            error = await self._calibrate(connection, facts)
            if error is not None:
                return _failure(error)
            if server.facts is None:
                server.greeting = connection.greeting
                server.facts = facts
                if server.on_facts is not None:
                    server.on_facts()
        commands = steps.first_steps(server.facts, server.dead_man_s, key.role)
        error = await self._run(connection, commands)
        connection.session.role = key.role
        if error is not None:
            return _failure(error)
        if self.refuses_read_only and not key.attempt and connection.read_only:
            return Failure("read_only", "the server is read-only: it is not the primary")
        return None

    async def _calibrate(self, connection: ServerConnection, facts: ServerFacts) -> ERR | None:
        connection.learned.clear()
        error = await self._run(connection, [steps.ask_step(facts.snapshot_sql(), steps.FACTS)])
        if error is None:
            facts.calibrate(connection.learned.pop()[0])
        return error

    def learn(self, connection: ServerConnection, reply: SmallReply) -> None:
        """An answer to one of `facts_steps`."""
        connection.learned.append(reply.rows)

    def failed(self, connection: ServerConnection, why: str) -> None:
        """A login or setup cannot go on: the server closed the connection, or broke the protocol."""
        outcome = self._logins.pop(connection, None)
        if outcome is not None and not outcome.done():
            outcome.set_exception(ConnectionResetError(0, why))

    def tls_parameters(self) -> tuple[ssl.SSLContext, str]:
        """The context for a new connection and the name to verify."""
        if self.tls is None:
            raise TLSError("TLS is not configured")
        return self.tls.context(), self.address.host


def _failure(error: ERR) -> Failure:
    text = f"{error.code} {error.message.decode('utf-8', 'replace')[:200]}"
    if error.code in _FULL:
        return Failure("too_many_connections", text, server_full=True)
    if error.code in _DENIED:
        return Failure("login", text, refusal=error)
    return Failure("login", text)
