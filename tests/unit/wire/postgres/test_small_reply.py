"""Replies to questions of Outlive's own."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.postgres import errors, messages
from outlive.wire.postgres.constants import IDLE, IN_TRANSACTION, TYPE_TEXT
from outlive.wire.postgres.small_reply import BYTES_LIMIT, ROWS_LIMIT, SmallReply

T = messages.row_description([(b"name", TYPE_TEXT), (b"setting", TYPE_TEXT)])
ROWS = messages.data_row([b"a", b"1"]) + messages.data_row([b"b", None])
C = messages.command_complete(b"SELECT 2")
SET = messages.command_complete(b"SET")
STATUS = messages.parameter_status(b"TimeZone", b"UTC")
ERROR = errors.error_response(b"ERROR", b"42704", b"no such setting")
FATAL = errors.error_response(b"FATAL", b"57P01", b"going down")
NOTICE = errors.notice_response(b"NOTICE", b"00000", b"note")
NOTIFICATION = messages.message(ord("A"), b"\0\0\0\1c\0p\0")
Z = messages.ready_for_query(IDLE)


def facts(reply: SmallReply) -> list[object]:
    found = [getattr(reply, name) for name in SmallReply.__slots__ if name[0] != "_" and name != "error"]
    return [*found, reply.error and reply.error.payload()]


@pytest.mark.parametrize(
    ("sent", "ends"),
    [
        (SET + SET + STATUS + Z, 1),
        (T + ROWS + C + NOTICE + NOTIFICATION + Z, 1),
        (ERROR + Z, 1),
        (messages.CLOSE_COMPLETE + Z + SET + Z, 2),
        (SET + Z + STATUS + NOTICE + FATAL, 1),
    ],
)
def test_whole_and_byte_by_byte(sent: bytes, ends: int) -> None:
    whole = SmallReply(ends)
    assert whole.feed(sent)
    for size in (1, 2, 3, 5, 7, 20):
        reply = SmallReply(ends)
        for at in range(0, len(sent), size):
            reply.feed(sent[at : at + size])
        assert facts(reply) == facts(whole)
        assert reply.done


def test_what_it_tells() -> None:
    reply = SmallReply()
    assert not reply.feed(SET + T + ROWS + C + NOTIFICATION)
    assert reply.feed(STATUS + messages.ready_for_query(IN_TRANSACTION))
    assert reply.columns == [(b"name", TYPE_TEXT), (b"setting", TYPE_TEXT)]
    assert reply.rows == [(b"a", b"1"), (b"b", None)]
    assert reply.tags == [b"SET", b"SELECT 2"]
    assert reply.parameters == {b"TimeZone": b"UTC"}
    assert reply.notifications == [NOTIFICATION]
    assert (reply.status, reply.error) == (IN_TRANSACTION, None)
    with pytest.raises(ProtocolError):
        reply.row(2)
    reply = SmallReply()
    reply.feed(messages.data_row([b"x"]) + Z)
    assert (reply.row(1), reply.value()) == ((b"x",), b"x")
    with pytest.raises(ProtocolError):
        reply.row(2)
    reply = SmallReply()
    reply.feed(ERROR + Z)
    assert reply.error is not None
    assert reply.error.code == b"42704"


@pytest.mark.parametrize(
    "sent",
    [
        SET + Z + SET,
        SET + Z + Z,
        SET + Z + ERROR,
        b"?\0\0\0\x04",
        messages.message(ord("G"), b"\0\0\0"),
        messages.authentication_ok(),
        b"C\0\0\0\x03",
        b"C\xff\xff\xff\xff",
        b"Z\0\0\0\x05?",
        b"Z\0\0\0\x04",
        messages.message(ord("D"), b"\0\1"),
    ],
)
def test_malformed(sent: bytes) -> None:
    with pytest.raises(ProtocolError):
        SmallReply().feed(sent)


def test_limits() -> None:
    reply = SmallReply()
    reply.feed(messages.data_row([b"x"]) * ROWS_LIMIT)
    with pytest.raises(ProtocolError):
        reply.feed(messages.data_row([b"x"]))
    reply = SmallReply()
    reply.feed(b"D" + (BYTES_LIMIT - 1).to_bytes(4, "big"))
    with pytest.raises(ProtocolError):
        deque(map(reply.feed, [bytes(65536)] * (BYTES_LIMIT // 65536 + 1)), maxlen=0)


@given(st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([T, ROWS, C, SET, STATUS, ERROR, Z]))))
def test_any_bytes(pieces: list[bytes]) -> None:
    reply = SmallReply()
    try:
        for piece in pieces:
            reply.feed(piece)
    except ProtocolError:
        pass
