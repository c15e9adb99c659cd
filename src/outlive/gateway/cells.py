"""Values of a database as JSON, for both protocols. What is decided here stands in docs/http.md, with the reasons."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import msgspec

NULL: Final = b"null"
SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every reader of JSON takes exactly; those beyond it are text."""
_SAFE_DIGITS: Final = 15
_encode = msgspec.json.encode


def integer(text: bytes) -> bytes:
    """A whole number in decimal, without leading zeros: a JSON number, or text where JavaScript would round it."""
    if len(text) <= _SAFE_DIGITS or -SAFE_INTEGER <= int(text) <= SAFE_INTEGER:
        return text
    return b'"' + text + b'"'


def number(text: bytes) -> bytes:
    """A floating-point number; NaN and the infinities, which JSON lacks, as text."""
    return b'"' + text + b'"' if text[-1:].isalpha() else text


def ascii_text(text: bytes) -> bytes:
    """Text that is known to need no escape: decimals, dates, times."""
    return b'"' + text + b'"'


def text(value: bytes) -> bytes:
    """Any text; bytes that are no UTF-8 become U+FFFD."""
    return _encode(value.decode("utf-8", "replace"))


def binary(value: bytes) -> bytes:
    """Bytes in base64."""
    return b'"' + b64encode(value) + b'"'


def document(value: bytes) -> bytes:
    """A JSON document as it is, in one line: a line break in it is white space, as strings have theirs escaped."""
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\n", b" ").replace(b"\r", b" ")
    return value
