"""The last step of a MySQL login: does the server let this user into this schema?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from outlive.proxy.entry import Entry
from outlive.proxy.mysql import errors
from outlive.session.mysql.outcome import residue_steps
from outlive.session.mysql.steps import schema_step
from outlive.upstream.mysql.connection import MySQLConnection
from outlive.upstream.mysql.key import key_of
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.proxy.mysql.passthrough import Trial
    from outlive.proxy.mysql.services import MySQLServices
    from outlive.upstream.mysql.route import MySQLRoute
    from outlive.upstream.mysql.server import MySQLServer


class MySQLEntry(Entry):
    """See `Entry`."""

    __slots__ = ("_capabilities", "_schema")

    server: MySQLServer

    def __init__(
        self,
        services: MySQLServices,
        route: MySQLRoute,
        user: str,
        capabilities: int,
        schema: bytes,
        done: Callable[[ERR | None], None],
    ) -> None:
        Entry.__init__(self, services, route, user, done)
        self._capabilities = capabilities
        self._schema = schema

    def is_known(self) -> bool:
        """See `Entry`."""
        server = self.server
        self.key = key_of(self.user, self._capabilities, reads=not self._route.writes)
        self.settings = None
        return (self.user, self._schema) in server.known_schemas and server.facts is not None

    def judge(self, password: bytes, deadline: float) -> Trial:
        """See `Entry`."""
        trial: Trial = self._services.passthrough.judge(self._route, self.user, password, deadline, self.judged)
        return trial

    def ask(self, connection: MySQLConnection) -> None:
        """See `Entry`."""
        if self._schema:
            connection.run([*residue_steps(connection.session), schema_step(self._schema)], self._asked)
        else:
            self._asked(None)

    def _asked(self, error: ERR | None) -> None:
        connection, self._connection = self._connection, None
        server = self.server
        if connection is not None:
            if error is None and self._schema:
                connection.session.enter_schema(self._schema, server.baseline())
            server.give_back(connection)
        if error is None:
            server.remember_schema(self.user, self._schema)
        self.finish(error)

    def queue_full(self) -> ERR:
        """See `Entry`."""
        return errors.queue_full(self.server)

    def waited(self, seconds: float) -> ERR:
        """See `Entry`."""
        return errors.waited(self.server, seconds)
