"""From the name of a database to a session at it, whichever protocol its server speaks."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

from outlive.gateway.conversation import Conversation
from outlive.gateway.failure import Failure, draining
from outlive.gateway.mysql.conversation import MySQLConversation
from outlive.gateway.postgres.conversation import PostgresConversation
from outlive.gateway.rules.guard import Guard
from outlive.proxy.mysql.services import MySQLServices
from outlive.proxy.postgres.services import PostgresServices
from outlive.proxy.redis.in_process import InProcessRedis
from outlive.proxy.redis.services import RedisServices
from outlive.proxy.wire import Wire


class Databases:
    """The node's, which a reload changes."""

    def __init__(self, wires: Sequence[Wire], guard: Guard | None = None) -> None:
        self._guard = guard
        self._services: list[Any] = [
            wire.services for wire in wires if isinstance(wire.services, (PostgresServices, MySQLServices))
        ]
        self._redis = [wire.services for wire in wires if isinstance(wire.services, RedisServices)]
        self._user: str | None = None

    def acting_as(self, user: str) -> Databases:
        """The same, where sessions are of this user instead of the one of the database's entry."""
        found = copy(self)
        found._user = user
        return found

    def services_of(self, name: str) -> Any:
        """Of the database's protocol; None where there is no such database, or one that speaks no SQL."""
        return next((services for services in self._services if name in services.routes.by_name), None)

    async def open(self, name: str) -> Conversation:
        """A new session. Raises Failure, before anything has run."""
        services = self.services_of(name)
        if services is None:
            raise _none()
        conversation = _conversation(services, name)
        conversation.guard = self._guard
        if self._user is not None:
            conversation.user = self._user
        await conversation.open()
        return conversation

    def open_redis(self, name: str, max_bytes: int) -> InProcessRedis:
        """A new client of Redis; `max_bytes`: of its replies to a request. Raises Failure, before anything has run."""
        services = next((services for services in self._redis if name in services.routes.by_name), None)
        if services is None:
            raise _none()
        if services.draining:
            raise draining()
        return InProcessRedis(services, max_bytes=max_bytes)


def _none() -> Failure:
    return Failure(404, "no_such_database", "There is no such database.")


def _conversation(services: Any, name: str) -> Conversation:
    if isinstance(services, PostgresServices):
        route, database = services.find(name.encode())
        return PostgresConversation(services, route, database or name)
    assert isinstance(services, MySQLServices)
    found, schema = services.routes.find(name.encode())
    return MySQLConversation(services, found, schema)
