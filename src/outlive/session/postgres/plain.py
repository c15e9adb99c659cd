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
_READ: Final = PLAIN[b"SELECT"]


def plain(sql: bytes, mode: int) -> Analysis | None:
    """The shared constant of a text that is certainly plain, or None where that takes a closer look."""
    code = sql.lower()
    if mode & UNSAFE_ENCODING and not code.isascii():
        return None
    if b"'" in code:
        outside = _outside(code, mode)
        if outside is None:
            return None
        code = outside
    elif b'"' in code and code.count(b'"') & 1:
        return None
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
        return _TRANSACTIONS.get(code)
    if code[6:7] not in _SPACE:
        return None
    if b"(" in rest:
        if not _calls_nothing_notable(code, rest):
            return None
        if found is _READ and not _calls_are_harmless(code):
            found = PLAIN_SELECT_WRITE
    if found is PLAIN_SELECT_WRITE or found is _READ:
        return None if b"into" in code else found
    return found


def _calls_nothing_notable(code: bytes, rest: bytes) -> bool:
    """Whether no function is named that matters to the session."""
    if b"val" in code and (b"nextval" in code or b"setval" in code or b"currval" in code or b"lastval" in code):
        return False
    if b"setseed" in code or (b'u&"' in code):
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
    if b"\\" in code and (mode or b"e'" in code):
        return None  # it may escape a quote
    parts = code.split(b"'")
    if not len(parts) & 1:
        return None
    parts = parts[::2]
    if b'"' in code and any(part.count(b'"') & 1 for part in parts):
        return None
    return b"'".join(parts)
