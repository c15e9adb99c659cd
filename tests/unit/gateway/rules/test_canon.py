"""The text without its literals: what is one text, what is two, and what servers may read in two ways."""

import pytest

from outlive.gateway.rules.canon import Dialect, Reading, Refused, canonical

POSTGRES = Reading("postgres", False)
MYSQL = Reading("mysql", True)


@pytest.mark.parametrize(
    ("reading", "one", "other"),
    [
        (POSTGRES, "SELECT 'a', 1 -- x\n, $1", "SELECT  'it''s',/* 'b' /* */ */2.5e3,$1"),
        (POSTGRES, r"SELECT E'\'', $$'$$, $a$ $$ $a$", "SELECT 's', 's', 's'"),
        (POSTGRES, r"SELECT '\', a", "SELECT 's', a"),
        (POSTGRES, "SELECT a<-1, a->>'x', a!= -1;", "SELECT a < - 5 , a ->> 's' , a != - 1"),
        (POSTGRES, "SELECT n'x', b'1', X'ff'", "SELECT 's', 's', 's'"),
        (POSTGRES, "SELECT a--1\n", "SELECT a"),
        (MYSQL, r"""SELECT 'it\'s', "x", 'a''b', 0x41, N'x' # c""", "SELECT 's', 's', 's', 1, 's'"),
        (MYSQL, "SELECT a--1", "SELECT a - - 2"),
        (MYSQL, "SELECT `a b`, a -- x", "SELECT `a b`,a"),
    ],
)
def test_the_same(reading: Reading, one: str, other: str) -> None:
    assert canonical(one, reading) == canonical(other, reading)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (Reading("postgres", False), Reading("postgres", True)),
        (Reading("mysql", False), Reading("mysql", True)),
    ],
)
def test_backslashes(one: Reading, two: Reading) -> None:
    """What is in the literal for one server is outside of it for the other."""
    sql = r"SELECT '\' OR a = '', b"
    texts = [_text(sql, reading) for reading in (one, two)]
    assert texts[0] != texts[1]


def test_ansi_quotes() -> None:
    assert canonical('SELECT "a"', Reading("mysql", True, True)) == "SELECT `a`"
    assert canonical('SELECT "a"', MYSQL) == "SELECT 's'"
    assert canonical('SELECT "a"', POSTGRES) == 'SELECT "a"'


def _text(sql: str, reading: Reading) -> str:
    try:
        return canonical(sql, reading)
    except Refused as refused:
        return f"refused: {refused.rule}"


@pytest.mark.parametrize(
    ("dialect", "sql", "rule"),
    [
        ("postgres", "SELECT 1; DELETE FROM t", "one_statement"),
        ("postgres", "SELECT 1 /*! , 2 */", "comment"),
        ("postgres", "SELECT /*+ Set(x y) */ 1", "comment"),
        ("postgres", "SELECT 1 /* ", "comment"),
        ("postgres", "SELECT 1 -- a\rDELETE", "comment"),
        ("postgres", "SELECT 'a", "text"),
        ("postgres", "SELECT $a$ b", "text"),
        ("postgres", "SELECT 'a'\n'b'", "text"),
        ("postgres", "SELECT E'a' 'b'", "text"),
        ("postgres", "SELECT U&'x'", "text"),
        ("postgres", 'SELECT U&"x"', "text"),
        ("postgres", 'SELECT "a""b"', "text"),
        ("postgres", 'SELECT "a.b"', "text"),
        ("postgres", "SELECT \u00e9", "text"),
        ("postgres", "SELECT a\u00a0b", "text"),
        ("postgres", "SELECT a\x0bb", "text"),
        ("postgres", "SELECT 1a", "text"),
        ("postgres", "SELECT 0x1f", "text"),
        ("postgres", "SELECT a @@@ b", "operator"),
        ("postgres", "SELECT 1" + "+" * 17 + "1", "operator"),
        ("postgres", "SELECT 1\u0662", "text"),
        ("postgres", "SELECT $1\u0662", "text"),
        ("postgres", "SELECT .\u0662", "text"),
        ("mysql", "SELECT 1\u0662", "text"),
        ("postgres", "SELECT {{ a }}", "text"),
        ("postgres", "SELECT " + "a" * 64, "text"),
        ("postgres", "SELECT `a`", "operator"),
        ("mysql", "SELECT 1 /*!50000 , 2 */", "comment"),
        ("mysql", "SELECT 1 /*M!100000 , 2 */", "comment"),
        ("mysql", "SELECT /*+ SET_VAR(sql_mode='x') */ 1", "comment"),
        ("mysql", "SELECT 1 /* /* */ */", "comment"),
        ("mysql", "SELECT @a", "variable"),
        ("mysql", "SELECT @@sql_mode", "variable"),
        ("mysql", "SELECT a := 1", "text"),
        ("mysql", "SELECT _gbk'x'", "text"),
        ("mysql", "SELECT _gbk /**/ 'x'", "text"),
        ("mysql", "SELECT _latin1 0x41", "text"),
        ("mysql", "SELECT `a``b`", "text"),
        ("mysql", "SELECT t.1a", "text"),
        ("mysql", "SELECT \\N", "text"),
        ("mysql", "SELECT 1\0", "text"),
        ("mysql", "SELECT 1;;", "one_statement"),
    ],
)
def test_refused(dialect: Dialect, sql: str, rule: str) -> None:
    with pytest.raises(Refused) as raised:
        canonical(sql, Reading(dialect, dialect == "mysql"))
    assert raised.value.rule == rule
