"""Proves the common statement plain in about a microsecond: most texts differ in their literals, so a cache alone
would not help.

The proof: the code outside strings has only characters that can open no string, comment or second statement, and no
name that matters to the session occurs anywhere in it, as a part of a name or not. It looks at no digit's value, so it
holds for every text that differs in digits alone. What cannot be proved so is left to the lexer.
"""

from __future__ import annotations

import re
from typing import Final

from .analysis import PLAIN, PLAIN_SELECT_WRITE, UNSAFE_ENCODING, Analysis
from .vocabulary import HARMLESS_CALLS

# Without a meaning of their own here, wherever they stand.
_INNOCENT: Final = b"abcdefghijklmnopqrstuvwxyz0123456789 ,.=*<>'\"\n\r\t!+%?|&^~:@#[]{}" + bytes(range(0x80, 0x100))
_KNOWN: Final = b"_()-/$;"
_SPACE: Final = b" \n\r\t"
_VERBS: Final = {verb.lower(): PLAIN[verb] for verb in (b"SELECT", b"INSERT", b"UPDATE", b"DELETE")}
_TRANSACTIONS: Final = {
    text + end: PLAIN[verb]
    for verb, text in (
        (b"BEGIN", b"begin"),
        (b"BEGIN", b"begin transaction"),
        (b"BEGIN", b"begin isolation level read committed"),
        (b"START", b"start transaction"),
        (b"COMMIT", b"commit"),
        (b"COMMIT", b"commit transaction"),
        (b"END", b"end"),
        (b"ROLLBACK", b"rollback"),
        (b"ROLLBACK", b"rollback transaction"),
    )
    for end in (b"", b";")
}
_NO_PARAMETER: Final = re.compile(rb"\$(?![0-9])")
_SEPARATORS: Final = bytes(
    byte if byte >= 0x80 or chr(byte).isalnum() or byte in b"_.(" else 0x20 for byte in range(256)
)
_WORDS_ONLY: Final = _SEPARATORS.replace(b"(", b" ").replace(b".", b" ")
_ROWS: Final = _INNOCENT.replace(b'"', b"") + b"_()-"
_READ: Final = PLAIN[b"SELECT"]
_WITH: Final = PLAIN[b"WITH"]
# Savepoints have names with numbers in them.
_LONGER_VERBS: Final = {verb.lower(): PLAIN[verb] for verb in (b"WITH", b"SAVEPOINT", b"RELEASE")}


def plain(sql: bytes, mode: int) -> Analysis | None:
    """The shared constant of a text that is certainly plain, or None where that takes a closer look."""
    code = sql.lower()
    if mode & UNSAFE_ENCODING and not code.isascii():
        return None
    if code[:2] == b"/*" or b"*/" in code[-4:]:
        code = _uncommented(code)
    if b"'" in code:
        outside = _outside(code, mode)
        if outside is None:
            return None
        code = outside
    elif b'"' in code and code.count(b'"') & 1:
        return None
    if b'u&"' in code:
        return None  # a name that is spelled in numbers
    rest = code.translate(None, _INNOCENT)
    if rest:
        if rest.translate(None, _KNOWN):
            return None
        if b";" in rest:
            code = code.rstrip(b" \n\r\t")
            if rest.count(b";") > 1 or code[-1] != 0x3B:
                return _TRANSACTIONS.get(code)
        if (
            (b"--" in rest and b"--" in code)
            or (b"/" in rest and b"/*" in code)
            or (b"$" in rest and _NO_PARAMETER.search(code))
        ):
            return None
    if code[:1] in _SPACE:
        code = code.lstrip(_SPACE)
    found = _VERBS.get(code[:6])
    if found is None:
        found = _TRANSACTIONS.get(code) or _LONGER_VERBS.get(code.partition(b" ")[0])
        if found is not _WITH:
            return found if b"(" not in rest else None
        if b"insert" in code or b"update" in code or b"delete" in code or b"merge" in code:
            return None
    elif code[6:7] not in _SPACE:
        return None
    if b"(" in rest:
        if not _calls_nothing_notable(code, rest):
            return None
        if (found is _READ or found is _WITH) and not _calls_are_harmless(code):
            if found is _WITH:
                return None
            found = PLAIN_SELECT_WRITE
    if found is _READ or found is _WITH or found is PLAIN_SELECT_WRITE:
        return None if b"into" in code else found
    return found


def _uncommented(code: bytes) -> bytes:
    """The code without one comment before it and one behind it, as tools for tracing write them.

    That a comment begins behind the code, and not in a string of it, is proved by the tests that follow: what is left
    has no open quote.
    """
    if code[:2] == b"/*":
        end = code.find(b"*/", 2)
        if end < 0 or code.find(b"/*", 2, end + 1) >= 0:
            return code  # nests: for the lexer
        code = code[end + 2 :]
    body = code.rstrip(b"; \n\r\t")
    start = body.rfind(b"/*")
    if start >= 0 and body.find(b"*/", start + 2) == len(body) - 2:
        return body[:start] + code[len(body) :]
    return code


def _calls_nothing_notable(code: bytes, rest: bytes) -> bool:
    """Whether no function is named that matters to the session."""
    if b"val" in code and (b"nextval" in code or b"setval" in code or b"currval" in code or b"lastval" in code):
        return False
    if b"setseed" in code:
        return False
    return b"_" not in rest or not (
        b"advisory" in code
        or b"set_config" in code
        or b"current_setting" in code
        or b"dblink_" in code
        or b"origin_session" in code
    )


def _calls_are_harmless(code: bytes) -> bool:
    """Whether every word before a parenthesis is known. (One scan from each parenthesis to the left would not be
    linear.)"""
    for part in code.translate(_SEPARATORS).split(b"(")[:-1]:
        words = part.rsplit(None, 1)
        if words and words[-1].removeprefix(b"pg_catalog.") not in HARMLESS_CALLS:
            return False
    return True


def _outside(code: bytes, mode: int) -> bytes | None:
    """The code without what is between single quotes.

    Right up to the first comment or dollar quote outside strings, and those do not pass the tests that follow. A name
    in double quotes may have a quote in it: then it has an odd number of double quotes up to the next quote.
    """
    parts = code.split(b"'")
    if not len(parts) & 1:
        return None
    parts = parts[::2]
    if b"\\" in code and (mode or any(part[-1:] == b"e" for part in parts)):
        return None  # it may escape a quote
    if b'"' in code and any(part.count(b'"') & 1 for part in parts):
        return None
    return b"'".join(parts)


def rows_end(data: bytes, mattering: frozenset[bytes], calls: bool) -> tuple[int, int]:
    """Where the rows and values that ``data`` begins with can be left unread: after a comma, or 0; and how many more
    parentheses are opened than closed in them.

    ``data`` starts outside quotes. ``mattering`` are lower-case words; ``calls`` says whether functions may be called.
    Everything up to there is code without comments, and without quotes other than single ones, parameters or words
    that matter, so reading it token by token would show nothing.
    """
    pieces = data.split(b"'")
    if not len(pieces) & 1:
        pieces.pop()  # an open string
    # The last piece may end in half a word, and a quote after it may be a doubled one: up to the last comma in it.
    comma = -1
    while pieces:
        comma = pieces[-1].rfind(b",")
        if comma >= 0 and len(pieces) & 1:
            break
        pieces.pop()
    if not pieces:
        return 0, 0
    end = sum(map(len, pieces)) + len(pieces) - 1 - len(pieces[-1]) + comma + 1
    pieces[-1] = pieces[-1][: comma + 1]
    code = b"'".join(pieces[::2]).lower()
    if b"\\" in data and b"e'" in code:
        return 0, 0  # it may escape a quote
    if code.translate(None, _ROWS) or b"--" in code or (not calls and b"(" in code):
        return 0, 0
    if not mattering.isdisjoint(code.translate(_WORDS_ONLY).split()):
        return 0, 0
    return end, code.count(b"(") - code.count(b")")
