"""What the rules pass, the database's own privileges of the same extent pass too: a statement that is let through and
then refused for want of a privilege would have touched what the rules do not allow.
"""

import random
import re
from collections.abc import Callable, Iterator

import psycopg
import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.config.content import ContentRules, TableRules
from outlive.gateway.rules.canon import Reading, Refused, canonical
from outlive.gateway.rules.facts import Facts
from outlive.gateway.rules.judge import judge
from outlive.gateway.rules.reader import read
from tests.servers import MariaDB, MySQL97, Postgres15

RULES = ContentRules(
    kinds=("select", "insert", "update", "delete"),
    tables={
        "users": TableRules(kinds=("select", "insert", "update"), read=("id", "name"), write=("id", "name")),
        "notes": TableRules(),
    },
    require_where=False,
)
GRAMMAR: dict[str, list[str]] = {
    "statement": [
        "{query}",
        "{query}",
        "{query}",
        "{query}",
        "UPDATE {target} SET {assign} WHERE {condition}",
        "UPDATE {target} SET {assign} FROM {source} WHERE {condition} RETURNING {outputs}",
        "UPDATE {target} JOIN {source} ON {condition} SET {assign}",
        "DELETE FROM {target} WHERE {condition}",
        "DELETE FROM {target} USING {source} WHERE {condition}",
        "DELETE {alias} FROM {target} JOIN {source} ON {condition}",
        "INSERT INTO {target} ({column}) {query}",
        "INSERT INTO {target} ({column}, {column}) VALUES ({value}, {value})"
        " ON CONFLICT ({column}) DO UPDATE SET {assign} RETURNING {outputs}",
        "INSERT INTO {target} ({column}) VALUES ({value}) ON DUPLICATE KEY UPDATE {assign}",
        "INSERT INTO {target} {query}",
        "WITH {alias} AS ({statement}) {statement}",
        "WITH RECURSIVE {alias} AS ({query}), {alias} ({column}) AS ({query}) {query}",
        "MERGE INTO {target} USING {source} ON {condition} WHEN MATCHED THEN DELETE",
        "TABLE {table}",
        "VALUES ({value})",
        "REPLACE INTO {target} ({column}) VALUES ({value})",
    ],
    "query": [
        "SELECT {outputs} FROM {source}",
        "SELECT {outputs} FROM {source} WHERE {condition}",
        "SELECT {outputs} FROM {source} WHERE {condition} ORDER BY {value}",
        "SELECT {value} AS {column} FROM {source} ORDER BY {column}",
        "SELECT {outputs} FROM {source} GROUP BY {value} HAVING {condition}",
        "SELECT {value} FROM {source} UNION ALL {query}",
        "SELECT DISTINCT {outputs} FROM {source} LIMIT 3",
        "({query})",
        "SELECT {value}",
        "SELECT {outputs} FROM {source} WINDOW w AS (PARTITION BY {value} ORDER BY {value})",
        "SELECT {outputs} FROM {source} FOR UPDATE",
        "WITH {alias} AS ({query}) {query}",
    ],
    "source": [
        "{table}",
        "{table}",
        "{table} {alias}",
        "{table} AS {alias}",
        "{source}, {source}",
        "{source} JOIN {source} ON {condition}",
        "{source} LEFT JOIN {source} USING ({column})",
        "{source} NATURAL JOIN {source}",
        "({query}) {alias}",
        "({query}) AS {alias} ({column})",
        "{table} {alias} ({column}, {column}, {column})",
        "({source})",
        "{source}, LATERAL ({query}) {alias}",
        "ONLY {table}",
        "({source}) {alias}",
    ],
    "outputs": ["{value}", "{value}, {value}", "*", "{alias}.*", "count(*)", "{value} AS {column}", "{value} {column}"],
    "condition": [
        "{value} = {value}",
        "{value} IS NULL",
        "EXISTS ({query})",
        "{value} IN ({query})",
        "NOT {condition}",
        "{condition} AND {condition}",
        "({condition} OR {condition})",
        "{value} > ALL ({query})",
        "true",
        "{value} LIKE 's%'",
    ],
    "value": [
        "{column}",
        "{column}",
        "{alias}.{column}",
        "1",
        "'s'",
        "({query})",
        "lower({value})",
        "count({value})",
        "{alias}",
        "max({value}) OVER (ORDER BY {value})",
        "row({value}, {value})",
        "to_jsonb({alias})",
        "({alias}).{column}",
        "CASE WHEN {condition} THEN {value} ELSE {value} END",
        "coalesce({value}, {value})",
        "{value}::text",
        "CAST({value} AS CHAR)",
        "{value} || {value}",
        "array_agg({value} ORDER BY {value})",
        "NULL",
        "{table}.{column}",
        "excluded.{column}",
        "pg_sleep(0)",
        "load_file('x')",
        "pg_read_file('x')",
        "query_to_xml('s', true, true, '')",
    ],
    "assign": [
        "{column} = {value}",
        "{column} = {value}, {column} = {value}",
        "({column}, {column}) = ({value}, {value})",
        "({column}, {column}) = ({query})",
        "{alias}.{column} = {value}",
    ],
    "target": ["{table}", "{table}", "{table} {alias}", "{table} AS {alias}"],
    "table": ["users", "notes", "users", "notes", "USERS", "other", "c", "excluded", "pg_class", '"users"', "`users`"],
    "column": [
        "id",
        "name",
        "secret",
        "id",
        "name",
        "secret",
        "NAME",
        '"name"',
        '"secret"',
        "`secret`",
        "u",
        "ctid",
        "body",
    ],
    "alias": ["u", "users", "notes", "n", "c", "name", "id", "secret", "excluded"],
}
HOLE = re.compile(r"\{(\w+)\}")
BLANKS = [" "] * 12 + ["\n", "/**/", " -- '\n", "/* ' */", "/* /* */ */", "\t"]


def expand(choose: random.Random, symbol: str, depth: int) -> str:
    templates = GRAMMAR[symbol]
    template = choose.choice(templates if depth > 0 else templates[:2])
    if depth < -3:
        template = {"query": "SELECT 1", "value": "id", "condition": "true", "source": "users"}.get(symbol, template)
    return HOLE.sub(lambda found: expand(choose, found[1], depth - 1), template)


def spaced(choose: random.Random, sql: str) -> str:
    return re.sub(" ", lambda _: choose.choice(BLANKS), sql)


def admitted(sql: str, reading: Reading) -> bool:
    try:
        facts = read(reading.dialect, canonical(sql, reading))
        if isinstance(facts, Facts):
            judge(RULES, reading.dialect, facts)
            return True
    except Refused:
        pass
    return False


Denied = Callable[[str], str]


@pytest.fixture(scope="module")
def denied_by_postgres(postgres: Postgres15) -> Iterator[Denied]:
    """Runs a statement as a user with just the rights of RULES; the message where one was missing."""
    with postgres.connect(autocommit=True) as owner:
        owner.execute("DROP TABLE IF EXISTS users, notes, other CASCADE")
        owner.execute("CREATE TABLE users (id int PRIMARY KEY, name text, secret text)")
        owner.execute("CREATE TABLE notes (id int PRIMARY KEY, name text, body text)")
        owner.execute("CREATE TABLE other (id int, name text, secret text)")
        owner.execute("INSERT INTO users VALUES (1, 'a', 'x'), (2, 'b', 'y')")
        owner.execute("INSERT INTO notes VALUES (1, 'a', 'x')")
        owner.execute("DROP ROLE IF EXISTS mirror")
        owner.execute("CREATE ROLE mirror")
        owner.execute("GRANT SELECT (id, name), INSERT (id, name), UPDATE (id, name) ON users TO mirror")
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO mirror")
    with postgres.connect() as connection:
        connection.execute("SET ROLE mirror")
        connection.execute("SET statement_timeout = 500")
        connection.commit()

        def denied(sql: str) -> str:
            try:
                psycopg.RawCursor(connection).execute(sql.encode(), [])
            except psycopg.errors.InsufficientPrivilege as error:
                return str(error)
            except psycopg.Error:
                pass
            finally:
                connection.rollback()
            return ""

        yield denied


def mirror_of(server: MariaDB | MySQL97) -> pymysql.Connection:
    with server.connect(autocommit=True) as owner, owner.cursor() as cursor:
        for sql in (
            "CREATE DATABASE IF NOT EXISTS mirror",
            "DROP TABLE IF EXISTS mirror.users, mirror.notes, mirror.other",
            "CREATE TABLE mirror.users (id int PRIMARY KEY, name varchar(99), secret varchar(99))",
            "CREATE TABLE mirror.notes (id int PRIMARY KEY, name varchar(99), body varchar(99))",
            "CREATE TABLE mirror.other (id int, name varchar(99), secret varchar(99))",
            "INSERT INTO mirror.users VALUES (1, 'a', 'x'), (2, 'b', 'y')",
            "INSERT INTO mirror.notes VALUES (1, 'a', 'x')",
            "DROP USER IF EXISTS mirror",
            "CREATE USER mirror IDENTIFIED BY 'm'",
            "GRANT SELECT (id, name), INSERT (id, name), UPDATE (id, name) ON mirror.users TO mirror",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON mirror.notes TO mirror",
        ):
            cursor.execute(sql)
    return pymysql.connect(host=server.host, port=server.port, user="mirror", password="m", database="mirror")


DENIED = frozenset([1044, 1142, 1143, 1227, 1345, 1370])


def denied_by(connection: pymysql.Connection, sql: str) -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.encode())
    except pymysql.err.MySQLError as error:
        return str(error) if error.args[0] in DENIED else ""
    finally:
        connection.rollback()
    return ""


READINGS = [("", Reading("mysql", True)), ("ANSI_QUOTES,NO_BACKSLASH_ESCAPES", Reading("mysql", False, True))]
LITERALS = [
    "'", '"', "\\", "$", "$a$", "/*", "*/", "--", "-- ", "#", "\n", ";", "E'", "U&'", "x'", "n'", "_gbk'", " ",
    "a", "1", "1e", "`", "/*!", " OR secret='x'", " UNION SELECT secret FROM users ", "(SELECT secret FROM users)",
    ",", "||", "\u00e9", "\u00a0", "''", '""', "\r", "\x1a",
]  # fmt: skip
AROUND = [
    "SELECT id FROM users WHERE name = {}",
    "SELECT id FROM users WHERE name = '{}'",
    "SELECT '{}', id FROM users",
    "SELECT id {} FROM users",
    "SELECT id FROM users {}",
    'SELECT "{}" FROM users',
    "SELECT `{}` FROM users",
    "SELECT E'{}' FROM users",
    "SELECT $${}$$ FROM users",
    "SELECT id /*{}*/ FROM users",
    "SELECT id --{}\n FROM users",
]


def statements(seed: int) -> list[str]:
    """Some of the grammar, and some with tricks of quoting."""
    choose = random.Random(seed)
    made = [spaced(choose, expand(choose, "statement", 3)) for _ in range(30)]
    tricks = ["".join(choose.choices(LITERALS, k=choose.randint(1, 9))) for _ in range(20)]
    return [sql for sql in made if len(sql) < 3000] + [choose.choice(AROUND).replace("{}", trick) for trick in tricks]


QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)


def test_postgres(denied_by_postgres: Denied, count: Callable[[int, int], int]) -> None:
    assert "permission denied" in denied_by_postgres("SELECT secret FROM users")
    passed = 0

    @settings(QUICK, max_examples=count(20, 4000))
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        nonlocal passed
        for sql in statements(seed):
            if admitted(sql, Reading("postgres", False)):
                passed += 1
                assert denied_by_postgres(sql) == "", sql

    check()
    assert passed >= 50


@pytest.mark.parametrize(("mode", "reading"), READINGS)
@pytest.mark.parametrize("which", ["maria", "mysql97"])
def test_mysql(
    which: str, mode: str, reading: Reading, request: pytest.FixtureRequest, count: Callable[[int, int], int]
) -> None:
    connection = mirror_of(request.getfixturevalue(which))
    with connection.cursor() as cursor:
        cursor.execute("SET sql_mode = %s", (mode,))
    assert denied_by(connection, "SELECT secret FROM users")
    passed = 0

    @settings(QUICK, max_examples=count(8, 4000))
    @given(st.integers(0, 2**32))
    def check(seed: int) -> None:
        nonlocal passed
        for sql in statements(seed):
            if admitted(sql, reading):
                passed += 1
                assert denied_by(connection, sql) == "", sql

    check()
    connection.close()
    assert passed >= 5
