"""What every kind of operation has: it runs, and its database says beforehand what is to be expected of it.

A kind of work is a class: `OneStatement`, `Steps`, `Commands`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from outlive.config.http import Http, Principal
from outlive.config.operations import Operation
from outlive.gateway import work
from outlive.gateway.databases import Databases

DESCRIBE_S: Final = 10.0
"""How long a database may take to say what it is asked, for each statement, or for a list of commands."""


class Finding(NamedTuple):
    """What is wrong with an operation; `path` is dotted. `is_away`: its database could not be asked."""

    path: str
    sentence: str
    remedy: str
    is_away: bool = False


class Said(ABC):
    """What a database says of one operation, before it is run."""

    @abstractmethod
    def findings(self) -> list[Finding]:
        """What does not fit."""

    def schema(self) -> dict[str, Any] | None:
        """The answer as JSON Schema, as far as the database tells it."""
        return None


class Work(ABC):
    """Of one operation."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation

    @abstractmethod
    async def run(
        self, job: work.Job, databases: Databases, principal: Principal, http: Http, values: Mapping[str, Any]
    ) -> bytes:
        """The answer's body. Raises Failure."""

    def difference(self, principal: Principal) -> Hashable:
        """What of a principal makes a difference to the answer: those with the same may have the same one."""
        return principal.max_rows

    def schema(self) -> dict[str, Any] | None:
        """The answer as JSON Schema where the operation alone tells it; else its database is asked."""
        return None

    @abstractmethod
    async def describe(self, databases: Databases) -> Said:
        """Asks the database; nothing is run. Raises Failure where it cannot be asked at all."""

    def limited(self, principal: Principal) -> Principal:
        """The principal with its limits and the operation's."""
        operation = self.operation
        return replace(
            principal,
            max_rows=min(operation.max_rows, principal.max_rows),
            max_time_s=min(operation.max_time_s, principal.max_time_s),
        )


def sentence(text: str) -> str:
    """A database's words as one."""
    return text if text.endswith(".") else f"{text}."
