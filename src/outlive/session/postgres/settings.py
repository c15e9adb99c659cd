"""Reads SET, RESET, SHOW and SET SESSION CHARACTERISTICS."""

from __future__ import annotations

from .analysis import RESET_ALL, Assignment
from .statement import Statement
from .tokens import WORD, Token
from .values import Tokens, keyword, keywords, mark, name_of, setting_value, string_of
from .vocabulary import TRANSACTION_SETTINGS, VIRTUAL_SETTINGS

_LEVELS = {
    (b"SERIALIZABLE", b""): b"serializable",
    (b"REPEATABLE", b"READ"): b"repeatable read",
    (b"READ", b"COMMITTED"): b"read committed",
    (b"READ", b"UNCOMMITTED"): b"read uncommitted",
}


def _name(tokens: Tokens, index: int) -> tuple[bytes | None, int]:
    """``name`` or ``class.name`` at ``index``, lower case, and the index after it."""
    parts: list[bytes] = []
    while index < len(tokens):
        part = name_of(tokens[index])
        if part is None:
            return None, index + 1
        parts.append(part)
        index += 1
        if mark(tokens, index) != b".":
            return b".".join(parts).lower(), index
        index += 1
    return None, index


def _special(tokens: Tokens, index: int) -> tuple[bytes | None, int]:
    """The settings that have names of two words."""
    if keywords(tokens, index, b"TIME", b"ZONE"):
        return b"timezone", index + 2
    if keywords(tokens, index, b"SESSION", b"AUTHORIZATION"):
        return b"session_authorization", index + 2
    if keywords(tokens, index, b"TRANSACTION", b"ISOLATION", b"LEVEL"):
        return b"transaction_isolation", index + 3
    return None, index


def read_set(statement: Statement, tokens: Tokens) -> None:
    """SET in all its forms."""
    index = 1
    local = False
    if keyword(tokens, 1) in (b"LOCAL", b"SESSION") and not mark(tokens, 2) and keyword(tokens, 2) != b"TO":
        # SESSION AUTHORIZATION and SESSION CHARACTERISTICS are no scope.
        if keyword(tokens, 1) == b"LOCAL" or keyword(tokens, 2) not in (b"AUTHORIZATION", b"CHARACTERISTICS"):
            local = keyword(tokens, 1) == b"LOCAL"
            index = 2
        elif mark(tokens, 3) == b"=" or keyword(tokens, 3) == b"TO":
            index = 2
    if keyword(tokens, index) in (b"TRANSACTION", b"CONSTRAINTS") and not _assigns(tokens, index + 1):
        return  # of the transaction
    if keywords(tokens, index, b"SESSION", b"CHARACTERISTICS", b"AS", b"TRANSACTION"):
        _characteristics(statement, tokens, index + 4, local)
        return
    name, index = _target(tokens, index)
    if name is None:
        statement.lose_settings()
        return
    _assign(statement, name, tokens[index:], local or name in TRANSACTION_SETTINGS)


def _assigns(tokens: Tokens, index: int) -> bool:
    return mark(tokens, index) in (b"=", b".") or keyword(tokens, index) == b"TO"


def _target(tokens: Tokens, index: int) -> tuple[bytes | None, int]:
    """The setting that is set, and the index of its value."""
    word = keyword(tokens, index)
    if not _assigns(tokens, index + 1):
        name, after = _special(tokens, index)
        if name is not None:
            return name, after
        if word == b"ROLE":
            return b"role", index + 1
        if word == b"SCHEMA":
            return b"search_path", index + 1
        if word == b"NAMES":
            return b"client_encoding", index + 1
        if keywords(tokens, index, b"XML", b"OPTION"):
            return b"xmloption", index + 2
    name, after = _name(tokens, index)
    if mark(tokens, after) == b"=" or keyword(tokens, after) == b"TO":
        return name, after + 1
    return None, after


def _assign(statement: Statement, name: bytes, value: Tokens, local: bool) -> None:
    word = keyword(value, 0) if len(value) == 1 else b""
    if word == b"DEFAULT" or (word == b"LOCAL" and name == b"timezone") or (not value and name == b"client_encoding"):
        statement.assign(Assignment(name, None, local))
        return
    text = setting_value(name, value)
    if text is None:
        statement.reread(name)
    else:
        statement.assign(Assignment(name, text, local))


def _characteristics(statement: Statement, tokens: Tokens, index: int, local: bool) -> None:
    while index < len(tokens):
        if mark(tokens, index) == b",":
            index += 1
        word, following = keyword(tokens, index), keyword(tokens, index + 1)
        if keywords(tokens, index, b"ISOLATION", b"LEVEL"):
            first = keyword(tokens, index + 2)
            second = b"" if first == b"SERIALIZABLE" else keyword(tokens, index + 3)
            level = _LEVELS.get((first, second))
            if level is None:
                statement.lose_settings()
                return
            statement.assign(Assignment(b"default_transaction_isolation", level, local))
            index += 4 if second else 3
        elif word == b"READ" and following in (b"ONLY", b"WRITE"):
            value = b"on" if following == b"ONLY" else b"off"
            statement.assign(Assignment(b"default_transaction_read_only", value, local))
            index += 2
        elif word == b"DEFERRABLE":
            statement.assign(Assignment(b"default_transaction_deferrable", b"on", local))
            index += 1
        elif word == b"NOT" and following == b"DEFERRABLE":
            statement.assign(Assignment(b"default_transaction_deferrable", b"off", local))
            index += 2
        else:
            statement.lose_settings()
            return


def read_reset(statement: Statement, tokens: Tokens) -> None:
    """RESET name, RESET ALL."""
    if len(tokens) == 2 and keyword(tokens, 1) == b"ALL":
        statement.discard = RESET_ALL
        return
    name = _shown(tokens)
    if name is None:
        statement.lose_settings()
    else:
        statement.assign(Assignment(name, None, name in TRANSACTION_SETTINGS))


def read_show(statement: Statement, tokens: Tokens) -> None:
    """SHOW name, SHOW ALL."""
    statement.show = _shown(tokens)


def _shown(tokens: Tokens) -> bytes | None:
    name, after = _special(tokens, 1)
    if name is None:
        name, after = _name(tokens, 1)
    return name if after == len(tokens) else None


def body_settings(statement: Statement, tokens: Tokens) -> None:
    """Settings that the body of a DO block may change by SET: those with a point in their names are in no list the
    server gives."""
    for index in range(len(tokens)):
        if keyword(tokens, index) != b"SET":
            continue
        start = index + 1 + (keyword(tokens, index + 1) in (b"LOCAL", b"SESSION"))
        name, _ = _name(tokens[start : start + 4], 0)
        if name is not None and (b"." in name or name in VIRTUAL_SETTINGS):
            statement.reread(name)


def read_set_config(statement: Statement, tokens: Tokens) -> None:
    """``SELECT set_config('name', 'value', false)``, several and current_setting() beside it perhaps: runs exactly once
    if it succeeds, so it is a SET."""
    found: list[Assignment] = []
    index = 1
    while True:
        if keywords(tokens, index, b"PG_CATALOG") and mark(tokens, index + 1) == b".":
            index += 2
        function = keyword(tokens, index)
        arguments = _constants(tokens, index + 1)
        if arguments is None or not arguments or arguments[0].kind == WORD:
            return
        name = string_of(arguments[0])
        if function == b"SET_CONFIG" and len(arguments) == 3 and name is not None:
            if keyword(arguments, 2) == b"FALSE":
                value = string_of(arguments[1])
                if value is None and keyword(arguments, 1) != b"NULL":
                    return
                name = name.lower()
                found.append(Assignment(name, value, name in TRANSACTION_SETTINGS))
            elif keyword(arguments, 2) != b"TRUE":
                return
        elif function != b"CURRENT_SETTING":
            return
        index += 2 * len(arguments) + 2
        if keyword(tokens, index) == b"AS":
            index += 2
        if index >= len(tokens):
            break
        if mark(tokens, index) != b",":
            return
        index += 1
    statement.rereads.clear()
    for assignment in found:
        statement.assign(assignment)


def _constants(tokens: Tokens, index: int) -> list[Token] | None:
    """The constants in the parentheses at ``index``; None where there is anything else."""
    found: list[Token] = []
    if mark(tokens, index) != b"(":
        return None
    while True:
        index += 1
        if index >= len(tokens) or (
            string_of(tokens[index]) is None and keyword(tokens, index) not in (b"TRUE", b"FALSE", b"NULL")
        ):
            return None
        found.append(tokens[index])
        index += 1
        if mark(tokens, index) == b")":
            return found
        if mark(tokens, index) != b",":
            return None
