"""Scanning and translating replies, whole, split at every byte, and malformed."""

import tracemalloc
from collections import deque
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_LOCAL_FILES,
    CLIENT_SESSION_TRACK,
    SERVER_MORE_RESULTS_EXISTS,
    SERVER_STATUS_AUTOCOMMIT,
    SERVER_STATUS_CURSOR_EXISTS,
    SERVER_STATUS_IN_TRANS,
    SERVER_STATUS_LAST_ROW_SENT,
)
from outlive.wire.mysql.ok import ERR, OK, encode_eof, encode_ok
from outlive.wire.mysql.packets import MAX_PAYLOAD, packet
from outlive.wire.mysql.reply import (
    CHANGES_LIMIT_BYTES,
    HELD_LIMIT_BYTES,
    REPLY_FETCH,
    REPLY_FIELD_LIST,
    REPLY_OK,
    REPLY_PREPARE,
    REPLY_QUERY,
    REPLY_STATISTICS,
    ReplyReader,
)

MODERN = CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK
AUTOCOMMIT = SERVER_STATUS_AUTOCOMMIT
MORE = AUTOCOMMIT | SERVER_MORE_RESULTS_EXISTS
CURSOR = AUTOCOMMIT | SERVER_STATUS_CURSOR_EXISTS

DEFINITION = b"\x03def\x04test\x01t\x01t\x01c\x01c\x0c\x2d\x00\xa0\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
ROW = b"\x05value"
ERROR = ERR(1054, b"42S22", b"Unknown column").encode()
TIME_ZONE = b"\x00\x11\ttime_zone\x06SYSTEM"
STATE_CHANGE = b"\x02\x011"
EOF = encode_eof(AUTOCOMMIT)


def ok(status: int = AUTOCOMMIT, **fields: object) -> bytes:
    return encode_ok(OK(status=status, **fields), CLIENT_SESSION_TRACK)  # type: ignore[arg-type]


def end(status: int = AUTOCOMMIT, **fields: object) -> bytes:
    return encode_ok(OK(status=status, **fields), CLIENT_SESSION_TRACK, 0xFE)  # type: ignore[arg-type]


def stream(*payloads: bytes, sequence: int = 1) -> bytes:
    return b"".join(packet(sequence + index, payload) for index, payload in enumerate(payloads))


def read(data: bytes, kind: int, capabilities: int, **options: int) -> tuple[ReplyReader, bytes]:
    reader = ReplyReader(capabilities)
    reader.start(kind, **options)
    seen = reader.feed(data)
    assert reader.done
    return reader, seen


def prepared(statement: int, columns: int, parameters: int) -> bytes:
    return b"\x00" + statement.to_bytes(4, "little") + bytes((columns, 0, parameters, 0, 0, 0, 0))


# (kind, what the server sends, what a client without CLIENT_DEPRECATE_EOF and CLIENT_SESSION_TRACK gets)
TRANSLATIONS = {
    "ok": (REPLY_OK, stream(ok()), stream(ok())),
    "option": (REPLY_OK, stream(end()), stream(EOF)),
    "error": (REPLY_QUERY, stream(ERROR), stream(ERROR)),
    "rows": (
        REPLY_QUERY,
        stream(b"\x02", DEFINITION, DEFINITION, ROW, ROW, end(AUTOCOMMIT, warnings=1)),
        stream(b"\x02", DEFINITION, DEFINITION, EOF, ROW, ROW, encode_eof(AUTOCOMMIT, 1)),
    ),
    "no rows": (REPLY_QUERY, stream(b"\x01", DEFINITION, end()), stream(b"\x01", DEFINITION, EOF, EOF)),
    "many columns": (
        REPLY_QUERY,
        stream(b"\xfc\x2c\x01", *[DEFINITION] * 300, ROW, end()),
        stream(b"\xfc\x2c\x01", *[DEFINITION] * 300, EOF, ROW, EOF),
    ),
    "error instead of rows": (
        REPLY_QUERY,
        stream(b"\x01", DEFINITION, ERROR),
        stream(b"\x01", DEFINITION, EOF, ERROR),
    ),
    "error among rows": (
        REPLY_QUERY,
        stream(b"\x01", DEFINITION, ROW, ERROR),
        stream(b"\x01", DEFINITION, EOF, ROW, ERROR),
    ),
    "cursor": (
        REPLY_QUERY,
        stream(b"\x01", DEFINITION, end(CURSOR)),
        stream(b"\x01", DEFINITION, encode_eof(CURSOR)),
    ),
    "several results": (
        REPLY_QUERY,
        stream(b"\x01", DEFINITION, ROW, end(MORE), ok(MORE), b"\x01", DEFINITION, end(MORE), ok()),
        stream(
            b"\x01",
            DEFINITION,
            EOF,
            ROW,
            encode_eof(MORE),
            ok(MORE),
            b"\x01",
            DEFINITION,
            EOF,
            encode_eof(MORE),
            ok(),
        ),
    ),
    "changes": (
        REPLY_QUERY,
        stream(ok(AUTOCOMMIT, info=b"i", changes=TIME_ZONE + STATE_CHANGE)),
        stream(ok(AUTOCOMMIT, info=b"i")),
    ),
    "rows and changes": (
        REPLY_QUERY,
        stream(b"\x01", DEFINITION, ROW, end(AUTOCOMMIT, changes=TIME_ZONE)),
        stream(b"\x01", DEFINITION, EOF, ROW, EOF),
    ),
    "fetch": (
        REPLY_FETCH,
        stream(b"\x00\x00row", end(CURSOR)),
        stream(b"\x00\x00row", encode_eof(CURSOR)),
    ),
    "fetched nothing": (
        REPLY_FETCH,
        stream(end(SERVER_STATUS_LAST_ROW_SENT)),
        stream(encode_eof(SERVER_STATUS_LAST_ROW_SENT)),
    ),
    "fields": (
        REPLY_FIELD_LIST,
        stream(DEFINITION + b"\xfb", DEFINITION + b"\x05seven", end()),
        stream(DEFINITION + b"\xfb", DEFINITION + b"\x05seven", EOF),
    ),
    "statistics": (REPLY_STATISTICS, stream(b"Uptime: 1"), stream(b"Uptime: 1")),
    "prepared, nothing to define": (REPLY_PREPARE, stream(prepared(1, 0, 0)), stream(prepared(1, 0, 0))),
    "prepared with parameters": (
        REPLY_PREPARE,
        stream(prepared(1, 0, 2), DEFINITION, DEFINITION),
        stream(prepared(1, 0, 2), DEFINITION, DEFINITION, EOF),
    ),
    "prepared with columns": (
        REPLY_PREPARE,
        stream(prepared(1, 1, 0), DEFINITION),
        stream(prepared(1, 1, 0), DEFINITION, EOF),
    ),
    "prepared with both": (
        REPLY_PREPARE,
        stream(prepared(1, 2, 1), DEFINITION, DEFINITION, DEFINITION),
        stream(prepared(1, 2, 1), DEFINITION, EOF, DEFINITION, DEFINITION, EOF),
    ),
    "not prepared": (REPLY_PREPARE, stream(ERROR), stream(ERROR)),
}


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_translation(name: str) -> None:
    kind, sent, classic = TRANSLATIONS[name]
    assert read(sent, kind, 0)[1] == classic


@pytest.mark.parametrize("name", TRANSLATIONS)
def test_a_modern_client_gets_the_very_object_unless_changes_are_hidden(name: str) -> None:
    kind, sent, _ = TRANSLATIONS[name]
    _, seen = read(sent, kind, MODERN)
    if STATE_CHANGE not in sent:
        assert seen is sent
    else:
        assert seen == stream(ok(AUTOCOMMIT, info=b"i", changes=TIME_ZONE))


def facts(reader: ReplyReader) -> list[object]:
    return [getattr(reader, name) for name in ReplyReader.__slots__ if name[0] != "_"]


@pytest.mark.parametrize("capabilities", [0, CLIENT_DEPRECATE_EOF, CLIENT_SESSION_TRACK, MODERN])
@pytest.mark.parametrize("name", TRANSLATIONS)
def test_split_at_every_byte_and_byte_by_byte_it_is_the_same(name: str, capabilities: int) -> None:
    kind, sent, _ = TRANSLATIONS[name]
    whole, expected = read(sent, kind, capabilities)
    splits: list[Iterable[bytes]] = [(sent[:at], sent[at:]) for at in range(1, min(len(sent), 400))]
    splits.append(sent[at : at + 1] for at in range(len(sent)))
    for pieces in splits:
        reader = ReplyReader(capabilities)
        reader.start(kind)
        seen = b""
        for piece in pieces:
            assert not reader.done
            seen += reader.feed(piece)
        assert seen == expected
        assert facts(reader) == facts(whole)


def test_what_a_reply_tells() -> None:
    reader = ReplyReader(0)
    assert reader.done
    reader.start(REPLY_QUERY)
    assert not reader.done
    reader.feed(stream(ok(AUTOCOMMIT | SERVER_STATUS_IN_TRANS, affected_rows=2, insert_id=300, warnings=1)))
    assert reader.done
    assert (reader.affected_rows, reader.insert_id, reader.warnings) == (2, 300, 1)
    assert reader.status == AUTOCOMMIT | SERVER_STATUS_IN_TRANS
    assert (reader.rows, reader.has_result_set) == (-1, False)
    reader.start(REPLY_QUERY)
    sent = stream(b"\x01", DEFINITION, ROW, ROW, end(AUTOCOMMIT | SERVER_STATUS_IN_TRANS))
    # The EOF behind the columns repeats what was known of the transaction.
    assert encode_eof(AUTOCOMMIT | SERVER_STATUS_IN_TRANS) in reader.feed(sent)[:-9]
    assert (reader.rows, reader.columns, reader.has_result_set, reader.insert_id) == (2, 1, True, 0)
    reader.start(REPLY_QUERY)
    reader.feed(stream(ERROR))
    assert (reader.error, reader.error_sqlstate, reader.error_message) == (1054, b"42S22", b"Unknown column")
    assert (reader.rows, reader.affected_rows) == (-1, -1)
    assert reader.status == AUTOCOMMIT | SERVER_STATUS_IN_TRANS, "an ERR tells no status"
    reader.start(REPLY_OK)
    assert reader.error == 0


def test_cursors() -> None:
    reader, _ = read(TRANSLATIONS["cursor"][1], REPLY_QUERY, 0)
    assert reader.cursor_open
    reader.start(REPLY_FETCH)
    reader.feed(TRANSLATIONS["fetch"][1])
    assert reader.cursor_open
    assert reader.rows == 1
    reader.start(REPLY_FETCH)
    reader.feed(TRANSLATIONS["fetched nothing"][1])
    assert not reader.cursor_open


def test_changes_of_each_result_are_collected_and_bounded() -> None:
    reader, _ = read(stream(ok(MORE, changes=TIME_ZONE), ok(changes=STATE_CHANGE)), REPLY_QUERY, 0)
    assert reader.changes == [TIME_ZONE, STATE_CHANGE]
    reader.start(REPLY_QUERY)
    assert reader.changes == []
    large = b"\x03\xfd\x00\x00\x01" + bytes(1 << 16)
    flood = [ok(MORE, changes=large + bytes((3, 1, index))) for index in range(CHANGES_LIMIT_BYTES // (1 << 16) + 1)]
    with pytest.raises(ProtocolError, match="changes"):
        reader.feed(stream(*flood))


def test_the_statement_id_becomes_the_clients() -> None:
    sent = TRANSLATIONS["prepared with both"][1]
    reader, seen = read(sent, REPLY_PREPARE, MODERN, client_id=0x01020304)
    assert seen == sent.replace(prepared(1, 2, 1), prepared(0x01020304, 2, 1))
    assert (reader.statement_id, reader.columns, reader.parameters) == (1, 2, 1)


def test_a_reply_to_a_command_of_several_packets_counts_on() -> None:
    sent = stream(b"\x01", DEFINITION, ROW, end(), sequence=254)
    assert read(sent, REPLY_QUERY, MODERN, sequence=254)[1] is sent
    assert read(sent, REPLY_QUERY, 0, sequence=254)[1] == stream(b"\x01", DEFINITION, EOF, ROW, EOF, sequence=254)


def test_local_infile() -> None:
    reader = ReplyReader(CLIENT_LOCAL_FILES)
    reader.start(REPLY_QUERY)
    reader.file_expected = True
    request = stream(b"\x01", DEFINITION, ROW, end(MORE), b"\xfbname")
    assert reader.feed(request)[-5:] == b"\xfbname"
    assert reader.local_infile
    assert not reader.done
    assert reader.sequence_shift == 1
    reader.resume_after_infile(7)
    assert reader.feed(stream(ok(), sequence=8)) == stream(ok(), sequence=9)
    assert reader.done
    reader.start(REPLY_QUERY)
    reader.file_expected = True
    reader.feed(stream(b"\xfbname"))
    reader.resume_after_infile()
    reader.feed(stream(ok(), sequence=99))
    assert reader.done
    reader.start(REPLY_QUERY)
    reader.file_expected = True
    reader.feed(stream(b"\xfbname"))
    with pytest.raises(ProtocolError):
        reader.feed(stream(ok(), sequence=2))
    reader.start(REPLY_QUERY)
    with pytest.raises(ProtocolError):  # the statement cannot have asked for a file
        reader.feed(stream(b"\xfbname"))


@pytest.mark.parametrize("capabilities", [0, MODERN])
@pytest.mark.parametrize("size", [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD])
def test_rows_of_16_mib(size: int, capabilities: int) -> None:
    # 0xFE begins the length of so long a value, and is no end of rows.
    row = b"\xfe" + (size - 9).to_bytes(8, "little") + bytes(size - 9)
    if size < MAX_PAYLOAD:
        row = b"\xfd" + (size - 4).to_bytes(3, "little") + bytes(size - 4)
    sent = stream(b"\x01", DEFINITION) + packet(3, row)
    count = 3 + size // MAX_PAYLOAD + 1
    sent += stream(ROW, end(), sequence=count)
    reader = ReplyReader(capabilities)
    reader.start(REPLY_QUERY)
    seen = b"".join(reader.feed(sent[at : at + 100_003]) for at in range(0, len(sent), 100_003))
    assert reader.done
    assert reader.rows == 2
    if capabilities:
        assert seen == sent
    else:
        assert seen == stream(b"\x01", DEFINITION, EOF) + packet(4, row) + stream(ROW, EOF, sequence=count + 1)


def test_a_row_of_64_mib_passes_in_constant_memory() -> None:
    reader = ReplyReader(0)
    reader.start(REPLY_QUERY)
    reader.feed(stream(b"\x01", DEFINITION))
    chunk = bytes(1 << 16)
    tracemalloc.start()
    try:
        sequence = 3
        for length in (MAX_PAYLOAD, MAX_PAYLOAD, MAX_PAYLOAD, MAX_PAYLOAD, 100):
            reader.feed((length | sequence << 24).to_bytes(4, "little") + b"\xfe")
            for at in range(1, length, len(chunk)):
                piece = chunk[: length - at]
                assert reader.feed(piece) is piece
            sequence += 1
        assert tracemalloc.get_traced_memory()[1] < 4 * len(chunk)
    finally:
        tracemalloc.stop()
    reader.feed(stream(end(), sequence=sequence))
    assert (reader.done, reader.rows) == (True, 1)


MALFORMED = {
    "behind the end": (REPLY_OK, stream(ok()) + b"\x00"),
    "a packet behind the end": (REPLY_QUERY, stream(ok(), ok())),
    "behind an error": (REPLY_QUERY, stream(b"\x01", DEFINITION, ERROR, ROW)),
    "wrong number": (REPLY_QUERY, stream(b"\x01", DEFINITION) + packet(4, ROW)),
    "wrong number among rows": (REPLY_QUERY, stream(b"\x01", DEFINITION, ROW) + packet(3, ROW)),
    "wrong first number": (REPLY_OK, packet(0, ok())),
    "empty": (REPLY_QUERY, b"\x00\x00\x00\x01\x00"),
    "an empty row": (REPLY_QUERY, stream(b"\x01", DEFINITION, b"", ROW)),
    "an empty first row": (REPLY_QUERY, stream(b"\x01", DEFINITION, ROW, b"", ROW)),
    "an empty definition": (REPLY_QUERY, stream(b"\x01", b"", DEFINITION)),
    "a definition that ends rows": (REPLY_QUERY, stream(b"\x01", end())),
    "EOF for a result": (REPLY_QUERY, stream(end())),
    "no columns": (REPLY_QUERY, stream(b"\xfc\x00")),
    "too many columns": (REPLY_QUERY, stream(b"\xfd\x00\x00\x01")),
    "a long header": (REPLY_QUERY, stream(b"\x01\x01\x01")),
    "a huge error": (REPLY_QUERY, b"\xff\xff\xff\x01\xff"),
    "a huge definition": (REPLY_QUERY, stream(b"\x01") + b"\x01\x00\x02\x02\x03"),
    "a short OK": (REPLY_OK, stream(b"\x00\x00\x00\x02")),
    "a short error": (REPLY_OK, stream(b"\xff\x00")),
    "an old EOF": (REPLY_QUERY, stream(b"\x01", DEFINITION, ROW, EOF)),
    "an old EOF behind columns": (REPLY_QUERY, stream(b"\x01", DEFINITION, EOF)),
    "rows for OK": (REPLY_OK, stream(b"\x01", DEFINITION)),
    "a short PREPARE_OK": (REPLY_PREPARE, stream(prepared(1, 0, 0)[:9])),
    "no PREPARE_OK": (REPLY_PREPARE, stream(b"\x01" + prepared(1, 0, 0)[1:])),
    "EOF for a parameter": (REPLY_PREPARE, stream(prepared(1, 0, 1), EOF)),
    "changes cut short": (REPLY_OK, stream(ok(changes=TIME_ZONE)[:-1])),
}


@pytest.mark.parametrize("capabilities", [0, CLIENT_SESSION_TRACK, MODERN])
@pytest.mark.parametrize("name", MALFORMED)
def test_a_hostile_server(name: str, capabilities: int) -> None:
    kind, sent = MALFORMED[name]
    for pieces in ([sent], [sent[at : at + 1] for at in range(len(sent))]):
        reader = ReplyReader(capabilities)
        reader.start(kind)
        with pytest.raises(ProtocolError):
            deque(map(reader.feed, pieces), maxlen=0)


def test_nothing_may_come_unasked() -> None:
    reader = ReplyReader(0)
    with pytest.raises(ProtocolError):
        reader.feed(stream(ERROR))
    with pytest.raises(ProtocolError):
        reader.resume_after_infile()


def test_little_is_held() -> None:
    reader = ReplyReader(0)
    reader.start(REPLY_QUERY)
    reader.feed((HELD_LIMIT_BYTES | 1 << 24).to_bytes(4, "little") + b"\xff")
    for _ in range(HELD_LIMIT_BYTES // 1024 - 1):
        assert reader.feed(bytes(1024)) == b""
    with pytest.raises(ProtocolError):
        reader.feed(bytes(1 << 20))


KINDS = st.sampled_from((REPLY_QUERY, REPLY_PREPARE, REPLY_FETCH, REPLY_FIELD_LIST, REPLY_STATISTICS, REPLY_OK))


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_in_any_pieces_are_a_reply_or_a_protocol_error(data: st.DataObject) -> None:
    """Valid replies with bytes changed reach further into the reader than random ones; whole and in pieces agree."""
    kind, sent, _ = TRANSLATIONS[data.draw(st.sampled_from(sorted(TRANSLATIONS.keys() - {"many columns"})))]
    changed = bytearray(sent)
    for _ in range(data.draw(st.integers(0, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    received = bytes(changed) + data.draw(st.binary(max_size=6))
    capabilities = data.draw(st.sampled_from((0, CLIENT_DEPRECATE_EOF, CLIENT_SESSION_TRACK, MODERN)))
    size = data.draw(st.integers(1, 40))
    outcomes = []
    for pieces in ([received], [received[at : at + size] for at in range(0, len(received), size)]):
        reader = ReplyReader(capabilities)
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


@given(KINDS, st.binary(max_size=60), st.booleans())
def test_random_bytes(kind: int, data: bytes, framed: bool) -> None:
    reader = ReplyReader(0)
    reader.start(kind)
    try:
        reader.feed(stream(data) if framed else data)
    except ProtocolError:
        pass
