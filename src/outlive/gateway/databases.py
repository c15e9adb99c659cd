"""From the name of a database to a session at it, whichever protocol its server speaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outlive.gateway.conversation import Conversation
from outlive.gateway.failure import Failure
from outlive.gateway.mysql.conversation import MySQLConversation
from outlive.gateway.postgres.conversation import PostgresConversation
from outlive.proxy.mysql.services import MySQLServices
from outlive.proxy.postgres.services import PostgresServices
from outlive.proxy.wire import Wire


class Databases:
    """The node's, which a reload changes."""

    def __init__(self, wires: Sequence[Wire]) -> None:
        self._services: list[Any] = [wire.services for wire in wires]

    async def open(self, name: str) -> Conversation:
        """A new session. Raises Failure, before anything has run."""
        for services in self._services:
            if name in services.routes.by_name:
                conversation = _conversation(services, name)
                await conversation.open()
                return conversation
        raise Failure(404, "no_such_database", "There is no such database.")


def _conversation(services: Any, name: str) -> Conversation:
    if isinstance(services, PostgresServices):
        route, database = services.find(name.encode())
        return PostgresConversation(services, route, database or name)
    assert isinstance(services, MySQLServices)
    found, schema = services.routes.find(name.encode())
    return MySQLConversation(services, found, schema)
