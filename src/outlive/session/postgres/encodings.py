"""Client encodings whose characters may hold ASCII bytes: a backslash, a letter, and in GB18030 digits.

Before such a text is read its characters beyond ASCII are blanked out, byte by byte, so that every offset stays. How
long a character is, is told as the server tells it (pg_sjis_mblen and its neighbours in wchar.c); what is no character
there the server refuses before it reads the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from outlive.session.postgres.analysis import UNSAFE_ENCODINGS

_TWO: Final = re.compile(rb"[\x80-\xff].", re.DOTALL)
_PATTERNS: Final = {
    b"gb18030": re.compile(rb"[\x80-\xff](?:[0-9]..|.)", re.DOTALL),
    b"johab": re.compile(rb"\x8f..|[\x80-\xff].", re.DOTALL),
    b"sjis": re.compile(rb"[\x80-\xa0\xe0-\xff].", re.DOTALL),
}
_SJIS: Final = frozenset(b"sjis mskanji shiftjis shiftjis2004 win932 windows932".split())


def _blank(found: re.Match[bytes]) -> bytes:
    return b"\xff" * len(found[0])


def _pattern(encoding: bytes) -> re.Pattern[bytes]:
    return _PATTERNS.get(b"sjis" if encoding in _SJIS else encoding, _TWO)


BLANKED: Final[Mapping[bytes, Callable[[bytes], bytes]]] = {
    encoding: partial(_pattern(encoding).sub, _blank) for encoding in UNSAFE_ENCODINGS
}
"""By the encoding's name, lower case, letters and digits alone: a text without what is not ASCII."""
