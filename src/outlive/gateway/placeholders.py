"""Named parameters: `:name` in the text becomes the protocol's own placeholder.

What stands in quotes, comments and dollar quotes is left alone, and so are `::` casts and `:=`. `:1` is a parameter
where there is a value of that name; else it may be the bound of an array's slice. Positional parameters
are the database's own, `$1` or `?`, and need nothing of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from outlive.gateway.failure import bad_request

_NAME: Final = r":(?P<name>[A-Za-z0-9_]\w*)"
_POSTGRES: Final = re.compile(
    r"""(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*'      # escapes with backslashes
      | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$
      | --[^\n]* | (?P<comment>/\*)
      | ::"""
    + "|"
    + _NAME,
    re.VERBOSE | re.DOTALL,
)
_MYSQL: Final = re.compile(
    r"""'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" | `(?:[^`]|``)*`
      | --(?=[\s\x00-\x1f]|$)[^\n]* | \#[^\n]* | /\*.*?(?:\*/|\Z)
      | :="""
    + "|"
    + _NAME,
    re.VERBOSE | re.DOTALL,
)


def numbered(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """For PostgreSQL: `$1`, `$2`; a name that comes twice has one number. Raises Failure for a missing value."""
    numbers: dict[str, int] = {}

    def place(name: str) -> str:
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = _replace(_POSTGRES, sql, values, place)
    return text, [values[name] for name in numbers]


def questions(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """For MySQL: a `?` for each. Raises Failure for a missing value."""
    names: list[str] = []

    def place(name: str) -> str:
        names.append(name)
        return "?"

    text = _replace(_MYSQL, sql, values, place)
    return text, [values[name] for name in names]


def _replace(pattern: re.Pattern[str], sql: str, values: Mapping[str, Any], place: Callable[[str], str]) -> str:
    pieces: list[str] = []
    position = 0
    while True:
        found = pattern.search(sql, position)
        if found is None:
            pieces.append(sql[position:])
            return "".join(pieces)
        pieces.append(sql[position : found.start()])
        position = found.end()
        name = found["name"]
        if name is not None and (name in values or not name[0].isdigit()):
            if name not in values:
                raise bad_request(f"The statement has the parameter :{name}, the request does not.")
            pieces.append(place(name))
            continue
        if found.lastgroup == "comment":
            position = _comment_end(sql, position)
        pieces.append(sql[found.start() : position])


_EDGE: Final = re.compile(r"/\*|\*/")


def _comment_end(sql: str, position: int) -> int:
    """PostgreSQL's comments nest."""
    depth = 1
    while depth:
        edge = _EDGE.search(sql, position)
        if edge is None:
            return len(sql)
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return position
