"""What the lexer reads from a text is what PostgreSQL does with it: statements, tags, holds and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlive.session.postgres import Analysis, analyse
from outlive.session.postgres.analysis import (
    ASKABLE,
    CUT,
    DISCARD_ALL,
    REREAD_SETTINGS,
    RESET_ALL,
    SETTINGS,
    TEMPORARY_SCHEMA,
    TEMPORARY_TABLE,
    UNREADABLE,
)
from outlive.session.postgres.asking import question

from ..servers import PostgresServer

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

_IDLE = 0
_ERROR = 7
_SETTINGS = (b"app.x", b"app.y", b"search_path", b"timezone", b"work_mem", b"datestyle", b"jit", b"role", b"xmloption")


@dataclass(slots=True)
class Session:
    """A connection on which texts run, and one that shows what their settings should be."""

    connection: Any
    twin: Any
    tags: list[bytes] = field(default_factory=list)
    error: bytes | None = None

    def run(self, text: bytes) -> None:
        pgconn = self.connection.pgconn
        pgconn.send_query(text)
        self.tags = []
        self.error = None
        while (result := pgconn.get_result()) is not None:
            if result.status == _ERROR:
                self.error = result.error_message
            elif result.command_status:
                self.tags.append(result.command_status)

    def held(self) -> int:
        return int(self._one(question(ASKABLE)))

    def settle(self) -> None:
        if self.connection.pgconn.transaction_status != _IDLE:
            self.run(b"ROLLBACK")

    def clean(self) -> None:
        self.settle()
        self.run(b"DISCARD ALL")
        assert self.error is None
        self.twin.execute("DISCARD ALL")

    def settings(self) -> dict[bytes, bytes]:
        return _values(self.connection)

    def expected(self, values: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
        for name, value in values.items():
            self.twin.execute(
                "SELECT set_config(%s, %s, false)", (name.decode(), None if value is None else value.decode())
            )
        return _values(self.twin)

    def _one(self, text: bytes) -> bytes:
        result: PGresult = self.connection.pgconn.exec_(text)
        value = result.get_value(0, 0)
        assert value is not None, result.error_message
        return value


def _values(connection: Any) -> dict[bytes, bytes]:
    row = connection.execute(
        "SELECT " + ", ".join(f"coalesce(current_setting('{name.decode()}', true), '')" for name in _SETTINGS)
    ).fetchone()
    return dict(zip(_SETTINGS, (value.encode() for value in row), strict=True))


@pytest.fixture(scope="module")
def session(pg: PostgresServer) -> Iterator[Session]:
    # prepare_threshold=None: psycopg's own statements would be there beside the text's.
    with pg.connect(prepare_threshold=None) as connection, pg.connect(prepare_threshold=None) as twin:
        connection.execute("CREATE TABLE IF NOT EXISTS lexer_t (a int)")
        connection.execute("CREATE SEQUENCE IF NOT EXISTS lexer_s")
        connection.execute("CREATE OR REPLACE PROCEDURE lexer_p() LANGUAGE plpgsql AS 'BEGIN LISTEN lexer; END'")
        yield Session(connection, twin)


def check(session: Session, text: bytes) -> Analysis:
    """Runs it and compares. Returns the analysis."""
    analysis = analyse(text)
    session.clean()
    session.run(text)
    if session.error is None:
        tags = [tag.split()[0] for tag in session.tags]
        assert len(tags) == analysis.count, (text, session.tags, session.error)
        if analysis.parts and not analysis.flags & CUT:
            assert all(_same(tag, part.verb) for tag, part in zip(tags, analysis.parts, strict=True)), (text, tags)
    elif session.error and b"syntax error" in session.error:
        return analysis  # nothing of it ran
    clean = session.error is None
    in_transaction = session.connection.pgconn.transaction_status != _IDLE
    session.settle()
    held = session.held()
    possible = analysis.holds | (TEMPORARY_TABLE if analysis.holds & TEMPORARY_SCHEMA else 0)
    assert held & ~possible == 0, (text, held, analysis)
    if analysis.plain:
        assert held == 0
        assert session.settings() == session.expected({}), text
    elif clean and not in_transaction and not _uncertain(analysis):
        assert session.settings() == session.expected(_predicted(analysis)), text
    return analysis


def _same(tag: bytes, verb: bytes) -> bool:
    aliases = {
        b"END": b"COMMIT",
        b"ABORT": b"ROLLBACK",
        b"WITH": tag,
        b"EXECUTE": tag,
        b"VALUES": b"SELECT",
        b"TABLE": b"SELECT",
    }
    # A COMMIT of what has failed says ROLLBACK, and CREATE TABLE AS says SELECT.
    return tag in (aliases.get(verb, verb), b"ROLLBACK") or (verb == b"CREATE" and tag == b"SELECT")


def _uncertain(analysis: Analysis) -> bool:
    return bool(
        analysis.flags & (REREAD_SETTINGS | UNREADABLE)
        or analysis.holds & SETTINGS
        or analysis.rereads
        or any(part.control for part in analysis.parts)
    )


def _predicted(analysis: Analysis) -> dict[bytes, bytes | None]:
    values: dict[bytes, bytes | None] = {}
    for part in analysis.parts:
        if part.discard in (RESET_ALL, DISCARD_ALL):
            role = values.get(b"role")
            values = {b"role": role} if role is not None and part.discard == RESET_ALL else {}
        values.update((item.name, item.value) for item in part.assignments if not item.local)
    return values


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ; -- a\n ;",
        "SELECT 1; SELECT 2;; VALUES (3)",
        "SELECT $a$;$b$;$a$; SELECT E'\\';' ; SELECT U&'\\0061;' ; SELECT \"a;\".b FROM (SELECT 1) \"a;\" (b)",
        "SELECT E'a' -- c\n  'b\\'; LISTEN x; --'; SELECT 2",
        "SELECT 'a'\n'b\\'; LISTEN x; --'",
        "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END;"
        " SELECT 1 AS end; SELECT (SELECT case when true then 1 end) AS case; END; LISTEN a",
        "CREATE RULE lexer_r AS ON UPDATE TO lexer_t DO ALSO (SELECT 1; SELECT 2); DROP RULE lexer_r ON lexer_t",
        "CREATE TEMP TABLE a (b int) ON COMMIT DROP",
        "CREATE TEMP TABLE a ON COMMIT DROP AS SELECT 1",
        "CREATE TEMP TABLE a (b int) ON COMMIT DELETE ROWS",
        "BEGIN; CREATE TEMP TABLE a (b int); ROLLBACK",
        "SET search_path TO 'a', \"B c\", $$d$$, DeF",
        "SET search_path = ''",
        "SET SCHEMA 'A'",
        "SET TIME ZONE utc",
        "SET TIME ZONE -3.5",
        "SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE",
        "SET TIME ZONE LOCAL",
        "SET datestyle = German, 'DMY'",
        "SET app.x = E'a\\tb\\\\c\\'d'",
        'SET "App".X TO 007',
        "SET app.x = 99999999999999; SET app.y = -.5e1",
        "SET app.x = 1; RESET app.x; SET app.y = on",
        "SET app.x = 1; RESET ALL",
        "SET work_mem = '1MB'; SET LOCAL work_mem = '2MB'",
        "SET XML OPTION DOCUMENT",
        "SELECT set_config('search_path', '\"$user\", A', false), set_config('app.X', NULL, false)",
        "SELECT set_config('work_mem', '1MB', false) AS a, current_setting('work_mem')",
        "SELECT set_config('app.x', 'a', true)",
        "SELECT pg_try_advisory_lock(1), pg_advisory_unlock(1)",
        "SELECT pg_advisory_lock(1), 1/0",
        "SELECT 1 AS a INTO TEMP temp; SELECT 1 AS a INTO LOCAL TEMPORARY TABLE t2",
        "WITH x AS (SELECT 1 AS a) SELECT * INTO pg_temp.t FROM x",
        "EXPLAIN ANALYZE CREATE TEMP TABLE a AS SELECT 1",
        "EXPLAIN ANALYZE SELECT pg_advisory_lock(3)",
        "SET search_path = pg_temp, public; CREATE TABLE a (b int)",
        "SELECT set_config('search_path', 'pg_temp', false); CREATE VIEW a AS SELECT 1",
        "BEGIN; SET LOCAL search_path = pg_temp; CREATE TABLE a (b int); COMMIT",
        "BEGIN; SELECT set_config('search_path', 'pg_temp', true); CREATE TABLE a (b int); COMMIT",
        "CREATE TEMP TABLE a (b int); CREATE VIEW v AS SELECT * FROM a",
        "PREPARE transaction AS SELECT pg_advisory_lock(1); EXECUTE transaction",
        "PREPARE p AS SELECT 1; CREATE TEMP TABLE x AS EXECUTE p; DEALLOCATE p",
        "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; DECLARE d CURSOR WITHOUT HOLD FOR SELECT 1; COMMIT",
        "CALL lexer_p()",
        "DO $$ BEGIN PERFORM pg_advisory_lock(1); CREATE TEMP TABLE x (a int); SET app.x = 1; END $$",
        'LISTEN "A b"; UNLISTEN *',
        "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY",
        "COMMENT ON TABLE lexer_t IS E'\\';'",
        "BEGIN; SAVEPOINT a; ROLLBACK TO a; RELEASE a; COMMIT AND CHAIN; END",
        "SELECT 1 -- /*\n; SELECT 2 /* -- */; /* ; /* ; */ ; */ SELECT 3",
        "SELECT 1\r--a\rUNION SELECT 2; SELECT 3",
    ],
)
def test_texts_do_what_was_read(session: Session, text: str) -> None:
    check(session, text.encode())


_gaps = st.sampled_from([" ", " ", " ", "\n", "\t", "\f", "/* ; */", "-- ';\n", " /* /* */ ' */ ", "/**/", "--\r"])
_strings = st.sampled_from(
    ["'a;b'", "'it''s'", "E'a\\';b'", "$$;$$", "$x$ $$ ' ; $x$", "U&'\\0061;'", "'\\'", "E'\\\\'", "''", "'--'", "'/*'"]
)
_names = st.sampled_from(["a", "Ab", '"A;b"', '"a""\'b"', "temp", "a$b$", "naïve", '"/*"', "u"])
_constants = st.one_of(
    _strings, st.sampled_from(["1", "-1", "007", "1.50", "- 2", "on", "TRUE", "Foo", '"Foo"', "1e3"])
)


def _words(*items: object) -> st.SearchStrategy[list[str]]:
    return st.tuples(*(st.just(item) if isinstance(item, str) else item for item in items)).map(list)  # type: ignore[arg-type]


_calls = st.sampled_from(
    ["pg_advisory_lock", "pg_try_advisory_lock_shared", '"pg_advisory_lock"', "pg_catalog.pg_advisory_unlock"]
)
_statements = st.one_of(
    _words("SELECT", _strings),
    _words("SELECT", _strings, "AS", _names),
    _words("VALUES", "(", _strings, ")"),
    _words("SET", st.sampled_from(["", "LOCAL", "SESSION"]), st.sampled_from(["app.x", "App.Y"]), "=", _constants),
    _words("SET", "search_path", "TO", _names, ",", _strings),
    _words("SET", "TIME", "ZONE", st.sampled_from(["'UTC'", "UTC", "3", "-3", "DEFAULT", "LOCAL", "'Asia/Tokyo'"])),
    _words("SET", "datestyle", "TO", st.sampled_from(["ISO", "german", "'SQL, DMY'"])),
    _words("RESET", st.sampled_from(["ALL", "app.x", "search_path", "TIME ZONE"])),
    _words("SELECT", "set_config", "(", "'App.X'", ",", _strings, ",", st.sampled_from(["true", "false", "'f'"]), ")"),
    _words("SELECT", _calls, "(", "1", ")"),
    _words("LISTEN", _names),
    _words("UNLISTEN", "*"),
    _words("CREATE", st.sampled_from(["TEMP", "LOCAL TEMPORARY"]), "TABLE", "IF NOT EXISTS", _names, "(", "a int", ")"),
    _words("CREATE", "TEMP", "TABLE", _names, "ON", "COMMIT", "DROP", "AS", "SELECT", _strings, "AS", "x"),
    _words("SELECT", _strings, "AS", "x", "INTO", "TEMP", _names),
    _words("DROP", "TABLE", "IF EXISTS", _names),
    _words("PREPARE", _names, "AS", "SELECT", _strings),
    _words("DEALLOCATE", "ALL"),
    _words("DECLARE", _names, "CURSOR", "WITH", "HOLD", "FOR", "SELECT", _strings),
    _words("CLOSE", "ALL"),
    _words("DO", st.sampled_from(["$$ BEGIN LISTEN x; END $$", "'BEGIN PERFORM 1; END'"])),
    _words("BEGIN"),
    _words("COMMIT"),
    _words("ROLLBACK"),
    _words("SAVEPOINT", _names),
    _words("INSERT", "INTO", "lexer_t", "SELECT", "nextval", "(", "'lexer_s'", ")"),
    _words(""),
)


@st.composite
def _texts(draw: st.DrawFn) -> bytes:
    statements = draw(st.lists(_statements, min_size=1, max_size=5))
    text = ""
    for words in statements:
        for word in words:
            text += word + draw(_gaps)
        text += ";"
    return (text if draw(st.booleans()) else text[:-1]).encode()


def test_any_text_does_what_was_read(session: Session, count: Callable[[int, int], int]) -> None:
    @given(_texts())
    @settings(
        max_examples=count(250, 20_000), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    def run(text: bytes) -> None:
        check(session, text)

    run()
