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
from outlive.upstream.mysql.key import GREETING_ONLY, Key, as_key
from outlive.upstream.mysql.login import CR_SSL, Login
from outlive.wire import ProtocolError
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outlive.upstream.mysql.connection import ServerConnection
    from outlive.upstream.mysql.server import Server
    from outlive.wire.mysql.small_reply import SmallReply

SERVER_KEEPALIVE_S: Final = 30
"""TCP keepalive of server connections, below the idle limits of load balancers and NAT between here and the
database.
"""
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
"""Refusals of the user, not of the moment: access denied, no access to the schema, an unusable plugin, a locked
account.
"""


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

    Configured users have a secret that is read at each dial. Those of passthrough are kept in memory as their clients
    gave
    them, and nowhere else.
    """

    __slots__ = ("_running", "last_read", "passed_through", "read_at", "secrets", "trials")

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.passed_through: dict[str, bytes] = {}
        self.last_read: dict[str, bytes] = {}
        """What commands gave last, by user."""
        self.read_at: dict[str, float] = {}
        """When a command last gave something or failed, by user, on the loop's clock."""
        self._running: dict[str, asyncio.Future[bytes]] = {}
        self.trials: dict[int, bytes] = {}
        """Passwords being tried, by `Key.attempt`."""

    def __repr__(self) -> str:
        return f"Users({', '.join(sorted(self.secrets))})"

    async def password(self, key: Key) -> bytes:
        """Raises SecretError."""
        if key.attempt:  # GREETING_ONLY too, which has none
            return self.trials.get(key.attempt, b"")
        secret = self.secrets.get(key.user)
        if secret is None:
            return self.passed_through.get(key.user, b"")
        if secret.blocks:
            return await self.run(key.user, secret)
        return secret.read()

    async def run(self, user: str, secret: Secret) -> bytes:
        """What a command gives now; one run serves all who ask meanwhile. Raises SecretError."""
        running = self._running.get(user)
        if running is None:
            running = self._running[user] = asyncio.ensure_future(self._run(user, secret))
        return await asyncio.shield(running)

    async def _run(self, user: str, secret: Secret) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            password = await loop.run_in_executor(None, secret.read)
            self.last_read[user] = password
            return password
        finally:
            self.read_at[user] = loop.time()
            del self._running[user]

    def forget(self, user: str) -> None:
        """The server refused the password that a client once gave: it is no proof of anything any more."""
        self.passed_through.pop(user, None)


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
        key = as_key(connection.key)
        try:
            # Before the socket is opened: a command may take seconds, and a server does not wait long for a login.
            password = await self.users.password(key)
            async with asyncio.timeout(self.connect_timeout_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: connection, self.address.host, self.address.port
                )
                self._set_socket(connection)
                if key.attempt == GREETING_ONLY:
                    await self._exchange(connection, key, b"", None)
                    server.meet(connection)
                    return None
                return await self._log_in(server, connection, key, password)
        except TimeoutError:
            return Failure("timeout", f"no login within {self.connect_timeout_s:g} s")
        except socket.gaierror as error:
            return Failure("name", f"the name {self.address.host} is not resolved: {error.strerror}")
        except SecretError as error:
            return Failure("secret", str(error))
        except ProtocolError as error:
            return Failure("protocol", str(error))
        except OSError as error:
            return _broken(error)

    def _set_socket(self, connection: ServerConnection) -> None:
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        set_no_delay(sock)
        relax_probe(sock, keepalive_s=SERVER_KEEPALIVE_S)

    async def _log_in(self, server: Server, connection: ServerConnection, key: Key, password: bytes) -> Failure | None:
        error = await self._exchange(connection, key, password, None)
        if error is not None:
            server.meet(connection)
            return await self._refused(key, password, error)
        return await self._set_up(server, connection, key)

    async def _refused(self, key: Key, password: bytes, error: ERR) -> Failure:
        if error.code == wire.ER_ACCESS_DENIED_ERROR and not key.attempt:
            # The secret may have been rotated between reading it and using it; the next dial reads it again.
            if await self.users.password(key) != password:
                return Failure("rotated", "access denied while the password was rotated")
            self.users.forget(key.user)
        return _failure(error)

    async def change_user(self, server: Server, connection: ServerConnection, key: Key) -> Failure | None:
        """COM_CHANGE_USER and setup, within connect_timeout_s."""
        try:
            password = await self.users.password(key)
            async with asyncio.timeout(self.connect_timeout_s):
                if connection.session.role is not None:
                    # MariaDB 10.11 leaves a role in force over COM_CHANGE_USER (measured), even for a user without it.
                    error = await self._run(connection, [steps.query_step(b"SET ROLE NONE")])
                    if error is not None:
                        return _failure(error)
                error = await self._exchange(connection, key, password, connection.capabilities)
                if error is not None:
                    return await self._refused(key, password, error)
                connection.session.role = None
                connection.session.logged_in()
                return await self._set_up(server, connection, key)
        except TimeoutError:
            return Failure("timeout", f"no change of user within {self.connect_timeout_s:g} s")
        except SecretError as error:
            return Failure("secret", str(error))
        except ProtocolError as error:
            return Failure("protocol", str(error))
        except OSError as error:
            return _broken(error)

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
            error = await self._run(connection, [steps.ask_step(b"SELECT @@global.init_connect", steps.FACTS)])
            if error is None:
                greets = bool(_only_row(connection.learned.pop())[0])
                error = await self._run(connection, steps.facts_steps(reset=not greets))
            if error is not None:
                return _failure(error)
            assert connection.greeting is not None
            variables, collations = connection.learned[-2:]
            facts = from_tables(connection.greeting.server_version, variables, collations)
            facts.dead_man_s = server.dead_man_s
            error = await self._calibrate(connection, facts)
            if error is not None:
                return _failure(error)
            if server.facts is None:
                server.greeting = connection.greeting
                server.facts = facts
                if server.on_facts is not None:
                    server.on_facts()
        commands = steps.first_steps(server.facts, key.role)
        error = await self._run(connection, commands)
        connection.session.role = key.role
        if error is not None:
            return _failure(error)
        if self.refuses_read_only and connection.read_only and not (key.attempt or key.reads or connection.control):
            return Failure("read_only", "the server is read-only: it is not the primary")
        return None

    async def _calibrate(self, connection: ServerConnection, facts: ServerFacts) -> ERR | None:
        connection.learned.clear()
        error = await self._run(connection, [steps.ask_step(facts.snapshot_sql(), steps.FACTS)])
        if error is None:
            facts.calibrate(_only_row(connection.learned.pop()))
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


def _only_row(rows: list[tuple[bytes | None, ...]]) -> tuple[bytes | None, ...]:
    if len(rows) != 1:
        raise ProtocolError("an answer that is not one row")
    return rows[0]


def _broken(error: OSError) -> Failure:
    text = error.strerror or str(error)
    return Failure("tls" if text.startswith("TLS: ") else "refused", text)


def _failure(error: ERR) -> Failure:
    text = f"{error.code} {error.message.decode('utf-8', 'replace')[:200]}"
    if error.code in _FULL:
        return Failure("too_many_connections", text, server_full=True)
    if error.code in _DENIED:
        return Failure("login", text, refusal=error)
    if error.code == CR_SSL:
        return Failure("tls", text)
    return Failure("login", text)
