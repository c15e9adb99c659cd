"""What requests say, as their JSON is read; `openapi.py` makes the schemas of it."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from outlive.gateway.conversation import Isolation
from outlive.gateway.failure import bad_request
from outlive.gateway.rows import Form
from outlive.gateway.statement import Statement

Parameters = Annotated[
    list[Any] | dict[str, Any],
    Meta(
        description=(
            "By position ($1 or ?), or by name (:name). A value is JSON, or {type, value} where the type must be said."
        )
    ),
]
Sql = Annotated[str, Meta(description="One statement.")]
Name = Annotated[str, Meta(description="Instead of sql: the name of a statement of the configuration.")]
Timeout = Annotated[float, Meta(gt=0, description="Seconds; at most the principal's max_time_s.")]
MaxRows = Annotated[int, Meta(ge=1, description="At most the principal's max_rows.")]
Database = Annotated[str, Meta(min_length=1, description="NAME of the configuration, or NAME.ro.")]


class InTransaction(Struct, forbid_unknown_fields=True, kw_only=True):
    """One statement in a transaction that is open."""

    sql: Sql = ""
    name: Name = ""
    parameters: Parameters = []
    format: Form = "objects"
    stream: bool = False
    timeout_s: Timeout | None = None
    max_rows: MaxRows | None = None

    @property
    def statement(self) -> Statement:
        """For the session. Raises Failure."""
        return _statement(self.sql, self.name, self.parameters)


class Query(InTransaction, forbid_unknown_fields=True, kw_only=True):
    """One statement by itself."""

    database: Database


class Part(Struct, forbid_unknown_fields=True, kw_only=True):
    """One statement of a batch."""

    sql: Sql = ""
    name: Name = ""
    parameters: Parameters = []


class Batch(Struct, forbid_unknown_fields=True, kw_only=True):
    """Either `statements`, or one `sql` (or `name`) with `parameter_sets`; all in one transaction."""

    database: Database
    statements: Annotated[list[Part], Meta(max_length=10_000)] = []
    sql: str = ""
    name: Name = ""
    parameter_sets: Annotated[list[list[Any] | dict[str, Any]], Meta(max_length=10_000)] = []
    format: Form = "objects"
    isolation: Isolation | None = None
    timeout_s: Timeout | None = None
    max_rows: MaxRows | None = None

    def parts(self) -> list[Statement]:
        """What is to run. Raises Failure."""
        one = bool(self.sql or self.name)
        if bool(self.statements) == one or one != bool(self.parameter_sets):
            raise bad_request("A batch has either statements, or sql and parameter_sets.")
        if self.statements:
            return [_statement(part.sql, part.name, part.parameters) for part in self.statements]
        return [_statement(self.sql, self.name, parameters) for parameters in self.parameter_sets]


class Begin(Struct, forbid_unknown_fields=True, kw_only=True):
    """A transaction over several requests."""

    database: Database
    isolation: Isolation | None = None
    read_only: bool = False
    idle_timeout_s: Annotated[float, Meta(gt=0, description="At most transaction_idle_timeout_s.")] | None = None
    timeout_s: Annotated[float, Meta(gt=0, description="At most transaction_timeout_s.")] | None = None


def _statement(sql: str, name: str, parameters: list[Any] | dict[str, Any]) -> Statement:
    if bool(sql) == bool(name):
        raise bad_request("A statement has either sql or name.")
    return Statement(sql, parameters, name=name)


T = TypeVar("T")


def read(body: bytes, type: type[T]) -> T:
    """The request. Raises Failure, with what is wrong and where."""
    try:
        return msgspec.json.decode(body, type=type)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec names the place and the type, never the value.
        raise bad_request(f"The request is not as it must be: {error}.") from None
