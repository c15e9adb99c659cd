"""Whether the operations fit their databases: each statement is prepared and described there, and none runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from outlive.config.model import Config
from outlive.config.operations import Operation, Parameter
from outlive.gateway.conversation import Described
from outlive.gateway.databases import Databases
from outlive.gateway.declared.bindings import Bound
from outlive.gateway.declared.cache import Cache
from outlive.gateway.declared.description import Said, describe
from outlive.gateway.declared.table import Table
from outlive.gateway.failure import Failure
from outlive.proxy.wire import Wire

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


class Finding(NamedTuple):
    """What is wrong with an operation; `path` is dotted. `is_away`: its database could not be asked."""

    path: str
    sentence: str
    remedy: str
    is_away: bool = False


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
            said = await describe(databases, declaration)
        except Failure as failure:
            away.add(database)
            path = f"operations.{name}.database"
            remedy = "Is it there, and does it let this user in?"
            found.append(
                Finding(path, f"{database} cannot be asked: {_sentence(failure.message)}", remedy, is_away=True)
            )
            continue
        found += _findings(declaration.operation, declaration.work.statements, said)
    return found


def _findings(operation: Operation, statements: Sequence[Bound], said: Said) -> list[Finding]:
    found: list[Finding] = []
    for index, (bound, described) in enumerate(zip(statements, said.statements, strict=True)):
        path = f"operations.{operation.name}.{'sql' if operation.sql else 'steps'}"
        which = "The statement" if operation.sql else f"Step {index + 1}"
        if isinstance(described, Failure):
            sentence = f"{which} is refused by {operation.database}: {_sentence(described.message)}"
            found.append(Finding(path, sentence, "Correct the statement, or the database."))
            continue
        found += [Finding(path, f"{which} {what}", remedy) for what, remedy in _of_parameters(bound, described)]
    if said.answer is not None:
        found += _of_answer(operation, said.answer)
    return found


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


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
