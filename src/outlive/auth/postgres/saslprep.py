"""SASLprep (RFC 4013) of passwords, the way PostgreSQL does it.

Source: pg_saslprep and its callers, which are bound to agree with each other and not with the RFC: a password of ASCII
alone is taken as it is, controls included; so is one that is no UTF-8 or holds what is prohibited; and the
prohibitions are applied before the normalization. Checked against libpq.
"""

import stringprep
import unicodedata
from collections.abc import Callable
from typing import Final

_PROHIBITED: Final[tuple[Callable[[str], bool], ...]] = (
    stringprep.in_table_a1,  # unassigned
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(password: bytes) -> bytes:
    """The password as SCRAM hashes it. Never raises."""
    if password.isascii():
        return password
    try:
        text = password.decode("utf-8")
    except UnicodeDecodeError:
        return password
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if stringprep.in_table_c12(character) or not stringprep.in_table_b1(character)
    )
    if not mapped or _is_prohibited(mapped) or _mixes_directions(mapped):
        return password
    return unicodedata.normalize("NFKC", mapped).encode("utf-8")


def _is_prohibited(text: str) -> bool:
    return any(table(character) for character in text for table in _PROHIBITED)


def _mixes_directions(text: str) -> bool:
    """RFC 3454, 6: right-to-left characters stand alone, and at both ends."""
    if not any(map(stringprep.in_table_d1, text)):
        return False
    ends_well = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not ends_well or any(map(stringprep.in_table_d2, text))
