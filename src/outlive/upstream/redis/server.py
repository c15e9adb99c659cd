"""One Redis server: what is known of it, its shared connections, and how those of one client are cleaned."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from outlive.config.addresses import Address
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.upstream.failure import Failure
from outlive.upstream.redis.connection import RedisConnection
from outlive.upstream.redis.dial import RedisDialer, login_commands
from outlive.upstream.redis.key import HELD, Key, as_key, key_of
from outlive.upstream.redis.lines import Lines
from outlive.upstream.redis.pubsub import SharedSubscription
from outlive.upstream.server import Server
from outlive.wire.redis.values import RedisError, Value, command

_PING = command(b"PING")
_CLEANING = (command(b"DISCARD"), command(b"UNWATCH"), _PING)


class RedisServer(Server):
    """`hello` is what the first login told (HELLO's reply), empty until then; `on_facts` is called then."""

    dialer: RedisDialer

    def __init__(
        self, address: Address, limits: Limits, dialer: RedisDialer, metrics: ServerMetrics, *, dead_man_s: int
    ) -> None:
        Server.__init__(self, address, limits, metrics, dead_man_s=dead_man_s)
        self.dialer = dialer
        dialer.server = self
        self.hello: dict[bytes, Value] = {}
        self.lines = Lines(self)
        self.message_bytes_max = 64 * 1024 * 1024
        """Of one message to subscribers, which is held whole: client_output_buffer_bytes."""
        self._subscriptions: dict[str, SharedSubscription] = {}

    @property
    def is_known(self) -> bool:
        """See `Server`."""
        return bool(self.hello)

    def new_connection(self, key: Hashable) -> RedisConnection:
        """See `Server`."""
        return RedisConnection(self, as_key(key))

    def call_soon(self, call: Callable[[], None]) -> None:
        """In the loop's next turn."""
        self._loop.call_soon(call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """After `seconds`."""
        self._loop.call_later(seconds, call)

    def meet(self, connection: RedisConnection, hello: dict[bytes, Value]) -> None:
        """A login succeeded."""
        number = hello.get(b"id")
        connection.number = number if isinstance(number, int) else 0
        first, self.hello = not self.hello, hello
        if first and self.on_facts is not None:
            self.on_facts()

    def subscription_of(self, user: str) -> SharedSubscription:
        """The one that all subscribers of a user share."""
        found = self._subscriptions.get(user)
        if found is None:
            found = self._subscriptions[user] = SharedSubscription(self, key_of(user, 0, 2, HELD))
        return found

    def stir(self) -> None:
        """See `Server`. Shared connections that rest go back first, where somebody waits or all are to be closed."""
        self.lines.settle()
        Server.stir(self)

    # -- conversion --------------------------------------------------------------------------------

    def convertible(self, connection: Any, key: Hashable) -> bool:
        """See `Server`: RESET, HELLO and SELECT make any connection one of any key."""
        return not as_key(connection.key).attempt and not as_key(key).attempt

    def convert(self, connection: RedisConnection, key: Hashable) -> None:
        """See `Server`."""
        self.start(self._convert(connection, as_key(key)))

    async def _convert(self, connection: RedisConnection, key: Key) -> None:
        failure = await self.attempt(connection, self._change(connection, key))
        now = self.time()
        if failure is None:
            self.serve(connection, self.pool.ready(connection, now))
        else:
            self.tell_failure(connection, failure, now)

    async def _change(self, connection: RedisConnection, key: Key) -> Failure | None:
        old = connection.login
        commands: list[bytes] = []
        if (old.user, old.protocol) != (key.user, key.protocol):
            commands = [command(b"RESET"), *login_commands(key, await self.dialer.password(key))]
        elif connection.database != key.database:
            commands = [command(b"SELECT", b"%d" % key.database)]
        if not commands:
            return None
        return await self.dialer.guarded(self._ask(connection, key, commands))

    async def _ask(self, connection: RedisConnection, key: Key, commands: list[bytes]) -> Failure | None:
        _, error = await self.dialer.ask(connection, commands)
        if error is not None:
            return Failure("login", str(error), refusal=error)
        connection.database = key.database
        return None

    # -- idle connections --------------------------------------------------------------------------

    def settle_lease(self, connection: RedisConnection) -> None:
        """See `Server`."""

    def check(self, connection: RedisConnection) -> None:
        """See `Server`."""
        connection.run([_PING], lambda _, error: self.checked(connection, error))

    # -- cleaning ----------------------------------------------------------------------------------

    def clean(self, connection: RedisConnection) -> None:
        """See `Server`. Nothing that a client did is left after DISCARD and UNWATCH, the first of which may fail."""
        connection.lessee = None
        connection.run(_CLEANING, lambda replies, _: self._clean(connection, replies))

    def _clean(self, connection: RedisConnection, replies: list[Value]) -> None:
        self.cleaned(connection, None if b"PONG" in replies else RedisError(b"ERR no PONG"))

    def end_statement(self, connection: RedisConnection) -> None:
        """See `Server`. A command that runs holds up the whole server: there is nobody to ask."""

    def ended(self, connection: RedisConnection) -> None:
        """See `Server`."""

    def look_after(self) -> None:
        """See `Server`."""
        now = self.time()
        self.lines.look_after(now)
        for user, shared in list(self._subscriptions.items()):
            shared.look_after(now)
            if shared.is_idle and shared.connection is None and not shared.waits:
                del self._subscriptions[user]
