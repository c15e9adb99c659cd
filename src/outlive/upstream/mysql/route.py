"""Where the connections for a database come from: its writers, one of which is current, or its replicas in turn."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from outlive.config.model import Database
from outlive.observe.log import fields
from outlive.session.mysql.lexer import DEFAULT_ANALYSER, Analyser
from outlive.upstream.mysql.key import Key, key_of
from outlive.wire.mysql import constants as wire

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession
    from outlive.upstream.mysql.connection import ServerConnection
    from outlive.upstream.mysql.dial import Failure
    from outlive.upstream.mysql.server import Server

log = logging.getLogger("outlive.upstream")

_UNREACHABLE: Final = frozenset(("name", "refused", "timeout", "read_only"))
_READ_ONLY_ERRORS: Final = frozenset(
    (wire.ER_OPTION_PREVENTS_STATEMENT, wire.ER_READ_ONLY_MODE, wire.ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION)
)

_analysers: dict[tuple[str, ...], Analyser] = {(): DEFAULT_ANALYSER}


def analyser_for(functions: tuple[str, ...]) -> Analyser:
    """The analyser that knows these functions as ones that change session state silently; it has a cache of its own."""
    found = _analysers.get(functions)
    if found is None:
        found = _analysers[functions] = Analyser(frozenset(name.encode() for name in functions))
    return found


class Route:
    """One name that clients ask for. Its servers may serve other names too."""

    __slots__ = (
        "_current",
        "acquire_timeout_s",
        "analyser",
        "closes_after_transaction",
        "database",
        "name",
        "on_moved",
        "servers",
        "writes",
    )

    def __init__(self, name: str, database: Database, servers: list[Server], *, writes: bool) -> None:
        self.name = name
        self.servers = servers
        self.writes = writes
        self._current = 0
        self.on_moved: Callable[[Route], None] | None = None
        """Called when another server became the current one."""
        self.configure(database)

    def configure(self, database: Database) -> None:
        """Also at a reload."""
        self.database = database
        self.acquire_timeout_s = database.acquire_timeout_s
        self.analyser = analyser_for(database.pin_functions)
        self.closes_after_transaction = database.client_connection == "transaction"

    def lead_to(self, servers: list[Server]) -> None:
        """After a reload: the clients that came by this route follow it with their next lease."""
        self.servers = servers
        self._current = 0

    def __repr__(self) -> str:
        return f"Route({self.name}, {self.servers[self._current].address})"

    @property
    def schema(self) -> bytes:
        """The schema that a client who asks for this name is put into."""
        return self.database.database.encode()

    def server(self) -> Server:
        """The server for a client's next connection: the current writer, or the next replica."""
        return self.servers[self._current] if self.writes else self._some_replica()

    def follow(self, server: Server) -> Server:
        """The server for a client that was at `server` so far: a replica that can be reached stays the same one."""
        if self.writes or server not in self.servers or server.pool.backoff.retry_at > server.time():
            return self.server()
        return server

    def _some_replica(self) -> Server:
        """Any, but for those that could not be reached just now."""
        now = self.servers[0].time()
        return random.choice([server for server in self.servers if server.pool.backoff.retry_at <= now] or self.servers)

    def key(self, session: ClientSession) -> Key:
        """The pool key of a session."""
        return key_of(session.user, session.capabilities, session.role, reads=not self.writes)

    def trouble(self, server: Server, failure: Failure) -> None:
        """A dial failed: with other servers to go to, whoever waits goes there."""
        if len(self.servers) == 1 or failure.kind not in _UNREACHABLE:
            return
        if not self.writes:
            self._send_elsewhere(server)
        elif server is self.servers[self._current]:
            if failure.kind == "read_only":
                server.pool.retire_all("demoted")
            self._move_on(server, failure.kind)

    def _move_on(self, server: Server, why: str) -> None:
        self._current = (self._current + 1) % len(self.servers)
        following = self.servers[self._current]
        log.warning(
            "failing over", extra=fields(database=self.name, left=server.address, server=following.address, reason=why)
        )
        if self.on_moved is not None:
            self.on_moved(self)
        self._send_elsewhere(server)

    def _send_elsewhere(self, server: Server) -> None:
        """Whoever waits at `server` by this route. Each goes to the head of its new queue, so the last one goes
        first.
        """
        for waiter in reversed(server.pool.queued()):
            if waiter.comes_by(self):
                server.pool.cancel(waiter)
                waiter.queue_again()

    def statement_refused(
        self, connection: ServerConnection, session: ClientSession, code: int, message: bytes
    ) -> None:
        """A statement failed. If it says that what was a writer is read-only now, the primary was demoted.

        1290 stands for any option that prevents a statement; 1792 is the client's own doing inside a read-only
        transaction.
        """
        if code not in _READ_ONLY_ERRORS or not self.writes or connection.read_only:
            return
        if code == wire.ER_OPTION_PREVENTS_STATEMENT and b"read-only" not in message and b"read_only" not in message:
            return
        if code == wire.ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION and session.asked_for_read_only:
            return
        server = connection.server
        log.warning("the primary was demoted", extra=fields(database=self.name, server=server.address, code=code))
        server.pool.retire_all("demoted")
        if len(self.servers) > 1 and server is self.servers[self._current]:
            self._move_on(server, "demoted")
        server.stir()
