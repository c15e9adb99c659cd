"""What the options change: reset after every transaction, functions that pin, whole sessions, few statements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from ...servers import OutliveProcess, PostgresServer
from ...servers.database import APP
from .conftest import configuration
from .raw import SYNC, Raw, bind, describe, execute, parse, query
from .scripts import FRESH, TABLES, Script, Stage, Thief, compare, held, messages, prepared, run, script, unit


@contextlib.contextmanager
def staged(pg: PostgresServer, **options: object) -> Iterator[Stage]:
    """A node of its own, with these options."""
    with OutliveProcess(configuration(pg, **options)) as node:
        stage = Stage(pg, node)
        try:
            yield stage
        finally:
            stage.close()
            print(f"--- log of the node ---\n{node.log[-5000:]}")


def same(stage: Stage, scripts: list[Script], **thief: bool) -> None:
    """Each direct and through."""
    other = Thief(stage.node, APP, **thief)
    try:
        for found in scripts:
            stage.same(found, other)
    finally:
        other.close()


def test_reset_always(pg: PostgresServer) -> None:
    """What a function hides is nobody else's; what texts show is kept as ever."""
    with staged(pg, reset='"always"') as stage:
        same(
            stage,
            [
                script(
                    "kept",
                    "SET work_mem = '5MB'",
                    "SHOW work_mem",
                    held("BEGIN"),
                    held("SELECT hidden('timezone', 'Asia/Tokyo')"),
                    held("SHOW timezone"),
                    "ROLLBACK",
                    "SHOW timezone",
                    unit(parse("s", "SELECT $1::text")),
                    run("s", "1"),
                    held("SELECT pg_advisory_lock(7)", "advisory_lock"),
                    "SELECT pg_advisory_unlock(7)",
                    held("CREATE TEMP TABLE mine (a int)", "temporary_table"),
                    "DROP TABLE mine",
                    "SELECT 1/0",
                    "DO $$ BEGIN SET work_mem = '6MB'; END $$",
                    "SHOW work_mem",
                    "RESET ALL",
                    run("s", "2"),
                    "SELECT nextval('counter')",
                    "SHOW work_mem",
                )
            ],
        )
        with Raw(stage.node) as client, Raw(stage.node) as other:
            client.query("SELECT hidden('work_mem', '7MB'), hidden('app.hidden', '1')")
            assert other.rows("SHOW work_mem") == [("4MB",)]
            assert other.rows("SELECT coalesce(current_setting('app.hidden', true), '')") == [("",)]
            assert client.rows("SHOW work_mem") == [("4MB",)]
            for _ in range(3):
                client.send(parse("", "SELECT nextval('public.counter')") + bind("", "") + execute() + SYNC)
                client.until()
                assert other.query("SELECT lastval()")[1][1]["C"] == "55000"


def test_functions_that_pin(pg: PostgresServer) -> None:
    """A declared function keeps the connection, and so is seen as direct, and nobody else sees it."""
    with staged(pg, pin_functions='["hidden"]') as stage:
        same(
            stage,
            [
                script(
                    "declared",
                    "SELECT says('not declared')",
                    held("SELECT hidden('work_mem', '7MB')", "function"),
                    held("SHOW work_mem", "function"),
                    held("RESET ALL", "function"),
                    held("DISCARD ALL", "function"),
                ),
                script(
                    "in a statement",
                    unit(parse("s", "SELECT public.hidden($1, $2)")),
                    held(run("s", "work_mem", "8MB"), "function"),
                ),
                script("in a block", held("DO $$ BEGIN PERFORM hidden('work_mem', '9MB'); END $$", "function")),
            ],
        )


def test_without_options_a_hidden_change_is_the_next_client_s(pg: PostgresServer) -> None:
    """What the documentation says of functions that nobody declared: it is so, and no worse."""
    with staged(pg) as stage:
        stage.superuser.execute(TABLES)
        with Raw(stage.node) as client:
            client.query("SELECT hidden('work_mem', '7MB')")
            assert client.rows("SHOW work_mem") == [("7MB",)]
            client.query("SET work_mem = '5MB'")
            with Raw(stage.node) as other:
                assert other.rows("SHOW work_mem") == [("4MB",)]


def test_whole_sessions(pg: PostgresServer) -> None:
    """`pool_mode = "session"`: one connection from the first statement to the end, and clean for the next client."""
    with staged(pg, pool_mode='"session"') as stage:
        found = script(
            "everything",
            "SELECT hidden('work_mem', '7MB')",
            "SHOW work_mem",
            "SELECT nextval('counter')",
            "SELECT lastval(), currval('counter')",
            "CREATE TEMP TABLE mine AS SELECT 1 AS a",
            "PREPARE x AS SELECT * FROM mine",
            "EXECUTE x",
            unit(parse("s", "SELECT a FROM mine"), parse("", "SELECT 'unnamed'")),
            unit(bind("", ""), execute(), bind("", "s"), execute()),
            "LISTEN ear",
            "NOTIFY ear, 'self'",
            "SET search_path = aside",
            "SELECT setseed(0.25)",
            "SELECT random()",
            held("BEGIN"),
            held("SET LOCAL work_mem = '8MB'"),
            "COMMIT",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "SELECT pg_advisory_lock(5)",
            "DISCARD ALL",
            "SHOW work_mem",
            run("s"),
        )
        direct = stage.direct(found)
        stage.prepare(found)
        with stage.open(stage.node, found) as client:
            through = [[("told", client.told)]]
            for step in found.steps:
                through.append(stage.take(client, step))
                assert "session" in stage.pins()
        compare(found.name, ("login", *found.steps), direct, through)
        compare("the next client", FRESH, stage.fresh(pg), stage.fresh(stage.node))


@pytest.mark.parametrize(
    ("steps", "ends"),
    [
        ((query("SELECT 1"),), True),
        ((query("SET work_mem = '5MB'"), query("SHOW work_mem"), query("SELECT 2")), True),
        ((parse("s", "SELECT 1") + SYNC, bind("", "s") + execute() + SYNC), True),
        ((query("BEGIN"), query("SELECT 1"), query("COMMIT")), True),
        ((query("BEGIN"), query("SELECT 1/0"), query("ROLLBACK")), True),
        ((query("SELECT 1/0"), query("nonsense")), False),
        ((query("BEGIN"), query("SELECT 1")), False),
    ],
)
def test_a_connection_for_each_transaction(
    steps: tuple[bytes, ...], ends: bool, pg: PostgresServer, per_transaction: OutliveProcess
) -> None:
    """`client_connection = "transaction"`: closed behind the reply to the last statement, and not before."""
    with Raw(pg) as direct, Raw(per_transaction) as client:
        for number, data in enumerate(steps):
            direct.send(data)
            client.send(data)
            expected = direct.until()
            assert client.until() == expected, number
        if ends:
            assert client.until() == [("end",)]
        else:
            client.send(query("SHOW work_mem"))
            assert client.until()[-1][0] == "Z"


@pytest.fixture(scope="module")
def per_transaction(pg: PostgresServer) -> Iterator[OutliveProcess]:
    """A node that closes its clients' connections."""
    with OutliveProcess(configuration(pg, client_connection='"transaction"')) as node:
        yield node


def test_more_statements_than_a_connection_keeps(pg: PostgresServer, count: Callable[[int, int], int]) -> None:
    """The least recently used are closed on the server, and prepared again when they are wanted."""
    names = [f"s{number}" for number in range(count(12, 60))]
    with staged(pg, prepared_statements=4) as stage:
        same(
            stage,
            [
                script(
                    "more than it keeps",
                    *[unit(parse(name, f"SELECT '{name}'")) for name in names],
                    *[run(name) for name in names],
                    *[run(name) for name in reversed(names)],
                    unit(*[bind("", name) + execute() for name in names]),
                    unit(*[describe("S", name) for name in names]),
                    messages(*[bind("", name) + execute() + SYNC for name in names], count=len(names)),
                    held("BEGIN"),
                    *[held(run(name)) for name in names],
                    "COMMIT",
                    prepared("SELECT 1"),
                    run(names[0]),
                )
            ],
            dressed=False,
        )
        kept = stage.superuser  # the statements on the server connection itself
        assert kept is not None
        with Raw(stage.node) as client:
            client.query("SELECT 1")
            client.query("SELECT 1")
            (found,) = client.rows("SELECT count(*) FROM pg_prepared_statements")
            assert int(found[0]) <= 4 + len(names)
