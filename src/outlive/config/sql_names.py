"""Where a statement has named parameters: `:name`.

What stands in quotes, comments and dollar quotes is left alone, and so are `::` casts and `:=`. A name that begins with
a digit may also be the bound of an array's slice: who asks decides. What is not closed goes on to the end: were it no
literal, each of its characters would be tried as the beginning of another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_NAME: Final = r":(?P<name>[A-Za-z0-9_]\w*)"
POSTGRES: Final = re.compile(
    r"""(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*(?:'|\\?\Z)      # escapes with backslashes
      | '(?:[^']|'')*(?:'|\Z) | "(?:[^"]|"")*(?:"|\Z)
      | (?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)
      | --[^\n]* | (?P<comment>/\*)
      | ::"""
    + "|"
    + _NAME,
    re.VERBOSE | re.DOTALL,
)
MYSQL: Final = re.compile(
    r"""'(?:[^'\\]|\\.|'')*(?:'|\\?\Z) | "(?:[^"\\]|\\.|"")*(?:"|\\?\Z) | `(?:[^`]|``)*(?:`|\Z)
      | --(?=[\s\x00-\x1f]|$)[^\n]* | \#[^\n]* | /\*.*?(?:\*/|\Z)
      | :="""
    + "|"
    + _NAME,
    re.VERBOSE | re.DOTALL,
)
_EDGE: Final = re.compile(r"/\*|\*/")


def placeholders(pattern: re.Pattern[str], sql: str) -> Iterator[re.Match[str]]:
    """Each `:name` of the text, in its order; its group "name" is the name. `pattern` is POSTGRES or MYSQL."""
    position = 0
    while (found := pattern.search(sql, position)) is not None:
        position = found.end()
        if found["name"] is not None:
            yield found
        elif found.lastgroup == "comment":
            position = _comment_end(sql, position)


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


def names_of(sql: str, scheme: str) -> list[str]:
    """The names of the statement's parameters, each once, for a database of this scheme."""
    pattern = POSTGRES if scheme == "postgresql" else MYSQL
    names = (found["name"] for found in placeholders(pattern, sql))
    return list(dict.fromkeys(name for name in names if not name[0].isdigit()))
