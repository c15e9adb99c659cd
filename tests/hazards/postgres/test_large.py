"""Messages of every size: those that are held whole, those that are streamed, and the sizes in between."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from ...servers import OutliveProcess
from .raw import COPY_DONE, FLUSH, SYNC, Raw, bind, codes, copy_data, describe, execute, function_call, parse, query
from .scripts import Script, held, messages, prepared, run, script, unit

WHOLE = 256 * 1024  # held whole up to here
SIZES = (WHOLE - 40, WHOLE - 8, WHOLE, WHOLE + 1, WHOLE + 4096, 1_000_003)
LO_OPEN, LO_WRITE = 952, 955
MIB = 1024 * 1024


def text(size: int) -> str:
    """Of that many characters."""
    return ("0123456789abcde\n" * (size // 16 + 1))[:size]


SCRIPTS = [
    script(
        "queries",
        *[f"SELECT length('{text(size)}')" for size in SIZES],
        *[f"SELECT '{text(size)}'" for size in SIZES],
        f"SELECT length('{text(MIB)}') / 0",
        f"SELECT length('{text(MIB)}') FROM nowhere",
        f"SELECT length('{text(MIB)}",
        f"INSERT INTO t VALUES (60, 1, '{text(MIB)}')",
        "SELECT length(s) FROM t WHERE id = 60",
        prepared("SELECT 1"),
    ),
    script(
        "queries that change the session",
        f"SET work_mem = '5MB'; SELECT length('{text(MIB)}')",
        "SHOW work_mem",
        f"SELECT length('{text(MIB)}'); SET work_mem = '6MB'",
        "SHOW work_mem",
        f"SELECT length('{text(MIB)}'); SET work_mem = '7MB'; SELECT 1/0",
        "SHOW work_mem",
        f"SELECT set_config('work_mem', '8MB', false), length('{text(MIB)}')",
        "SHOW work_mem",
        held(f"BEGIN; SELECT length('{text(MIB)}')"),
        held(f"SET work_mem = '9MB'; SELECT length('{text(MIB)}')"),
        f"SELECT length('{text(MIB)}'); COMMIT",
        "SHOW work_mem",
        held(f"SELECT pg_advisory_lock(5), length('{text(MIB)}')", "advisory_lock"),
        f"SELECT length('{text(MIB)}'), pg_advisory_unlock(5)",
        held(f"SELECT length('{text(MIB)}'); CREATE TEMP TABLE mine (a int)", "temporary_table"),
        f"/* {text(MIB)} */ DROP TABLE mine",
        f"-- {text(100)}\n/* {text(MIB)} */",
        unit(parse("s", "SELECT 1")),
        f"SELECT length('{text(MIB)}'); DEALLOCATE ALL",
        run("s"),
        f"DISCARD ALL -- {text(WHOLE).replace(chr(10), ' ')}",
        "SHOW work_mem",
    ),
    script(
        "parameters",
        unit(parse("s", "SELECT length($1), $2::text")),
        *[run("s", text(size), "x") for size in SIZES],
        run("s", text(MIB), text(WHOLE)),
        run("s", "small", "x"),
        *[prepared("SELECT $1::text", text(size)) for size in SIZES],
        unit(bind("", "s", text(MIB), "1"), execute(), bind("", "s", text(WHOLE), "2"), execute()),
        unit(bind("", "s", "1", "1"), execute(), bind("", "s", text(MIB), "2"), execute(), bind("", "s", "3", "3")),
        unit(bind("", "s", text(MIB)), execute()),
        unit(bind("", "nowhere", text(MIB)), execute()),
        run("s", "1", "2"),
        unit(parse("i", "SELECT $1::int")),
        run("i", text(MIB)),
        unit(bind("", "i", text(MIB)), execute(), parse("p", "SELECT 1"), bind("", "s", text(MIB), "2"), execute()),
        run("p"),
        messages(
            *(bind("", "s", text(MIB), "1"), execute(), SYNC),
            *(bind("", "i", "x"), execute(), SYNC),
            *(bind("", "s", text(MIB), "3"), execute(), SYNC),
            query("SELECT 4"),
            count=4,
        ),
        held(messages(bind("", "s", text(MIB), "1"), describe("P"), FLUSH, last="T")),
        held(messages(execute(), FLUSH, last="C")),
        unit(bind("", "s", text(MIB), "2"), execute()),
        messages(bind("", "s", text(MIB), "1"), query(f"SELECT length('{text(MIB)}')"), SYNC, count=2),
        held("BEGIN"),
        held(run("s", text(MIB), "x")),
        held(prepared("INSERT INTO t VALUES (61, 1, $1)", text(MIB))),
        "COMMIT",
        "SELECT length(s) FROM t WHERE id = 61",
    ),
    script(
        "texts that are prepared",
        unit(parse("s", f"SELECT length('{text(WHOLE)}')")),
        run("s"),
        unit(parse("m", f"SELECT length('{text(MIB)}')"), describe("S", "m")),
        run("m"),
        run("s"),
        *[prepared(f"SELECT '{text(size)}'::text") for size in SIZES],
        prepared(f"SELECT length('{text(4 * MIB - 100)}')"),
        unit(parse("b", f"SELECT nothing, '{text(MIB)}'")),
        run("b"),
        prepared(f"SET application_name = '{text(WHOLE).replace(chr(10), ' ')}'"),
        run("m"),
    ),
    script(
        "results",
        *[f"SELECT repeat('x', {size})" for size in SIZES],
        "SELECT repeat('x', 3000000), repeat('y', 2000000)",
        "SELECT id, repeat('x', id * 1000) FROM generate_series(1, 200) AS id",
        prepared("SELECT id, repeat('x', 20000) FROM generate_series(1, 200) AS id"),
        unit(
            *(parse("s", "SELECT id, repeat('x', 100000) FROM generate_series(1, 20) AS id"), bind("", "s")),
            *(execute("", 7), execute("", 7), execute("", 7)),
        ),
        "SELECT repeat('x', 1000000) || (1 / (3 - id)) FROM generate_series(1, 5) AS id",
        "SELECT " + ", ".join(f"{number} AS column_{number}" for number in range(1600)),
        "DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 1000000); END $$",
        "DO $$ BEGIN RAISE NOTICE '%', repeat('x', 1000000); END $$",
        unit(parse("p", "SELECT " + ", ".join(f"${number}::int" for number in range(1, 1001))), describe("S", "p")),
        "SELECT 1",
    ),
    script(
        "rows of a copy",
        messages(query("COPY t FROM STDIN"), copy_data(f"70\t1\t{text(MIB)}".replace("\n", " ").encode()), COPY_DONE),
        messages(
            query("COPY t FROM STDIN"),
            *[copy_data(f"{number}\t1\t{'x' * 50_000}\n".encode()) for number in range(100, 140)],
            COPY_DONE,
        ),
        messages(
            *(parse("", "COPY t FROM STDIN"), bind("", ""), execute()),
            *(copy_data(f"71\t1\t{text(MIB)}".replace("\n", " ").encode()), COPY_DONE, SYNC),
        ),
        messages(
            query("COPY t FROM STDIN"),
            *[copy_data(b"x\t" + b"x" * MIB + b"\n") for _ in range(4)],
            COPY_DONE,
        ),
        messages(
            *(parse("", "COPY t FROM STDIN"), bind("", ""), execute()),
            *[copy_data(b"x\t" + b"x" * MIB + b"\n") for _ in range(4)],
            *(COPY_DONE, SYNC),
        ),
        messages(copy_data(b"x" * MIB), query("SELECT 1")),
        "SELECT count(*), sum(length(s)) FROM t",
        "COPY (SELECT * FROM t ORDER BY id) TO STDOUT",
        prepared("COPY (SELECT repeat('x', 2000000) FROM generate_series(1, 3)) TO STDOUT"),
    ),
    script(
        "function calls",
        held("BEGIN"),
        held("SELECT lo_create(4242)"),
        held(
            messages(
                function_call(LO_OPEN, (4242).to_bytes(4, "big"), (0x60000).to_bytes(4, "big"), binary=True),
                function_call(LO_WRITE, (0).to_bytes(4, "big"), text(MIB).encode(), binary=True),
                function_call(LO_WRITE, (0).to_bytes(4, "big"), text(WHOLE).encode(), binary=True),
                count=3,
            )
        ),
        "COMMIT",
        "SELECT length(lo_get(4242)), md5(lo_get(4242))",
        "SELECT lo_get(4242)",
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


def test_very_large(same_as_direct: Callable[[Script], None], count: Callable[[int, int], int]) -> None:
    """64 MiB in one message, either way and in every kind of message."""
    size = count(24, 64) * MIB
    much = "x" * size
    same_as_direct(
        script(
            "very large",
            f"SELECT length('{much}')",
            prepared("SELECT length($1)", much),
            f"SELECT repeat('x', {size})",
            messages(query("COPY t FROM STDIN"), copy_data(b"80\t1\t" + much.encode() + b"\n"), COPY_DONE),
            "SELECT length(s) FROM t WHERE id = 80",
            "COPY (SELECT s FROM t WHERE id = 80) TO STDOUT",
            "SELECT 1",
        )
    )


def test_a_text_above_the_limit_is_refused(node: OutliveProcess) -> None:
    """What is prepared is kept; 4 MiB of it are too much. Nobody else notices."""
    with Raw(node) as client, Raw(node) as bystander:
        with contextlib.suppress(OSError):  # refused as soon as its length is known
            client.send(parse("s", f"SELECT length('{text(5 * MIB)}')") + SYNC)
        found = client.until()
        assert codes(found) in (["54000"], ["08P01"], []), found
        assert found[-1] == ("end",)
        assert bystander.rows("SELECT 1") == [("1",)]


def test_a_long_query_that_would_have_to_change_is_refused(node: OutliveProcess) -> None:
    """Its beginning is at the server already when its end shows what it is."""
    with Raw(node) as client, Raw(node) as bystander:
        client.send(query(f"SELECT length('{text(MIB)}'); SET idle_session_timeout = 0"))
        assert codes(client.until()) == ["54000"]
        assert bystander.rows("SHOW idle_session_timeout") == [("0",)]
        guard = "SELECT setting <> '0' FROM pg_settings WHERE name = 'idle_session_timeout'"
        assert bystander.rows(guard) == [("t",)]
