"""Is this the user's password? As the gate of PostgreSQL's port judges a clear password, without a socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from outlive.auth.postgres.client_login import ClientLogin
from outlive.auth.postgres.credential import Credential
from outlive.auth.postgres.methods import CERT, CLEAR
from outlive.auth.postgres.verdict import Accepted, Passthrough
from outlive.gateway.failure import Failure
from outlive.wire.postgres.constants import INVALID_AUTHORIZATION, INVALID_PASSWORD
from outlive.wire.postgres.errors import ErrorFields

if TYPE_CHECKING:
    from outlive.proxy.postgres.services import PostgresServices
    from outlive.upstream.postgres.route import PostgresRoute


async def judge_postgres(services: PostgresServices, name: str, user: bytes, password: bytes, known: bool) -> bool:
    """Raises Failure where nobody can tell. A user who is not `known` takes as long, and is refused."""
    route, database = services.find(name.encode())
    login = route.database
    if login.client_auth == CERT:
        return False
    users = services.users_of(route)
    renewal = users.renewal(user, services.time())
    if renewal is not None:
        await asyncio.wait({renewal})
    listed = users.is_listed(user)
    found = await _looked_up(services, route, user) if known and login.auth_query and not listed else None
    credential = found or (users.credential(user) if known else None)
    judging = ClientLogin(
        user,
        credential,
        method=CLEAR,
        secure=True,  # as far as this node knows: TLS ends before the HTTP port
        mock=services.mock,
        passthrough=known and login.passthrough and found is None and not listed,
    )
    judging.start()
    verdict = judging.receive(password + b"\0").verdict
    if isinstance(verdict, Accepted):
        if credential is not None and credential.password is None:
            services.learn(route, verdict, credential)
        return True
    if isinstance(verdict, Passthrough):
        return await _tried(services, route, user, database or name, password)
    services.lookups.forget(route, user)
    return False


async def _looked_up(services: PostgresServices, route: PostgresRoute, user: bytes) -> Credential | None:
    """What `auth_query` says."""
    answer: asyncio.Future[Credential | ErrorFields | None] = asyncio.get_running_loop().create_future()
    services.lookups.find(route, user, answer.set_result)
    found = await answer
    if isinstance(found, ErrorFields):
        raise _unjudged(found)
    return found


async def _tried(services: PostgresServices, route: PostgresRoute, user: bytes, database: str, password: bytes) -> bool:
    """What the server says."""
    answer: asyncio.Future[ErrorFields | None] = asyncio.get_running_loop().create_future()
    deadline = services.time() + route.acquire_timeout_s
    services.passthrough.judge(route, user.decode(), database, password, deadline, answer.set_result)
    refusal = await answer
    if refusal is not None and refusal.code not in (INVALID_PASSWORD, INVALID_AUTHORIZATION):
        raise _unjudged(refusal)
    return refusal is None


def _unjudged(refusal: ErrorFields) -> Failure:
    return Failure(503, "pool_full", refusal.message.decode("utf-8", "replace"))
