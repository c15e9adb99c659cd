"""A `PostgresServer` of Outlive's in this process, without the proxy in front: leases, statements and questions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from outlive.config.addresses import Address
from outlive.config.secrets import Secret
from outlive.net.certificates import server_certificates
from outlive.observe.metrics import ServerMetrics
from outlive.pool.limits import Limits
from outlive.session.postgres.replay import EMPTY, Settings, difference
from outlive.session.postgres.steps import LOOKUP, REPLAY, Step, ask_step, query_step
from outlive.upstream.failure import Failure
from outlive.upstream.lease import Client
from outlive.upstream.postgres.connection import PostgresConnection
from outlive.upstream.postgres.dial import PostgresDialer
from outlive.upstream.postgres.key import Key, key_of
from outlive.upstream.postgres.server import PostgresServer as Server
from outlive.upstream.users import Users
from outlive.wire.postgres.errors import ErrorFields
from outlive.wire.postgres.messages import query
from outlive.wire.postgres.small_reply import SmallReply

from ..servers import PostgresServer
from ..servers.database import APP, Account

T = TypeVar("T")
Row = tuple[bytes | None, ...]
TIMEOUT_S = 20


class Refused(Exception):
    """The pool refused a waiter; `error` is the server's."""

    def __init__(self, error: ErrorFields) -> None:
        super().__init__(f"{error.code!r} {error.message!r}")
        self.error = error


class Lost(Exception):
    """The connection ended under its lessee."""


class Waiting(Client):
    """Someone in the queue."""

    __slots__ = ("lease",)

    def __init__(self, key: Key, deadline: float) -> None:
        Client.__init__(self, key, EMPTY, deadline)
        self.lease: asyncio.Future[PostgresConnection] = asyncio.get_running_loop().create_future()

    def lent(self, connection: Any) -> None:
        self.lease.set_result(connection)

    def expired(self) -> None:
        self.lease.set_exception(TimeoutError("no connection"))

    def refused(self, refusal: Any) -> None:
        self.lease.set_exception(Refused(refusal))

    def comes_by(self, route: Any) -> bool:
        return False

    def queue_again(self) -> None:
        raise AssertionError("nobody moves on")


class Statement:
    """The lessee while a statement runs."""

    def __init__(self, connection: PostgresConnection) -> None:
        self._connection = connection
        self._reply = SmallReply()
        self.over: asyncio.Future[SmallReply] = asyncio.get_running_loop().create_future()

    def server_data(self, data: bytes) -> None:
        if self._reply.feed(data) and not self.over.done():
            self._connection.session.status = self._reply.status
            self._connection.report(self._reply.parameters)
            self._connection.lessee = None
            self.over.set_result(self._reply)

    def server_lost(self) -> None:
        if not self.over.done():
            self.over.set_exception(Lost())

    def server_paused(self, paused: bool) -> None:
        pass


class Told(Server):
    """A server that keeps what its dials failed with."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.failures: list[Failure] = []
        Server.__init__(self, *arguments, **options)

    def tell_failure(self, connection: Any, failure: Failure, now: float) -> None:
        self.failures.append(failure)
        Server.tell_failure(self, connection, failure, now)


class Upstream:
    """One server with its pool."""

    def __init__(
        self,
        pg: PostgresServer,
        *,
        account: Account = APP,
        database: str = "test",
        tls: str = "disabled",
        host: str | None = None,
        max_connections: int = 5,
        dead_man_s: int = 60,
        connect_timeout_s: float = 10.0,
        ca: str | None = None,
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        address = Address(host or pg.host, pg.port)
        users = Users()
        users.secrets[account.user] = Secret("literal", account.password)
        certificates = server_certificates(
            tls, ca=None if tls == "required" else ca or str(pg.certificates.ca), certificate=certificate, key=key
        )
        self.dialer = PostgresDialer(address, users, 0, connect_timeout_s=connect_timeout_s, tls=certificates)
        self.metrics = ServerMetrics(str(address))
        limits = Limits(max_connections=max_connections, control_connections=0)
        self.server = Told(address, limits, self.dialer, self.metrics, dead_man_s=dead_man_s, prepared_statements=100)
        self.failures = self.server.failures
        self.key = key_of(account.user, database)

    async def lease(self, key: Key | None = None, *, timeout_s: float = TIMEOUT_S) -> PostgresConnection:
        """Raises Refused, TimeoutError."""
        pool, now = self.server.pool, self.server.time()
        key = key or self.key
        connection = pool.acquire(key, EMPTY, None, self)
        if connection is None:
            waiting = Waiting(key, now + timeout_s)
            assert pool.wait(waiting, now)
            self.server.stir()
            try:
                connection = await waiting.lease
            except asyncio.CancelledError:
                pool.cancel(waiting)
                raise
        return connection

    async def say(self, connection: PostgresConnection, sql: str | bytes) -> SmallReply:
        """As a client's statement, which is the lessee's to read."""
        statement = self.begin(connection, sql)
        return await asyncio.wait_for(statement.over, TIMEOUT_S)

    def begin(self, connection: PostgresConnection, sql: str | bytes) -> Statement:
        """A statement that is not waited for."""
        statement = Statement(connection)
        connection.lessee = statement
        connection.send(query(sql.encode() if isinstance(sql, str) else sql))
        return statement

    async def run(self, connection: PostgresConnection, *steps: Step) -> ErrorFields | None:
        over: asyncio.Future[ErrorFields | None] = asyncio.get_running_loop().create_future()
        connection.run(steps, over.set_result)
        return await asyncio.wait_for(over, TIMEOUT_S)

    async def ask(self, connection: PostgresConnection, sql: str) -> list[Row]:
        rows: list[Row] = []
        error = await self.run(connection, ask_step(sql.encode(), LOOKUP, rows.extend))
        assert error is None, error.message
        return rows

    async def value(self, connection: PostgresConnection, sql: str) -> bytes | None:
        ((found,),) = await self.ask(connection, sql)
        return found

    async def change(self, connection: PostgresConnection, target: Settings) -> ErrorFields | None:
        """Brings the connection to these settings."""
        steps = [query_step(text, REPLAY) for text in difference(connection.session.settings, target)]
        error = await self.run(connection, *steps) if steps else None
        if error is None:
            connection.session.settings = target
        return error

    async def clean(self, connection: PostgresConnection) -> None:
        """As at the end of a lease that left something; returns when the connection is idle or gone."""
        self.server.clean(connection)
        await until(lambda: not connection.running and connection.state != LEASED)

    async def close(self) -> None:
        self.server.pool.drain()
        self.server.stir()
        for connection in self.server.pool.slots:
            if connection.state == LEASED:
                self.server.retire_now(connection, "the test is over")
        self.server.stir()
        await until(lambda: self.server.pool.drained)


LEASED = 2


async def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
    """Turns of the loop until `condition()` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def upstream(pg: PostgresServer, **options: Any) -> AsyncIterator[Upstream]:
    made = Upstream(pg, **options)
    try:
        yield made
    finally:
        await made.close()


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(test(*arguments, **fixtures))

    return run
