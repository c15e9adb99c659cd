"""Characters of more than one byte are blanked out as the server counts them, and nothing moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.session.postgres.analysis import UNSAFE_ENCODINGS
from outlive.session.postgres.encodings import BLANKED

PYTHON_NAMES = {b"sjis": "cp932", b"big5": "big5", b"gbk": "gbk", b"gb18030": "gb18030", b"uhc": "cp949"}


def test_all_of_them_have_one() -> None:
    assert set(BLANKED) == UNSAFE_ENCODINGS


@pytest.mark.parametrize("encoding", sorted(BLANKED))
@given(text=st.binary(max_size=60))
def test_any_bytes(encoding: bytes, text: bytes) -> None:
    blanked = BLANKED[encoding](text)
    assert len(blanked) == len(text)
    assert all(new in (old, 0xFF) for old, new in zip(text, blanked, strict=True))
    assert BLANKED[encoding](text) == blanked


@pytest.mark.parametrize("encoding", sorted(PYTHON_NAMES))
@given(text=st.text(max_size=30))
def test_ascii_stays_and_nothing_else(encoding: bytes, text: str) -> None:
    """One character at a time: what is ASCII is there still, and no byte of any other is."""
    expected, data = b"", b""
    for character in text:
        try:
            encoded = character.encode(PYTHON_NAMES[encoding])
        except UnicodeEncodeError:
            continue
        if len(encoded) == 1 and not encoded.isascii():
            continue  # half-width katakana and the like, which stay as they are
        data += encoded
        expected += encoded if encoded.isascii() and len(encoded) == 1 else b"\xff" * len(encoded)
    assert BLANKED[encoding](data) == expected


@pytest.mark.parametrize("character", [b"\x95\x5c", b"\x83\x5c", b"\xe0\x5c"])
def test_a_backslash_is_none(character: bytes) -> None:
    assert BLANKED[b"sjis"](b"'" + character + b"'") == b"'\xff\xff'"
    assert BLANKED[b"sjis"](b"'\xb1'") == b"'\xb1'"
