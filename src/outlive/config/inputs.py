"""What callers of a declared operation send: its path in segments, and its parameters with their places. Pure."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple, cast, get_args

from outlive.config.operations import Operation, Parameter, Type

PREFIX: Final = "/api/"
"""Before every path: no operation can stand in the way of an API that comes with a later version."""
Place = Literal["path", "query", "body"]
_LITERAL: Final = re.compile(r"[A-Za-z0-9._~-]+")
_FIELD: Final = re.compile(r"\{([a-z_][a-z0-9_]*)(?::([a-z0-9]+))?\}")


class Segment(NamedTuple):
    """One of a path: `text` as it is, or the parameter `name`, with its type where the path says it."""

    text: str
    name: str = ""
    type: str = ""


class Input(NamedTuple):
    """A parameter and where it comes from."""

    name: str
    place: Place
    parameter: Parameter


def segments_of(path: str) -> list[Segment]:
    """Of the path behind the prefix. Raises ValueError with what is wrong."""
    if not path.startswith(PREFIX):
        raise ValueError(f"it must begin with {PREFIX}")
    found: list[Segment] = []
    for text in path.removeprefix(PREFIX).split("/"):
        field = _FIELD.fullmatch(text)
        if field is not None:
            if field[2] is not None and field[2] not in get_args(Type):
                raise ValueError(f"{field[2]} is no type of a parameter")
            if any(segment.name == field[1] for segment in found):
                raise ValueError(f"it has {field[1]} twice")
            found.append(Segment(text, field[1], field[2] or ""))
        elif _LITERAL.fullmatch(text) and text not in (".", ".."):
            found.append(Segment(text))
        else:
            raise ValueError(f"{text!r} is neither letters, digits, '.', '_', '~' and '-' nor {{name:type}}")
    return found


def inputs_of(operation: Operation) -> list[Input]:
    """All parameters. Raises ValueError with what is wrong."""
    found: dict[str, Input] = {}
    declared = {
        name: Parameter(type=given) if isinstance(given, str) else given for name, given in operation.parameters.items()
    }
    for segment in segments_of(operation.path):
        if not segment.name:
            continue
        parameter = declared.get(segment.name)
        if parameter is None:
            parameter = Parameter(type=cast(Type, segment.type or "string"))
        elif segment.type and segment.type != parameter.type:
            raise ValueError(f"the path and its parameter {segment.name} say different types")
        if parameter.source or parameter.many or parameter.nullable or not is_required(parameter):
            raise ValueError(f"{segment.name} is in the path, so it is one value that is always there")
        found[segment.name] = Input(segment.name, "path", parameter)
    usual: Place = "body" if operation.method in ("POST", "PUT", "PATCH") else "query"
    for name, parameter in declared.items():
        if name not in found:
            found[name] = Input(name, parameter.source or usual, parameter)
    return list(found.values())


def is_required(parameter: Parameter) -> bool:
    """Whether a request must have it."""
    return parameter.required and parameter.default is None
