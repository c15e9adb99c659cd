"""The lexer is the same however a text is cut, takes linear time and constant memory, and never raises."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.session.postgres import Analyser, Analysis, Lexer, analyse
from outlive.session.postgres.analysis import BACKSLASH_ESCAPES, SETTINGS
from outlive.session.postgres.plain import plain, rows_end

_FRAGMENTS = [
    *(
        b"SELECT INSERT INTO VALUES SET TO LOCAL SESSION TEMP TABLE CREATE DROP FUNCTION BEGIN ATOMIC CASE END COMMIT"
        b" ROLLBACK AND CHAIN PREPARE EXECUTE AS DECLARE CURSOR WITH HOLD FOR LISTEN UNLISTEN RESET ALL DISCARD DO COPY"
        b" FROM STDIN SHOW TIME ZONE set_config current_setting nextval pg_advisory_lock pg_catalog count f work_mem"
        b" search_path pg_temp a e u x N TRUE false NULL"
    ).split(),
    *(
        b"( ) , ; . : = := :: '' ' \" \\ \\' \\\\ /* */ / * -- - $ $$ $a$ $1 $2x 1 0x1F 1.5 .5e3 1e5 1e+ .. + & U&'"
        b" u&\" E' e' B' || # @ [ ] { }"
    ).split(),
    b" ",
    b"\n",
    b"\r",
    b"\t",
    b"\x0c",
    b"\xa0",
    b"\xc3\xa9",
    b"--\n",
    b"'it''s'",
    b"E'a\\'b'",
    b'"a""b"',
    b"pg_try_advisory_lock(1)",
    b"set_config('a.b',$1,false)",
    b"SELECT set_config('a.b','c',false)",
    b"current_setting('tcp_user_timeout')",
    b"SELECT ",
    b"INSERT INTO t VALUES (1,'a'),",
    b"SET a.b=1;",
    b"(1,'x',NULL),",
    b"/* c */",
    b"a" * 600,
]
_texts = st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(_FRAGMENTS), max_size=24).map(b"".join)).map(
    lambda text: text.replace(b"\x00", b"")  # a text ends at the first, on the wire already
)
_modes = st.integers(0, 3)


def in_pieces(text: bytes, cuts: list[int], mode: int) -> Analysis:
    lexer = Lexer(mode)
    start = 0
    for cut in sorted(cuts):
        lexer.feed(text[start:cut])
        start = max(start, cut)
    lexer.feed(text[start:])
    return lexer.finish()


def test_the_same_however_it_is_cut(count: Callable[[int, int], int]) -> None:
    @given(_texts, _modes, st.data())
    @settings(max_examples=count(500, 50_000), deadline=None)
    def check(text: bytes, mode: int, data: st.DataObject) -> None:
        cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=6))
        whole = in_pieces(text, [], mode)
        assert in_pieces(text, cuts, mode) == whole
        assert in_pieces(text, list(range(len(text))), mode) == whole

    check()


def test_the_fast_proof_agrees_with_the_lexer(count: Callable[[int, int], int]) -> None:
    @given(_texts, _modes)
    @settings(max_examples=count(500, 50_000), deadline=None)
    def check(text: bytes, mode: int) -> None:
        proved = plain(text, mode)
        if proved is None:
            return
        closely = in_pieces(text, [], mode)
        assert closely.plain
        assert (closely.verb, closely.count, closely.control) == (proved.verb, proved.count, proved.control)
        assert closely.read or not proved.read

    check()


@given(st.lists(st.sampled_from(["SELECT a1 FROM t WHERE b='%d'", "SELECT f%d(x)", "/* %d */ SELECT $%d"]), min_size=2))
@settings(max_examples=200, deadline=None)
def test_texts_that_differ_in_digits_are_told_apart_where_that_matters(shapes: list[str]) -> None:
    analyser = Analyser(frozenset([b"f3"]))
    for number, shape in enumerate(shapes):
        text = shape.replace("%d", str(number)).encode()
        assert analyser.analyse(text) == Analyser(frozenset([b"f3"])).analyse(text)
        assert analyser.analyse(text).plain == (b"f3(" not in text)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 /*traceparent='00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'*/",
        '/*app:shop,action:index*/ SELECT "t"."a" FROM "t" WHERE b = \'x\' /* it\'s */;',
        "SELECT 1 -/* c */",
        "INSERT INTO t VALUES ('a\\b', 'apple')",
        "WITH x AS (SELECT count(*) FROM t) SELECT * FROM x",
        'SAVEPOINT "s140_x1"',
        "release savepoint sa_savepoint_1;",
    ],
)
def test_frequent_texts_are_proved_plain(text: str) -> None:
    assert plain(text.encode(), 0) is not None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1 /* /* */",
        "SELECT 1 /*/",
        "SELECT '/* a */",
        "SELECT 1 /* a */ 2 */",
        "/* /* */ LISTEN a */ SELECT 1",
        "/*/ SELECT 1 */",
        "SELECT '\\' /* ' ; LISTEN a; --*/",
        'SELECT "/* */',
        "SELECT $a$ /* */",
        "SELECT 1 -- /* a */",
    ],
)
def test_comments_that_are_none_are_left_to_the_lexer(text: str) -> None:
    assert plain(text.encode(), BACKSLASH_ESCAPES) is None


_ROWS = [
    b"(1,'x',NULL),",
    b"(2,'it''s',now()),",
    b"(3,'\\',4),",
    b"(3,E'\\'',4),",
    b"(nextval('s'),2),",
    b"/*c*/",
    b'("a"),',
    b"($1),",
    b"('a;b'::text),",
]


@given(st.lists(st.sampled_from(_ROWS), min_size=300, max_size=500), st.integers(200, 3000))
@settings(max_examples=30, deadline=None)
def test_long_inserts_are_the_same_however_they_are_cut(rows: list[bytes], size: int) -> None:
    text = b"INSERT INTO t VALUES " + b"(1,'a'),(2,'b')," * 200 + b"".join(rows) + b"(9,'end'); LISTEN a"
    whole = in_pieces(text, [], 0)
    assert whole.count == 2
    assert in_pieces(text, list(range(0, len(text), size)), 0) == whole
    assert in_pieces(text, list(range(0, len(text), 7)), 0) == whole
    assert analyse(text) == whole


def test_rows_are_left_unread_up_to_a_comma() -> None:
    assert rows_end(b"(1,'a,b'),(2,'c", frozenset(), True) == (13, 1)
    assert rows_end(b"(1,'a,b'),(nextval('c'),", frozenset([b"nextval"]), True) == (0, 0)
    assert rows_end(b"1,2,3,4", frozenset(), False) == (6, 0)
    assert rows_end(b"1,f(2),", frozenset(), False) == (0, 0)
    assert rows_end(b"1,E'\\',2,',", frozenset(), False) == (0, 0)


_SIGNS = [
    sign.decode()
    for sign in b"' \" \\ \\' / * /* ( ) a 1 1. 1e5 .. -- # ; , $ $a $a$ $$ '' 'a' E' e'' U& u&\" \xc3\xa9".split()
]


@pytest.mark.parametrize(
    "unit",
    [
        *_SIGNS,
        "\r",
        "--\n",
        " ",
        "SELECT ",
        "set_config(",
        "set_config('a.b',1,2),",
        "current_setting('a'),",
        "x=1,",
        "SET a.b = 1;",
        "BEGIN ATOMIC CASE ",
        "E'a'\n",
    ],
)
@pytest.mark.parametrize("head", ["", "SELECT ", "SET ", "INSERT INTO t VALUES ('", "CREATE FUNCTION "])
def test_time_is_linear(unit: str, head: str) -> None:
    def seconds(size: int) -> float:
        text = (head + unit * (size // len(unit))).encode()
        start = time.process_time()
        in_pieces(text, list(range(0, len(text), 16384)), 0)
        plain(text, 0)
        return time.process_time() - start

    # Eight times the text: linear is 8, quadratic 64. Once more where it seems so, for these machines are shared.
    small = min(seconds(6_000) for _ in range(2))
    most = 8 * 4 * small + 0.05
    assert seconds(48_000) < most or seconds(48_000) < most


def test_a_megabyte_of_rows_is_quick() -> None:
    text = b"INSERT INTO t VALUES " + b",".join(b"(%d,'some text','it''s more',NULL)" % n for n in range(30_000))
    start = time.perf_counter()
    assert analyse(text).plain
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize("opening", [b"INSERT INTO t VALUES (1,'", b"DO $a$", b"SELECT 1 /*", b"SELECT a"])
def test_memory_is_constant(opening: bytes) -> None:
    lexer = Lexer()
    lexer.feed(opening)
    piece = b"x" * 65536
    tracemalloc.start()
    for _ in range(64):
        lexer.feed(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_what_is_kept_is_bounded() -> None:
    lexer = Lexer()
    tracemalloc.start()
    for number in range(1200):
        lexer.feed(
            b"SELECT set_config('a.b%d',$1,false), current_setting('tcp_user_timeout'); SET a.c%d = 1; LISTEN a%d;"
            % (number, number, number)
        )
    analysis = lexer.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000
    assert analysis.count == 3600
    assert analysis.holds & SETTINGS
