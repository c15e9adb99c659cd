"""Client encodings in which a character may end with a byte of ASCII: a backslash, a quote's neighbour."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .raw import bind, describe, execute, parse
from .scripts import Script, held, script, unit

# A character of each that ends with a backslash (5C) or a letter.
CHARACTERS = {
    "SJIS": b"\x95\x5c",
    "SHIFT_JIS_2004": b"\x95\x5c",
    "BIG5": b"\xa5\x5c",
    "GBK": b"\xbf\x5c",
    "UHC": b"\xb0\x41",
    "GB18030": b"\xbf\x5c",
}
SAFE = {"EUC_JP": b"\xc9\xbd", "EUC_KR": b"\xb0\xa1", "LATIN1": b"\xe4", "KOI8R": b"\xc1", "UTF8": "表".encode()}


def in_encoding(encoding: str, character: bytes) -> Script:
    """A session whose texts hold the character wherever one can be."""
    return script(
        encoding,
        b"SELECT '" + character + b"'",
        b"SELECT '" + character + b"'; SET work_mem = '5MB'; SELECT '" + character + b"'",
        "SHOW work_mem",
        b"SELECT '" + character + b"'';SET work_mem = ''6MB'",
        "SHOW work_mem",
        b"SELECT E'" + character + b"''', E'\\\\" + character + b"'",
        b'SELECT 1 AS "' + character + b"\"; SET work_mem = '7MB'",
        "SHOW work_mem",
        b"SELECT $" + character + b"$';SET work_mem = '8MB';'$" + character + b"$",
        "SHOW work_mem",
        b"/* " + character + b" */ SET work_mem = '9MB' -- " + character,
        "SHOW work_mem",
        b"SET app.word = '" + character + b"'",
        "SHOW app.word",
        b"SELECT set_config('app.word', '" + character * 2 + b"', false)",
        "SHOW app.word",
        b'SET search_path = public, "' + character + b'"',
        "SHOW search_path",
        "SELECT 1",
        b"SET application_name = '" + character + b"'",
        "SHOW application_name",
        unit(parse("s", b"SELECT '" + character + b"', $1::text"), describe("S", "s")),
        unit(bind("", "s", character), execute()),
        unit(parse("", b"SET work_mem = '10MB'; -- " + character), bind("", ""), execute()),
        "SHOW work_mem",
        "SET standard_conforming_strings = off",
        b"SELECT '" + character + b"'; SET work_mem = '11MB'",
        "SHOW work_mem",
        b"SELECT '\\'; SET work_mem = \\'12MB\\'; --" + character + b"'",
        "SHOW work_mem",
        b"SELECT '" + character[:1] + b"'",
        held("BEGIN"),
        held(b"SET LOCAL app.word = '" + character + b"'"),
        held(b"SET app.other = '" + character + b"'"),
        "COMMIT",
        "SHOW app.word",
        "SHOW app.other",
        "RESET search_path",
        "SET client_encoding = 'UTF8'",
        "SHOW app.word",
        "SHOW app.other",
        f"SET client_encoding = '{encoding}'",
        "SHOW app.other",
        "SELECT 1",
        parameters={"client_encoding": encoding},
    )


SCRIPTS = [in_encoding(encoding, character) for encoding, character in (CHARACTERS | SAFE).items()]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)
