"""Units at random: whatever a client sends of the extended protocol, in whatever order, it is answered as direct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from .raw import COPY_DONE, FLUSH, SYNC, Message, Raw, bind, close, copy_data, describe, execute, parse, query, types
from .scripts import TABLES, Stage, Thief, pieces

TEXTS = (
    "SELECT 1",
    "SELECT $1::int + 1",
    "SELECT $1::text, $2::int",
    "SELECT n FROM t WHERE id = $1",
    "SELECT id FROM t ORDER BY id",
    "INSERT INTO t VALUES ($1::int + 1000) RETURNING id",
    "SELECT 1 / 0",
    "SELECT nothing",
    "SELEC 1",
    "",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "SAVEPOINT a",
    "ROLLBACK TO a",
    "SET work_mem = '5MB'",
    "SET LOCAL work_mem = '6MB'",
    "RESET work_mem",
    "SHOW work_mem",
    "SET search_path = aside",
    "RESET ALL",
    "SELECT set_config('work_mem', '7MB', false)",
    "DO $$ BEGIN SET work_mem = '8MB'; END $$",
    "SET app.word = 'x'",
    "SELECT current_setting('app.word', true) IS NULL OR true",
    "SET idle_session_timeout = '5s'",
    "SELECT current_setting('idle_session_timeout')",
    "DEALLOCATE s",
    "DEALLOCATE ALL",
    "DISCARD ALL",
    "EXECUTE s",
    "CREATE TEMP TABLE mine (a int) ON COMMIT DROP",
    "LISTEN ear",
    "UNLISTEN *",
    "NOTIFY ear, 'x'",
    "SELECT pg_advisory_lock(5)",
    "SELECT pg_advisory_unlock_all()",
)
QUERIES = (
    *TEXTS,
    "SELECT 1; SELECT 2",
    "SET work_mem = '9MB'; SELECT 1 / 0",
    "BEGIN; SET work_mem = '10MB'",
    "SET work_mem = '11MB'; COMMIT",
    "SELECT 1; DEALLOCATE s; SELECT 2",
    "COPY t (id) FROM STDIN",
)
COPIED = copy_data(b"2000\n") + COPY_DONE

names = st.sampled_from(("", "s", "p", "q"))
portals = st.sampled_from(("", "", "", "c"))
values = st.lists(st.sampled_from(("1", "2", "x", None)), max_size=2)
parts = st.one_of(
    st.builds(parse, names, st.sampled_from(TEXTS)),
    st.builds(lambda portal, name, found: bind(portal, name, *found), portals, names, values),
    st.builds(execute, portals, st.sampled_from((0, 0, 0, 1, 2))),
    st.builds(lambda portal, name, found: bind(portal, name, *found) + execute(portal), portals, names, values),
    st.builds(lambda text, found: parse("", text) + bind("", "", *found) + execute(), st.sampled_from(TEXTS), values),
    st.builds(describe, st.just("S"), names),
    st.builds(describe, st.just("P"), portals),
    st.builds(close, st.just("S"), names),
    st.builds(close, st.just("P"), portals),
    st.just(FLUSH),
    st.just(parse("copy", "COPY t (id) FROM STDIN")),
    st.just(bind("", "copy") + execute() + COPIED),
)
units = st.one_of(
    st.lists(parts, max_size=6).map(lambda found: b"".join(found) + SYNC),
    st.lists(parts, max_size=6).map(lambda found: b"".join(found) + SYNC),
    st.sampled_from(QUERIES).map(lambda text: query(text) + (COPIED if text.startswith("COPY") else b"")),
)
CLOSED_BEHIND_AN_ERROR = [  # of an unnamed statement that Outlive's question between the units took off the server
    [parse("", "RESET ALL") + bind("", "") + execute() + SYNC, describe("S", "s") + close("S", "") + SYNC],
    [bind("", "") + execute() + SYNC],
]
steps = st.lists(st.lists(units, min_size=1, max_size=3), min_size=2, max_size=8)

RESTORED = """
TRUNCATE public.t; INSERT INTO public.t SELECT i, i * 10, 'row ' || i FROM generate_series(1, 5) AS i;
TRUNCATE aside.t; INSERT INTO aside.t VALUES (1, 1000, 'aside');
"""


def taken(client: Raw, step: list[bytes], *, split: bool) -> list[Message]:
    """The replies to some units in one write, or each message in a segment of its own."""
    data = b"".join(step)
    for piece in pieces(data) if split else (data,):
        client.send(piece)
    return client.until(count=len(step))


def test_any_units(stage: Stage, thieves: tuple[Thief, ...], count: Callable[[int, int], int]) -> None:
    """Direct and through, with a thief wherever the connection is free."""
    stage.superuser.execute(TABLES)
    turn = 0

    @settings(
        max_examples=count(60, 3000),
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @example(CLOSED_BEHIND_AN_ERROR)
    @given(steps)
    def run(found: list[list[bytes]]) -> None:
        nonlocal turn
        turn += 1
        thief = thieves[turn % 2]
        stage.superuser.execute(RESTORED)
        with Raw(stage.server) as client:
            direct = [taken(client, step, split=False) for step in found]
        stage.superuser.execute(RESTORED)
        through: list[Any] = []
        with Raw(stage.node) as client:
            for step in found:
                through.append(taken(client, step, split=thief.split))
                if through[-1][-1] == ("Z", "I") and not may_hold(found):
                    thief.steal()
        thief.steal()
        for step, one, other in zip(found, direct, through, strict=True):
            assert one == other, f"{step}\n  direct  {types(one)} {one}\n  through {types(other)} {other}"

    run()


def may_hold(found: list[list[bytes]]) -> bool:
    """Whether something in it may tie the session to its connection."""
    data = b"".join(b"".join(step) for step in found)
    return b"LISTEN ear" in data or b"pg_advisory_lock" in data
