"""Names of result columns that a substitution would change: both servers name a column without an alias by its text."""

from __future__ import annotations

from collections.abc import Sequence

from .assignments import mark, upper
from .tokens import NUMBER, PUNCTUATION, QUOTED, STRING, USER_VARIABLE, WORD, Token

# What may stand before the first item of a select list, and after a whole item.
_BEFORE = frozenset(
    b"SELECT ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT"
    b" SQL_NO_CACHE SQL_CACHE SQL_CALC_FOUND_ROWS".split()
)
_AFTER = frozenset(
    b"FROM WHERE GROUP HAVING ORDER LIMIT INTO FOR UNION EXCEPT INTERSECT LOCK PROCEDURE WINDOW FETCH OFFSET".split()
)
# Words that an operand follows, or that end an expression: a word after or in their place is no alias.
_OPERATORS = frozenset(
    b"AND OR NOT XOR DIV MOD LIKE IS IN BETWEEN REGEXP RLIKE SOUNDS COLLATE BINARY INTERVAL CASE WHEN THEN ELSE ESCAPE"
    b" OF USING AS".split()
)
_CONSTANTS = frozenset(b"END NULL TRUE FALSE UNKNOWN".split())


def item_around(tokens: Sequence[Token], first: int) -> tuple[int, int] | None:
    """First and last token of the item of the outermost select list that token ``first`` is in,
    unless it has an alias."""
    if upper(tokens, 0) != b"SELECT":
        return None
    start = 1
    while upper(tokens, start) in _BEFORE:
        start += 1
    depth = 0
    for index in range(start, len(tokens)):
        token = tokens[index]
        if token.kind == PUNCTUATION:
            depth += (token.value == b"(") - (token.value == b")")
        ends = depth == 0 and (mark(tokens, index) == b"," or upper(tokens, index) in _AFTER)
        if ends and index > first:
            return _unless_named(tokens, start, index - 1)
        if ends and upper(tokens, index) in _AFTER:
            return None  # after the select list
        if ends:
            start = index + 1
    return _unless_named(tokens, start, len(tokens) - 1)


def _unless_named(tokens: Sequence[Token], first: int, last: int) -> tuple[int, int] | None:
    if last <= first or tokens[last].kind not in (WORD, QUOTED, STRING):
        return first, last
    before = upper(tokens, last - 1)
    if before == b"AS":
        return None
    if before in _OPERATORS or upper(tokens, last) in _CONSTANTS:
        return first, last
    # An operand before it, so it is an alias.
    operand = tokens[last - 1].kind in (WORD, QUOTED, STRING, NUMBER, USER_VARIABLE) or mark(tokens, last - 1) == b")"
    return None if operand else (first, last)
