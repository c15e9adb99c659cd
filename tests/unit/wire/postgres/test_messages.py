"""Messages written and read back, and the errors of malformed ones."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.postgres import errors, messages
from outlive.wire.postgres.constants import IDLE, PORTAL, PROTOCOL_3_0, PROTOCOL_3_2, STATEMENT, TYPE_INT4, TYPE_TEXT
from outlive.wire.postgres.reader import MessageReader

TEXT = st.binary(max_size=20).map(lambda text: text.replace(b"\0", b""))


def payload(data: bytes) -> bytes:
    """Of one whole message."""
    assert int.from_bytes(data[1:5], "big") == len(data) - 1
    return data[5:]


# Byte by byte as the documentation's "Message Formats" has them.
WRITTEN = [
    (messages.ready_for_query(IDLE), b"Z\0\0\0\x05I"),
    (messages.command_complete(b"SELECT 1"), b"C\0\0\0\x0dSELECT 1\0"),
    (messages.parameter_status(b"TimeZone", b"UTC"), b"S\0\0\0\x11TimeZone\0UTC\0"),
    (messages.backend_key_data(258, b"keys"), b"K\0\0\0\x0c\0\0\1\2keys"),
    (messages.authentication_ok(), b"R\0\0\0\x08\0\0\0\0"),
    (messages.authentication_cleartext(), b"R\0\0\0\x08\0\0\0\3"),
    (messages.authentication_md5(b"salt"), b"R\0\0\0\x0c\0\0\0\5salt"),
    (messages.authentication_sasl([b"A", b"B"]), b"R\0\0\0\x0d\0\0\0\x0aA\0B\0\0"),
    (messages.authentication_sasl_continue(b"r="), b"R\0\0\0\x0a\0\0\0\x0br="),
    (messages.authentication_sasl_final(b"v="), b"R\0\0\0\x0a\0\0\0\x0cv="),
    (messages.negotiate_protocol_version(PROTOCOL_3_0, [b"_pq_.x"]), b"v\0\0\0\x13\0\3\0\0\0\0\0\1_pq_.x\0"),
    (messages.data_row([b"a", None, b""]), b"D\0\0\0\x13\0\3\0\0\0\1a\xff\xff\xff\xff\0\0\0\0"),
    (
        messages.row_description([(b"n", TYPE_INT4), (b"t", TYPE_TEXT)]),
        b"T\0\0\0\x2e\0\2n\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0",
    ),
    (messages.startup(PROTOCOL_3_0, {b"user": b"u"}), b"\0\0\0\x10\0\3\0\0user\0u\0\0"),
    (messages.ssl_request(), b"\0\0\0\x08\x04\xd2\x16\x2f"),
    (messages.cancel_request(1, b"keys"), b"\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\1keys"),
    (messages.password_message(b"pw"), b"p\0\0\0\x07pw\0"),
    (messages.sasl_initial_response(b"M", b"xy"), b"p\0\0\0\x0cM\0\0\0\0\2xy"),
    (messages.sasl_response(b"xy"), b"p\0\0\0\x06xy"),
    (messages.query(b"q"), b"Q\0\0\0\x06q\0"),
    (messages.parse(b"s", b"q"), b"P\0\0\0\x0as\0q\0\0\0"),
    (messages.parse(b"s", b"q", b"\0\1\0\0\0\x17"), b"P\0\0\0\x0es\0q\0\0\1\0\0\0\x17"),
    (
        messages.bind(b"p", b"s", [b"v", None]),
        b"B\0\0\0\x17p\0s\0\0\0\0\2\0\0\0\1v\xff\xff\xff\xff\0\0",
    ),
    (messages.describe(STATEMENT, b"s"), b"D\0\0\0\x07Ss\0"),
    (messages.execute(b"p", 9), b"E\0\0\0\x0ap\0\0\0\0\x09"),
    (messages.close(PORTAL, b""), b"C\0\0\0\x06P\0"),
    (messages.copy_fail(b"no"), b"f\0\0\0\x07no\0"),
]


@pytest.mark.parametrize(("made", "expected"), WRITTEN)
def test_what_is_written(made: bytes, expected: bytes) -> None:
    assert made == expected


def test_messages_without_a_payload() -> None:
    for name in (
        "PARSE_COMPLETE",
        "BIND_COMPLETE",
        "CLOSE_COMPLETE",
        "NO_DATA",
        "EMPTY_QUERY_RESPONSE",
        "PORTAL_SUSPENDED",
        "COPY_DONE",
        "SYNC",
        "FLUSH",
        "TERMINATE",
    ):
        assert payload(getattr(messages, name)) == b""


@given(st.lists(st.one_of(st.none(), TEXT)), st.lists(st.tuples(TEXT, st.integers(0, 2**32 - 1))))
def test_rows_are_read_back(values: list[bytes | None], columns: list[tuple[bytes, int]]) -> None:
    assert messages.parse_data_row(payload(messages.data_row(values))) == tuple(values)
    assert messages.parse_row_description(payload(messages.row_description(columns))) == columns


def test_logins_are_read_back() -> None:
    assert messages.parse_parameter_status(payload(WRITTEN[2][0])) == (b"TimeZone", b"UTC")
    assert messages.parse_backend_key_data(payload(messages.backend_key_data(7, bytes(256)))) == (7, bytes(256))
    made = messages.negotiate_protocol_version(PROTOCOL_3_2, [b"a", b"b"])
    assert messages.parse_negotiate_protocol_version(payload(made)) == (PROTOCOL_3_2, [b"a", b"b"])
    code, data = messages.parse_authentication(payload(messages.authentication_sasl([b"A", b"B"])))
    assert (code, messages.parse_sasl_mechanisms(data)) == (10, [b"A", b"B"])
    assert messages.parse_sasl_mechanisms(b"\0") == []
    assert messages.parse_password_message(b"pw\0") == b"pw"
    assert messages.parse_sasl_initial_response(payload(messages.sasl_initial_response(b"M", b"xy"))) == (b"M", b"xy")
    assert messages.parse_sasl_initial_response(b"M\0\xff\xff\xff\xff") == (b"M", None)
    assert messages.parse_sasl_initial_response(b"M\0\0\0\0\0") == (b"M", b"")


MALFORMED: list[tuple[Callable[[bytes], object], bytes]] = [
    (messages.parse_parameter_status, b"a\0b"),
    (messages.parse_parameter_status, b"a\0b\0c\0"),
    (messages.parse_backend_key_data, bytes(7)),
    (messages.parse_backend_key_data, bytes(261)),
    (messages.parse_negotiate_protocol_version, bytes(7)),
    (messages.parse_negotiate_protocol_version, b"\0\3\0\0\0\0\0\2a\0"),
    (messages.parse_authentication, bytes(3)),
    (messages.parse_sasl_mechanisms, b""),
    (messages.parse_sasl_mechanisms, b"A\0"),
    (messages.parse_sasl_mechanisms, b"A\0\0B\0\0"),
    (messages.parse_password_message, b"pw"),
    (messages.parse_password_message, b"pw\0\0"),
    (messages.parse_sasl_initial_response, b"M"),
    (messages.parse_sasl_initial_response, b"M\0\0\0"),
    (messages.parse_sasl_initial_response, b"M\0\0\0\0\1xy"),
    (messages.parse_sasl_initial_response, b"M\0\xff\xff\xff\xffxy"),
    (messages.parse_sasl_initial_response, b"M\0\xff\xff\xff\xfe"),
    (messages.parse_row_description, b"\0"),
    (messages.parse_row_description, b"\0\1n\0"),
    (messages.parse_row_description, b"\0\0x"),
    (messages.parse_data_row, b"\0"),
    (messages.parse_data_row, b"\0\1\0\0"),
    (messages.parse_data_row, b"\0\1\0\0\0\2x"),
    (messages.parse_data_row, b"\0\1\xff\xff\xff\xfe"),
    (messages.parse_data_row, b"\0\0x"),
    (errors.parse_error, b"SERROR\0"),
    (errors.parse_error, b"SERROR"),
    (errors.parse_error, b"SERROR\0\0x"),
    (errors.parse_error, b""),
]


@pytest.mark.parametrize(("read", "data"), MALFORMED)
def test_malformed(read: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read(data)


@given(st.sampled_from(sorted({read for read, _ in MALFORMED}, key=lambda read: read.__name__)), st.binary(max_size=40))
def test_any_bytes_are_read_or_a_protocol_error(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except ProtocolError:
        pass


def test_errors() -> None:
    made = errors.error_response(b"FATAL", b"53300", b"full", detail=b"20 of 20", hint=b"wait", position=b"3")
    assert made[:1] == b"E"
    fields = errors.parse_error(payload(made))
    assert (fields.severity, fields.code, fields.message) == (b"FATAL", b"53300", b"full")
    assert (fields.detail, fields.hint, fields.position) == (b"20 of 20", b"wait", b"3")
    assert fields.fatal
    assert errors.encode_error(fields) == made
    assert repr(fields) == "<FATAL 53300>"
    notice = errors.notice_response(b"WARNING", b"01000", b"hm")
    assert notice == b"N\0\0\0\x22SWARNING\0VWARNING\0C01000\0Mhm\0\0"
    assert not errors.parse_error(payload(notice)).fatal


def test_a_text_with_a_nul_makes_no_fields_of_its_own() -> None:
    fields = errors.parse_error(payload(errors.error_response(b"ERROR", b"XX000", b"a\0C00000")))
    assert (fields.code, fields.message) == (b"XX000", b"aC00000")


def test_severities_are_known_in_any_language_and_without_the_field_of_servers_from_9_6_on() -> None:
    assert errors.parse_error(b"SFEHLER\0VERROR\0\0").severity == b"ERROR"
    assert errors.parse_error(b"SFATAL\0C57P01\0\0").fatal
    assert errors.parse_error(b"\0").code == b"XX000"


def test_the_beginning_of_a_long_error_is_understood() -> None:
    fields = errors.parse_error(b"SERROR\0C22P02\0Minvalid in", whole=False)
    assert (fields.code, fields.message) == (b"22P02", b"invalid in")
    assert errors.parse_error(payload(errors.encode_error(fields))).message == b"invalid in"


def test_the_reader_whole_and_at_every_split() -> None:
    stream = messages.query(b"one") + messages.SYNC + messages.query(b"three")
    for split in range(len(stream) + 1):
        reader = MessageReader(64)
        found = []
        for piece in (stream[:split], stream[split:]):
            reader.feed(piece)
            while (one := reader.next()) is not None:
                found.append(one)
        assert found == [(ord("Q"), b"one\0"), (ord("S"), b""), (ord("Q"), b"three\0")]
        assert reader.pending == 0


def test_the_reader_leaves_the_rest_and_refuses_from_the_head_alone() -> None:
    reader = MessageReader(64)
    reader.feed(messages.SYNC + b"rest")
    assert reader.next() == (ord("S"), b"")
    assert reader.pending == 4
    assert reader.rest() == b"rest"
    for length in (b"\0\0\0\x03", b"\0\0\0\x41", b"\xff\xff\xff\xff"):
        reader = MessageReader(64)
        reader.feed(b"Q" + length)
        with pytest.raises(ProtocolError):
            reader.next()
