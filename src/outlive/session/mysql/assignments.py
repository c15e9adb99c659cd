"""Reads SET statements: lists of assignments, SET NAMES, SET ROLE, SET TRANSACTION."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .analysis import ASK_LAST_INSERT_ID, ASK_UNTOLD, CLEAR, HOLD, LAST_INSERT_ID, Assignment, Hold
from .tokens import NUMBER, PUNCTUATION, QUOTED, STRING, USER_VARIABLE, WORD, Token
from .vocabulary import HARMLESS_VALUES, HOLDING_VARIABLES, NEXT_TRANSACTION, SCOPES

_NUMERIC = re.compile(rb"[0-9]+|0x[0-9A-Fa-f]+|0b[01]+")
_INTRODUCER = re.compile(rb"[xXbBnN]|_[A-Za-z0-9_]+")
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9_.$]{1,64}")
_CONSTANTS = frozenset([b"TRUE", b"FALSE", b"NULL"])
UNSURE = Hold("unsure", None, HOLD)


@dataclass(slots=True)
class Settings:
    """What one SET statement does."""

    assignments: list[Assignment] = field(default_factory=list)
    user_variables: list[tuple[bytes, bytes]] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    charset: bytes | None = None
    role: bytes | None = None
    next_transaction: bool = False
    needs: int = 0
    after: int = 0


def read_set(tokens: Sequence[Token], raw: Callable[[int, int], bytes | None]) -> Settings:
    """Reads the tokens after SET; ``raw`` gives the text of a byte range, or None where it is no longer at hand."""
    settings = Settings()
    if upper(tokens, 0) == b"ROLE" and not _is_assignment(tokens, 1):
        names = raw(tokens[0].start, tokens[-1].end)
        settings.role = None if names is None else b"SET " + names
        if names is None:
            settings.holds.append(UNSURE)
        return settings
    scoped = upper(tokens, 0) in SCOPES
    if upper(tokens, scoped) == b"TRANSACTION" and not _is_assignment(tokens, scoped + 1):
        settings.next_transaction = not scoped  # the comma in it is no comma between assignments
        return settings
    scope = b""
    for item in _split(tokens):
        scope = _item(item, raw, settings, scope)
    variables = [assignment for assignment in settings.assignments if assignment.scope == "user"]
    if len(settings.user_variables) != len(variables) or not all(
        assignment.is_literal for assignment in settings.assignments
    ):
        if variables:
            settings.holds.append(Hold("user_variable", None, HOLD))
        settings.user_variables.clear()
    return settings


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    items: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == PUNCTUATION:
            if token.value == b"," and depth == 0:
                items.append([])
                continue
            depth += (token.value == b"(") - (token.value == b")")
        items[-1].append(token)
    return items


def upper(tokens: Sequence[Token], index: int) -> bytes:
    """The keyword at ``index``, upper case, or nothing where there is none."""
    if index < len(tokens) and tokens[index].kind == WORD:
        return (tokens[index].value or b"").upper()
    return b""


def mark(tokens: Sequence[Token], index: int) -> bytes:
    """The punctuation at ``index``, or nothing where there is none."""
    if index < len(tokens) and tokens[index].kind == PUNCTUATION:
        return tokens[index].value or b""
    return b""


def _is_assignment(tokens: Sequence[Token], index: int) -> bool:
    return mark(tokens, index) in (b"=", b":=")


def _item(tokens: list[Token], raw: Callable[[int, int], bytes | None], settings: Settings, sticky: bytes) -> bytes:
    """One item of the list. Returns the scope keyword that may hold for the items after it."""
    index = 0
    scope = b""
    system = False
    if not tokens:
        settings.holds.append(UNSURE)
        return sticky
    if tokens[0].kind == USER_VARIABLE:
        _assign(tokens, 1, "user", tokens[0].value, raw=raw, settings=settings)
        return sticky
    if mark(tokens, 0) == b"@@":
        system = True
        index = 1
        if upper(tokens, 1) in SCOPES and mark(tokens, 2) == b".":
            scope = upper(tokens, 1)
            index = 3
    elif upper(tokens, 0) in SCOPES and not _is_assignment(tokens, 1):
        sticky = scope = upper(tokens, 0)
        index = 1
    if not system and not _is_assignment(tokens, index + 1) and _special(tokens, index, scope, settings):
        return sticky
    if index >= len(tokens) or tokens[index].kind not in (WORD, QUOTED) or not _is_assignment(tokens, index + 1):
        settings.holds.append(UNSURE)
        return sticky
    name = (tokens[index].value or b"").lower()
    if not scope and not system and sticky not in (b"", b"SESSION", b"LOCAL"):
        settings.holds.append(UNSURE)  # servers differ about which scope GLOBAL a = 1, b = 2 gives to b
    if scope in (b"GLOBAL", b"PERSIST", b"PERSIST_ONLY"):
        kind = "global" if scope == b"GLOBAL" else "persist"
    elif system and not scope and name in NEXT_TRANSACTION:
        kind = "next"
        settings.next_transaction = True
    else:
        kind = "session"
        if system and not scope:
            settings.after |= ASK_UNTOLD
    _assign(tokens, index + 1, kind, name, raw=raw, settings=settings)
    return sticky


def _special(tokens: list[Token], index: int, scope: bytes, settings: Settings) -> bool:
    """SET NAMES, CHARACTER SET, TRANSACTION, DEFAULT ROLE and PASSWORD."""
    word = upper(tokens, index)
    following = upper(tokens, index + 1)
    if word == b"TRANSACTION":
        settings.next_transaction |= not scope
        return True
    if scope:
        return False
    if word == b"NAMES":
        return _charset(tokens, index + 1, settings)
    if word == b"CHARSET" or (word in (b"CHARACTER", b"CHAR") and following == b"SET"):
        return _charset(tokens, index + (1 if word == b"CHARSET" else 2), settings)
    return word == b"PASSWORD" or (word == b"DEFAULT" and following == b"ROLE")


def _charset(tokens: list[Token], index: int, settings: Settings) -> bool:
    if index >= len(tokens) or tokens[index].kind not in (WORD, STRING, QUOTED) or not tokens[index].value:
        return False
    settings.charset = (tokens[index].value or b"").lower()
    return True


def _assign(
    tokens: list[Token],
    index: int,
    scope: str,
    name: bytes | None,
    *,
    raw: Callable[[int, int], bytes | None],
    settings: Settings,
) -> None:
    value = tokens[index + 1 :]
    text = raw(value[0].start, value[-1].end) if value else None
    if not _is_assignment(tokens, index) or text is None or not name or not name.isascii():
        settings.holds.append(UNSURE if scope != "user" else Hold("user_variable", None, HOLD))
        settings.assignments.append(Assignment(scope, name or b"", text or b"", False, tokens[0].start, tokens[-1].end))
        return
    constant = _is_constant(value)
    literal = constant if scope == "user" else constant or (len(value) == 1 and value[0].kind in (WORD, QUOTED))
    settings.assignments.append(Assignment(scope, name, text, literal, tokens[0].start, tokens[-1].end))
    if scope == "user":
        replayable = _replayable(value, text) if literal and _PLAIN_NAME.fullmatch(name) else None
        if replayable is not None:
            settings.user_variables.append((name.lower(), replayable))
    elif scope == "session":
        _session_variable(name, text, settings)


def _session_variable(name: bytes, text: bytes, settings: Settings) -> None:
    if name in (b"last_insert_id", b"identity"):
        settings.after |= ASK_LAST_INSERT_ID
    reason = HOLDING_VARIABLES.get(name)
    if reason is None:
        return
    value = text.strip(b"'\"").upper()
    harmless = value == b"DEFAULT" or value in HARMLESS_VALUES.get(name, ())
    settings.holds.append(Hold(reason, name, CLEAR if harmless else HOLD))
    if name == b"sql_auto_is_null" and not harmless:
        settings.needs |= LAST_INSERT_ID  # WHERE id IS NULL then means LAST_INSERT_ID()


def _is_constant(value: Sequence[Token]) -> bool:
    """A number, string, TRUE, FALSE or NULL."""
    first = 0
    while mark(value, first) in (b"-", b"+"):
        first += 1
    rest = value[first:]
    if len(rest) == 1:
        token = rest[0]
        text = token.value or b""
        if token.kind == NUMBER or (token.kind == WORD and _NUMERIC.fullmatch(text)):
            return True
        return first == 0 and (token.kind == STRING or (token.kind == WORD and text.upper() in _CONSTANTS))
    return (
        first == 0
        and len(rest) == 2
        and rest[0].kind == WORD
        and rest[1].kind == STRING
        and bool(_INTRODUCER.fullmatch(rest[0].value or b""))
    )


def _replayable(value: Sequence[Token], text: bytes) -> bytes | None:
    """The literal in a form that means the same under any sql_mode, or None."""
    last = value[-1]
    if last.kind != STRING:
        return text
    if last.value is None or b"\\" in last.value:
        return None
    if text.endswith(b'"'):
        return (
            None
            if b"'" in last.value or b'"' in last.value
            else text[: last.start - value[0].start] + b"'" + last.value + b"'"
        )
    return text
