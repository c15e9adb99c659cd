"""Patterns of keys and channels, as Redis itself reads them: `*`, `?`, `[abc]`, `[^a]`, `[a-z]` and backslashes.

Source: the function stringmatchlen of Redis, by which ACL, KEYS and PSUBSCRIBE decide.
"""

from __future__ import annotations

import re
from functools import lru_cache

_CACHED = 4096


@lru_cache(maxsize=_CACHED)
def matcher(pattern: str) -> re.Pattern[bytes]:
    """A regular expression whose fullmatch() decides."""
    glob = pattern.encode("utf-8", "surrogateescape")
    parts: list[bytes] = []
    at = 0
    while at < len(glob):
        char = glob[at : at + 1]
        if char == b"*":
            if parts[-1:] != [b".*"]:  # of several in a row one is enough; the others would only make it slow
                parts.append(b".*")
        elif char == b"?":
            parts.append(b".")
        elif char == b"[":
            part, at = _class(glob, at + 1)
            parts.append(part)
            continue
        else:
            if char == b"\\" and at + 1 < len(glob):
                at += 1
                char = glob[at : at + 1]
            parts.append(re.escape(char))
        at += 1
    return re.compile(b"".join(parts), re.DOTALL)


def _class(glob: bytes, at: int) -> tuple[bytes, int]:
    """What stands in brackets, from behind the opening one; and the offset behind it."""
    no = glob[at : at + 1] == b"^"
    at += no
    members: set[int] = set()
    while at < len(glob) and glob[at] != 93:  # ]
        if glob[at] == 92 and at + 1 < len(glob):
            members.add(glob[at + 1])
            at += 2
        elif glob[at + 1 : at + 2] == b"-" and at + 2 < len(glob):
            low, high = sorted((glob[at], glob[at + 2]))
            members.update(range(low, high + 1))
            at += 3
        else:
            members.add(glob[at])
            at += 1
    allowed = [byte for byte in range(256) if (byte in members) is not no]
    if not allowed:
        return b"(?!)", at + 1
    return b"[" + b"".join(b"\\x%02x" % byte for byte in allowed) + b"]", at + 1
