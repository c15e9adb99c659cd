"""What the databases say of the operations, remembered for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from outlive.gateway.databases import Databases
from outlive.gateway.declared.table import Declaration
from outlive.gateway.declared.work import Said
from outlive.gateway.failure import Failure

FRESH_S: Final = 60.0
"""How long a description is believed: a table may change without the configuration."""

AWAY_S: Final = 5.0
"""How long a database that could not be asked is not asked again: each try may take as long as its queue."""


class Descriptions:
    """Of one node, remembered for a while."""

    def __init__(self, databases: Databases, clock: Callable[[], float]) -> None:
        self._databases = databases
        self._clock = clock
        self._said: dict[str, tuple[float, Said]] = {}
        self._away: dict[str, float] = {}
        """When a database could not be asked last."""
        self._one = asyncio.Lock()

    def forget(self) -> None:
        """The configuration is another one."""
        self._said = {}
        self._away = {}

    async def of(self, declarations: Mapping[str, Declaration]) -> dict[str, Said]:
        """By the operation's name; without those that need none, and those whose database is away. One by one: it is
        nobody's hurry.
        """
        found: dict[str, Said] = {}
        async with self._one:
            for name, declaration in declarations.items():
                if declaration.work.schema() is not None:
                    continue
                at, said = self._said.get(name, (0.0, None))
                if said is None or self._clock() - at > FRESH_S:
                    database = declaration.operation.database
                    if self._clock() - self._away.get(database, -AWAY_S) < AWAY_S:
                        continue
                    try:
                        said = await declaration.work.describe(self._databases)
                    except Failure:
                        self._away[database] = self._clock()
                        continue
                    self._said[name] = (self._clock(), said)
                found[name] = said
        return found
