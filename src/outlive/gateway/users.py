"""Database users over HTTP: who logs in with user and password as at the wire's ports, judged by the same secrets.

A configured user's password is compared here, one that `auth_query` tells is judged by its secret, and of passthrough
the server is asked. What was right counts for FRESH_S without another look; wrong passwords are limited per user by
`passthrough_attempts_per_minute`, wherever they are judged. A reload of the configuration forgets what was right.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from typing import Any, Final

from outlive.config.http import Principal
from outlive.config.model import Config
from outlive.gateway.databases import Databases
from outlive.gateway.failure import Failure
from outlive.gateway.mysql.login import judge_mysql
from outlive.gateway.postgres.login import judge_postgres
from outlive.proxy.attempts import FailedAttempts
from outlive.proxy.postgres.services import PostgresServices

FRESH_S: Final = 10.0
"""As long as what a command for a password gave counts at the wire's ports."""
_KNOWN_S: Final = 3600.0
_KNOWN_MAX: Final = 10_000
_ANYBODY: Final = "*"
LOGIN_MAX_BYTES: Final = 4096
"""User and password together; before a login no more is looked at."""


class DatabaseUsers:
    """Of one node."""

    def __init__(self, databases: Databases) -> None:
        self._loop = asyncio.get_running_loop()
        self._databases = databases
        self._config: Config | None = None
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        """When a login was right last, by its keyed hash. The limit of guesses is not for these."""
        self._judging: dict[bytes, asyncio.Future[bool]] = {}
        self._failures = FailedAttempts()

    async def enter(self, config: Config, database: str, user: str, password: str) -> tuple[str, Principal]:
        """The principal of a user with the right password. Raises Failure, the same for all that is wrong."""
        if config is not self._config:
            self._config = config
            self._right.clear()
        if len(user) + len(password) > LOGIN_MAX_BYTES or "\0" in user or "\0" in password:
            raise refused(user)
        name = principal_of(config, database, user)
        services = self._databases.services_of(database)
        if services is None:
            raise refused(user)
        await self._verify(services, database, user, password, known=name is not None)
        if name is None:
            raise refused(user)
        return name, config.principals[name]

    async def _verify(self, services: Any, database: str, user: str, password: str, *, known: bool) -> None:
        """Raises Failure where the password is wrong, or nobody can tell."""
        digest = self._digest(database, user, password)
        now = self._loop.time()
        right_at = self._right.get(digest)
        if right_at is not None and now - right_at < FRESH_S:
            return
        limit = services.routes.by_name[database].database.passthrough_attempts_per_minute
        again = right_at is not None and now - right_at < _KNOWN_S
        if not again and self._failures.exhausted(f"{database}\0{user}", limit, now):
            services.metrics.logins_refused.add("access_denied")
            raise Failure(429, "too_many_logins", f"Too many wrong passwords for {user!r}: wait a minute.")
        if not await self._judged_once(digest, services, database, user, password, known=known):
            self._right.pop(digest, None)
            self._failures.failed(f"{database}\0{user}", now)
            services.metrics.logins_refused.add("access_denied")
            raise refused(user)
        services.metrics.logins_ok += 1
        self._right[digest] = self._loop.time()
        self._right.move_to_end(digest)
        if len(self._right) > _KNOWN_MAX:
            self._right.popitem(last=False)

    async def _judged_once(
        self, digest: bytes, services: Any, database: str, user: str, password: str, *, known: bool
    ) -> bool:
        """Callers who come together with the same login are one question."""
        running = self._judging.get(digest)
        if running is None:
            judge = judge_postgres if isinstance(services, PostgresServices) else judge_mysql
            running = asyncio.ensure_future(
                judge(services, database, user.encode("utf-8", "replace"), password.encode("utf-8", "replace"), known)
            )
            self._judging[digest] = running
            running.add_done_callback(lambda _: self._judging.pop(digest, None))
        return await asyncio.shield(running)

    def _digest(self, *parts: str) -> bytes:
        digest = hashlib.blake2b(key=self._key)
        for part in parts:
            data = part.encode("utf-8", "replace")
            digest.update(len(data).to_bytes(4, "big") + data)
        return digest.digest()


def principal_of(config: Config, database: str, user: str) -> str | None:
    """The principal's name: one that names the user comes before one that has `*`."""
    anybody = None
    for name, principal in config.principals.items():
        if database in principal.databases:
            if user in principal.database_users:
                return name
            if _ANYBODY in principal.database_users:
                anybody = name
    return anybody


def named_by(config: Config, user: str) -> set[str]:
    """The databases at which the user would be a principal."""
    return {
        database
        for principal in config.principals.values()
        if user in principal.database_users or _ANYBODY in principal.database_users
        for database in principal.databases
    }


def refused(user: str) -> Failure:
    """In PostgreSQL's words. Whether there is such a user or database it does not say."""
    return Failure(401, "unauthorized", f'password authentication failed for user "{user[:63]}"')
