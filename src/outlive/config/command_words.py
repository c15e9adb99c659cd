"""The words of a Redis command in the configuration: text with `{name}` where a parameter's value stands. Pure.

A word is one argument whatever its values are: nothing is split, joined or unquoted later. `{{` and `}}` are braces.
"""

from __future__ import annotations

import re
from typing import Final

from outlive.config.operations import Word

_BRACES: Final = re.compile(r"(\{\{|\}\})|\{([a-z_][a-z0-9_]*)\}|[{}]")


def parts_of(word: Word) -> list[str]:
    """Text and names in turn, the first and the last of them text. Raises ValueError where a brace stands alone."""
    text = str(word)
    parts = [""]
    at = 0
    for found in _BRACES.finditer(text):
        parts[-1] += text[at : found.start()]
        at = found.end()
        if found[1]:
            parts[-1] += found[1][0]
        elif found[2]:
            parts += [found[2], ""]
        else:
            raise ValueError
    parts[-1] += text[at:]
    return parts


def sample(words: tuple[Word, ...]) -> list[bytes]:
    """The command as it is written, for who asks what it does: a word that has values keeps its braces, and so is no
    word that the server knows. Raises ValueError where a brace stands alone.
    """
    found: list[bytes] = []
    for word in words:
        parts = parts_of(word)
        found.append((parts[0] if len(parts) == 1 else str(word)).encode())
    return found
