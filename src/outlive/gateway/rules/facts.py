"""What a statement touches, as the rules' reader found: nothing in here depends on who asks."""

from __future__ import annotations

import msgspec

ALL = "*"


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """`kinds` of statements in it; `tables` with the kind each is touched by; `columns` as (table, "read" or "write",
    column or ALL), one entry for each table that a column may be of; `functions` that it calls, in lower case.
    """

    kinds: frozenset[str]
    tables: frozenset[tuple[str, str]] = frozenset()
    columns: frozenset[tuple[str, str, str]] = frozenset()
    functions: frozenset[str] = frozenset()
    without_where: frozenset[str] = frozenset()


class Unreadable(msgspec.Struct, frozen=True, array_like=True):
    """The reader does not know it, or knows that no rules can speak of it."""

    rule: str
    what: str
