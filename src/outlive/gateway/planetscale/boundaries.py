"""Which statements begin and end a transaction: the client sends them as any other."""

from __future__ import annotations

import re
from typing import Final, Literal

Boundary = Literal["begin", "begin read only", "commit", "rollback"]

_IGNORED: Final = r"\s|/\*(?![!M]).*?\*/|--(?=\s)[^\n]*(?:\n|\Z)|\#[^\n]*(?:\n|\Z)"
# Possessive (`*+`): what matched is not tried again, as many comments could be divided in 2 ** many ways.
_BOUNDARY: Final = re.compile(
    rf"(?:{_IGNORED})*+"
    + r"(?:(?P<begin>BEGIN(?:\s+WORK)?|START\s+TRANSACTION(?:\s+READ\s+(?:WRITE|(?P<only>ONLY)))?)"
    + r"|(?P<commit>COMMIT(?:\s+WORK)?)|(?P<rollback>ROLLBACK(?:\s+WORK)?))"
    + rf"(?:;|{_IGNORED})*+\Z",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST: Final = 1000
"""Of a statement that is looked at, in characters: comments included."""


def boundary(sql: str) -> Boundary | None:
    """None for every other statement, also one that begins or ends a transaction in a way of its own."""
    found = _BOUNDARY.match(sql) if len(sql) <= _LONGEST else None
    if found is None:
        return None
    if found["begin"]:
        return "begin read only" if found["only"] else "begin"
    return "commit" if found["commit"] else "rollback"
