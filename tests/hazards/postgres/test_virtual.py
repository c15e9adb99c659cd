"""Settings that guard Outlive's connections: a client sees its own values, and the server's are never touched."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ...servers import OutliveProcess, PostgresServer
from .raw import Raw, bind, execute, parse
from .scripts import Script, Stage, held, prepared, run, script, unit

NAMES = (
    "idle_session_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_keepalives_count",
    "tcp_user_timeout",
    "client_connection_check_interval",
)

SCRIPTS = [
    script(
        "set and shown",
        *[f"SHOW {name}" for name in NAMES],
        "SET idle_session_timeout = '30s'",
        "SHOW idle_session_timeout",
        "SELECT current_setting('idle_session_timeout')",
        "SELECT current_setting('idle_session_timeout') AS x, current_setting('Idle_Session_Timeout', true)",
        "SET IDLE_SESSION_TIMEOUT TO '1min'",
        "SHOW idle_session_timeout",
        "SET SESSION idle_session_timeout = '1h'; SELECT current_setting('idle_session_timeout')",
        "SHOW idle_session_timeout",
        "SELECT set_config('idle_session_timeout', '2h', false)",
        "SHOW idle_session_timeout",
        "SELECT pg_catalog.current_setting('idle_session_timeout') || '!'",
        prepared("SELECT set_config('idle_session_timeout', $1, false)", "3h"),
        "SHOW idle_session_timeout",
        prepared("SET idle_session_timeout = '4h'"),
        prepared("SELECT current_setting('idle_session_timeout')"),
        "RESET idle_session_timeout",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = '5h'",
        "SET idle_session_timeout TO DEFAULT",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = '6h'",
        "RESET ALL",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = '7h'",
        "DISCARD ALL",
        "SHOW idle_session_timeout",
        "SET client_connection_check_interval = '1s'; SET tcp_keepalives_count = 4",
        "SHOW client_connection_check_interval",
        "SHOW tcp_keepalives_count",
        "SELECT current_setting('tcp_keepalives_count'), 1 AS one",
    ),
    script(
        "in units of their own",
        "SET idle_session_timeout = 30000",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = '90s'",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = 0",
        "SHOW idle_session_timeout",
        "SET tcp_user_timeout = 1500",
        "SHOW tcp_user_timeout",
        "SET tcp_keepalives_idle = 60",
        "SHOW tcp_keepalives_idle",
    ),
    script(
        "values that are refused",
        "SET idle_session_timeout = 'long'",
        "SET idle_session_timeout = -1",
        "SET tcp_keepalives_count = 'many'",
        "SET client_connection_check_interval = 1, 2",
        "SHOW idle_session_timeout",
    ),
    script(
        "in transactions",
        held("BEGIN"),
        held("SET idle_session_timeout = '30s'"),
        held("SELECT current_setting('idle_session_timeout')"),
        "ROLLBACK",
        "SHOW idle_session_timeout",
        held("BEGIN"),
        held("SET idle_session_timeout = '31s'"),
        "COMMIT",
        "SHOW idle_session_timeout",
        held("BEGIN"),
        held("SET LOCAL idle_session_timeout = '32s'"),
        held("SELECT current_setting('idle_session_timeout')"),
        "COMMIT",
        "SHOW idle_session_timeout",
        held("BEGIN"),
        held("SAVEPOINT a"),
        held("SET idle_session_timeout = '33s'"),
        held("ROLLBACK TO a"),
        "COMMIT",
        "SHOW idle_session_timeout",
        held("BEGIN; SELECT 1/0"),
        held("SHOW idle_session_timeout"),
        held("SET idle_session_timeout = '34s'"),
        "COMMIT",
        "SHOW idle_session_timeout",
    ),
    script(
        "by functions that hide it",
        "SET idle_session_timeout = '40s'",
        "DO $$ BEGIN SET idle_session_timeout = '41s'; END $$",
        "SHOW idle_session_timeout",
        held(prepared("SELECT set_config($1, $2, false)", "idle_session_timeout", "42s"), "settings"),
        held("SHOW idle_session_timeout", "settings"),
        held("SELECT set_config('idle_session_' || 'timeout', '43s', false)", "settings"),
        held("SHOW idle_session_timeout", "settings"),
        "RESET ALL",
        unit(
            parse("set", "SET idle_session_timeout = '44s'"),
            parse("show", "SELECT current_setting('idle_session_timeout')"),
        ),
        run("set"),
        run("show"),
        unit(bind("", "set"), execute(), bind("", "show"), execute()),
    ),
    script(
        "at startup",
        "SHOW idle_session_timeout",
        "SET idle_session_timeout = '30s'",
        "RESET idle_session_timeout",
        "SHOW idle_session_timeout",
        "SHOW tcp_keepalives_idle",
        parameters={"idle_session_timeout": "51s", "options": "-c tcp_keepalives_idle=52"},
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


@pytest.mark.parametrize(
    "statement",
    [
        *[f"SET {name} = 0" for name in NAMES],
        *[f"SELECT set_config('{name}', '0', false)" for name in NAMES],
        "RESET ALL",
        "DISCARD ALL",
        "DO $$ BEGIN SET idle_session_timeout = 0; END $$",
        "SELECT set_config('idle_' || 'session_timeout', '0', false)",
        "BEGIN; SET idle_session_timeout = 0; COMMIT",
        "SET tcp_keepalives_idle = 0; SET tcp_keepalives_count = 0",
        "SET \"idle_session_timeout\" = '0'",
        "SET/**/idle_session_timeout/**/TO/**/0",
    ],
)
def test_the_server_stays_guarded(statement: str, stage: Stage, pg: PostgresServer, node: OutliveProcess) -> None:
    """The node's own values are in force whatever a client says, for it and for the next."""
    with Raw(node) as client:
        expected = _guards(client)
        assert expected["idle_session_timeout"] != "0"
        assert client.query(statement)[-1] == ("Z", "I")
        assert _guards(client) == expected
    with Raw(node) as client:
        assert _guards(client) == expected


def _guards(client: Raw) -> dict[str, str]:
    names = ",".join(f"'{name}'" for name in NAMES)
    return dict(client.rows(f"SELECT name, setting FROM pg_settings WHERE name IN ({names})"))
