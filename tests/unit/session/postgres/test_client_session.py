"""What a client session makes of settings that are set back, of server's words, and of tables that change."""

from __future__ import annotations

from outlive.session.postgres.client_session import ClientSession
from outlive.session.postgres.prepared import interned
from outlive.session.postgres.replay import EMPTY, intern
from outlive.session.postgres.reported import intern_reported
from outlive.session.postgres.server_state import ServerState
from outlive.wire.postgres.errors import error_response
from outlive.wire.postgres.messages import (
    command_complete,
    parameter_status,
    query,
    ready_for_query,
)
from outlive.wire.postgres.reply import EXTENDED, SIMPLE, ReplyReader


def session() -> ClientSession:
    return ClientSession(
        user="app",
        database="test",
        startup=intern({b"timezone": b"Asia/Tokyo"}),
        reported=intern_reported({b"TimeZone": b"Asia/Tokyo", b"DateStyle": b"ISO"}),
    )


def test_a_setting_that_is_set_back_is_told_as_the_startup_packet_had_it() -> None:
    state = ServerState(10)
    for text, name, value, expected in (
        (b"RESET ALL", b"TimeZone", b"UTC", False),
        (b"RESET timezone", b"TimeZone", b"UTC", False),
        (b"SET timezone TO DEFAULT", b"TimeZone", b"UTC", False),
        (b"SET timezone TO 'UTC'", b"TimeZone", b"UTC", True),
        (b"RESET datestyle", b"TimeZone", b"UTC", True),
        (b"RESET ALL", b"DateStyle", b"SQL", True),
    ):
        client = session()
        client.query(query(text))
        assert client.told(name, value, state, is_default=True) is expected, text
        assert state.reported.values[name] == value
    client = session()
    client.query(query(b"SET timezone TO 'Europe/Berlin'"))
    assert client.told(b"TimeZone", b"Europe/Berlin", state) is True
    client.query(query(b"RESET ALL"))
    told = client.told(b"TimeZone", b"UTC", state, is_default=True)
    assert told == parameter_status(b"TimeZone", b"Asia/Tokyo")


def test_errors_name_statements_as_the_client_does() -> None:
    client = session()
    statement = interned(b"SELECT $1", b"\0\0", client.settings.context, client.analyser.analyse(b"SELECT $1", 0))
    client.remember_name(b"mine", statement)
    reader = ReplyReader(worded=client.worded)
    reader.start(EXTENDED)
    said = b'prepared statement "%b" already exists'
    found = reader.feed(error_response(b"ERROR", b"42P05", said % statement.name) + ready_for_query(ord("I")))
    assert found == error_response(b"ERROR", b"42P05", said % b"mine") + ready_for_query(ord("I"))
    unknown = error_response(b"ERROR", b"42P05", said % b"outlive_0")
    assert client.worded(unknown) == unknown


def test_a_text_is_parsed_again_after_tables_changed() -> None:
    client = session()
    state = ServerState(10)

    def made() -> object:
        analysis = client.analyser.analyse(b"SELECT * FROM t", 0)
        return interned(b"SELECT * FROM t", b"\0\0", EMPTY.context, analysis)

    def run(text: bytes, tag: bytes, status: str) -> None:
        client.query(query(text))
        reader = ReplyReader()
        reader.start(SIMPLE)
        reader.feed(command_complete(tag) + ready_for_query(ord(status)))
        client.finish(reader, state, SIMPLE)

    first = made()
    run(b"INSERT INTO t VALUES (1)", b"INSERT 0 1", "I")
    assert made() is first
    run(b"BEGIN", b"BEGIN", "T")
    run(b"ALTER TABLE t ADD b int", b"ALTER TABLE", "T")
    second = made()
    assert second is not first
    run(b"SELECT 1", b"SELECT 1", "T")
    run(b"COMMIT", b"COMMIT", "I")
    third = made()
    assert third is not second
    run(b"SELECT 1", b"SELECT 1", "I")
    assert made() is third
