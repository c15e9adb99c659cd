"""Stored code that changes the session and then fails: an error reports nothing, and nobody else may find it."""

from __future__ import annotations

import pytest

from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .scripts import Step, Watched, seen

FAILS = "SIGNAL SQLSTATE '45000'"
SETTINGS = "SET SESSION time_zone = '+03:00', div_precision_increment = 7"
CODE = (
    "DROP PROCEDURE IF EXISTS test.settings",
    "DROP PROCEDURE IF EXISTS test.objects",
    "DROP FUNCTION IF EXISTS test.settings",
    "DROP FUNCTION IF EXISTS test.objects",
    f"CREATE PROCEDURE test.settings() BEGIN {SETTINGS}; {FAILS}; END",
    f"CREATE PROCEDURE test.objects() BEGIN CREATE TEMPORARY TABLE unseen (a INT); SET @unseen = 1; {FAILS}; END",
    f"CREATE FUNCTION test.settings() RETURNS INT NO SQL BEGIN {SETTINGS}; {FAILS}; RETURN 1; END",
    f"CREATE FUNCTION test.objects() RETURNS INT NO SQL BEGIN SET @unseen = 1; {FAILS}; RETURN 1; END",
)
QUESTIONS = (
    "SELECT @@time_zone, @@div_precision_increment, @unseen",
    "SELECT * FROM unseen",
    "SET lc_time_names = 'de_DE'",  # with its report a MariaDB tells what it did not tell before
    "SELECT @@time_zone, @@div_precision_increment, @@lc_time_names",
)


@pytest.mark.parametrize("statement", ["CALL settings()", "CALL objects()", "SELECT settings()", "SELECT objects()"])
@pytest.mark.parametrize("autocommit", [1, 0])
def test_what_it_changed_is_nobody_elses(
    server: DatabaseServer, node: OutliveProcess, statement: str, autocommit: int
) -> None:
    for text in CODE:
        server.query(text)
    direct = Watched(server)
    expected = [seen(direct, Step(question)) for question in QUESTIONS]
    direct.close()
    one = Watched(node)
    seen(one, Step(f"SET autocommit = {autocommit}"))
    failed = seen(one, Step(statement))
    assert failed[0]["error"][0] == 1644
    own = seen(one, Step(QUESTIONS[0]))
    seen(one, Step("ROLLBACK"))
    if node.metric("outlive_leases_held"):
        # The server said that something changed: the client keeps its connection, and with it what it changed.
        assert own != expected[0]
        one.close()
    other = Watched(node)
    assert [seen(other, Step(question)) for question in QUESTIONS] == expected
    other.close()
