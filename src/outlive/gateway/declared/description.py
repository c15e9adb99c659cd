"""What the databases say of the operations' statements: prepared, described, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from outlive.gateway.conversation import Described
from outlive.gateway.databases import Databases
from outlive.gateway.declared.table import Declaration
from outlive.gateway.failure import Failure

DESCRIBE_S: Final = 10.0
FRESH_S: Final = 60.0
"""How long a description is believed: a table may change without the configuration."""

AWAY_S: Final = 5.0
"""How long a database that could not be asked is not asked again: each try may take as long as its queue."""


class Said(NamedTuple):
    """Of an operation's statements, in their order: what the database says, or why it says nothing."""

    statements: list[Described | Failure]
    protocol: str
    answering: int

    @property
    def answer(self) -> Described | None:
        """Of the statement whose result is the answer."""
        found = self.statements[self.answering]
        return None if isinstance(found, Failure) else found


async def describe(databases: Databases, declaration: Declaration) -> Said:
    """Asks the database. Raises Failure where it cannot be asked at all."""
    works = declaration.work
    found: list[Described | Failure] = []
    conversation = await databases.open(declaration.operation.database)
    try:
        for bound in works.statements:
            try:
                found.append(await conversation.describe(bound.sql, DESCRIBE_S))
            except Failure as failure:
                if failure.outcome in ("not_run", "unknown"):
                    raise
                found.append(failure)
    finally:
        conversation.close()
    return Said(found, conversation.protocol, works.answering)


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
        """By the operation's name; without those whose database is away. One after another: it is nobody's hurry."""
        found: dict[str, Said] = {}
        async with self._one:
            for name, declaration in declarations.items():
                at, said = self._said.get(name, (0.0, None))
                if said is None or self._clock() - at > FRESH_S:
                    database = declaration.operation.database
                    if self._clock() - self._away.get(database, -AWAY_S) < AWAY_S:
                        continue
                    try:
                        said = await describe(self._databases, declaration)
                    except Failure:
                        self._away[database] = self._clock()
                        continue
                    self._said[name] = (self._clock(), said)
                found[name] = said
        return found
