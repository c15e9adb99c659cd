"""COM_STMT_*: a client's statements, cursors and long data, on a connection that another client takes in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..raw.mysql import CAPABILITIES, CURSOR, MODERN
from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .conversation import THIEVES, Conversation, PreparingThief, Scenario, assert_same, seen_by
from .scripts import Thief

SETUP = (
    "DROP TABLE IF EXISTS test.p, other.p, test.dropped",
    "CREATE TABLE test.p (id INT AUTO_INCREMENT PRIMARY KEY, c VARCHAR(40), f DOUBLE, b LONGBLOB)",
    "CREATE TABLE other.p (id INT AUTO_INCREMENT PRIMARY KEY, c VARCHAR(40), f DOUBLE, b LONGBLOB)",
    "INSERT INTO test.p (c, f) VALUES ('one', 1), ('two', 2), ('three', 3), ('four', 4), ('five', 5)",
    "INSERT INTO other.p (c, f) VALUES ('other', 9)",
    "CREATE TABLE test.dropped (a INT)",
    "INSERT INTO test.dropped VALUES (1)",
    "DROP PROCEDURE IF EXISTS test.outs",
    "CREATE PROCEDURE test.outs(IN i INT, INOUT io INT, OUT o VARCHAR(20))"
    " BEGIN SELECT i AS a; SELECT io AS b, 'x' AS c UNION SELECT 2, 'y'; SET io = io + 1; SET o = 'out'; END",
    "DROP PROCEDURE IF EXISTS test.ids",
    "CREATE PROCEDURE test.ids() BEGIN INSERT INTO p (c) VALUES ('by id'); SELECT LAST_INSERT_ID(); END",
)


def values_and_types(c: Conversation) -> None:
    """Types bound once count for later executions, whoever used the connection."""
    statement = c.prepare("SELECT ?, ? + 1")
    c.execute(statement, 5, 6)
    c.execute(statement, 7, 8, types=False)
    c.values(statement, None, 9)
    c.execute(statement, 10, 11, types=False)
    statement = c.prepare("SELECT ?, ? + 1")
    c.execute(statement, b"text", 1.5)
    c.execute(statement, b"more text", 2.5, types=False)
    c.values(statement, None, None, types=False)
    c.execute(statement, b"again", 3.5)
    third = c.prepare("SELECT ?, ?")
    c.values(third, None, None)
    c.values(third, None, 5)
    c.execute(third, b"x", 5)
    c.values(third, b"x", None)
    c.execute(third, b"x", 6, types=False)


def same_text_twice(c: Conversation) -> None:
    """Two handles of one text are two statements: types, long data and cursors are each one's own."""
    first, second = c.prepare("SELECT ?"), c.prepare("SELECT ?")
    c.execute(first, 1)
    c.execute(second, b"x")
    c.execute(first, 2, types=False)
    c.execute(second, b"y", types=False)
    c.close(first)
    c.execute(first, 3)
    c.execute(second, b"z", types=False)
    third = c.prepare("SELECT ?")
    c.execute(third, 1.5)


def long_data(c: Conversation) -> None:
    statement = c.prepare("SELECT ?, ?")
    c.holds = True
    c.long_data(statement, 0, b"a" * 1000)
    c.long_data(statement, 0, b"b" * 1000)
    c.holds = False
    c.execute(statement, b"", 7, long=(0,))
    statement = c.prepare("SELECT ?, ?")
    c.execute(statement, b"short", 8)
    c.holds = True
    c.long_data(statement, 1, b"second")
    c.holds = False
    c.reset(statement)
    c.execute(statement, b"after", 9)
    c.holds = True
    c.long_data(statement, 0, b"thrown away")
    c.holds = False
    c.close(statement)
    c.execute(statement, 1, 2)


def long_data_of_two(c: Conversation) -> None:
    """Long data of one handle is not another's, although their text is the same."""
    first, second = c.prepare("SELECT ?"), c.prepare("SELECT ?")
    c.holds = True
    c.long_data(first, 0, b"the first's")
    c.execute(second, b"the second's own")
    c.long_data(second, 0, b"the second's")
    c.execute(first, b"", long=(0,))
    c.holds = False
    c.execute(second, b"", long=(0,))
    c.execute(first, b"own")


def long_data_to_nobody(c: Conversation) -> None:
    c.long_data(4711, 0, b"lost")
    c.query("SELECT 1")


def cursors(c: Conversation) -> None:
    statement = c.prepare("SELECT id, c FROM p ORDER BY id")
    c.holds = True
    c.execute(statement, flags=CURSOR)
    c.fetch(statement, 2)
    c.query("SELECT 'in between'")
    c.fetch(statement, 2)
    c.holds = False
    c.fetch(statement, 2)
    c.fetch(statement, 1)
    c.holds = True
    c.execute(statement, flags=CURSOR)
    c.fetch(statement, 1)
    c.execute(statement, flags=CURSOR)
    c.fetch(statement, 1)
    c.holds = False
    c.reset(statement)
    c.fetch(statement, 1)
    c.holds = True
    c.execute(statement, flags=CURSOR)
    c.holds = False
    c.close(statement)
    c.fetch(statement, 1)


def two_cursors(c: Conversation) -> None:
    """Cursors of the same text side by side, and a third handle that has none."""
    text = "SELECT id FROM p WHERE id > ? ORDER BY id"
    first, second, third = c.prepare(text), c.prepare(text), c.prepare(text)
    c.holds = True
    c.execute(first, 0, flags=CURSOR)
    c.execute(second, 3, flags=CURSOR)
    c.fetch(first, 1)
    c.execute(third, 4)
    c.fetch(second, 1)
    fourth = c.prepare(text)
    c.execute(fourth, 4)
    c.fetch(first, 1)
    c.reset(first)
    c.fetch(second, 1)
    c.holds = False
    c.fetch(second, 1)
    c.fetch(second, 1)


def schema_of_a_statement(c: Conversation) -> None:
    """A statement belongs to the schema it was prepared in."""
    here = c.prepare("SELECT c FROM p WHERE id = 1")
    c.query("USE other")
    c.execute(here)
    there = c.prepare("SELECT c FROM p WHERE id = 1")
    c.execute(there)
    c.query("USE test")
    c.execute(there)
    c.execute(here)
    c.query("SELECT DATABASE()")


def mode_of_a_statement(c: Conversation) -> None:
    """The text was read under the sql_mode and the charset of its preparation."""
    statement = c.prepare('SELECT "id" FROM p WHERE id = 1')
    c.query("SET sql_mode = 'ANSI_QUOTES'")
    c.execute(statement)
    quoted = c.prepare('SELECT "id" FROM p WHERE id = 1')
    c.execute(quoted)
    c.query("SET sql_mode = DEFAULT")
    c.execute(quoted)
    c.execute(statement)
    c.raw.query("SET NAMES latin1")  # the order of the variables reported is not fixed
    c.between()
    latin = c.prepare(b"SELECT '\xe4', LENGTH('\xe4')".decode("latin-1").encode("latin-1"))  # type: ignore[arg-type]
    c.execute(latin)
    c.raw.query("SET NAMES utf8mb4")
    c.between()
    c.execute(latin)


def changed_tables(c: Conversation) -> None:
    statement = c.prepare("SELECT * FROM dropped")
    c.execute(statement)
    c.query("ALTER TABLE dropped ADD COLUMN b INT DEFAULT 7")
    c.execute(statement)
    c.query("ALTER TABLE dropped DROP COLUMN a")
    c.execute(statement)
    c.query("DROP TABLE dropped")
    c.execute(statement)
    c.execute(statement)
    c.query("SELECT 1")
    c.query("CREATE TABLE dropped (z VARCHAR(5))")
    c.execute(statement)


def functions_of_the_session(c: Conversation) -> None:
    """LAST_INSERT_ID(), ROW_COUNT(), FOUND_ROWS() and @@identity in statements prepared long before."""
    insert = c.prepare("INSERT INTO p (c) VALUES (?)")
    insert_id = c.prepare("SELECT LAST_INSERT_ID(), @@identity, @@last_insert_id")
    row_count, found_rows = (c.raw.prepare(text)[0] for text in ("SELECT ROW_COUNT()", "SELECT FOUND_ROWS()"))
    rows = c.prepare("SELECT id FROM p WHERE id < 4")
    update = c.prepare("UPDATE p SET f = f + 1 WHERE id < 4")
    c.execute(insert, b"by prepare")
    c.execute(insert_id)
    c.execute(insert, b"another")
    c.values(row_count)
    c.values(row_count)
    c.execute(insert_id)
    c.query("INSERT INTO p (c) VALUES ('by text')")
    c.execute(insert_id)
    c.execute(update)
    c.values(row_count)
    c.execute(rows)
    c.values(found_rows)
    c.execute(insert, b"then text")
    c.query("SELECT LAST_INSERT_ID()")
    c.query("SELECT ROW_COUNT()")


def failures(c: Conversation) -> None:
    c.prepare("SELECT nothing FROM nowhere")
    c.prepare("not SQL at all")
    c.prepare("")
    c.execute(4711)
    c.fetch(4711, 1)
    c.reset(4711)
    statement = c.prepare("INSERT INTO p (id) VALUES (?)")
    c.execute(statement, 1)
    c.execute(statement, 1)
    c.execute(statement, 500)
    c.fetch(statement, 1)


def procedures(c: Conversation) -> None:
    """Several results, and the out parameters as a result of their own."""
    statement = c.prepare("CALL outs(?, ?, ?)")
    c.execute(statement, 5, 6, b"in")
    c.execute(statement, 7, 8, b"in", types=False)
    ids = c.prepare("CALL ids()")
    c.execute(ids)
    c.query("SELECT LAST_INSERT_ID()")


def transactions(c: Conversation) -> None:
    begin, insert, commit = c.prepare("BEGIN"), c.prepare("INSERT INTO p (c) VALUES (?)"), c.prepare("COMMIT")
    count = c.prepare("SELECT COUNT(*) FROM p")
    c.holds = True
    c.query("BEGIN")
    c.execute(insert, b"in a transaction")
    c.execute(count)
    c.holds = False
    c.query("ROLLBACK")
    c.execute(count)
    assert begin >= 0
    assert commit >= 0


def settings_by_prepare(c: Conversation) -> None:
    """SET and USE by the binary protocol count as by text."""
    c.query("SELECT 1")
    for text in ("SET time_zone = '+03:00'", "SET @x = 5", "SET wait_timeout = 77", "SET sql_mode = 'ANSI_QUOTES'"):
        c.execute(c.prepare(text))
    c.query("SELECT @@time_zone, @x, @@sql_mode")
    c.values(c.raw.prepare("SELECT @@wait_timeout")[0])


SCENARIOS: tuple[Scenario, ...] = (
    values_and_types,
    same_text_twice,
    long_data,
    long_data_of_two,
    long_data_to_nobody,
    cursors,
    two_cursors,
    schema_of_a_statement,
    mode_of_a_statement,
    changed_tables,
    functions_of_the_session,
    failures,
    procedures,
    transactions,
    settings_by_prepare,
)


@pytest.fixture
def same(server: DatabaseServer, node: OutliveProcess) -> Callable[[Scenario, int], None]:
    """Runs a scenario direct and through, with each thief, and compares every byte of the replies."""

    def check(scenario: Scenario, capabilities: int) -> None:
        _set_up(server)
        direct = seen_by(server, scenario, capabilities=capabilities)
        thieves: dict[str, Callable[[OutliveProcess], Thief | PreparingThief]] = dict(THIEVES)
        thieves["preparing"] = lambda found: PreparingThief(found, capabilities)
        if capabilities != MODERN:
            # What differs with the capabilities is seen with any thief; all of them take too long.
            thieves = {"preparing": thieves["preparing"]}
        for name, make in thieves.items():
            _set_up(server)
            thief = make(node)
            try:
                through = seen_by(node, scenario, thief, capabilities=capabilities)
            finally:
                thief.close()
            assert_same(direct, through, f"{scenario.__name__}, thief: {name}")

    return check


def _set_up(server: DatabaseServer) -> None:
    with server.connect() as root, root.cursor() as cursor:
        for statement in SETUP:
            cursor.execute(statement)


@pytest.mark.parametrize("capabilities", CAPABILITIES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda found: found.__name__)
def test_prepared(
    server: DatabaseServer, same: Callable[[Scenario, int], None], scenario: Scenario, capabilities: str
) -> None:
    if capabilities == "query_attributes" and server.flavour == "mariadb":
        pytest.skip("MariaDB 10.11 has no query attributes")
    same(scenario, CAPABILITIES[capabilities])
