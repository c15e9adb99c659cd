"""Where the connections for a database come from: its writers, one of which is current, or its replicas in turn."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from outlive.config.model import Database
from outlive.observe.log import fields

if TYPE_CHECKING:
    from outlive.upstream.failure import Failure

log = logging.getLogger("outlive.upstream")

_UNREACHABLE: Final = frozenset(("name", "refused", "timeout", "read_only"))


class Route:
    """One name that clients ask for. Its servers may serve other names too; they are of one protocol."""

    __slots__ = (
        "_current",
        "acquire_timeout_s",
        "closes_after_transaction",
        "database",
        "name",
        "on_moved",
        "servers",
        "writes",
    )

    def __init__(self, name: str, database: Database, servers: list[Any], *, writes: bool) -> None:
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
        self.closes_after_transaction = database.client_connection == "transaction"

    def lead_to(self, servers: list[Any]) -> None:
        """After a reload: the clients that came by this route follow it with their next lease."""
        self.servers = servers
        self._current = 0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.servers[self._current].address})"

    @property
    def schema(self) -> bytes:
        """What a client who asks for this name is put into: a schema of MySQL, a database of PostgreSQL."""
        return self.database.database.encode()

    def server(self) -> Any:
        """The server for a client's next connection: the current writer, or the next replica."""
        return self.servers[self._current] if self.writes else self._some_replica()

    def follow(self, server: Any) -> Any:
        """The server for a client that was at `server` so far: a replica that can be reached stays the same one."""
        if self.writes or server not in self.servers or server.pool.backoff.retry_at > server.time():
            return self.server()
        return server

    @property
    def is_away(self) -> bool:
        """Whether there is no connection for which it would have been worth to wait, and not because of others."""
        pools = [server.pool for server in self.servers]
        return not any(pool.server_full or len(pool.slots) > len(pool.dialing) + pool.closing_count for pool in pools)

    def _some_replica(self) -> Any:
        """Any, but for those that could not be reached just now."""
        now = self.servers[0].time()
        return random.choice([server for server in self.servers if server.pool.backoff.retry_at <= now] or self.servers)

    def trouble(self, server: Any, failure: Failure) -> None:
        """A dial failed: with other servers to go to, whoever waits goes there."""
        if len(self.servers) == 1 or failure.kind not in _UNREACHABLE:
            return
        if not self.writes:
            self._send_elsewhere(server)
        elif server is self.servers[self._current]:
            if failure.kind == "read_only":
                server.pool.retire_all("demoted")
            self._move_on(server, failure.kind)

    def demoted(self, server: Any, code: object) -> None:
        """A statement's error says that what was a writer is read-only now."""
        log.warning("the primary was demoted", extra=fields(database=self.name, server=server.address, code=code))
        server.pool.retire_all("demoted")
        if len(self.servers) > 1 and server is self.servers[self._current]:
            self._move_on(server, "demoted")
        server.stir()

    def _move_on(self, server: Any, why: str) -> None:
        self._current = (self._current + 1) % len(self.servers)
        following = self.servers[self._current]
        log.warning(
            "failing over", extra=fields(database=self.name, left=server.address, server=following.address, reason=why)
        )
        if self.on_moved is not None:
            self.on_moved(self)
        self._send_elsewhere(server)

    def _send_elsewhere(self, server: Any) -> None:
        """Whoever waits at `server` by this route. Each goes to the head of its new queue,
        so the last one goes first."""
        for waiter in reversed(server.pool.queued()):
            if waiter.comes_by(self):
                server.pool.cancel(waiter)
                waiter.queue_again()
