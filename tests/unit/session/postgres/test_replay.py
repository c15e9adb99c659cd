"""Settings, what is reported, what a connection has prepared: interned values, and the ways between them."""

from hypothesis import given
from hypothesis import strategies as st

from outlive.session.postgres.analysis import PLAIN_READ
from outlive.session.postgres.prepared import private
from outlive.session.postgres.replay import EMPTY, difference, intern, parse_context, set_sql, updated
from outlive.session.postgres.reported import NOTHING_REPORTED, intern_reported
from outlive.session.postgres.server_state import ServerState
from outlive.session.postgres.steps import PING, Step, ping_step, settings_step
from outlive.wire.postgres.messages import SYNC, parse_parameter_status
from outlive.wire.postgres.reader import MessageReader

NAMES = st.sampled_from([b"a", b"b.c", b"role", b"session_authorization", b"client_encoding", b"search_path"])
SETTINGS = st.dictionaries(NAMES, st.binary(max_size=8).map(lambda value: value.replace(b"\0", b"")), max_size=5)


@given(SETTINGS, SETTINGS)
def test_equal_settings_are_one_object(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    assert (intern(one) is intern(other)) == (one == other)
    assert updated(intern(one), ((name, None) for name in one)) is EMPTY
    assert updated(EMPTY, one.items()) is intern(one)


@given(SETTINGS, SETTINGS)
def test_a_difference_is_one_text_in_ascii(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    texts = difference(intern(one), intern(other))
    assert len(texts) == (one != other)
    assert all(text.isascii() and b"\0" not in text for text in texts)


def test_texts() -> None:
    assert set_sql(b"work_mem", b"4MB") == b"SET \"work_mem\" TO '4MB'"
    assert set_sql(b"my.role", b"a'b\\") == b"SET \"my\".\"role\" TO  E'a''b\\\\'"
    assert set_sql(b"my.role", None) == b'RESET "my"."role"'
    assert set_sql(b"search_path", b'a, "B"') == b"SELECT pg_catalog.set_config('search_path','a, \"B\"',false) IS NULL"
    assert set_sql(b'a"b', None) == b"SELECT pg_catalog.set_config('a\"b',NULL,false) IS NULL"
    assert b"decode('e9','hex')" in set_sql(b"application_name", b"\xe9")


def test_who_the_session_is_comes_last_and_goes_first() -> None:
    source = intern({b"role": b"a", b"session_authorization": b"b", b"work_mem": b"1"})
    target = intern({b"role": b"c", b"client_encoding": b"LATIN1", b"application_name": b"x"})
    assert difference(source, target) == (
        b"RESET ROLE;RESET SESSION AUTHORIZATION;SET \"application_name\" TO 'x';"
        b'SET "client_encoding" TO \'LATIN1\';RESET "work_mem";SET "role" TO \'c\'',
    )
    assert difference(source, source) == ()
    # What takes the privileges of who logged in is set as that user.
    assert difference(intern({b"role": b"a"}), intern({b"role": b"a", b"log_statement": b"all"})) == (
        b"RESET ROLE;SET \"log_statement\" TO 'all';SET \"role\" TO 'a'",
    )


def test_values_show_nowhere() -> None:
    assert "secret" not in repr(intern({b"my.password": b"secret"}))
    assert "secret" not in repr(Step(b"secret"))


def test_what_parsing_depends_on() -> None:
    base = parse_context(EMPTY)
    assert parse_context(intern({b"application_name": b"x", b"work_mem": b"1"})) is base
    for name in (b"search_path", b"role", b"datestyle", b"client_encoding", b"standard_conforming_strings"):
        changed = parse_context(intern({name: b"x", b"work_mem": b"1"}))
        assert changed is not base
        assert changed is parse_context(intern({name: b"x"}))


def test_reported() -> None:
    one = NOTHING_REPORTED.with_(b"TimeZone", b"UTC").with_(b"is_superuser", b"off")
    other = intern_reported({b"is_superuser": b"on", b"TimeZone": b"UTC"})
    assert one.with_(b"TimeZone", b"UTC") is one
    assert one.with_(b"is_superuser", b"on") is other
    assert one.difference_to(one) == b""
    for _ in range(2):
        assert _parameters(one.difference_to(other)) == [(b"is_superuser", b"on")]
    assert _parameters(other.messages()) == [(b"is_superuser", b"on"), (b"TimeZone", b"UTC")]
    many = intern_reported({b"%d" % number: b"" for number in range(256)})
    assert many.with_(b"one too many", b"x") is many


def _parameters(data: bytes) -> list[tuple[bytes, bytes]]:
    reader = MessageReader(1000)
    reader.feed(data)
    found = []
    while (message := reader.next()) is not None:
        found.append(parse_parameter_status(message[1]))
    return found


def test_a_statement_that_was_not_closed_yet_is_there() -> None:
    state = ServerState(1)
    first, second = (private(b"SELECT 1", b"\0\0", PLAIN_READ) for _ in range(2))
    state.add_prepared(first)
    state.add_prepared(second)
    assert state.has(first)
    assert state.take_unwanted() == [second.name]


def test_the_least_recently_used_statement_is_closed() -> None:
    state = ServerState(2)
    first, second, third = (private(b"SELECT 1", b"\0\0", PLAIN_READ) for _ in range(3))
    state.add_prepared(first)
    state.add_prepared(second)
    assert state.has(first)
    state.add_prepared(third)
    assert (state.has(first), state.has(third)) == (True, True)
    assert state.take_unwanted() == [second.name]
    assert not state.has(second)
    assert state.take_unwanted() == []
    state.remove_prepared(first)
    assert not state.has(first)
    assert state.take_closes() == b""
    state.remove_prepared(third, close_it=True)
    assert state.take_closes() == b"C\0\0\0" + bytes((6 + len(third.name),)) + b"S" + third.name + b"\0"
    state.add_prepared(first)
    state.reset()
    assert not state.has(first)


def test_steps() -> None:
    assert (ping_step().message, ping_step().purpose) == (SYNC, PING)
    assert ping_step(b"xyz").message == b"xyz" + SYNC
    found: list[dict[bytes, bytes]] = []
    step = settings_step(found.append, [b"my.x"])
    assert b"current_setting('my.x',true)" in step.message
    assert step.take is not None
    step.take(
        [
            (b"DateStyle", b"ISO".hex().encode()),
            (b"work_mem", None),
            (b"transaction_read_only", b"on".hex().encode()),
            (b"outlive.idle_session_timeout", b"1".hex().encode()),
            (b"idle_session_timeout", b"0".hex().encode()),
        ]
    )
    assert found == [{b"datestyle": b"ISO", b"outlive.idle_session_timeout": b"0"}]
