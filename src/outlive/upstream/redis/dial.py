"""The login at a Redis server: HELLO with AUTH, and SELECT."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from outlive.net.tls import TLSError
from outlive.upstream.dial import Dialer
from outlive.upstream.failure import Failure
from outlive.upstream.redis.key import Key
from outlive.wire.redis.values import RedisError, Value, as_map, command

if TYPE_CHECKING:
    from outlive.upstream.redis.connection import RedisConnection
    from outlive.upstream.redis.server import RedisServer

DEFAULT_USER: Final = "default"
_REFUSALS: Final = frozenset((b"WRONGPASS", b"NOAUTH", b"NOPERM", b"NOPROTO"))
_PASSING: Final = frozenset((b"LOADING", b"MASTERDOWN", b"BUSY", b"TRYAGAIN"))
_RESTING: Final = "the server did not answer the login"


class RedisDialer(Dialer):
    """Opens the connections of one Redis or Valkey server."""

    server: RedisServer

    async def dial(self, connection: RedisConnection) -> Failure | None:
        """See `Dialer`."""
        return await self.guarded(self._dial(connection))

    async def _dial(self, connection: RedisConnection) -> Failure | None:
        key = connection.login
        password = await self.password(key)
        async with asyncio.timeout(self.connect_timeout_s):
            await self.connect(connection)
            if self.tls is not None:
                await self._start_tls(connection)
            replies, error = await self.ask(connection, login_commands(key, password))
            if error is not None:
                return await self._refused(key, password, error)
        hello = as_map(replies[0])
        self.server.meet(connection, hello)
        connection.database = key.database
        connection.read_only = hello.get(b"role", b"master") not in (b"master", b"primary")
        if self.refuses_read_only and connection.read_only:
            return Failure("read_only", "the server is a replica: it is not the primary")
        return None

    async def password(self, key: Key) -> bytes:
        """Raises SecretError."""
        if key.attempt:
            return self.users.trials.get(key.attempt, b"")
        return await self.users.password(key.user)

    async def _start_tls(self, connection: RedisConnection) -> None:
        secured = self.outcome(connection)
        connection.when_secured(lambda: None if secured.done() else secured.set_result(None))
        try:
            connection.start_tls()
        except TLSError as error:
            raise OSError(0, f"TLS: {error}") from None
        await self.awaited(connection, secured)

    async def ask(self, connection: RedisConnection, commands: list[bytes]) -> tuple[list[Value], RedisError | None]:
        """The replies to commands of a login. Raises ConnectionResetError."""
        outcome = self.outcome(connection)

        def done(replies: list[Value], error: RedisError | None) -> None:
            if not outcome.done():
                outcome.set_result((replies, error))

        connection.run(commands, done)
        if connection.lost:
            self.failed(connection, _RESTING)
        found: tuple[list[Value], RedisError | None] = await self.awaited(connection, outcome)
        return found

    async def _refused(self, key: Key, password: bytes, error: RedisError) -> Failure:
        text = str(error)
        if error.code == b"WRONGPASS" and not key.attempt:
            # The secret may have been rotated between reading it and using it; the next dial reads it again.
            if await self.password(key) != password:
                return Failure("rotated", "access denied while the password was rotated")
            self.users.forget(key.user)
        if error.code in _REFUSALS or b"DB index" in error.text:
            return Failure("login", text, refusal=error)
        if b"max number of clients" in error.text:
            return Failure("too_many_connections", text, server_full=True)
        if error.code in _PASSING:
            return Failure("refused", text)
        if b"unknown command" in error.text:
            return Failure("login", f"{text} (Redis 6.2 is the oldest)", refusal=error)
        return Failure("login", text)


def login_commands(key: Key, password: bytes) -> list[bytes]:
    """HELLO logs in and chooses the protocol's version in one command. An own name tells operators whose it is."""
    hello = [b"HELLO", b"%d" % key.protocol]
    if password or key.user != DEFAULT_USER:
        hello += [b"AUTH", key.user.encode("utf-8", "surrogateescape"), password]
    commands = [command(*hello, b"SETNAME", b"outlive")]
    if key.database:
        commands.append(command(b"SELECT", b"%d" % key.database))
    return commands
