"""What a route to Redis servers adds: the error of a demoted primary."""

from __future__ import annotations

from outlive.config.model import Database
from outlive.upstream.redis.connection import RedisConnection
from outlive.upstream.route import Route


class RedisRoute(Route):
    """A route to Redis servers. `database_number` is where clients begin, `allowed` what they may of operators'
    work.
    """

    __slots__ = ("allowed", "database_number", "output_buffer_bytes")

    def configure(self, database: Database) -> None:
        """See `Route`."""
        Route.configure(self, database)
        self.database_number = int(database.database or 0)
        self.allowed = frozenset(name.lower().encode() for name in database.allow_commands)
        self.output_buffer_bytes = database.client_output_buffer_bytes

    def command_refused(self, connection: RedisConnection, text: bytes) -> None:
        """A command failed. If it says that what was a primary is a replica now, its connections are of no use."""
        if text.startswith(b"READONLY") and not connection.read_only:
            connection.read_only = True
            self.demoted(connection.server, "READONLY")
