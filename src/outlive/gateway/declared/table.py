"""The operations of a configuration, found by method and path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from outlive.config.inputs import PREFIX, Input, inputs_of, segments_of
from outlive.config.model import Config
from outlive.config.operations import Operation
from outlive.config.rules import REPLICA_SUFFIX
from outlive.gateway.declared.cache import Cache
from outlive.gateway.declared.work import Work
from outlive.gateway.declared.works import work_of
from outlive.gateway.failure import Failure


class Declaration(NamedTuple):
    """An operation that can be called. `names` are the path's parameters in their order."""

    operation: Operation
    inputs: Sequence[Input]
    names: list[str]
    work: Work


class _Node:
    __slots__ = ("any", "here", "texts")

    def __init__(self) -> None:
        self.texts: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.here: dict[str, Declaration] = {}


class Table:
    """Of one configuration, with the answers that are kept of it."""

    def __init__(self, config: Config, cache: Cache) -> None:
        self.cache = cache
        self.all: dict[str, Declaration] = {}
        self._root = _Node()
        for name, operation in config.operations.items():
            self.all[name] = self._add(config, operation)

    def _add(self, config: Config, operation: Operation) -> Declaration:
        node = self._root
        names: list[str] = []
        for segment in segments_of(operation.path):
            if segment.name:
                names.append(segment.name)
                node.any = node = node.any or _Node()
            else:
                node = node.texts.setdefault(segment.text, _Node())
        database = config.databases.get(operation.database)
        if database is None:
            database = config.databases[operation.database.removesuffix(REPLICA_SUFFIX)]
        inputs = inputs_of(operation)
        found = Declaration(operation, inputs, names, work_of(operation, inputs, database.scheme))
        node.here[operation.method] = found
        return found

    def find(self, method: str, path: bytes) -> tuple[Declaration, dict[str, str]]:
        """The operation and the path's values. Raises Failure: 404, or 405 with `allow` among its details."""
        try:
            parts = [unquote(part, errors="strict") for part in path.decode("ascii").removeprefix(PREFIX).split("/")]
        except ValueError:
            raise _none() from None
        allowed: set[str] = set()
        for node, values in _ends(self._root, parts, 0):
            found = node.here.get(method)
            if found is not None:
                return found, dict(zip(found.names, values, strict=True))
            allowed.update(node.here)
        if allowed:
            raise MethodNotAllowed(sorted(allowed))
        raise _none()


class MethodNotAllowed(Failure):
    """The path has operations, of other methods."""

    def __init__(self, allowed: list[str]) -> None:
        Failure.__init__(self, 405, "method_not_allowed", f"This path takes {', '.join(allowed)} only.")
        self.allowed = allowed


def _ends(node: _Node, parts: list[str], at: int) -> Iterator[tuple[_Node, list[str]]]:
    """Where the path leads, text before parameters; a path has few segments, so this ends soon."""
    if at == len(parts):
        if node.here:
            yield node, []
        return
    text = node.texts.get(parts[at])
    if text is not None:
        yield from _ends(text, parts, at + 1)
    if node.any is not None and parts[at]:
        for found, values in _ends(node.any, parts, at + 1):
            yield found, [parts[at], *values]


def _none() -> Failure:
    return Failure(404, "no_such_operation", "There is no operation at this path.")
