"""What a client asks about its last statement is never told of another client's, who had the connection in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..raw.mysql import CLASSIC, Raw
from ..servers import OutliveProcess
from ..servers.database import DatabaseServer

BYSTANDER = "SELECT * FROM of_the_bystander"
PING = b"\x0e"
PREPARED = (
    "SHOW WARNINGS",
    "SHOW ERRORS LIMIT 1",
    "SHOW COUNT(*) WARNINGS",
    "SELECT @@warning_count",
    "SELECT @@warning_count, @@error_count",
)


class Pair:
    """A client straight to the server, and one through Outlive, before each of whose commands another one fails."""

    def __init__(self, server: DatabaseServer, node: OutliveProcess) -> None:
        self.direct = Raw(server.host, server.port, capabilities=CLASSIC)
        self.through = Raw(node.host, node.port, capabilities=CLASSIC)
        self.other = Raw(node.host, node.port, capabilities=CLASSIC)

    def same(self, what: bytes | str) -> list[bytes]:
        """Both get the same answer."""
        payload = what if isinstance(what, bytes) else b"\x03" + what.encode()
        expected = self.direct.command(payload)
        assert self.other.query(BYSTANDER)[0][0] == 0xFF
        assert self.through.command(payload) == expected, what
        return expected

    def prepare(self, text: str) -> tuple[int, int]:
        """The ids of the statement, 0 where it cannot be prepared."""
        return self.direct.prepare(text)[0], self.through.prepare(text)[0]

    def execute(self, statement: tuple[int, int]) -> None:
        """Both get the same answer."""
        expected = self.direct.execute(statement[0])
        assert self.other.query(BYSTANDER)[0][0] == 0xFF
        found = self.through.execute(statement[1])
        assert b"bystander" not in b"".join(found)
        assert found == expected


@pytest.fixture
def pair(server: DatabaseServer, node: OutliveProcess) -> Iterator[Pair]:
    made = Pair(server, node)
    yield made
    for connection in (made.direct, made.through, made.other):
        connection.socket.close()


@pytest.mark.parametrize("text", PREPARED)
def test_prepared_questions(pair: Pair, text: str) -> None:
    statement = pair.prepare(text)
    if not statement[0]:
        assert not statement[1]
        pytest.skip("this server cannot prepare it")
    pair.same("SELECT COUNT(*) FROM stolen WHERE id = 0")
    pair.execute(statement)
    pair.same("SELECT * FROM of_the_asker")
    if text != PREPARED[-1]:  # two counts beside each other can only be asked where they are
        pair.execute(statement)


def test_in_a_transaction(pair: Pair) -> None:
    """MariaDB keeps an error over BEGIN."""
    pair.same("SELECT COUNT(*) FROM stolen WHERE id = 0")
    pair.other.query(BYSTANDER)
    for connection in (pair.direct, pair.through):
        connection.query("BEGIN")
    found, expected = (
        [payload for payload in connection.query("SHOW WARNINGS; SELECT 1") if payload[0] != 0xFE]  # no rows, but EOFs
        for connection in (pair.through, pair.direct)
    )
    assert found == expected
    for connection in (pair.direct, pair.through):
        connection.query("ROLLBACK")


def test_after_its_client_is_gone(server: DatabaseServer, node: OutliveProcess, pair: Pair) -> None:
    statement = pair.prepare(PREPARED[0])
    if not statement[0]:
        pytest.skip("this server cannot prepare it")
    pair.same("SELECT COUNT(*) FROM stolen WHERE id = 0")
    gone = Raw(node.host, node.port, capabilities=CLASSIC)
    gone.query(BYSTANDER)
    gone.socket.close()
    node.wait_settled()
    assert pair.through.execute(statement[1]) == pair.direct.execute(statement[0])


def test_a_ping_counts_what_the_last_statement_raised(pair: Pair) -> None:
    for text in (
        "SELECT * FROM of_the_asker",
        "SHOW WARNINGS",
        "SELECT CAST('1x' AS SIGNED), CAST('2y' AS SIGNED)",
        "SHOW COUNT(*) WARNINGS",
        "SELECT FOUND_ROWS()",
        "SELECT CONNECTION_ID() > 0",
        "SELECT * FROM of_the_asker",
        "SET NAMES utf8mb4",
        "SELECT * FROM of_the_asker",
        "SET wait_timeout = 100",
    ):
        pair.same(text)
        pair.same(PING)


def test_preparing_clears_as_much_as_alone(pair: Pair) -> None:
    """MariaDB keeps an error over a PREPARE, but for one of a statement that uses a table."""
    for text in ("SELECT 1", "SELECT id FROM stolen", "SELECT nonsense", "SHOW WARNINGS"):
        pair.same("SELECT * FROM of_the_asker")
        pair.prepare(text)
        pair.same("SHOW ERRORS")


def test_the_columns_are_described_alike(pair: Pair) -> None:
    pair.same("SET collation_connection = latin1_swedish_ci")
    pair.same("SHOW ERRORS")
    pair.same("SET NAMES utf8mb4")
    pair.same("SHOW ERRORS")
