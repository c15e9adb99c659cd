"""The SQL of a request, for every driver: each writes the values in its own way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ITEMS: Final = 10_000
"""Rows that functions of unfinished transactions hold a lock on: a row each, or they would wait for the dead."""

_INSERT: Final = "INSERT INTO {tables}orders VALUES ({function}, {turn})"
_UPDATE: Final = "UPDATE {tables}stock SET amount = amount - 1 WHERE item = {item}"
_SELECTS: Final = {
    # `function` is a reserved word of some versions.
    "mysql": (
        "SELECT {function}, (SELECT count(*) FROM {tables}orders WHERE `function` = {function} AND turn = {turn}), "
        "SLEEP({database_s})"
    ),
    # PostgreSQL takes a parameter for text unless it is told.
    "postgresql": (
        "SELECT {function}::int, (SELECT count(*) FROM {tables}orders WHERE function = {function} AND turn = {turn}), "
        "pg_sleep({database_s})"
    ),
}


@dataclass(frozen=True, slots=True)
class Statements:
    """`insert` and `select`, between BEGIN and COMMIT, are a request; `update` is what a transaction without an end
    does. They have the values `function`, `turn`, `database_s` and `item`.
    """

    insert: str
    select: str
    update: str


def statements_of(scheme: str, tables: str, place: Callable[[str], str]) -> Statements:
    """With `place` of a value's name where the value stands."""
    places = {name: place(name) for name in ("function", "turn", "database_s", "item")}
    texts = (_INSERT, _SELECTS[scheme], _UPDATE)
    return Statements(*(text.format(tables=tables, **places) for text in texts))


def values(function: int, turn: int = 0, database_s: float = 0.0) -> dict[str, int | float]:
    """By their names in the statements."""
    return {"function": function, "turn": turn, "database_s": database_s, "item": function % ITEMS}
