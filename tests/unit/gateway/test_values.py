import json
import struct

import pytest

from outlive.gateway.cells import document, integer, number, text
from outlive.gateway.failure import Failure
from outlive.gateway.mysql.reply import PrepareReply, ResultReply
from outlive.gateway.mysql.types import bound as mysql_bound
from outlive.gateway.mysql.types import shortest
from outlive.gateway.postgres.reply import PostgresReply
from outlive.gateway.postgres.types import bound, encoder
from outlive.gateway.rows import Rows, Stream
from outlive.wire.mysql.constants import MYSQL_TYPE_LONGLONG
from outlive.wire.mysql.packets import packet
from outlive.wire.mysql.results import text_result
from outlive.wire.postgres.errors import error_response
from outlive.wire.postgres.messages import command_complete, data_row, ready_for_query, row_description


def test_integers_that_javascript_would_round_are_text() -> None:
    for value in (0, -1, 2**53 - 1, -(2**53) + 1):
        assert json.loads(integer(str(value).encode())) == value
    for value in (2**53, -(2**53), 2**64):
        assert json.loads(integer(str(value).encode())) == str(value)


def test_other_values() -> None:
    assert number(b"1e+20") == b"1e+20"
    assert number(b"-Infinity") == b'"-Infinity"'
    assert json.loads(text(b'\xff"\n')) == '\ufffd"\n'
    assert b"\n" not in document(b'{"a":\r\n1}')
    assert shortest(struct.unpack("<f", struct.pack("<f", 0.1))[0]) == b"0.1"
    assert shortest(16777217.0) == b"16777216.0" or shortest(16777216.0) == b"16777216.0"


def test_arrays() -> None:
    assert json.loads(encoder(1007)(b"[2:3]={1,NULL}")) == [1, None]
    assert json.loads(encoder(1009)(b'{{a,"b,\\"\\\\"},{"NULL",NULL}}')) == [["a", 'b,"\\'], ["NULL", None]]
    assert bound([["a", None, 'q"\\']])[1] == [b'{"a",NULL,"q\\"\\\\"}']


def test_wrong_parameters() -> None:
    for wrong in ({"type": "bytes", "value": "%"}, {"type": "bytes", "value": 5}, {"type": "unheard", "value": 1}):
        for bind in (bound, mysql_bound):
            with pytest.raises(Failure):
                bind([wrong])
    with pytest.raises(Failure):
        bound(["a\0b"])


def collected(rows: Rows) -> list[object]:
    return [json.loads(piece) for piece in rows.pieces]


def test_a_postgres_reply_byte_by_byte() -> None:
    reply = (
        row_description([(b"n", 23), (b"t", 25)])
        + data_row([b"1", b"x"])
        + data_row([None, b""])
        + command_complete(b"SELECT 2")
        + ready_for_query(ord("I"))
    )
    rows = Rows("objects", max_rows=10, max_bytes=1000)
    reader = PostgresReply(rows, lambda _: None)
    ends = [reader.feed(bytes((byte,))) for byte in reply]
    assert ends == [False] * (len(reply) - 1) + [True]
    assert collected(rows) == [{"n": 1, "t": "x"}, {"n": None, "t": ""}]
    assert reader.done().command == "SELECT"


def test_a_postgres_error() -> None:
    reader = PostgresReply(Rows("arrays", max_rows=1, max_bytes=9), lambda _: None)
    assert reader.feed(error_response(b"ERROR", b"42601", b"no", position=b"7") + ready_for_query(ord("I")))
    with pytest.raises(Failure) as caught:
        reader.done()
    assert caught.value.details["position"] == 7
    assert caught.value.outcome == "failed"


def test_a_mysql_reply_byte_by_byte() -> None:
    reply = text_result([(b"n", MYSQL_TYPE_LONGLONG)], [[b"7"], [None]], capabilities=1 << 24, status=2)
    rows = Rows("arrays", max_rows=10, max_bytes=1000)
    reader = ResultReply(rows, binary=False)
    ends = [reader.feed(bytes((byte,))) for byte in reply]
    assert ends == [False] * (len(reply) - 1) + [True]
    assert collected(rows) == [[7], [None]]


def test_a_prepared_statement_without_anything() -> None:
    reader = PrepareReply()
    assert reader.feed(packet(1, b"\0\x05\0\0\0\0\0\0\0\0\0\0"))
    assert (reader.statement_id, reader.parameters) == (5, 0)


def test_limits_and_flow() -> None:
    told: list[str] = []
    rows = Rows("arrays", max_rows=1, max_bytes=1000)
    rows.on_overflow = lambda: told.append("over")
    rows.begin([])
    for _ in range(3):
        rows.add([b"1"])
    assert told == ["over"]
    assert (rows.count, rows.pieces) == (1, [])

    async def flow() -> None:
        paused: list[bool] = []
        stream = Stream("arrays", max_rows=10)
        stream.on_pause = paused.append
        stream.add([b'"' + b"x" * 300_000 + b'"'])
        stream.add([b"1"])
        assert paused == [True]
        assert stream.take().endswith(b"[1]\n")
        assert paused == [True, False]

    import asyncio

    asyncio.run(flow())
