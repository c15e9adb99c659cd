"""Whether the operations fit their databases, which are asked; nothing runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from outlive.config.model import Config
from outlive.gateway.databases import Databases
from outlive.gateway.declared.cache import Cache
from outlive.gateway.declared.table import Table
from outlive.gateway.declared.work import Finding, sentence
from outlive.gateway.failure import Failure
from outlive.proxy.wire import Wire


async def examine(config: Config, wires: Sequence[Wire]) -> list[Finding]:
    """All that is found. The wires have the servers of the configuration."""
    table = Table(config, Cache(asyncio.get_running_loop().time))
    databases = Databases(wires)
    found: list[Finding] = []
    away: set[str] = set()
    for name, declaration in table.all.items():
        database = declaration.operation.database
        if database in away:
            continue
        try:
            said = await declaration.work.describe(databases)
        except Failure as failure:
            away.add(database)
            path = f"operations.{name}.database"
            remedy = "Is it there, and does it let this user in?"
            found.append(
                Finding(path, f"{database} cannot be asked: {sentence(failure.message)}", remedy, is_away=True)
            )
            continue
        found += said.findings()
    return found
