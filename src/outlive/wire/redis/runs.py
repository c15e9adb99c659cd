"""Many small commands or replies at once, by regular expressions: what the scanners find one by one in bytecode, these
find in C. What they do not match (long, nested, incomplete, an error) is the scanners' work; they never match wrongly.

A length and the bytes that it announces cannot be tied together by a regular expression, so that all lengths up to
SHORT_BYTES are spelled out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

SHORT_BYTES: Final = 199
"""Of an argument or a string; for what is longer the scanners cost little by the byte."""
_ARGUMENTS_MAX: Final = 8


def _trie(words: Iterable[tuple[str, str]]) -> str:
    """An expression for words and what follows each, which looks at every character once."""
    by_first: dict[str, list[tuple[str, str]]] = {}
    ends = ""
    for word, tail in words:
        if word:
            by_first.setdefault(word[0], []).append((word[1:], tail))
        else:
            ends = tail
    parts = [re.escape(first) + _trie(rest) for first, rest in sorted(by_first.items())]
    if ends:
        parts.append(ends)
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


_LENGTHS: Final = _trie((str(length), rf"\r\n.{{{length}}}\r\n") for length in range(SHORT_BYTES + 1))
_STRING: Final = rf"\${_LENGTHS}"
"""`$3`, and three bytes."""


def small_replies() -> re.Pattern[bytes]:
    """One reply that is short, and neither an error nor an aggregate."""
    others = r"\+[^\r\n]*\r\n|:-?[0-9]+\r\n|_\r\n|#[tf]\r\n|,[-+.0-9a-z]+\r\n"
    return re.compile(rf"(?:\$(?:{_LENGTHS}|-1\r\n)|{others})".encode(), re.DOTALL)


def small_commands(names: Iterable[bytes]) -> re.Pattern[bytes]:
    """One command with short arguments and one of `names`, written all in capitals or all in small letters."""
    texts = [name.decode() for name in names]
    spelled = {text.upper() for text in texts} | {text.lower() for text in texts}
    name = r"\$" + _trie((f"{len(text)}\r\n{text}\r\n", "(?:)") for text in spelled)
    counts = [rf"1\r\n{name}", rf"2\r\n{name}{_STRING}"]
    counts += [rf"{count}\r\n{name}(?:{_STRING}){{{count - 1}}}" for count in range(3, _ARGUMENTS_MAX + 1)]
    return re.compile(rf"\*(?:{'|'.join(counts)})".encode(), re.DOTALL)
