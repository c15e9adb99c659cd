"""Replies of real servers, followed as they are and with edits, against what a client sees without Outlive."""

from collections.abc import Iterator

import pytest

from outlive.wire.postgres import frontend
from outlive.wire.postgres.constants import (
    FAILED_TRANSACTION,
    IDLE,
    IN_TRANSACTION,
    NAME_BYTES,
    PORTAL,
    PROTOCOL_3_0,
    PROTOCOL_3_2,
    STATEMENT,
)
from outlive.wire.postgres.messages import (
    COPY_DONE,
    FLUSH,
    PARSE_COMPLETE,
    SYNC,
    bind,
    close,
    copy_fail,
    describe,
    execute,
    message,
    parse,
    query,
)
from outlive.wire.postgres.reply import EXTENDED, FUNCTION, SIMPLE, ReplyReader
from outlive.wire.postgres.small_reply import SmallReply
from tests.servers import PostgresServer

from .raw import RawConnection

SELECT = b"SELECT i, repeat('x', 20) FROM generate_series(1, $1::int) i"
COUNT_OID = 1219  # pg_proc: int8inc(bigint), called by FunctionCall
CALL = message(ord("F"), COUNT_OID.to_bytes(4, "big") + b"\0\1\0\1\0\1\0\0\0\x08" + bytes(7) + b"\x29\0\1")
ROWS = b"".join(message(ord("d"), b"%d\n" % row) for row in range(100))

# (kind, what the client sends, messages of the extended protocol in it that are answered)
TRANSCRIPT = {
    "select": (SIMPLE, query(b"SELECT 1"), None),
    "many rows": (SIMPLE, query(b"SELECT i, repeat('x', i % 300) FROM generate_series(1, 5000) i"), None),
    "a long value": (SIMPLE, query(b"SELECT repeat('x', 3000000)"), None),
    "empty": (SIMPLE, query(b" ; "), None),
    "several": (SIMPLE, query(b"SET TIME ZONE 'Asia/Tokyo'; SELECT 1; RESET TIME ZONE"), None),
    "error": (SIMPLE, query(b"SELECT nope"), None),
    "a long error": (SIMPLE, query(b"DO $$ BEGIN RAISE EXCEPTION '%', repeat('x', 300000); END $$"), None),
    "notices": (SIMPLE, query(b"DO $$ BEGIN RAISE NOTICE '%', repeat('x', 300000); END $$"), None),
    "notified": (SIMPLE, query(b"LISTEN c; NOTIFY c, 'payload'; UNLISTEN c"), None),
    "many tags": (SIMPLE, query(b"SELECT 1;" * 100), None),
    "copy out": (SIMPLE, query(b"COPY (SELECT generate_series(1, 1000)) TO STDOUT"), None),
    "copy in": (SIMPLE, query(b"CREATE TEMP TABLE c (i int); COPY c FROM STDIN; DROP TABLE c"), None),
    "function": (FUNCTION, CALL, None),
    "function fails": (FUNCTION, CALL.replace(COUNT_OID.to_bytes(4, "big"), b"\0\0\0\1"), None),
    "unnamed": (EXTENDED, parse(b"", SELECT) + bind(b"", b"", [b"3"]) + describe(PORTAL, b"") + execute() + SYNC, 4),
    "described": (EXTENDED, parse(b"d", SELECT) + describe(STATEMENT, b"d") + close(STATEMENT, b"d") + SYNC, 3),
    "no rows": (EXTENDED, parse(b"", b"SET x.y = 1") + bind(b"", b"") + describe(PORTAL, b"") + execute() + SYNC, 4),
    "suspended": (
        EXTENDED,
        parse(b"", SELECT) + bind(b"p", b"", [b"30"]) + execute(b"p", 10) * 2 + close(PORTAL, b"p") + SYNC,
        5,
    ),
    "empty statement": (EXTENDED, parse(b"", b"") + bind(b"", b"") + describe(PORTAL, b"") + execute() + SYNC, 4),
    "pipeline": (EXTENDED, (parse(b"", SELECT) + bind(b"", b"", [b"1"]) + execute()) * 50 + SYNC, 150),
    "fails": (EXTENDED, parse(b"", SELECT) + bind(b"", b"", [b"x"]) + execute() + SYNC, None),
    "extended copy in": (
        EXTENDED,
        parse(b"", b"COPY pg_temp.t FROM STDIN") + bind(b"", b"") + execute() + FLUSH + SYNC,
        3,
    ),
    "extended copy out": (EXTENDED, parse(b"", b"COPY pg_temp.t TO STDOUT") + bind(b"", b"") + execute() + SYNC, 3),
    "only a sync": (EXTENDED, SYNC, 0),
    "a query in place of the sync": (EXTENDED, parse(b"", SELECT) + FLUSH + query(b"SELECT 1"), None),
}


@pytest.fixture
def raw(pg: PostgresServer) -> Iterator[RawConnection]:
    with RawConnection(pg.host, pg.port) as connection:
        reader = ReplyReader()
        connection.unit(query(b"CREATE TEMP TABLE t (i int)"), reader, SIMPLE)
        assert reader.error is None
        yield connection


def test_a_client_gets_what_the_server_sends(raw: RawConnection) -> None:
    for name, (kind, sent, completions) in TRANSCRIPT.items():
        reader = ReplyReader()
        received, seen = raw.unit(sent, reader, kind, copy=ROWS + COPY_DONE + (SYNC if kind == EXTENDED else b""))
        assert seen == received, name
        assert reader.status == IDLE, name
        assert (reader.error is not None) == ("error" in name or "fails" in name), name
        assert completions is None or reader.completed == completions, name
        again = ReplyReader()
        again.start(kind)
        step = 1 if len(received) < 10_000 else 997
        assert b"".join(again.feed(received[at : at + step]) for at in range(0, len(received), step)) == received
        assert (again.tags, again.completed, again.parameters) == (reader.tags, reader.completed, reader.parameters)


def test_what_a_reply_tells(raw: RawConnection) -> None:
    reader = ReplyReader()
    raw.unit(TRANSCRIPT["several"][1], reader, SIMPLE)
    assert reader.tags == [b"SET", b"SELECT 1", b"RESET"]
    assert not reader.parameters, "what is as before at the end of a unit is not reported"
    raw.unit(query(b"SET TIME ZONE 'Asia/Tokyo'; SELECT 1; SET TIME ZONE 'Asia/Seoul'"), reader, SIMPLE)
    assert reader.parameters == {b"TimeZone": b"Asia/Seoul"}
    raw.unit(TRANSCRIPT["many tags"][1], reader, SIMPLE)
    assert (reader.more_tags, reader.verbs) == (True, {b"SELECT"})
    raw.unit(TRANSCRIPT["suspended"][1], reader)
    assert reader.suspended
    raw.unit(TRANSCRIPT["fails"][1], reader)
    assert reader.error is not None
    assert (reader.failed_at, reader.error.code) == (1, b"22P02")
    raw.unit(query(b"BEGIN"), reader, SIMPLE)
    assert reader.status == IN_TRANSACTION
    raw.unit(query(b"SELECT 1/0"), reader, SIMPLE)
    assert reader.status == FAILED_TRANSACTION
    raw.unit(query(b"ROLLBACK"), reader, SIMPLE)
    assert reader.status == IDLE


def test_an_error_ends_the_clients_copy(raw: RawConnection) -> None:
    reader = ReplyReader()
    _, seen = raw.unit(query(b"COPY t FROM STDIN"), reader, SIMPLE, copy=ROWS + copy_fail(b"no"))
    assert reader.error is not None
    assert (reader.error.code, seen[:1], reader.status) == (b"57014", b"G", IDLE)


def test_a_statement_prepared_elsewhere(pg: PostgresServer, raw: RawConnection) -> None:
    """The client prepares `mine` once and runs it; its statement lives as `outlive_1` on whatever connection it gets,
    and it sees what it would see alone."""
    client_parse, client_run = parse(b"mine", SELECT), bind(b"", b"mine", [b"3"]) + describe(PORTAL, b"") + execute()
    with RawConnection(pg.host, pg.port) as alone:
        expected, _ = alone.unit(client_parse + client_run + SYNC, ReplyReader())
        expected_run, _ = alone.unit(client_run + SYNC, ReplyReader())
    reader = ReplyReader()
    head, rest = frontend.rename_bind(client_run, 0, frontend.scan(client_run)[1][1], b"outlive_1")
    server_run = head + client_run[rest:] + SYNC
    # Not known here yet: a Parse of Outlive's own goes ahead.
    reader.start(EXTENDED)
    reader.swallow(0)
    raw.send(parse(b"outlive_1", SELECT) + server_run)
    assert raw.follow(reader)[1] == expected_run
    # Known: the client's Parse never goes there.
    reader.start(EXTENDED)
    ahead = reader.insert(0, PARSE_COMPLETE)
    raw.send(server_run)
    assert ahead + raw.follow(reader)[1] == expected
    # In the middle of a pipeline both, and an error behind them.
    broken = bind(b"", b"mine", [b"x"])
    with RawConnection(pg.host, pg.port) as alone:
        pipeline = client_parse + client_run + parse(b"other", SELECT) + client_run + broken + parse(b"third", SELECT)
        expected, _ = alone.unit(pipeline + SYNC, ReplyReader())
    reader.start(EXTENDED)
    ahead = reader.insert(0, PARSE_COMPLETE)
    assert reader.insert(3, PARSE_COMPLETE) == b""
    reader.swallow(3)
    assert reader.insert(8, PARSE_COMPLETE) == b""
    head, rest = frontend.rename_bind(broken, 0, len(broken), b"outlive_1")
    raw.send(server_run[:-5] + parse(b"outlive_2", SELECT) + server_run[:-5] + head + broken[rest:] + SYNC)
    assert ahead + raw.follow(reader)[1] == expected
    assert reader.failed_at == 7


def test_names_are_told_apart_by_their_first_63_bytes(raw: RawConnection) -> None:
    reader = ReplyReader()
    long = b"n" * NAME_BYTES
    raw.unit(parse(long + b"1", SELECT) + SYNC, reader)
    raw.unit(parse(long + b"2", SELECT) + SYNC, reader)
    assert reader.error is not None
    assert reader.error.code == b"42P05"
    raw.unit(bind(b"", long, [b"1"]) + execute() + SYNC, reader)
    assert reader.error is None


def test_preludes_and_questions(raw: RawConnection) -> None:
    reply = SmallReply()
    raw.send(query(b"SET application_name = 'x'; SET work_mem = '5MB'; SELECT name, setting FROM pg_settings"))
    while not reply.feed(raw.receive()):
        pass
    assert reply.tags[:2] == [b"SET", b"SET"]
    assert reply.parameters[b"application_name"] == b"x"
    assert dict(reply.rows)[b"work_mem"] == b"5120"  # type: ignore[call-overload]
    reply = SmallReply()
    raw.send(query(b"SET nope = 1"))
    while not reply.feed(raw.receive()):
        pass
    assert reply.error is not None
    assert (reply.error.code, reply.status) == (b"42704", IDLE)


def test_versions(pg: PostgresServer) -> None:
    newest = PROTOCOL_3_2 if pg.flavour == "pg18" else PROTOCOL_3_0
    with RawConnection(pg.host, pg.port) as raw:
        assert (raw.negotiated, len(raw.key)) == (None, 4)
        assert (b"search_path" in raw.parameters) == (newest == PROTOCOL_3_2)
    with RawConnection(pg.host, pg.port, PROTOCOL_3_2) as raw:
        assert raw.negotiated == (None if newest == PROTOCOL_3_2 else (PROTOCOL_3_0, []))
        assert len(raw.key) == (32 if newest == PROTOCOL_3_2 else 4)
    with RawConnection(pg.host, pg.port, PROTOCOL_3_0, {b"_pq_.unheard_of": b"1"}) as raw:
        assert raw.negotiated is not None
        assert raw.negotiated[1] == [b"_pq_.unheard_of"]
    with RawConnection(pg.host, pg.port, 3 << 16 | 9999) as raw:
        assert raw.negotiated == (newest, [])
