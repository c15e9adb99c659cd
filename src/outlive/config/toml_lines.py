"""Which line of a TOML file a key stands in; `tomllib` does not tell.

It only serves error messages of a text that `tomllib` accepted, so it knows tables, keys and multi-line strings, and
for what it does not know (inline tables) gives the line of the nearest key around it.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str, ...]

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED: Final = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TABLE: Final = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]")
_KEY: Final = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_SPLIT: Final = re.compile(_PART)
_STRING: Final = re.compile(r"""'''|\"""|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#.*""")


def lines_of(text: str) -> dict[Path, int]:
    """The line, from 1, in which each table and key is first named."""
    lines: dict[Path, int] = {}
    table: Path = ()
    fence = ""  # the quotes of the multi-line string we are in
    for number, line in enumerate(text.split("\n"), 1):
        if not fence:
            if match := _TABLE.match(line):
                table = _parts(match[1])
                lines.setdefault(table, number)
            elif match := _KEY.match(line):
                lines.setdefault(table + _parts(match[1]), number)
        fence = _fence_after(line, fence)
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of the key, or of the nearest one around it."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


def _parts(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _SPLIT.findall(dotted))


def _fence_after(line: str, fence: str) -> str:
    position = 0
    while position < len(line):
        if fence:
            end = line.find(fence, position)
            if end < 0:
                return fence
            position, fence = end + 3, ""
        match = _STRING.search(line, position)
        if match is None:
            return ""
        if match[0] in ("'''", '"""'):
            fence = match[0]
        position = match.end()
    return fence
