"""A server connection goes from one client's settings to the next one's, and what it says of them is what was set."""

import random

import pytest

from outlive.session.postgres.replay import EMPTY, Settings, intern, updated
from outlive.session.postgres.steps import settings_step

from ..servers import PostgresServer
from ..servers.database import APP
from ..servers.postgres import SUPERUSER
from .postgres_upstream import PostgresConnection, Upstream, in_loop, upstream

VALUES: dict[bytes, list[bytes]] = {
    b"search_path": [b'public, "My Schema", pg_temp', b"", b'"a""b", \'c\'', b'"$user", x', b'"back\\slash"'],
    b"datestyle": [b"SQL, DMY", b"German, DMY", b"ISO, YMD"],
    b"timezone": [b"Asia/Tokyo", b"<-05>+05", b"UTC"],
    b"intervalstyle": [b"iso_8601", b"sql_standard"],
    b"client_encoding": [b"LATIN1", b"SJIS", b"UTF8", b"WIN1252"],
    b"standard_conforming_strings": [b"off", b"on"],
    b"backslash_quote": [b"off", b"on"],
    b"extra_float_digits": [b"3", b"-15"],
    b"work_mem": [b"8192", b"65536"],
    b"statement_timeout": [b"60000", b"0"],
    b"default_transaction_isolation": [b"serializable", b"repeatable read"],
    b"default_transaction_read_only": [b"on"],
    b"default_transaction_deferrable": [b"on"],
    b"bytea_output": [b"escape"],
    b"application_name": [b'it\'s "x"', b"back\\slash", b"a;b--c/*d", b"", b"$1 %s"],
    b"enable_seqscan": [b"off"],
    b"seq_page_cost": [b"1.5", b"2"],
    b"xmloption": [b"document"],
    b"temp_tablespaces": [b""],
    b"my.setting": [b"'", b'"', b"\\'; DROP TABLE x; --", b"\n\t\r", b"a" * 3000, b"E'x'"],
    b"my.other.part": [b"1"],
    b"outlive.idle_session_timeout": [b"5000"],
}


async def _reads(up: Upstream, connection: PostgresConnection, custom: frozenset[bytes]) -> dict[bytes, bytes]:
    found: list[dict[bytes, bytes]] = []
    error = await up.run(connection, settings_step(found.append, custom))
    assert error is None, error.message
    return found[0]


def _custom(settings: Settings) -> frozenset[bytes]:
    return frozenset(name for name in settings.values if b"." in name)


@in_loop
async def test_any_settings_to_any_others_and_back(pg: PostgresServer, count) -> None:
    """What the server reads back is what was asked for, and nothing of whoever was there before."""
    chance = random.Random(7)
    async with upstream(pg) as up:
        connection = await up.lease()
        fresh = connection.session.reported
        for _ in range(count(300, 5000)):
            names = chance.sample(sorted(VALUES), chance.randrange(0, 9))
            target = intern({name: chance.choice(VALUES[name]) for name in names})
            error = await up.change(connection, target)
            assert error is None, (error.message, target.values)
            assert await _reads(up, connection, _custom(target)) == target.values
            assert connection.session.status == ord("I")
            for name, value in target.values.items():
                reported = {key.lower(): found for key, found in connection.session.reported.values.items()}
                if name in reported and name != b"client_encoding":
                    assert reported[name] == value
        assert await up.change(connection, EMPTY) is None
        assert await _reads(up, connection, frozenset()) == {}
        assert connection.session.reported is fresh


@pytest.mark.parametrize("encoding", ["LATIN1", "WIN1252", "SJIS", "GBK", "BIG5", "UTF8"])
@in_loop
async def test_characters_beyond_ascii_under_every_encoding(pg: PostgresServer, encoding: str) -> None:
    """Values are in UTF-8, whatever the client's encoding is and was, and whether it has these characters."""
    text = {"SJIS": "ソ能表", "GBK": "乗乢", "BIG5": "功許"}.get(encoding, "äöü'é")  # second bytes that are backslashes
    python = {"WIN1252": "cp1252", "LATIN1": "latin-1"}.get(encoding, encoding.lower())
    values = {b"my.text": text.encode(), b"search_path": f'"{text}"'.encode(), b"my.other": "Ω и 表".encode()}
    target = intern({**values, b"client_encoding": encoding.encode()})
    async with upstream(pg) as up:
        connection = await up.lease()
        for source in ("LATIN1", "SJIS", "UTF8"):
            assert await up.change(connection, intern({b"client_encoding": source.encode()})) is None
            assert await up.value(connection, "SELECT current_setting('my.text', true)") in (None, b"")
            assert await up.change(connection, target) is None
            assert await _reads(up, connection, _custom(target)) == target.values
            assert await up.value(connection, "SELECT current_setting('my.text')") == text.encode(python)
            assert await up.change(connection, updated(target, [(b"client_encoding", None)])) is None
            assert await _reads(up, connection, _custom(target)) == values


@in_loop
async def test_names_that_are_no_identifiers(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        long = b"my." + b"x" * 100
        for name in (b"select.from", b"role.user", long, b"my.x$"):
            target = intern({name: b"v"})
            error = await up.change(connection, target)
            assert error is None, (name, error.message)
            assert await _reads(up, connection, _custom(target)) == target.values
            assert await up.change(connection, EMPTY) is None
        for name in (b'x"; DROP TABLE y; --.z', b"no such setting", b"nothing", b"'.'"):
            error = await up.change(connection, intern({name: b"v"}))
            assert error is not None
            assert error.code in (b"42704", b"42602"), (name, error.code)
            assert connection.session.status == ord("I")
            assert await _reads(up, connection, frozenset()) == {}


@in_loop
async def test_all_or_nothing(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        start = intern({b"application_name": b"before", b"client_encoding": b"LATIN1"})
        assert await up.change(connection, start) is None
        error = await up.change(connection, intern({b"application_name": b"after", b"work_mem": b"nonsense"}))
        assert error is not None
        assert error.code == b"22023"
        assert await _reads(up, connection, frozenset()) == start.values


@in_loop
async def test_roles_and_session_authorization(pg: PostgresServer) -> None:
    with pg.connect() as superuser:
        superuser.execute('DROP ROLE IF EXISTS "Weak ""Role"')
        superuser.execute('CREATE ROLE "Weak ""Role"; GRANT "Weak ""Role" TO app')
    weak = b'Weak "Role'
    async with upstream(pg, account=SUPERUSER) as up:
        connection = await up.lease()
        steps = [
            # What takes privileges, beside a role that has none, in and out.
            intern({b"role": weak, b"log_min_duration_statement": b"1000"}),
            intern({b"role": weak, b"log_min_duration_statement": b"2000"}),
            intern({b"role": b"app2"}),
            intern({b"session_authorization": b"app"}),
            intern({b"session_authorization": b"app", b"role": weak, b"work_mem": b"8192"}),
            intern({b"session_authorization": b"app2"}),
            intern({b"log_min_duration_statement": b"3000"}),
            EMPTY,
        ]
        for target in [*steps, *reversed(steps)]:
            error = await up.change(connection, target)
            assert error is None, (error.message, target.values)
            assert await _reads(up, connection, frozenset()) == target.values
    async with upstream(pg, account=APP) as up:
        connection = await up.lease()
        assert await up.change(connection, intern({b"role": weak})) is None
        assert await up.value(connection, "SELECT current_user") == weak
        assert await up.change(connection, EMPTY) is None
        assert await up.value(connection, "SELECT current_user") == b"app"
        error = await up.change(connection, intern({b"role": b"postgres"}))
        assert error is not None
        assert error.code == b"42501"


@in_loop
async def test_a_hostile_search_path_reads_the_same(pg: PostgresServer) -> None:
    """Functions, operators and tables of the same names before pg_catalog in the search_path."""
    with pg.connect() as superuser:
        superuser.execute("DROP SCHEMA IF EXISTS evil CASCADE; CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC")
        superuser.execute("CREATE VIEW evil.pg_settings AS SELECT 'x' AS name, 'y' AS setting, 'session' AS source")
        for name, arguments, result in (
            ("current_setting", "text", "text"),
            ("current_setting", "text, boolean", "text"),
            ("set_config", "text, text, boolean", "text"),
            ("pg_backend_pid", "", "integer"),
        ):
            superuser.execute(
                f"CREATE FUNCTION evil.{name}({arguments}) RETURNS {result} LANGUAGE sql AS $$ SELECT 1/0; "
                f"SELECT NULL::{result} $$"
            )
        superuser.execute("CREATE FUNCTION evil.no(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT false'")
        superuser.execute("CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no)")
        superuser.execute("GRANT SELECT ON evil.pg_settings TO PUBLIC")
    target = intern({b"search_path": b"evil, pg_catalog", b"my.text": b"x", b"work_mem": b"4096"})
    async with upstream(pg) as up:
        connection = await up.lease()
        assert await up.change(connection, target) is None
        assert await _reads(up, connection, _custom(target)) == target.values
        assert await up.change(connection, intern({b"search_path": b"evil, public"})) is None
        assert await up.change(connection, EMPTY) is None
        assert await _reads(up, connection, frozenset()) == {}


@in_loop
async def test_a_switch_that_was_disarmed_is_armed_again(pg: PostgresServer) -> None:
    async with upstream(pg, dead_man_s=60) as up:
        connection = await up.lease()
        await up.say(
            connection, "SELECT set_config('idle_session_timeout', '0', false); SET tcp_keepalives_idle = 7200"
        )
        found = await _reads(up, connection, frozenset())
        assert found == {b"outlive.idle_session_timeout": b"0", b"outlive.tcp_keepalives_idle": b"7200"}
        assert await up.value(connection, "SHOW idle_session_timeout") == b"1min"
        assert await up.value(connection, "SHOW tcp_keepalives_idle") == b"30"
        assert await up.change(connection, intern(found)) is None
        assert await up.change(connection, EMPTY) is None


@in_loop
async def test_a_rollback_leaves_what_was_there(pg: PostgresServer) -> None:
    async with upstream(pg) as up:
        connection = await up.lease()
        target = intern({b"work_mem": b"8192", b"my.x": b"1"})
        assert await up.change(connection, target) is None
        await up.say(connection, "BEGIN; SET work_mem = '1MB'; SET my.x = 2; SET my.y = 3; ROLLBACK")
        found = await _reads(up, connection, frozenset({b"my.x", b"my.y", b"my.never"}))
        assert found == {**target.values, b"my.y": b""}  # as the client would see it without Outlive
