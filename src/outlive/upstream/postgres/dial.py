"""The login at a PostgreSQL server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from outlive.auth.postgres import Credential, ScramKeys
from outlive.upstream.dial import Dialer
from outlive.upstream.failure import Failure
from outlive.upstream.postgres.key import Key
from outlive.upstream.postgres.login import NO_TLS, Login, dead_man_options
from outlive.wire.postgres import constants as wire
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.upstream.postgres.connection import PostgresConnection
    from outlive.upstream.postgres.server import PostgresServer

_REFUSALS: Final = frozenset(
    (
        wire.INVALID_PASSWORD,
        wire.INVALID_AUTHORIZATION,
        wire.INVALID_CATALOG_NAME,
        wire.INSUFFICIENT_PRIVILEGE,
        wire.OBJECT_NOT_IN_PREREQUISITE_STATE,  # a database that takes no connections, as template0
    )
)
"""Refusals of the user or the database, not of the moment."""
_PASSING: Final = frozenset(
    (wire.CANNOT_CONNECT_NOW, wire.ADMIN_SHUTDOWN, wire.CRASH_SHUTDOWN, wire.CONNECTION_FAILURE)
)
"""The server starts up, shuts down or recovers: as good as one that does not listen."""
_USERS_MAX: Final = 10_000


class PostgresDialer(Dialer):
    """Opens the connections of one PostgreSQL server.

    `keys` and `hashes`: what stands in for passwords, by user, where a client's proof or an `auth_query` gave no more:
    the keys of its SCRAM secret, or the digits of its md5 hash.
    """

    server: PostgresServer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        Dialer.__init__(self, *arguments, **options)
        self.keys: dict[str, ScramKeys] = {}
        self.hashes: dict[str, bytes] = {}
        self.slow_client_s = 60.0
        """After how long a client that takes nothing of its reply is ended at the latest (client_write_timeout_s)."""
        self.requires_channel_binding = False
        self._derived: dict[str, tuple[bytes, ScramKeys]] = {}
        """The keys of passwords that logged in: deriving them anew takes a millisecond and more."""

    def learn_keys(self, user: str, keys: ScramKeys) -> None:
        """A client has proven them: they log in at the server as long as its secret keeps its salt."""
        if len(self.keys) >= _USERS_MAX:
            self.keys.clear()
        self.keys[user] = keys

    def learn_hash(self, user: str, digits: bytes) -> None:
        """An `auth_query` gave the user's md5 hash, without its prefix."""
        if len(self.hashes) >= _USERS_MAX:
            self.hashes.clear()
        self.hashes[user] = digits

    async def dial(self, connection: PostgresConnection) -> Failure | None:
        """See `Dialer`."""
        return await self.guarded(self._dial(connection))

    async def _dial(self, connection: PostgresConnection) -> Failure | None:
        key = connection.login
        # Before the socket is opened: a command may take seconds, and a server does not wait long for a login.
        password = await self._password(key)
        async with asyncio.timeout(self.connect_timeout_s):
            await self.connect(connection)
            error = await self._log_in(connection, key, password)
            if error is not None:
                return await self._refused(key, password, error)
        connection.logged_in_with = connection.session.reported
        self.server.meet(connection)
        if self.refuses_read_only and connection.read_only and not (key.attempt or key.reads):
            return Failure("read_only", "the server is in recovery: it is not the primary")
        return None

    async def _password(self, key: Key) -> bytes:
        """Raises SecretError."""
        if key.attempt:
            return self.users.trials.get(key.attempt, b"")
        password = await self.users.password(key.user)
        # As the server stores it a secret judges clients, and only their proofs log in.
        return b"" if is_stored(password) else password

    async def _log_in(self, connection: PostgresConnection, key: Key, password: bytes) -> ErrorFields | None:
        outcome = self.outcome(connection)

        def done(error: ErrorFields | None) -> None:
            connection.logged_in()
            if not outcome.done():
                outcome.set_result(error)

        login = Login(
            connection,
            password=password,
            keys=self._known_keys(key, password),
            md5=None if password else self.hashes.get(key.user),
            options=dead_man_options(self.server.dead_man_s, slow_client_s=self.slow_client_s),
            tls=self.tls is not None,
            require_channel_binding=self.requires_channel_binding,
            done=done,
        )
        connection.log_in(login)
        login.begin()
        error: ErrorFields | None = await self.awaited(connection, outcome)
        if error is None and login.proven is not None and password and not key.attempt:
            if len(self._derived) >= _USERS_MAX:
                self._derived.clear()
            self._derived[key.user] = password, login.proven
        return error

    def _known_keys(self, key: Key, password: bytes) -> ScramKeys | None:
        if key.attempt:
            return None
        if not password:
            return self.keys.get(key.user)
        derived = self._derived.get(key.user)
        return derived[1] if derived is not None and derived[0] == password else None

    async def _refused(self, key: Key, password: bytes, error: ErrorFields) -> Failure:
        if error.code == wire.INVALID_PASSWORD and not key.attempt:
            # The secret may have been rotated between reading it and using it; the next dial reads it again.
            if await self._password(key) != password:
                return Failure("rotated", "access denied while the password was rotated")
            self.users.forget(key.user)
            self.keys.pop(key.user, None)
            self.hashes.pop(key.user, None)
        return _failure(error)


def is_stored(secret: bytes) -> bool:
    """Whether it is what a server stores of a password, and not the password."""
    try:
        Credential.of_stored(secret.decode("ascii"))
    except ValueError:
        return False
    return True


def _failure(error: ErrorFields) -> Failure:
    text = f"{error.code.decode('ascii', 'replace')} {error.message.decode('utf-8', 'replace')[:200]}"
    if error.code == wire.TOO_MANY_CONNECTIONS:
        return Failure("too_many_connections", text, server_full=True)
    if error.code in _REFUSALS:
        return Failure("login", text, refusal=error)
    if error.code in _PASSING:
        return Failure("refused", text)
    if error.code == wire.UNDEFINED_OBJECT:
        return Failure("login", f"{text} (PostgreSQL 14 is the oldest)", refusal=error)
    return Failure("tls" if error.code == NO_TLS else "login", text)
