"""COPY in both directions and both protocols, with errors on either side, and the other ways to move data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from .raw import (
    COPY_DONE,
    FLUSH,
    SYNC,
    bind,
    copy_data,
    copy_fail,
    describe,
    execute,
    function_call,
    parse,
    query,
)
from .scripts import Script, Step, held, messages, prepared, script, unit

GOOD = copy_data(b"10\t1\tten\n11\t\\N\televen\n")
BAD = copy_data(b"12\tx\ttwelve\n")
COUNT = "SELECT count(*), max(id) FROM t"

LO_CREATE, LO_UNLINK, LO_OPEN, LO_CLOSE, LO_READ, LO_WRITE = 715, 964, 952, 953, 954, 955
INV_READ_WRITE = (0x60000).to_bytes(4, "big")


def copied(text: str, *data: bytes) -> Step:
    """A whole COPY FROM STDIN in one write."""
    return messages(query(text), *data, COPY_DONE)


def copied_by_parts(text: str, *data: bytes) -> Step:
    """The extended protocol's, as libpq sends it: the Sync comes behind the data."""
    return messages(parse("", text), bind("", ""), describe("P"), execute(), *data, COPY_DONE, SYNC)


def number(value: int) -> bytes:
    """An int4 in binary."""
    return value.to_bytes(4, "big")


SCRIPTS = [
    script(
        "copy in",
        held(messages(query("COPY t FROM STDIN"), last="G")),
        held(Step("data", GOOD, count=0)),
        messages(COPY_DONE),
        COUNT,
        copied("COPY t FROM STDIN", copy_data(b"20\t1\ta\n"), copy_data(b"21\t1"), copy_data(b"\tb\n22\t2\tc")),
        COUNT,
        copied("COPY t FROM STDIN"),
        copied("COPY t FROM STDIN WITH (FORMAT csv, HEADER)", copy_data(b'id,n,s\n30,1,"a,b"\n')),
        copied("COPY t (id) FROM STDIN", copy_data(b"31\n32\n\\.\n")),
        "SELECT * FROM t WHERE id > 5 ORDER BY id",
        copied("COPY t FROM STDIN; SELECT count(*) FROM t", copy_data(b"40\t1\ta\n")),
        messages(
            query("SELECT 1; COPY t FROM STDIN; COPY t FROM STDIN; SELECT count(*) FROM t"),
            *(copy_data(b"41\t1\ta\n"), COPY_DONE),
            *(copy_data(b"42\t1\ta\n"), COPY_DONE),
        ),
        COUNT,
    ),
    script(
        "copy in that fails",
        copied("COPY t FROM STDIN", BAD),
        copied("COPY t FROM STDIN", GOOD, BAD, GOOD),
        COUNT,
        copied("COPY t FROM STDIN", copy_data(b"1\t1\ttaken\n")),
        messages(query("COPY t FROM STDIN"), GOOD, copy_fail()),
        messages(query("COPY t FROM STDIN"), copy_fail("why not")),
        COUNT,
        messages(query("COPY nowhere FROM STDIN")),
        messages(query("COPY nowhere FROM STDIN"), GOOD, COPY_DONE, query("SELECT 1"), count=2),
        held(messages(query("COPY t FROM STDIN"), last="G")),
        messages(copy_fail("changed my mind")),
        COUNT,
        copied("COPY t FROM STDIN; SELECT 1/0", GOOD),
        COUNT,
        copied("SET work_mem = '5MB'; COPY t FROM STDIN", BAD),
        "SHOW work_mem",
        copied("SET work_mem = '5MB'; COPY t FROM STDIN", GOOD),
        "SHOW work_mem",
        messages(query("COPY t FROM STDIN"), BAD, *[GOOD] * 200, COPY_DONE),
        COUNT,
        "COPY t FROM '/nowhere'",
        "COPY t TO PROGRAM 'cat'",
        held("BEGIN"),
        held(copied("COPY t FROM STDIN", BAD)),
        "ROLLBACK",
        held("BEGIN"),
        held(copied("COPY t FROM STDIN", copy_data(b"60\t1\ta\n"))),
        "COMMIT",
        COUNT,
    ),
    script(
        "copy in by the extended protocol",
        copied_by_parts("COPY t FROM STDIN", GOOD),
        COUNT,
        copied_by_parts("COPY t FROM STDIN", BAD),
        copied_by_parts("COPY t FROM STDIN", copy_data(b"13\t1\ta\n"), BAD, *[GOOD] * 200),
        COUNT,
        messages(parse("", "COPY t FROM STDIN"), bind("", ""), execute(), GOOD, copy_fail(), SYNC),
        held(messages(parse("", "COPY t FROM STDIN"), bind("", ""), execute(), FLUSH, last="G")),
        held(Step("data", copy_data(b"14\t1\ta\n"), count=0)),
        held(messages(COPY_DONE, FLUSH, last="C")),
        unit(),
        COUNT,
        held(messages(parse("", "COPY t FROM STDIN"), bind("", ""), execute(), SYNC, last="G")),
        messages(copy_data(b"15\t1\ta\n"), COPY_DONE, SYNC),
        COUNT,
        unit(parse("c", "COPY t FROM STDIN")),
        messages(bind("", "c"), execute(), copy_data(b"16\t1\ta\n"), COPY_DONE, SYNC),
        messages(bind("", "c"), execute(), copy_data(b"16\t1\ta\n"), COPY_DONE, SYNC),
        messages(
            *(bind("", "c"), execute(), copy_data(b"17\t1\ta\n"), COPY_DONE),
            *(parse("", "SELECT count(*) FROM t"), bind("", ""), execute(), SYNC),
        ),
        COUNT,
    ),
    script(
        "what else comes in the middle of a copy",
        messages(query("COPY t FROM STDIN"), SYNC, FLUSH, GOOD, FLUSH, SYNC, COPY_DONE),
        COUNT,
        messages(COPY_DONE, copy_data(b"x"), copy_fail(), query("SELECT 1")),
        messages(query("SELECT 1"), COPY_DONE, query("SELECT 2"), count=2),
    ),
    script("a Query in the middle of a copy", messages(query("COPY t FROM STDIN"), GOOD, query("SELECT 1"))),
    script(
        "a Parse in the middle of a copy",
        messages(parse("", "COPY t FROM STDIN"), bind("", ""), execute(), GOOD, parse("s", "SELECT 1"), SYNC),
    ),
    script(
        "copy out",
        "COPY t TO STDOUT",
        "COPY (SELECT * FROM t ORDER BY id DESC) TO STDOUT WITH (FORMAT csv, HEADER)",
        "COPY t TO STDOUT WITH (FORMAT binary)",
        "COPY (SELECT 10 / (4 - id) FROM t) TO STDOUT",
        "COPY (SELECT 1 WHERE false) TO STDOUT",
        "COPY t TO STDOUT; SELECT 1; COPY t TO STDOUT",
        "COPY (SELECT repeat('x', 3000) FROM generate_series(1, 100)) TO STDOUT",
        "COPY nowhere TO STDOUT",
        prepared("COPY t TO STDOUT"),
        prepared("COPY (SELECT 10 / (4 - id) FROM t) TO STDOUT"),
        unit(parse("c", "COPY t TO STDOUT")),
        unit(bind("", "c"), execute(), bind("", "c"), execute()),
        held("BEGIN"),
        held("COPY t TO STDOUT"),
        held("COPY (SELECT 10 / (4 - id) FROM t) TO STDOUT"),
        "ROLLBACK",
        "COPY (SELECT set_config('work_mem', '5MB', false)) TO STDOUT",
        "SHOW work_mem",
    ),
    script(
        "function calls",
        messages(function_call(1397, b"-5")),  # abs(int4)
        messages(function_call(1397, number(7), binary=True)),
        messages(function_call(1397, None)),
        messages(function_call(1397, b"x")),
        messages(function_call(1397)),
        messages(function_call(999_999, b"1")),
        messages(function_call(1397, b"-5"), function_call(1397, b"x"), query("SELECT 1"), SYNC, count=4),
        held("BEGIN"),
        held(messages(function_call(1397, b"-8"))),
        held(messages(function_call(1397, b"x"))),
        held(messages(function_call(1397, b"9"))),
        "ROLLBACK",
        messages(parse("s", "SELECT 1"), bind("", "s"), execute(), function_call(1397, b"-3")),
        prepared("SELECT 2"),
    ),
    script(
        "large objects",
        messages(function_call(LO_CREATE, b"424242")),
        held("BEGIN"),
        held(messages(function_call(LO_OPEN, number(424242), INV_READ_WRITE, binary=True))),
        held(messages(function_call(LO_WRITE, number(0), b"some bytes", binary=True))),
        held("SELECT lo_lseek(0, 0, 0)"),
        held(messages(function_call(LO_READ, number(0), number(100), binary=True))),
        held(messages(function_call(LO_CLOSE, b"0"))),
        "COMMIT",
        messages(function_call(LO_OPEN, number(424242), INV_READ_WRITE, binary=True)),
        messages(function_call(LO_READ, number(0), number(100), binary=True)),
        "SELECT lo_get(424242)",
        "SELECT lo_put(424242, 5, 'BYTES')",
        "SELECT convert_from(lo_get(424242), 'UTF8')",
        "SELECT lo_from_bytea(424243, 'other'), lo_unlink(424242)",
        messages(function_call(LO_UNLINK, b"424243")),
        "SELECT lo_get(424242)",
        held("BEGIN"),
        held("SELECT lo_create(424244)"),
        "ROLLBACK",
        messages(function_call(LO_UNLINK, b"424244")),
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)
