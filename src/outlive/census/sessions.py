"""The protocols that can be asked: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from outlive.census.mysql import MySQLSession
from outlive.census.postgres import PostgresSession
from outlive.census.redis import RedisSession
from outlive.census.session import Session
from outlive.config.model import Database, Protocol

SESSIONS: Final[Mapping[Protocol, type[Session]]] = {
    "mysql": MySQLSession,
    "postgresql": PostgresSession,
    "redis": RedisSession,
}


def session_of(database: Database, *, port: int | None = None, stays_s: float = 0.0, plain: bool = False) -> Session:
    """A session, not yet opened, of the protocol that the database's URL names; `port` in place of the URL's. See
    `Session` for the rest.
    """
    return SESSIONS[database.scheme](database, port=port, stays_s=stays_s, plain=plain)
