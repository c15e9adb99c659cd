"""What a database says of an operation's statements: each is prepared and described there, and none runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from outlive.config.operations import Operation, Parameter
from outlive.gateway.conversation import Described
from outlive.gateway.databases import Databases
from outlive.gateway.declared.bindings import Bound
from outlive.gateway.declared.schemas import schema_of
from outlive.gateway.declared.work import DESCRIBE_S, Finding, Said, sentence
from outlive.gateway.failure import Failure

_TEXT: Final = frozenset(("text", "varchar", "bpchar", "name"))
_NUMBERS: Final = frozenset(("int8", "numeric", "float4", "float8", "oid"))
_TYPED: Final = frozenset(
    (
        *("bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "timestamp", "timestamptz"),
        *("uuid", "bytea", "json", "jsonb"),
    )
)
"""What has a type of its own among the parameters; of all others only the database can say whether a text is right."""
_FITTING: Final = {
    "integer": _NUMBERS,
    "int32": _NUMBERS | {"int4"},
    "int16": _NUMBERS | {"int4", "int2"},
    "number": frozenset(("float4", "float8", "numeric")),
    "boolean": frozenset(("bool",)),
    "decimal": frozenset(("numeric", "float4", "float8")),
    "uuid": frozenset(("uuid",)),
    "date": frozenset(("date", "timestamp", "timestamptz")),
    "timestamp": frozenset(("timestamp", "timestamptz")),
    "bytes": frozenset(("bytea",)),
    "json": frozenset(("json", "jsonb")),
}


class Prepared(Said):
    """Of each statement what the database says, or why it says nothing; `answering` is the one that is the answer."""

    def __init__(
        self,
        operation: Operation,
        statements: Sequence[Bound],
        said: Sequence[Described | Failure],
        protocol: str,
        answering: int,
    ) -> None:
        self._operation = operation
        self._statements = statements
        self._said = said
        self._protocol = protocol
        self._answering = answering

    def findings(self) -> list[Finding]:
        """See `Said`."""
        operation = self._operation
        found: list[Finding] = []
        for index, (bound, described) in enumerate(zip(self._statements, self._said, strict=True)):
            path = f"operations.{operation.name}.{'sql' if operation.sql else 'steps'}"
            which = "The statement" if operation.sql else f"Step {index + 1}"
            if isinstance(described, Failure):
                refused = f"{which} is refused by {operation.database}: {sentence(described.message)}"
                found.append(Finding(path, refused, "Correct the statement, or the database."))
                continue
            found += [Finding(path, f"{which} {what}", remedy) for what, remedy in _of_parameters(bound, described)]
        described = self._said[self._answering]
        if not isinstance(described, Failure):
            found += _of_answer(operation, described)
        return found

    def schema(self) -> dict[str, Any] | None:
        """See `Said`: the columns."""
        described = self._said[self._answering]
        if isinstance(described, Failure) or described.columns is None:
            return None
        row = _row(described, self._protocol)
        if self._operation.answer == "rows":
            return {"type": "array", "items": row}
        if self._operation.answer == "row":
            return row
        (first, *_) = row["properties"].values()
        return dict(first)


async def described(
    databases: Databases, operation: Operation, statements: Sequence[Bound], answering: int
) -> Prepared:
    """Asks the database. Raises Failure where it cannot be asked at all."""
    found: list[Described | Failure] = []
    conversation = await databases.open(operation.database)
    try:
        for bound in statements:
            try:
                found.append(await conversation.describe(bound.sql, DESCRIBE_S))
            except Failure as failure:
                if failure.outcome in ("not_run", "unknown"):
                    raise
                found.append(failure)
    finally:
        conversation.close()
    return Prepared(operation, statements, found, conversation.protocol, answering)


def _of_parameters(bound: Bound, described: Described) -> list[tuple[str, str]]:
    if len(described.parameters) != len(bound.inputs):
        return [("has placeholders beside its :names.", "Write :name for each parameter.")]
    found: dict[str, tuple[str, str]] = {}
    for (name, _, parameter), type in zip(bound.inputs, described.parameters, strict=True):
        if type is not None and not _fits(parameter, type):
            kind = f"a list of {parameter.type}" if parameter.many else parameter.type
            what = f"has :{name} as {type}, and the parameter is {kind}."
            found[name] = (what, "Give the parameter the type that fits, or cast it in the statement.")
    return list(found.values())


def _fits(parameter: Parameter, type: str) -> bool:
    if parameter.many != type.endswith("[]"):
        return False
    element = type.removesuffix("[]")
    if element in _TEXT:
        return True
    if parameter.type == "string":
        return element not in _TYPED
    return element in _FITTING[parameter.type]


def _of_answer(operation: Operation, described: Described) -> list[Finding]:
    path = f"operations.{operation.name}.answer"
    if operation.answer == "affected":
        return []
    if described.columns is None:
        return [Finding(path, f"The answer is {operation.answer}, and there is no result.", 'Say answer = "affected".')]
    names = Counter(column.name for column in described.columns)
    if operation.answer == "value":
        if len(described.columns) == 1:
            return []
        return [Finding(path, f"The answer is one value, and there are {len(described.columns)} columns.", "Choose.")]
    twice = [name for name, count in names.items() if count > 1]
    return [Finding(path, f"The answer has the column {name} twice.", "Give one another name.") for name in twice]


def _row(described: Described, protocol: str) -> dict[str, Any]:
    columns = {column.name: schema_of(column, protocol) for column in described.columns or ()}
    return {"type": "object", "required": list(columns), "properties": columns, "additionalProperties": False}
