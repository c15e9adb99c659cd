"""Settings: interned by content, compared by identity, and the SQL from one to another."""

from hypothesis import given
from hypothesis import strategies as st

from outlive.session.mysql.settings import (
    CHARSET_NAMES,
    EMPTY,
    MULTI_STATEMENTS,
    SCHEMA,
    Difference,
    Settings,
    difference,
    has_literals,
    intern,
    updated,
    value_sql,
)

BASELINE = {
    b"sql_mode": b"STRICT_TRANS_TABLES",
    b"autocommit": b"ON",
    b"time_zone": b"SYSTEM",
    b"character_set_client": b"utf8mb4",
    b"character_set_connection": b"utf8mb4",
    b"character_set_results": b"utf8mb4",
    b"collation_connection": b"utf8mb4_general_ci",
}

NAMES = st.sampled_from([*BASELINE, b"@x", b"@y", SCHEMA, MULTI_STATEMENTS])
VALUES = st.sampled_from([b"0", b"1", b"ON", b"latin1", b"", b"'a'", b"shop"])


def test_equal_settings_are_one_object() -> None:
    one = updated(EMPTY, [(b"sql_mode", b""), (SCHEMA, b"shop")], BASELINE)
    other = updated(updated(EMPTY, [(SCHEMA, b"shop")], BASELINE), [(b"sql_mode", b"")], BASELINE)
    assert one is other


def test_the_baseline_s_value_is_as_never_set() -> None:
    changed = updated(EMPTY, [(b"autocommit", b"OFF")], BASELINE)
    assert changed is not EMPTY
    assert updated(changed, [(b"autocommit", b"ON")], BASELINE) is EMPTY


def test_settings_that_nobody_has_are_forgotten() -> None:
    kept = intern({b"sql_mode": b"ANSI", b"@z": b"42"})
    assert intern({b"sql_mode": b"ANSI", b"@z": b"42"}) is kept


def test_a_repr_shows_names_and_no_values() -> None:
    assert "secret" not in repr(intern({b"@x": b"'secret'"}))


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_a_difference_names_exactly_what_differs(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    source, target = intern(one), intern(other)
    way = Difference(source, target, BASELINE)
    text = b" ".join(way.statements)
    for name, value in BASELINE.items():
        wanted, had = other.get(name, value), one.get(name, value)
        if wanted != had:
            assert name + b"=" in text or (name in CHARSET_NAMES and b"NAMES " in text)
    if source is target:
        assert not way.statements
        assert way.schema is None
        assert way.multi_statements is None


def test_a_charset_takes_its_collation_along() -> None:
    """SET character_set_connection puts the charset's default collation in place of the session's."""
    source = intern({b"character_set_connection": b"latin1", b"collation_connection": b"latin1_bin"})
    target = intern({b"collation_connection": b"latin1_bin"})
    (statement,) = Difference(source, target, BASELINE).statements
    assert b"character_set_connection='utf8mb4',character_set_results='utf8mb4'," in statement
    assert statement.endswith(b",collation_connection='latin1_bin'")


def test_a_null_charset_replays_as_null() -> None:
    (statement,) = Difference(EMPTY, intern({b"character_set_results": b""}), BASELINE).statements
    assert b",character_set_results=NULL," in statement


def test_user_variables_come_after_the_charset_that_reads_them() -> None:
    target = intern({b"@a b": b"'x'", b"sql_mode": b"ANSI"})
    assert Difference(EMPTY, target, BASELINE).statements == (b"SET sql_mode='ANSI'", b"SET @`a b`='x'")
    assert Difference(target, EMPTY, BASELINE).statements == (
        b"SET sql_mode='STRICT_TRANS_TABLES'",
        b"SET @`a b`=NULL",
    )


def test_a_schema_cannot_be_deselected() -> None:
    assert Difference(intern({SCHEMA: b"shop"}), intern({SCHEMA: b""}), BASELINE).unreachable
    assert not Difference(intern({SCHEMA: b""}), intern({SCHEMA: b"shop"}), BASELINE).unreachable


def test_differences_are_kept_and_bounded() -> None:
    assert difference(EMPTY, EMPTY, BASELINE) is difference(EMPTY, EMPTY, BASELINE)
    for number in range(2000):
        difference(EMPTY, intern({b"@n": b"%d" % number}), BASELINE)


def test_values_as_sql() -> None:
    assert value_sql(b"18446744073709551615") == b"18446744073709551615"
    assert value_sql(b"-1.5") == b"-1.5"
    assert value_sql(b"ON") == b"'ON'"
    assert value_sql(b"it's") == b"_utf8mb4 X'69742773'"
    assert value_sql(b"a\\") == b"_utf8mb4 X'615c'"


def test_only_strings_depend_on_the_charset() -> None:
    assert not has_literals(intern({b"@a": b"1", b"@b": b"NULL", b"sql_mode": b"x"}))
    assert has_literals(intern({b"@a": b"'1'"}))


def test_settings_is_weakly_held() -> None:
    import gc
    import weakref

    reference = weakref.ref(Settings({b"a": b"b"}))
    gc.collect()
    assert reference() is None


def test_a_user_variable_that_is_null_is_still_one() -> None:
    """It keeps its type on the connection, which shows in the columns of the next client's SELECT @y."""
    null = intern({b"@y": b"NULL"})
    assert difference(null, EMPTY, BASELINE).forgets
    assert not difference(null, null, BASELINE).forgets
    assert not difference(EMPTY, null, BASELINE).forgets
