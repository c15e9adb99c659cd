"""Following replies, whole, split at every byte, edited and malformed."""

import tracemalloc
from collections import deque
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.postgres import errors, messages
from outlive.wire.postgres.constants import FAILED_TRANSACTION, IDLE, IN_TRANSACTION, TYPE_INT4
from outlive.wire.postgres.messages import message
from outlive.wire.postgres.reply import (
    COPY_BOTH,
    COPY_IN,
    COPY_NONE,
    COPY_OUT,
    ERROR_HELD_BYTES,
    EXTENDED,
    FUNCTION,
    HELD_LIMIT_BYTES,
    PARAMETERS_LIMIT,
    SIMPLE,
    TAGS_LIMIT,
    VERBS_LIMIT,
    ReplyReader,
)

ONE, TWO, THREE = messages.PARSE_COMPLETE, messages.BIND_COMPLETE, messages.CLOSE_COMPLETE
NO_DATA = messages.NO_DATA
T = messages.row_description([(b"a", TYPE_INT4)])
D = messages.data_row([b"1", None])
C = messages.command_complete(b"SELECT 1")
Z = messages.ready_for_query(IDLE)
ZT = messages.ready_for_query(IN_TRANSACTION)
ZE = messages.ready_for_query(FAILED_TRANSACTION)
T_PARAMETERS = message(ord("t"), b"\0\1\0\0\0\x17")
ERROR = errors.error_response(b"ERROR", b"42P01", b"no such table")
FATAL = errors.error_response(b"FATAL", b"57P01", b"going down")
NOTICE = errors.notice_response(b"NOTICE", b"00000", b"note")
NOTIFICATION = message(ord("A"), b"\0\0\0\1channel\0payload\0")
STATUS = messages.parameter_status(b"TimeZone", b"UTC")
IN, OUT, BOTH = (message(ord(kind), b"\0\0\1\0\0") for kind in "GHW")
DATA = message(ord("d"), b"one line\n")
DONE = messages.COPY_DONE
CALLED = message(ord("V"), b"\0\0\0\1x")
EMPTY = messages.EMPTY_QUERY_RESPONSE
SUSPENDED = messages.PORTAL_SUSPENDED

# (kind, what the server sends)
REPLIES: dict[str, tuple[int, bytes]] = {
    "select": (SIMPLE, T + D + C + Z),
    "select of no rows": (SIMPLE, T + C + Z),
    "select of many": (SIMPLE, T + D * 20 + C + Z),
    "begin": (SIMPLE, messages.command_complete(b"BEGIN") + ZT),
    "empty": (SIMPLE, EMPTY + Z),
    "error": (SIMPLE, ERROR + Z),
    "error among rows": (SIMPLE, T + D + ERROR + ZE),
    "several statements": (SIMPLE, T + D + C + messages.command_complete(b"SET") + T + C + Z),
    "notices and settings": (SIMPLE, NOTICE + messages.command_complete(b"SET") + STATUS + NOTIFICATION + Z),
    "behind the end": (SIMPLE, C + Z + NOTIFICATION + STATUS + NOTICE),
    "ended by the server": (SIMPLE, T + D + C + ZT + FATAL),
    "copy out": (SIMPLE, OUT + DATA * 5 + DONE + C + Z),
    "copy out fails": (SIMPLE, OUT + DATA + ERROR + Z),
    "prepare": (EXTENDED, ONE + T_PARAMETERS + T + Z),
    "prepare no rows": (EXTENDED, ONE + T_PARAMETERS + NO_DATA + Z),
    "all of it": (EXTENDED, ONE + TWO + T + D + C + Z),
    "bound": (EXTENDED, TWO + T + D + D + C + Z),
    "executed": (EXTENDED, TWO + D + C + ZT),
    "no rows": (EXTENDED, TWO + NO_DATA + C + Z),
    "suspended": (EXTENDED, TWO + T + D + SUSPENDED + THREE + Z),
    "pipeline": (EXTENDED, (ONE + TWO + NO_DATA + C) * 3 + TWO + T + D + C + Z),
    "pipeline that fails": (EXTENDED, ONE + TWO + NO_DATA + C + ONE + ERROR + Z),
    "empty statement": (EXTENDED, ONE + TWO + NO_DATA + EMPTY + Z),
    "extended copy": (EXTENDED, TWO + OUT + DATA + DONE + C + Z),
    "notices between": (EXTENDED, ONE + NOTICE + TWO + STATUS + T + NOTIFICATION + D + NOTICE + C + STATUS + Z),
    "only a sync": (EXTENDED, Z),
    "function": (FUNCTION, NOTICE + CALLED + Z),
    "function fails": (FUNCTION, ERROR + Z),
}


def read(
    data: bytes, kind: int, prepare: Callable[[ReplyReader], object] = lambda _: None
) -> tuple[ReplyReader, bytes]:
    reader = ReplyReader()
    reader.start(kind)
    prepare(reader)
    seen = reader.feed(data)
    assert reader.done
    return reader, seen


def facts(reader: ReplyReader) -> list[object]:
    found = [getattr(reader, name) for name in ReplyReader.__slots__ if name[0] != "_" and name != "error"]
    return [*found, reader.error and reader.error.payload()]


@pytest.mark.parametrize("name", REPLIES)
def test_what_needs_no_change_is_the_very_object(name: str) -> None:
    kind, sent = REPLIES[name]
    _, seen = read(sent, kind)
    assert seen is sent


@pytest.mark.parametrize("name", REPLIES)
def test_split_at_every_byte_and_byte_by_byte_it_is_the_same(name: str) -> None:
    kind, sent = REPLIES[name]
    whole, _ = read(sent, kind)
    splits = [[sent[:at], sent[at:]] for at in range(1, len(sent))]
    splits.append([sent[at : at + 1] for at in range(len(sent))])
    for pieces in splits:
        reader = ReplyReader()
        reader.start(kind)
        assert b"".join(map(reader.feed, pieces)) == sent
        assert facts(reader) == facts(whole)


def test_what_a_reply_tells() -> None:
    reader, _ = read(REPLIES["several statements"][1], SIMPLE)
    assert (reader.tags, reader.status, reader.errors) == ([b"SELECT 1", b"SET", b"SELECT 1"], IDLE, 0)
    assert (reader.error, reader.failed_at, reader.suspended, reader.more_tags) == (None, -1, False, False)
    assert read(REPLIES["begin"][1], SIMPLE)[0].status == IN_TRANSACTION
    reader, _ = read(REPLIES["error among rows"][1], SIMPLE)
    assert reader.error is not None
    assert (reader.error.code, reader.errors, reader.status) == (b"42P01", 1, FAILED_TRANSACTION)
    reader, _ = read(REPLIES["pipeline that fails"][1], EXTENDED)
    assert (reader.completed, reader.failed_at, reader.tags) == (5, 5, [b"SELECT 1"])
    reader, _ = read(REPLIES["suspended"][1], EXTENDED)
    assert (reader.suspended, reader.completed) == (True, 4)
    reader, _ = read(REPLIES["notices between"][1], EXTENDED)
    assert (reader.parameters, reader.completed) == ({b"TimeZone": b"UTC"}, 4)
    reader, _ = read(REPLIES["ended by the server"][1], SIMPLE)
    assert reader.error is not None
    assert reader.error.fatal


@pytest.mark.parametrize("name", [name for name, (kind, _) in REPLIES.items() if kind == EXTENDED])
def test_each_message_has_one_completion(name: str) -> None:
    reader, _ = read(REPLIES[name][1], EXTENDED)
    messages_sent = {
        "prepare": 2,
        "prepare no rows": 2,
        "all of it": 4,
        "bound": 3,
        "executed": 2,
        "no rows": 3,
        "suspended": 4,
        "pipeline": 12 + 3,
        "pipeline that fails": 5,
        "empty statement": 4,
        "extended copy": 2,
        "notices between": 4,
        "only a sync": 0,
    }
    assert reader.completed == messages_sent[name]


def test_a_reader_starts_anew() -> None:
    reader = ReplyReader()
    assert reader.done
    fresh = None
    for kind, sent in REPLIES.values():
        if sent.endswith(FATAL):
            continue
        reader.start(kind)
        assert not reader.done
        reader.status = IDLE
        fresh = fresh or repr(facts(reader))
        assert repr(facts(reader)) == fresh
        tags = reader.tags
        reader.feed(sent)
        assert tags is reader.tags
        assert reader.done


def test_copy_in() -> None:
    reader = ReplyReader()
    for kind, ahead in ((SIMPLE, b""), (EXTENDED, TWO)):
        reader.start(kind)
        assert reader.feed(ahead + IN) == ahead + IN
        assert (reader.copy, reader.done) == (COPY_IN, False)
        assert reader.feed(C) == C
        assert reader.copy == COPY_NONE
        reader.feed(Z)
        assert reader.done
    reader.start(SIMPLE)
    reader.feed(IN + NOTICE)
    reader.feed(ERROR)
    assert reader.copy == COPY_NONE
    reader.feed(Z)
    reader.start(SIMPLE)
    reader.feed(OUT + DATA)
    assert reader.copy == COPY_OUT
    reader.start(SIMPLE)
    reader.feed(BOTH + DATA)
    assert reader.copy == COPY_BOTH


def test_reported_settings_are_forwarded_as_the_policy_says() -> None:
    asked = []

    def policy(name: bytes, value: bytes) -> bool:
        asked.append((name, value))
        return name != b"TimeZone"

    other = messages.parameter_status(b"search_path", b"")
    for sent in (ONE + STATUS + other + C + STATUS + Z + STATUS + other, STATUS + Z):
        for size in (1, 7, len(sent)):
            asked.clear()
            reader = ReplyReader(policy)
            reader.start(EXTENDED)
            seen = b"".join(reader.feed(sent[at : at + size]) for at in range(0, len(sent), size))
            assert seen == sent.replace(STATUS, b"")
            assert len(asked) == sent.count(STATUS) + sent.count(other)


def test_settings_and_errors_are_told_in_other_words() -> None:
    other = messages.parameter_status(b"TimeZone", b"Asia/Tokyo")
    long = errors.error_response(b"ERROR", b"42P01", b"no such " + b"x" * ERROR_HELD_BYTES)
    sent = ONE + STATUS + ERROR + STATUS + Z
    expected = ONE + other + ERROR.replace(b"table", b"chair") + other + Z
    for size in (1, 7, len(sent)):
        reader = ReplyReader(lambda name, value: other, lambda payload: payload.replace(b"table", b"chair"))
        reader.start(EXTENDED)
        assert b"".join(reader.feed(sent[at : at + size]) for at in range(0, len(sent), size)) == expected
        assert reader.error is not None
        assert reader.error.message == b"no such table"  # as the server said it
        reader.start(EXTENDED)
        assert b"".join(reader.feed(part) for part in (ONE + long, Z)) == ONE + long + Z


def test_replies_to_messages_the_client_did_not_send_are_taken_out() -> None:
    sent = ONE + NOTICE + TWO + T + D + C + Z
    _, seen = read(sent, EXTENDED, lambda reader: reader.swallow(0))
    assert seen == NOTICE + TWO + T + D + C + Z
    sent = TWO + T_PARAMETERS + T + NOTIFICATION + THREE + Z
    _, seen = read(sent, EXTENDED, lambda reader: reader.swallow(1))
    assert seen == TWO + NOTIFICATION + THREE + Z
    sent = TWO + T + D + NOTICE + STATUS + D + C + TWO + D + C + Z
    reader, seen = read(sent, EXTENDED, lambda reader: reader.swallow(2))
    assert seen == TWO + T + STATUS + TWO + D + C + Z
    assert reader.tags == [b"SELECT 1"]
    _, seen = read(ONE + Z, EXTENDED, lambda reader: reader.swallow(0))
    assert seen == Z


def test_answers_to_messages_the_server_did_not_get_are_put_in() -> None:
    reader = ReplyReader()
    reader.start(EXTENDED)
    assert reader.insert(0, ONE) == ONE
    assert reader.insert(1, THREE) == b""
    assert reader.insert(1, ONE) == b""
    assert reader.insert(3, THREE) == b""
    assert reader.feed(TWO + T + D + C + Z) == TWO + THREE + ONE + T + D + C + THREE + Z
    reader.start(EXTENDED)
    reader.feed(TWO)
    assert reader.insert(1, ONE) == ONE
    assert reader.insert(2, THREE) == b""
    # The answer does not wait for what comes behind it: the client may have sent a Flush, and wait.
    assert reader.feed(NOTICE + D + C) == NOTICE + D + C + THREE
    assert reader.insert(2, ONE) == ONE
    assert reader.feed(Z) == Z


def test_what_was_taken_out_and_put_in_is_forgotten_with_the_unit() -> None:
    reader = ReplyReader()
    reader.start(EXTENDED)
    reader.swallow(0)
    reader.insert(1, THREE)
    assert reader.feed(ONE + Z) == THREE + Z
    reader.start(EXTENDED)
    assert reader.feed(ONE + TWO + D + C + Z) == ONE + TWO + D + C + Z


def test_nothing_is_put_into_a_message_that_passes() -> None:
    reader = ReplyReader()
    reader.start(EXTENDED)
    assert reader.feed(NOTIFICATION[:8]) == NOTIFICATION[:8]
    assert reader.insert(0, ONE) == b""
    assert reader.insert(0, THREE) == b""
    assert reader.feed(NOTIFICATION[8:10]) == NOTIFICATION[8:10]
    assert reader.feed(NOTIFICATION[10:]) == NOTIFICATION[10:] + ONE + THREE
    reader.feed(NOTICE[:3])
    assert reader.insert(0, ONE) == ONE, "of a head that is cut short nothing has been sent on"
    assert reader.feed(NOTICE[3:] + Z) == NOTICE + Z


def test_an_error_ends_all_edits_but_those_due_before_it() -> None:
    def edit(reader: ReplyReader) -> None:
        reader.swallow(1)
        reader.insert(1, THREE)
        reader.insert(2, ONE)
        reader.swallow(3)

    reader, seen = read(TWO + ERROR + Z, EXTENDED, edit)
    assert seen == TWO + THREE + ERROR + Z
    assert reader.failed_at == 1
    reader.start(EXTENDED)
    reader.feed(ERROR)
    assert reader.insert(0, ONE) == b"", "the server skips to the Sync, and so do its answers"
    assert reader.feed(Z) == Z


@settings(max_examples=200)
@given(st.data())
def test_edits_in_any_pieces(data: st.DataObject) -> None:
    """Against the plain way: the answers message by message, each with what is taken out or put in."""
    answers = st.sampled_from([ONE, TWO, THREE, T_PARAMETERS + T, NO_DATA, D + D + C, D + NOTIFICATION + C, SUSPENDED])
    sent = data.draw(st.lists(answers, max_size=6))
    swallowed = data.draw(st.sets(st.integers(0, 5)))
    inserted = data.draw(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([ONE, THREE, TWO + TWO]))))
    inserted = sorted((ordinal, answer) for ordinal, answer in inserted if ordinal <= len(sent))
    reader = ReplyReader()
    reader.start(EXTENDED)
    expected = b""
    for ordinal, answer in enumerate([*sent, Z]):
        expected += b"".join(put for at, put in inserted if at == ordinal)
        if ordinal in swallowed and answer is not Z:
            reader.swallow(ordinal)
            answer = NOTIFICATION if NOTIFICATION in answer else b""
        expected += answer
    seen = b"".join(reader.insert(*put) for put in inserted)
    received = b"".join(sent) + Z
    size = data.draw(st.integers(1, len(received)))
    seen += b"".join(reader.feed(received[at : at + size]) for at in range(0, len(received), size))
    assert seen == expected
    assert reader.completed == len(sent)
    assert reader.done


def test_many_tags_are_bounded() -> None:
    sent = b"".join(messages.command_complete(b"INSERT 0 %d" % row) for row in range(TAGS_LIMIT + 5))
    for size in (13, len(sent)):
        reader = ReplyReader()
        reader.start(SIMPLE)
        for at in range(0, len(sent), size):
            reader.feed(sent[at : at + size])
        reader.feed(messages.command_complete(b"SET") + Z)
        assert len(reader.tags) == TAGS_LIMIT
        assert reader.more_tags
        assert reader.verbs == {b"INSERT", b"SET"}
    reader.start(SIMPLE)
    assert (reader.tags, reader.more_tags, reader.verbs) == ([], False, set())


LARGE = 1 << 26


@pytest.mark.parametrize("kind", "DdNAV")
def test_a_message_of_64_mib_passes_in_constant_memory(kind: str) -> None:
    reader = ReplyReader()
    reader.start(FUNCTION if kind == "V" else SIMPLE)
    if kind == "d":
        reader.feed(OUT)
    chunk = bytes(1 << 16)
    tracemalloc.start()
    try:
        reader.feed(kind.encode() + (LARGE + 4).to_bytes(4, "big"))
        for _ in range(0, LARGE, len(chunk)):
            assert reader.feed(chunk) is chunk
        assert tracemalloc.get_traced_memory()[1] < 4 * len(chunk)
    finally:
        tracemalloc.stop()
    reader.feed(ERROR + Z)
    assert reader.done


def test_a_row_that_is_taken_out_passes_in_pieces_too() -> None:
    reader = ReplyReader()
    reader.start(EXTENDED)
    reader.swallow(0)
    row = messages.data_row([bytes(1 << 20)])
    sent = row + C + TWO + Z
    seen = b"".join(reader.feed(sent[at : at + 5000]) for at in range(0, len(sent), 5000))
    assert seen == TWO + Z


@pytest.mark.parametrize("size", [ERROR_HELD_BYTES - 200, ERROR_HELD_BYTES, 10 * ERROR_HELD_BYTES])
def test_long_errors(size: int) -> None:
    error = errors.error_response(b"ERROR", b"P0001", b"x" * size, detail=b"behind")
    sent = T + error + Z
    found = []
    for piece in (1, 1000, 100_000, len(sent)):
        if piece == 1 and size > ERROR_HELD_BYTES:
            continue
        reader = ReplyReader()
        reader.start(SIMPLE)
        assert b"".join(reader.feed(sent[at : at + piece]) for at in range(0, len(sent), piece)) == sent
        assert reader.error is not None
        found.append(facts(reader))
        assert (reader.error.code, reader.error.message[:10], reader.done) == (b"P0001", b"x" * 10, True)
        assert len(reader.error.payload()) < 2 * ERROR_HELD_BYTES
    assert all(one == found[0] for one in found)


def test_little_is_held() -> None:
    for kind in b"TtSGHW":
        reader = ReplyReader()
        reader.start(EXTENDED)
        reader.feed(bytes((kind,)) + HELD_LIMIT_BYTES.to_bytes(4, "big"))
        assert reader.feed(bytes(1000)) == b""
        reader = ReplyReader()
        reader.start(EXTENDED)
        with pytest.raises(ProtocolError):
            reader.feed(bytes((kind,)) + (HELD_LIMIT_BYTES + 1).to_bytes(4, "big"))


MALFORMED: dict[str, tuple[int, bytes]] = {
    "unknown type": (SIMPLE, b"?\0\0\0\x04"),
    "a client's message": (SIMPLE, messages.query(b"x")),
    "of a login": (SIMPLE, messages.authentication_ok()),
    "a key of a login": (SIMPLE, messages.backend_key_data(1, b"keys")),
    "behind the end": (SIMPLE, C + Z + C),
    "rows behind the end": (SIMPLE, C + Z + D),
    "two ends": (EXTENDED, Z + Z),
    "an error behind the end": (SIMPLE, C + Z + ERROR),
    "extended for simple": (SIMPLE, ONE + C + Z),
    "bound for simple": (SIMPLE, TWO + C + Z),
    "suspended for simple": (SIMPLE, SUSPENDED + Z),
    "parameters for simple": (SIMPLE, T_PARAMETERS + Z),
    "closed for simple": (SIMPLE, THREE + Z),
    "rows for a function": (FUNCTION, D + Z),
    "a tag for a function": (FUNCTION, C + Z),
    "columns for a function": (FUNCTION, T + Z),
    "length 0": (SIMPLE, b"C\0\0\0\0" + Z),
    "length 3": (SIMPLE, b"C\0\0\0\x03" + Z),
    "a row of length 0": (SIMPLE, b"D\0\0\0\0" + Z),
    "a row of length 0 behind a row": (SIMPLE, D + b"D\0\0\0\0" + Z),
    "a short row": (SIMPLE, b"D\0\0\0\x05x" + Z),
    "a huge row": (SIMPLE, b"D\xff\xff\xff\xff"),
    "a huge row behind a row": (SIMPLE, D + b"D\x7f\xff\xff\xff"),
    "a long ParseComplete": (EXTENDED, b"1\0\0\0\x05x"),
    "a short RowDescription": (SIMPLE, b"T\0\0\0\x05x" + Z),
    "an empty RowDescription": (SIMPLE, b"T\0\0\0\x04" + Z),
    "a short ParameterDescription": (EXTENDED, b"t\0\0\0\x05x" + Z),
    "a short ReadyForQuery": (SIMPLE, b"Z\0\0\0\x04"),
    "a long ReadyForQuery": (SIMPLE, b"Z\0\0\0\x06II"),
    "an unknown status": (SIMPLE, b"Z\0\0\0\x05X"),
    "an unknown status and more": (SIMPLE, b"Z\0\0\0\x05X" + NOTICE),
    "no tag": (SIMPLE, b"C\0\0\0\x04" + Z),
    "a tag without end": (SIMPLE, message(ord("C"), b"SELECT 1") + Z),
    "a long tag": (SIMPLE, messages.command_complete(bytes(2000)) + Z),
    "an error without end": (SIMPLE, message(ord("E"), b"SERROR") + Z),
    "a setting without value": (SIMPLE, message(ord("S"), b"TimeZone\0") + Z),
    "CopyData out of place": (SIMPLE, DATA + Z),
    "CopyDone out of place": (SIMPLE, DONE + Z),
    "CopyData while the client's are due": (SIMPLE, IN + DATA),
    "an end within a COPY": (SIMPLE, OUT + DATA + Z),
    "many settings": (
        SIMPLE,
        b"".join(messages.parameter_status(b"%d" % name, b"") for name in range(PARAMETERS_LIMIT + 1)),
    ),
    "many commands": (
        SIMPLE,
        C * TAGS_LIMIT + b"".join(messages.command_complete(b"%dX" % name) for name in range(VERBS_LIMIT + 1)),
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_hostile_server(name: str) -> None:
    kind, sent = MALFORMED[name]
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        reader = ReplyReader()
        reader.start(kind)
        with pytest.raises(ProtocolError):
            deque(map(reader.feed, pieces), maxlen=0)


@pytest.mark.parametrize("edit", [lambda reader: reader.swallow(1), lambda reader: reader.insert(2, ONE)])
def test_an_end_before_all_edits_were_due(edit: Callable[[ReplyReader], object]) -> None:
    with pytest.raises(ProtocolError):
        read(TWO + Z, EXTENDED, edit)


def test_nothing_may_come_unasked() -> None:
    for sent in (C, Z, D, T, ONE, ERROR):
        with pytest.raises(ProtocolError):
            ReplyReader().feed(sent)
    for sent in (NOTICE, NOTIFICATION, STATUS, FATAL):
        assert ReplyReader().feed(sent) is sent


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_in_any_pieces_are_a_reply_or_a_protocol_error(data: st.DataObject) -> None:
    """Valid replies with bytes changed reach further into the reader than random ones; whole and in pieces agree."""
    kind, sent = REPLIES[data.draw(st.sampled_from(sorted(REPLIES)))]
    changed = bytearray(sent)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    received = bytes(changed) + data.draw(st.binary(max_size=6))
    size = data.draw(st.integers(1, 40))
    outcomes = []
    for pieces in ([received], [received[at : at + size] for at in range(0, len(received), size)]):
        reader = ReplyReader()
        reader.start(kind)
        seen = b""
        try:
            for piece in pieces:
                seen += reader.feed(piece)
        except ProtocolError:
            outcomes.append(None)
        else:
            outcomes.append((seen, facts(reader)))
    assert outcomes[0] == outcomes[1]


@given(
    st.sampled_from((SIMPLE, EXTENDED, FUNCTION)), st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([D, C])))
)
def test_random_bytes(kind: int, pieces: list[bytes]) -> None:
    reader = ReplyReader()
    reader.start(kind)
    try:
        for piece in pieces:
            reader.feed(piece)
    except ProtocolError:
        pass
