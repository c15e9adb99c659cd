"""OK, ERR, EOF; session-state information; local result sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_DEPRECATE_EOF,
    CLIENT_OPTIONAL_RESULTSET_METADATA,
    CLIENT_SESSION_TRACK,
    MYSQL_TYPE_LONGLONG,
    MYSQL_TYPE_VAR_STRING,
    SERVER_SESSION_STATE_CHANGED,
    SERVER_STATUS_AUTOCOMMIT,
)
from outlive.wire.mysql.ok import ERR, OK, encode_eof, encode_ok, is_eof, is_err, is_ok, parse_eof, parse_ok
from outlive.wire.mysql.packets import PacketReader
from outlive.wire.mysql.reply import REPLY_QUERY, ReplyReader
from outlive.wire.mysql.results import Column, read_text_row, read_text_rows, text_result
from outlive.wire.mysql.session_track import (
    ALL,
    BOUNDARIES,
    CHARACTERISTICS,
    DEFAULT_POLICY,
    MYSQL_DEFAULT_POLICY,
    STATE,
    SessionChanges,
    TrackPolicy,
    encode_changes,
    filter_changes,
    parse_changes,
)

# As both servers sent them after SET time_zone and after START TRANSACTION.
VARIABLE = b"\x00\x11\ttime_zone\x06SYSTEM"
STATE_CHANGE = b"\x02\x011"
SCHEMA = b"\x01\x06\x05other"
BEGIN = b"\x05\t\x08T_______\x04\x13\x12START TRANSACTION;"
READ = b"\x05\t\x08T_R___S_"
SHOW_ALL = TrackPolicy(ALL, schema=True, state_change=True, transaction=CHARACTERISTICS)
SHOW_NONE = TrackPolicy(other=False)


def test_ok() -> None:
    ok = OK(3, 70000, SERVER_STATUS_AUTOCOMMIT, 1, b"info", b"")
    payload = encode_ok(ok, CLIENT_SESSION_TRACK)
    assert payload == b"\x00\x03\xfd\x70\x11\x01\x02\x00\x01\x00\x04info"
    parsed = parse_ok(payload)
    assert (parsed.affected_rows, parsed.insert_id, parsed.warnings, parsed.info) == (3, 70000, 1, b"info")
    assert is_ok(payload)
    assert not is_err(payload)


def test_changes_go_to_those_who_track() -> None:
    ok = OK(0, 0, SERVER_STATUS_AUTOCOMMIT, 0, b"", VARIABLE)
    payload = encode_ok(ok, CLIENT_SESSION_TRACK)
    assert payload == b"\x00\x00\x00\x02\x40\x00\x00\x00\x13" + VARIABLE
    assert parse_ok(payload).changes == VARIABLE
    assert encode_ok(parse_ok(payload), 0) == b"\x00\x00\x00\x02\x00\x00\x00"
    assert not parse_ok(encode_ok(OK(status=SERVER_SESSION_STATE_CHANGED), CLIENT_SESSION_TRACK)).status


def test_err() -> None:
    err = ERR(1040, b"08004", b"Too many connections")
    assert err.encode() == b"\xff\x10\x04#08004Too many connections"
    again = ERR.parse(err.encode())
    assert (again.code, again.sqlstate, again.message) == (1040, b"08004", b"Too many connections")
    early = ERR.parse(b"\xff\x10\x04Too many connections")
    assert (early.code, early.sqlstate, early.message) == (1040, b"HY000", b"Too many connections")


def test_eof() -> None:
    assert encode_eof(2, 1) == b"\xfe\x01\x00\x02\x00"
    assert parse_eof(encode_eof(2, 1)) == (2, 1)
    assert is_eof(encode_eof(2))
    assert not is_eof(b"\xfe" + bytes(0xFFFFFF))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_packet_or_a_protocol_error(data: bytes) -> None:
    for parse in (parse_ok, ERR.parse, parse_eof, parse_changes, lambda raw: filter_changes(raw, DEFAULT_POLICY)):
        for prefix in (b"", b"\x00", b"\xff", b"\xfe"):
            try:
                parse(prefix + data)
            except ProtocolError:
                continue
    for count in range(3):
        try:
            read_text_row(data, count)
        except ProtocolError:
            continue
    try:
        read_text_rows([data[:2], b"\x03def", data[2:], b"\xfe\0\0\2\0\0\0"])
    except ProtocolError:
        pass


def test_changes_are_parsed() -> None:
    changes = parse_changes(VARIABLE + SCHEMA + STATE_CHANGE + b"\x03\x02\x00x" + BEGIN)
    assert changes.variables == [(b"time_zone", b"SYSTEM")]
    assert changes.schema == b"other"
    assert changes.state_changed
    assert changes.transaction_state == b"T_______"
    assert changes.characteristics == b"START TRANSACTION;"
    assert changes.other == [(3, b"\x00x")]
    # A NULL, such as character_set_results may be, is reported as the empty string; NULL itself is read as one, too.
    assert parse_changes(b"\x00\x04\x01a\x01b\x00\x03\x01c\xfb").variables == [(b"a", b"b"), (b"c", b"")]


@pytest.mark.parametrize(
    ("policy", "seen"),
    [
        (SHOW_ALL, VARIABLE + SCHEMA + STATE_CHANGE + BEGIN + READ),
        (SHOW_NONE, b""),
        (DEFAULT_POLICY, VARIABLE + SCHEMA),
        (MYSQL_DEFAULT_POLICY, VARIABLE + SCHEMA + BEGIN[:11]),
        (TrackPolicy(frozenset((b"sql_mode",)), state_change=True), STATE_CHANGE),
        (TrackPolicy(transaction=STATE), BEGIN[:11] + READ),
        (TrackPolicy(transaction=BOUNDARIES), BEGIN[:11]),
    ],
)
def test_clients_see_what_they_asked_for(policy: TrackPolicy, seen: bytes) -> None:
    assert filter_changes(VARIABLE + SCHEMA + STATE_CHANGE + BEGIN + READ, policy) == seen


def test_encoding_is_filtering_what_was_parsed() -> None:
    raw = VARIABLE + SCHEMA + STATE_CHANGE + b"\x03\x02\x00x" + BEGIN
    for policy in (SHOW_ALL, SHOW_NONE, DEFAULT_POLICY, MYSQL_DEFAULT_POLICY, TrackPolicy(transaction=STATE)):
        assert encode_changes(parse_changes(raw), policy) == filter_changes(raw, policy)
    assert encode_changes(SessionChanges(), SHOW_ALL) == b""


CAPABILITIES = [
    0,
    CLIENT_DEPRECATE_EOF,
    CLIENT_DEPRECATE_EOF | CLIENT_SESSION_TRACK,
    CLIENT_DEPRECATE_EOF | CLIENT_OPTIONAL_RESULTSET_METADATA,
]


def payloads(data: bytes) -> list[bytes]:
    reader = PacketReader(1 << 20, sequence=1)
    reader.feed(data)
    found = []
    while (payload := reader.next()) is not None:
        found.append(payload)
    assert not reader.pending
    return found


@pytest.mark.parametrize("capabilities", CAPABILITIES)
@pytest.mark.parametrize("rows", [[], [(b"7", None)], [(b"", b"x" * 300), (None, None)]])
def test_local_results(capabilities: int, rows: list[tuple[bytes | None, ...]]) -> None:
    columns = [(b"n", MYSQL_TYPE_LONGLONG), Column(b"text", MYSQL_TYPE_VAR_STRING)]
    data = text_result(columns, rows, capabilities=capabilities, status=2, warnings=3)
    assert read_text_rows(payloads(data)) == rows
    if capabilities & CLIENT_DEPRECATE_EOF:  # Then a server could have sent it.
        reader = ReplyReader(capabilities)
        reader.start(REPLY_QUERY)
        assert reader.feed(data) is data
        assert (reader.done, reader.rows, reader.columns, reader.warnings) == (True, len(rows), 2, 3)


@pytest.mark.parametrize(
    "malformed",
    [
        [],
        [b"\x00\0\0\2\0\0\0"],
        [b"\xff\x10\x04#08004no"],
        [b"\x01"],
        [b"\x01", b"\x03def"],
        [b"\x01", b"\x03def", b"\x01a"],
        [b"\x01", b"\x03def", b"\x01a", b"\xff\x10\x04#08004no"],
        [b"\x01", b"\x03def", b"\x01a\x01b", b"\xfe\0\0\2\0\0\0"],
    ],
)
def test_results_that_are_none(malformed: list[bytes]) -> None:
    with pytest.raises(ProtocolError):
        read_text_rows(malformed)
