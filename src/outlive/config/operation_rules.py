"""Which declared operations make sense: what their types alone cannot say. Pure."""

from __future__ import annotations

import re
from typing import Final

from outlive.config.command_rules import check_commands
from outlive.config.inputs import Input, inputs_of, segments_of
from outlive.config.model import ANY_DATABASE, Config
from outlive.config.operations import Operation
from outlive.config.rules import REPLICA_SUFFIX, Report
from outlive.config.sql_names import names_of
from outlive.config.values import of_json, words_of

RESERVED: Final = "/api/openapi.json"
EVERYBODY: Final = "*"
_SQL: Final = ("postgresql", "mysql")
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*")
_SPACE: Final = r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*"
_READS: Final = re.compile(_SPACE + r"(?:SELECT|WITH|VALUES|TABLE|SHOW)\b", re.IGNORECASE | re.DOTALL)


def check_operations(config: Config, report: Report) -> None:
    """All of them, and that no two have the same path."""
    places: dict[tuple[str, ...], str] = {}
    for name, operation in config.operations.items():
        path = f"operations.{name}"
        try:
            inputs = inputs_of(operation)
        except ValueError as error:
            report(f"{path}.path", f"The path of {name} is not right: {error}.", 'Write "/api/devices/{device:uuid}".')
            continue
        shape = tuple("{}" if segment.name else segment.text for segment in segments_of(operation.path))
        first = places.setdefault((operation.method, *shape), name)
        if first != name or operation.path == RESERVED:
            taken = first if first != name else "the description"
            report(f"{path}.path", f"{name} and {taken} have the same path.", "Give each one a path of its own.")
        _check_method(operation, path, report)
        _check_principals(config, operation, path, report)
        _check_inputs(operation, inputs, path, report)
        scheme = _scheme(config, operation, path, report)
        if operation.commands:
            check_commands(operation, inputs, path, report)
        elif scheme:
            _check_statements(operation, inputs, scheme, path, report)


def _scheme(config: Config, operation: Operation, path: str, report: Report) -> str:
    """Of the operation's database; "" where there is none that it could use."""
    asked = operation.database
    name = asked.removesuffix(REPLICA_SUFFIX)
    database = config.databases.get(asked) or config.databases.get(name)
    if database is None or name == ANY_DATABASE:
        names = ", ".join(sorted(config.databases)) or "a database, under [databases.NAME]"
        report(f"{path}.database", f"There is no database {asked}.", f"Name one of {names}.")
        return ""
    speaks = "Redis commands" if database.scheme == "redis" else "SQL" if database.scheme in _SQL else "neither"
    needed = "Redis commands" if operation.commands else "SQL"
    if speaks != needed:
        report(f"{path}.database", f"{asked} is {database.scheme}, which speaks no {needed}.", "Name another database.")
        return ""
    if not database.user:
        report(
            f"{path}.database",
            f"The database {asked} has no user, and operations act as that user.",
            f"Add user and password to [databases.{name}].",
        )
    if asked not in config.databases and not database.replicas:
        report(f"{path}.database", f"{asked} has no replicas.", "Leave .ro out, or add replicas.")
    return database.scheme


def _check_method(operation: Operation, path: str, report: Report) -> None:
    if sum(map(bool, (operation.sql.strip(), operation.steps, operation.commands))) != 1:
        sentence = "An operation is either one statement or a transaction, or a list of Redis commands."
        report(path, sentence, "Give it one of sql, steps and commands.")
    reads = operation.method == "GET"
    statements = [operation.sql] if operation.sql else [step.sql for step in operation.steps]
    if reads and not all(_READS.match(sql) for sql in statements):
        report(f"{path}.method", "GET is for reads, and this is not plainly one.", "Use POST, PUT, PATCH or DELETE.")
    if reads and operation.answer == "affected":
        report(f"{path}.answer", "A read changes nothing.", "Answer with rows, row or value.")
    if not operation.commands and (operation.answer in ("replies", "nothing") or operation.base64):
        option = "base64" if operation.base64 else "answer"
        report(f"{path}.{option}", "That is an answer of Redis commands.", "Answer with rows, row, value or affected.")
    if operation.cache_s and not reads:
        report(f"{path}.cache_s", "Only answers to GET can be given again.", "Leave cache_s out.")
    if sum(step.answer for step in operation.steps) > 1:
        report(f"{path}.steps", "Two steps are the answer.", "Let one of them be it.")


def _check_principals(config: Config, operation: Operation, path: str, report: Report) -> None:
    if not operation.principals:
        report(f"{path}.principals", "Nobody may call it.", 'Name its principals, or say ["*"] for all of them.')
    for name in operation.principals:
        principal = config.principals.get(name)
        if name == EVERYBODY:
            continue
        if principal is None:
            report(f"{path}.principals", f"There is no principal {name}.", f"Add [principals.{name}].")
        elif principal.read_only and operation.method != "GET":
            report(f"{path}.principals", f"{name} is read_only, and this is no read.", f"Leave {name} out.")


def _check_inputs(operation: Operation, inputs: list[Input], path: str, report: Report) -> None:
    for name, place, parameter in inputs:
        where = f"{path}.parameters.{name}"
        if not _NAME.fullmatch(name):
            report(where, f"{name} is no name for a parameter.", "Use small letters, digits and _.")
        if place == "body" and operation.method in ("GET", "DELETE"):
            report(where, f"{operation.method} has no body.", 'Say source = "query", or use another method.')
        if parameter.type == "json" and place != "body":
            report(where, "JSON is for bodies.", "Give it another type.")
        if parameter.many and parameter.type in ("json", "bytes"):
            report(where, f"There are no lists of {parameter.type}.", "Leave many out.")
        if parameter.pattern:
            try:
                re.compile(parameter.pattern)
            except re.error:
                report(f"{where}.pattern", "The pattern is no regular expression.", "Correct it.")
                continue
        if parameter.default is not None:
            try:
                of_json(parameter, parameter.default)
            except ValueError:
                report(f"{where}.default", f"The default is not {words_of(parameter)}.", "Correct it, or the type.")


def _check_statements(operation: Operation, inputs: list[Input], scheme: str, path: str, report: Report) -> None:
    known = {found.name for found in inputs}
    used: set[str] = set()
    at = [(f"{path}.steps", step.sql) for step in operation.steps] or [(f"{path}.sql", operation.sql)]
    for where, sql in at:
        names = names_of(sql, scheme)
        used.update(names)
        for name in names:
            if name not in known:
                report(where, f"The statement has :{name}, which is no parameter.", f"Add it to [{path}.parameters].")
        if "\0" in sql:
            report(where, "The statement has a NUL character.", "Leave it out.")
    for name in sorted(known - used):
        report(path, f"No statement has :{name}.", "Use the parameter, or leave it out.")
    if scheme != "postgresql":
        for name, _, parameter in inputs:
            if parameter.many:
                report(f"{path}.parameters.{name}", "MySQL has no lists as parameters.", "Leave many out.")
