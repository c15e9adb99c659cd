"""One connection to the database that is asked, over Outlive's own upstream layer: its URLs, TLS, secrets and logins.

So the extra `outlive[server]` suffices and no driver is needed (docs/decisions/0014).
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, ClassVar, Final

from outlive.census.connection import Census
from outlive.census.errors import CensusError
from outlive.config.addresses import Address
from outlive.config.model import Database
from outlive.net.certificates import CertificateError, server_certificates
from outlive.upstream.failure import Failure
from outlive.upstream.users import Users

Row = tuple[str | None, ...]

ANSWER_S: Final = 15.0
"""How long an answer may take: lists of connections are read from memory, also on a server that is full."""
_GOODBYE_S: Final = 2.0
_REMEDIES: Final = {
    "name": "Correct the host's name.",
    "refused": "Is the database running there, and the port right?",
    "timeout": "Is the address right, and reachable from here?",
    "login": "Correct user, password or database.",
    "tls": "Correct tls= and tls_ca= in the URL.",
}


class Session(ABC):
    """A session as `database` says, at its first host. `open` before use; `close` in any case.

    `stays_s` is for how long it may be silent: well after that the server ends it, should this process vanish.
    `plain`: without such timeouts, where the database would show them in place of those that everybody has.
    """

    when_full: ClassVar[str]
    """Which connection the database keeps for its operators when it is full, and what to do if that fails too."""

    def __init__(
        self, database: Database, *, port: int | None = None, stays_s: float = 0.0, plain: bool = False
    ) -> None:
        self.database = database
        self.address = Address(database.hosts[0].host, port or database.hosts[0].port)
        self.stays_s = stays_s
        self.plain = plain
        self._connection: Any = None
        self._dialer: Any = None

    # -- what a protocol adds ----------------------------------------------------------------------

    @abstractmethod
    def _server(self, users: Users, dead_man_s: int) -> tuple[Any, Any]:
        """The upstream layer's server with its dialer, and the key to log in with."""

    @abstractmethod
    async def rows(self, sql: str) -> list[Row]:
        """The rows of one statement, as text; none where it has no result. Raises CensusError."""

    @abstractmethod
    def _refusal(self, error: Any) -> CensusError:
        """The database's error to a statement."""

    @abstractmethod
    async def census(self) -> Census:
        """Everyone's connections but this one. Raises CensusError."""

    @abstractmethod
    async def seen_as(self) -> tuple[str, int]:
        """Our own host and port as the database sees them. Raises CensusError."""

    @abstractmethod
    async def remaining(self, numbers: Collection[int]) -> set[int]:
        """Which of these connections are still listed; `numbers` are not empty. Raises CensusError."""

    @property
    @abstractmethod
    def product(self) -> str:
        """The database's name and version, as it says them."""

    # -- the connection ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Dials and logs in. Raises CensusError."""
        database = self.database
        users = Users()
        users.secrets[database.user] = database.password
        dead_man_s = max(database.dead_man_s, int(3 * self.stays_s) + 1)
        server, key = self._server(users, dead_man_s)
        self._dialer = server.dialer
        try:
            self._dialer.tls = server_certificates(
                database.tls, ca=database.tls_ca, certificate=database.tls_cert, key=database.tls_key
            )
        except CertificateError as error:
            raise CensusError(f"{self.address}: {error}.", _REMEDIES["tls"], final=True) from None
        connection = self._connection = server.new_connection(key)
        failure = await server.attempt(connection, self._dialer.dial(connection))
        if failure is not None:
            connection.abort()
            raise self._not_in(failure)
        # While it counts as logging in, its end is told to whoever awaits an answer, and no pool is asked for it.
        connection.logging_in = True

    def _not_in(self, failure: Failure) -> CensusError:
        if failure.server_full:
            return CensusError(f"{self.address} has no connection left ({failure.text}).", self.when_full, full=True)
        text = failure.text.rstrip(".")
        return CensusError(
            f"{self.address}: {text}.",
            _REMEDIES.get(failure.kind, ""),
            final=failure.kind in ("login", "tls", "secret"),
        )

    @property
    def own_end(self) -> tuple[str, int]:
        """Our own host and port as this machine has them."""
        host, port = self._connection.transport.get_extra_info("sockname")[:2]
        return host, port

    @property
    def is_open(self) -> bool:
        """Whether it can be asked."""
        return self._connection is not None and not self._connection.lost

    async def answered(self, steps: list[Any]) -> None:
        """Sends steps of the upstream layer in one write and awaits their answers. Raises CensusError with the first
        error; the others have run all the same.
        """
        connection = self._connection
        if not self.is_open:
            raise CensusError(f"The connection to {self.address} has ended.", "Is the server still there?")
        outcome = self._dialer.outcome(connection)
        connection.run(steps, _setter(outcome))
        try:
            async with asyncio.timeout(ANSWER_S):
                error = await self._dialer.awaited(connection, outcome)
        except TimeoutError:
            connection.abort()
            raise CensusError(f"{self.address} gave no answer within {ANSWER_S:g} s.", "Is it overloaded?") from None
        except OSError as lost:
            raise CensusError(f"The connection to {self.address} has ended: {lost.strerror or lost}.") from None
        if error is not None:
            raise self._refusal(error)

    async def optional(self, sql: str) -> list[Row] | None:
        """As `rows`; None where the database refuses this user the answer, or does not know the question."""
        try:
            return await self.rows(sql)
        except CensusError as error:
            if not error.code:
                raise
            return None

    async def close(self) -> None:
        """Says goodbye and waits for the server's end. May be called again."""
        connection = self._connection
        if connection is None or connection.transport is None:
            return
        loop = asyncio.get_running_loop()
        connection.quit(loop.time())
        deadline = loop.time() + _GOODBYE_S
        while not connection.lost and loop.time() < deadline:  # noqa: ASYNC110 - at the end of a process, once
            await asyncio.sleep(0.005)
        connection.abort()
        self._connection = None


def _setter(outcome: asyncio.Future[Any]) -> Callable[[object], None]:
    def done(error: object) -> None:
        if not outcome.done():
            outcome.set_result(error)

    return done
