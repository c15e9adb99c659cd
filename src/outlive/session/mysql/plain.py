"""Proves the common statement plain in about a microsecond: most texts differ in their literals, so a cache alone
would not help.

The proof: the code outside strings has only characters that can open no string, comment, variable or second statement;
and no name that matters to the session occurs anywhere in it, as a part of a name or not. What cannot be proved so is
left to the lexer.
"""

from __future__ import annotations

from typing import Final

from .analysis import PLAIN, PLAIN_SELECT_WRITE, Analysis
from .vocabulary import HARMLESS_CALLS

# Without a meaning of their own here. Sorted by what else must be looked for when they are absent: nothing.
_INNOCENT: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,.=*<>'`\n\r\t!+%?|&^~"
_KNOWN: Final = b"_()-/"
_VERBS: Final = {(verb + b" ")[:7]: PLAIN[verb] for verb in (b"SELECT", b"INSERT", b"UPDATE", b"DELETE", b"REPLACE")}
_TRANSACTIONS: Final = {
    text: PLAIN[verb]
    for verb, upper in (
        (b"BEGIN", b"BEGIN"),
        (b"START", b"START TRANSACTION"),
        (b"COMMIT", b"COMMIT"),
        (b"ROLLBACK", b"ROLLBACK"),
    )
    for text in (upper, upper.lower())
}
_SEPARATORS: Final = bytes(
    byte if byte < 0x80 and (chr(byte).isalnum() or byte in b"_.(") else 0x20 for byte in range(256)
)
_WORDS_ONLY: Final = _SEPARATORS.replace(b"(", b" ").replace(b".", b" ")
_READ: Final = PLAIN[b"SELECT"]


def plain(sql: bytes, mode: int) -> Analysis | None:
    """The shared constant of a text that is certainly plain, or None where that takes a closer look."""
    code = sql.upper()
    if b"'" in sql:
        outside = _outside(code, mode)
        if outside is None:
            return None
        code = outside
    rest = code.translate(None, _INNOCENT)
    if rest and not _innocent(code, rest):
        return None
    if b"VAL" in code and (b"NEXT" in code or b"PREVIOUS" in code or b"TVAL" in code or b"CURRVAL" in code):
        return None
    found = _VERBS.get(code[:7])
    if found is not _READ:
        if found is None:
            return _TRANSACTIONS.get(sql)
        return found if found.verb != b"REPLACE" or code[7:8] in b" \n\r\t" else None
    if b"INTO" in code:
        return None
    if b"(" in rest and not _calls_are_harmless(code):
        return PLAIN_SELECT_WRITE
    return _READ


def _calls_are_harmless(code: bytes) -> bool:
    """Whether every word before a parenthesis is known.
    (One scan from each parenthesis to the left would not be linear.)"""
    for part in code.translate(_SEPARATORS).split(b"(")[:-1]:
        words = part.rsplit(None, 1)
        if words and words[-1] not in HARMLESS_CALLS:
            return False
    return True


def _outside(code: bytes, mode: int) -> bytes | None:
    """The code without what is between single quotes.

    Right up to the first other quote or comment outside strings, and those do not pass the tests that follow: a ``"``,
    ``#``, ``--`` or ``/*`` as such, a backtick when a name has an odd number of them up to the next quote.
    """
    if b"\\" in code:
        if mode:
            return None
        # What stands for them is refused outside strings.
        code = code.replace(b"\\\\", b"\x01").replace(b"\\'", b"\x01")
    parts = code.split(b"'")
    if not len(parts) & 1:
        return None
    parts = parts[::2]
    if b"`" in code and any(part.count(b"`") & 1 for part in parts):
        return None
    return b"'".join(parts)


def _innocent(code: bytes, rest: bytes) -> bool:
    """Whether what is left after the innocent characters opens nothing and names nothing that matters."""
    if rest.translate(None, _KNOWN) or (b"--" in rest and b"--" in code) or (b"/" in rest and b"/*" in code):
        return False
    if b"_" not in rest:
        return True
    return not (
        (b"_ID" in code and (b"INSERT_ID" in code or b"TION_ID" in code or b"THREAD_ID" in code))
        or b"_LOCK" in code
        or b"_COUNT" in code
        or b"_ROWS" in code
        or b"_SCHEMA" in code
        or b"VARIABLES" in code
    )


def rows_end(data: bytes, mattering: frozenset[bytes], calls: bool) -> int:
    """Where the rows and values that ``data`` begins with can be left unread: after a comma, or 0.

    ``data`` starts outside quotes. ``mattering`` are upper-case words; ``calls`` says whether functions may be
    called. Everything up to there is code without quotes other than single ones, comments,
    variables or words that matter, so reading it token by token would show nothing.
    """
    if b"\\" in data:
        return 0
    pieces = data.split(b"'")
    if not len(pieces) & 1:
        pieces.pop()  # an open string
    # The last piece may end in half a word, and a quote after it may be a doubled one: up to the last comma in it.
    while pieces:
        comma = pieces[-1].rfind(b",")
        if comma >= 0 and len(pieces) & 1:
            break
        pieces.pop()
    if not pieces:
        return 0
    end = sum(map(len, pieces)) + len(pieces) - 1 - len(pieces[-1]) + comma + 1
    pieces[-1] = pieces[-1][: comma + 1]
    code = b"'".join(pieces[::2]).upper()
    if b"`" in code or code.translate(None, _INNOCENT + b"()_-") or b"--" in code:
        return 0
    if not calls and b"(" in code:
        return 0
    return end if mattering.isdisjoint(code.translate(_WORDS_ONLY).split()) else 0
