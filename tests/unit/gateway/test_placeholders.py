import pytest

from outlive.gateway.failure import Failure
from outlive.gateway.placeholders import numbered, questions

A = {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1"),
        ("SELECT :a::int", "SELECT $1::int"),
        ("SELECT ':a', \":a\", E'\\':a', 'it''s :a'", None),
        ("SELECT $$:a$$, $x$ :a $$ $x$", None),
        ("SELECT 1 -- :a\n, :a", "SELECT 1 -- :a\n, $1"),
        ("SELECT /* :a /* :a */ :a */ :a", "SELECT /* :a /* :a */ :a */ $1"),
        ("SELECT /* never closed :a", None),
        ("SELECT x[1:2], name_e':a'", None),
        ("SELECT 'back\\', :a, 'slash'", "SELECT 'back\\', $1, 'slash'"),
        ("SELECT 'never closed, :a", None),
        ("SELECT $a$ never closed, :a", None),
    ],
)
def test_postgres(sql: str, expected: str | None) -> None:
    assert numbered(sql, A)[0] == (sql if expected is None else expected)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT :a, :b, :a", "SELECT ?, ?, ?"),
        ("SELECT ':a', \":a\", `:a`, 'it\\':a'", None),
        ("SELECT 1 # :a\n, :a", "SELECT 1 # :a\n, ?"),
        ("SELECT 1 -- :a\n, 5--:a", "SELECT 1 -- :a\n, 5--?"),
        ("SELECT /* :a */ :a", "SELECT /* :a */ ?"),
        ("SELECT @x:=:a, @y:=5", "SELECT @x:=?, @y:=5"),
        ("SELECT 'never closed, :a", None),
        ("SELECT 'never closed, :a\\", None),
    ],
)
def test_mysql(sql: str, expected: str | None) -> None:
    assert questions(sql, A)[0] == (sql if expected is None else expected)


def test_values_in_their_order() -> None:
    assert numbered("SELECT :b, :a, :b", A) == ("SELECT $1, $2, $1", [2, 1])
    assert questions("SELECT :b, :a, :b", A) == ("SELECT ?, ?, ?", [2, 1, 2])


def test_a_missing_value() -> None:
    with pytest.raises(Failure) as caught:
        numbered("SELECT :c", A)
    assert ":c" in caught.value.message
    assert caught.value.outcome == "not_run"


def test_what_is_never_closed_is_looked_at_once() -> None:
    """Not once more for each of its quotes: this would take hours, in the node's only thread."""
    assert questions("'" + "\\'" * 1_000_000, A)[0].endswith("\\'")
    assert numbered("".join(f"$a{number}$ " for number in range(500_000)), A)[0].endswith("$ ")
