"""Named parameters: `:name` in the text becomes the protocol's own placeholder.

What stands in quotes, comments and dollar quotes is left alone, and so are `::` casts and `:=`. `:1` is a parameter
where there is a value of that name; else it may be the bound of an array's slice. Positional parameters
are the database's own, `$1` or `?`, and need nothing of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from outlive.config.sql_names import MYSQL, POSTGRES, placeholders
from outlive.gateway.failure import bad_request


def numbered(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """For PostgreSQL: `$1`, `$2`; a name that comes twice has one number. Raises Failure for a missing value."""
    numbers: dict[str, int] = {}

    def place(name: str) -> str:
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    text = _replace(POSTGRES, sql, values, place)
    return text, [values[name] for name in numbers]


def questions(sql: str, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """For MySQL: a `?` for each. Raises Failure for a missing value."""
    names: list[str] = []

    def place(name: str) -> str:
        names.append(name)
        return "?"

    text = _replace(MYSQL, sql, values, place)
    return text, [values[name] for name in names]


def _replace(pattern: re.Pattern[str], sql: str, values: Mapping[str, Any], place: Callable[[str], str]) -> str:
    pieces: list[str] = []
    position = 0
    for found in placeholders(pattern, sql):
        name = found["name"]
        if name not in values:
            if name[0].isdigit():
                continue
            raise bad_request(f"The statement has the parameter :{name}, the request does not.")
        pieces += (sql[position : found.start()], place(name))
        position = found.end()
    pieces.append(sql[position:])
    return "".join(pieces)
