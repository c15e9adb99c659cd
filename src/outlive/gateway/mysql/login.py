"""Is this the user's password? As the gate of MySQL's port judges a clear password, without a socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from outlive.auth.mysql.client_login import ClientLogin
from outlive.auth.mysql.scramble import CACHING_SHA2, CLEAR, new_scramble
from outlive.auth.mysql.verdict import Accepted, Passthrough
from outlive.gateway.failure import Failure
from outlive.wire.mysql.constants import ER_ACCESS_DENIED_ERROR
from outlive.wire.mysql.ok import ERR

if TYPE_CHECKING:
    from outlive.auth.mysql.credential import Credential
    from outlive.proxy.mysql.services import MySQLServices


async def judge_mysql(services: MySQLServices, name: str, user: bytes, password: bytes, known: bool) -> bool:
    """Raises Failure where nobody can tell. A user who is not `known` takes as long, and is refused."""
    route, _ = services.routes.find(name.encode())
    users = services.users_of(route)
    renewal = users.renewal(user, services.time())
    if renewal is not None:
        await asyncio.wait({renewal})

    def credential(asked: bytes) -> Credential | None:
        found: Credential | None = users.credential(asked) if known else None
        return found

    judging = ClientLogin(
        scramble=new_scramble(),
        plugin=CACHING_SHA2,
        secure=True,  # as far as this node knows: TLS ends before the HTTP port
        lookup=credential,
        passthrough=known and route.database.passthrough,
    )
    verdict = judging.start(user, CLEAR, password + b"\0", True).verdict
    if isinstance(verdict, Accepted):
        return True
    if not isinstance(verdict, Passthrough):
        return False
    answer: asyncio.Future[ERR | None] = asyncio.get_running_loop().create_future()
    deadline = services.time() + route.acquire_timeout_s
    services.passthrough.judge(route, user.decode(), password, deadline, answer.set_result)
    refusal = await answer
    if refusal is not None and refusal.code != ER_ACCESS_DENIED_ERROR:
        raise Failure(503, "pool_full", refusal.message.decode("utf-8", "replace"))
    return refusal is None
