"""wait_timeout and session_track_*: set and read by clients as their own, and never sent to the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..servers import OutliveProcess
from ..servers.database import APP, DatabaseServer
from .conftest import configuration
from .scripts import RESET_CONNECTION, Script, Step, Watched, held, script, seen

T = ("DROP TABLE IF EXISTS test.t", "CREATE TABLE test.t (id INT)")
SHOWN = "SHOW SESSION VARIABLES LIKE 'wait_timeout'"

SCRIPTS = [
    script(
        "wait_timeout",
        "SELECT @@wait_timeout",
        "SELECT @@session.wait_timeout, @@global.wait_timeout, @@wait_timeout + 1 AS more",
        SHOWN,
        "SET wait_timeout = 1234",
        "SELECT @@wait_timeout",
        "SELECT @@SESSION.wait_timeout AS w, @@local.wait_timeout",
        SHOWN,
        "SHOW VARIABLES WHERE Variable_name IN ('wait_timeout', 'autocommit', 'interactive_timeout')",
        "SHOW GLOBAL VARIABLES LIKE 'wait_timeout'",
        "SET SESSION wait_timeout = 77, sql_select_limit = 5",
        "SELECT @@wait_timeout, @@sql_select_limit",
        "SET @@session.wait_timeout = DEFAULT",
        SHOWN,
        "SET interactive_timeout = 99",
        "SELECT @@interactive_timeout",
        RESET_CONNECTION,
        "SELECT @@wait_timeout, @@interactive_timeout",
        setup=T,
    ),
    script(
        "read in a query",
        "SET wait_timeout = 555",
        "SELECT VARIABLE_VALUE FROM information_schema.SESSION_VARIABLES WHERE VARIABLE_NAME = 'WAIT_TIMEOUT'",
        setup=T,
        servers=("mariadb",),
    ),
    script(
        "settings are still tracked after SHOW VARIABLES",
        SHOWN,
        "SET time_zone = '+02:00'",
        SHOWN,
        "SET sql_mode = 'PAD_CHAR_TO_FULL_LENGTH', lc_time_names = 'pt_BR'",
        "SELECT @@time_zone, @@sql_mode, @@lc_time_names",
        "USE other",
        "SELECT DATABASE()",
        "SHOW VARIABLES LIKE 'time_zone'",
        held("BEGIN"),
        held(SHOWN),
        "COMMIT",
        "SET NAMES latin1",
        "SELECT @@character_set_client",
        setup=T,
    ),
    script(
        "session_track",
        "SET session_track_schema = OFF, session_track_state_change = 1",
        "SHOW VARIABLES LIKE 'session_track_state_change'",
        "SET session_track_system_variables = '*'",
        "SELECT @@session_track_system_variables, @@session_track_transaction_info",
        "SHOW VARIABLES LIKE 'session_track_s%'",
        "SET session_track_transaction_info = 'STATE'",
        "SELECT @@session_track_transaction_info",
        "SET sql_mode = ''",
        "SELECT @@sql_mode",
        setup=T,
    ),
]


@pytest.mark.parametrize("found", SCRIPTS, ids=lambda found: found.name)
def test_looks_the_same(found: Script, same_as_direct: Callable[[Script], None]) -> None:
    same_as_direct(found)


def test_they_are_never_sent(
    server: DatabaseServer, outlive: Callable[..., OutliveProcess], eventually: Callable[..., None]
) -> None:
    """The dead man's switch stays what it is: the server ends a silent connection of a killed node at its bound."""
    others = set(server.connection_ids(APP.user))
    node = outlive(configuration(server, dead_man_s=4, ping_interval_s=1))
    connection = Watched(node)
    for text in ("SET wait_timeout = 100000", "SHOW VARIABLES LIKE 'wait_timeout'", "SELECT @@wait_timeout"):
        seen(connection, Step(text))
    seen(connection, Step("SET SESSION session_track_schema = OFF, session_track_system_variables = ''"))
    seen(connection, Step("USE other"))
    assert _rows(connection, "SELECT DATABASE(), @@wait_timeout") == [["other", "100000"]]
    ours = set(server.connection_ids(APP.user)) - others
    assert ours
    node.process.pause()
    try:
        eventually(lambda: not ours & set(server.connection_ids(APP.user)))
    finally:
        node.process.resume()


def test_init_connect(server: DatabaseServer, outlive: Callable[..., OutliveProcess]) -> None:
    """What the server's init_connect sets is every client's beginning, also after another client was cleaned away."""
    server.query("SET GLOBAL init_connect = 'SET time_zone = ''+07:00'', @greeted = 5'")
    try:
        node = outlive(configuration(server))
        question = "SELECT @@time_zone, @greeted, DATABASE()"
        direct = Watched(server)
        expected = _rows(direct, question)
        direct.close()
        for ending in ("SELECT 1", "SELECT @greeted := 6", "BEGIN", "CREATE TEMPORARY TABLE x (a INT)"):
            connection = Watched(node)
            assert _rows(connection, question) == expected
            seen(connection, Step(ending))
            connection.close()
    finally:
        server.query("SET GLOBAL init_connect = ''")


def test_their_values_are_no_store(node: OutliveProcess) -> None:
    """Outlive keeps them for each client, so that they have a limit: the text of a statement may be much longer."""
    connection = Watched(node)
    try:
        text = f"SET session_track_system_variables = '{'time_zone,' * 2000}'"
        assert seen(connection, Step(text))[0]["error"][0] == 1235
        assert _rows(connection, "SELECT LENGTH(@@session_track_system_variables) < 2000") == [["1"]]
    finally:
        connection.close()


def _rows(connection: Watched, question: str) -> list[Any]:
    def text(value: Any) -> Any:
        return value.decode() if isinstance(value, bytes) else value

    found = seen(connection, Step(question))
    assert "rows" in found[0], found
    return [[text(value) for value in row] for row in found[0]["rows"]]
