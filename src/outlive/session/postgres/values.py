"""Values in statement text: names as the server folds them, strings as they mean, settings as they are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .tokens import ESCAPED, NUMBER, PUNCTUATION, QUOTED, STRING, WORD, Token
from .vocabulary import NAME_LISTS

Tokens = Sequence[Token]

#: NAMEDATALEN - 1: the server cuts longer names.
NAME_LIMIT_BYTES: Final = 63
_SIMPLE_NAME: Final = re.compile(rb"[a-z_][a-z0-9_]*")
_INTEGER: Final = re.compile(rb"[0-9]{1,9}")
_DECIMAL: Final = re.compile(rb"[0-9]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?")
_ESCAPE: Final = re.compile(rb"\\(.)|''", re.DOTALL)
_ESCAPES: Final = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def keyword(tokens: Tokens, index: int) -> bytes:
    """The keyword at ``index``, upper case, or nothing where there is none."""
    if index < len(tokens) and tokens[index].kind == WORD:
        return (tokens[index].value or b"").upper()
    return b""


def keywords(tokens: Tokens, index: int, *expected: bytes) -> bool:
    """Whether these keywords stand at ``index``."""
    return all(keyword(tokens, index + offset) == word for offset, word in enumerate(expected))


def mark(tokens: Tokens, index: int) -> bytes:
    """The punctuation at ``index``, or nothing where there is none."""
    if index < len(tokens) and tokens[index].kind == PUNCTUATION:
        return tokens[index].value or b""
    return b""


def name_of(token: Token) -> bytes | None:
    """The identifier as the server folds it; None where that depends on its locale, or where it is none."""
    value = token.value
    if value is None:
        return None
    if token.kind == WORD:
        return value.lower() if len(value) <= NAME_LIMIT_BYTES and value.isascii() else None
    if token.kind == QUOTED and len(value) <= NAME_LIMIT_BYTES:
        return value.replace(b'""', b'"')
    return None


def name_at(tokens: Tokens, index: int) -> bytes | None:
    """:func:`name_of` the token at ``index``."""
    return name_of(tokens[index]) if index < len(tokens) else None


def string_of(token: Token) -> bytes | None:
    """What a string constant means; None where it is none, or is hard to read."""
    value = token.value
    if value is None or token.kind == STRING:
        return value if token.kind == STRING else None
    if token.kind != ESCAPED:
        return None
    for escape in _ESCAPE.finditer(value):
        letter = escape.group(1)
        if letter is not None and (letter in b"01234567xuU" or letter > b"\x7f"):
            return None
    return _ESCAPE.sub(_unescaped, value)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    letter = escape.group(1)
    return b"'" if letter is None else _ESCAPES.get(letter, letter)


def setting_value(name: bytes, tokens: Tokens) -> bytes | None:
    """The value after TO as the setting's own text, as the server puts it together (flatten_set_variable_args).
    None where it cannot be told."""
    items: list[bytes] = []
    index = 0
    while True:
        sign = mark(tokens, index)
        if sign in (b"-", b"+"):
            index += 1
        if index >= len(tokens):
            return None
        item = _number(tokens[index], sign) if sign or tokens[index].kind == NUMBER else _text(name, tokens[index])
        if item is None:
            return None
        items.append(item)
        index += 1
        if index == len(tokens):
            return b", ".join(items)
        if mark(tokens, index) != b",":
            return None
        index += 1


def _number(token: Token, sign: bytes) -> bytes | None:
    value = token.value
    if token.kind != NUMBER or value is None:
        return None
    if _INTEGER.fullmatch(value):
        number = int(value)
        return b"%d" % (-number if sign == b"-" else number)
    if not _DECIMAL.fullmatch(value):
        return None  # hexadecimal, underscores: PostgreSQL 16
    return b"-" + value if sign == b"-" else value


def _text(name: bytes, token: Token) -> bytes | None:
    text = name_of(token) if token.kind in (WORD, QUOTED) else string_of(token)
    if text is None or name not in NAME_LISTS:
        return text
    return quoted_name(text)


def quoted_name(name: bytes) -> bytes:
    """As an item of search_path and the like: in quotes unless it needs none. (Keywords need none there.)"""
    return name if _SIMPLE_NAME.fullmatch(name) else b'"' + name.replace(b'"', b'""') + b'"'


def quoted_text(value: bytes) -> bytes:
    """A string constant that means ``value``, whatever standard_conforming_strings is."""
    quoted = b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"
    return b" E" + quoted if b"\\" in value else quoted
