"""Views of commands' payloads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.mysql.statements import parse_execute, query_position, rebind, statement_id_of, with_statement_id

HEAD = b"\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00"
ANNOUNCED = b"\x17\x05\x00\x00\x00\x08\x01\x00\x00\x00"
VALUES = b"\x07\x00\x00\x00\x03abc"


def test_execute_without_parameters() -> None:
    execution = parse_execute(HEAD, 0)
    assert (execution.statement_id, execution.flags, execution.parameters, execution.types_bound) == (5, 0, 0, False)
    assert rebind(HEAD, execution, b"") is HEAD


def test_execute_binds_types_or_is_given_them() -> None:
    types = b"\x03\x00\xfd\x00"
    bound = HEAD + b"\x00\x01" + types + VALUES
    execution = parse_execute(bound, 2)
    assert execution.types_bound
    assert execution.types == types
    assert bound[execution.values_position :] == VALUES
    assert rebind(bound, execution, b"other") is bound
    unbound = HEAD + b"\x00\x00" + VALUES
    execution = parse_execute(unbound, 2)
    assert not execution.types_bound
    assert unbound[execution.values_position :] == VALUES
    assert rebind(unbound, execution, types) == bound
    # Of a payload that is streamed the beginning is enough.
    assert rebind(unbound[:14], parse_execute(unbound[:14], 2), types) == bound[:18]


def test_execute_with_nine_parameters_has_two_bytes_of_nulls() -> None:
    assert parse_execute(HEAD + b"\xff\x01\x01" + b"\x06\x00" * 9, 9).bound_position == 12


def test_execute_with_query_attributes() -> None:
    execution = parse_execute(ANNOUNCED + b"\x00", 0, query_attributes=True)
    assert (execution.parameters, execution.bound_position) == (0, 0)
    types = b"\x03\x00\x00\xfd\x00\x05trace"
    payload = ANNOUNCED + b"\x02\x00\x01" + types + VALUES
    execution = parse_execute(payload, 1, query_attributes=True)
    assert (execution.parameters, execution.types, payload[execution.values_position :]) == (2, types, VALUES)
    with pytest.raises(ProtocolError):
        parse_execute(payload, 3, query_attributes=True)
    # Without the capability the flag says nothing.
    assert parse_execute(ANNOUNCED, 0).parameters == 0


def test_execute_cut_short_is_a_protocol_error() -> None:
    payload = HEAD + b"\x00\x01\x03\x00\xfd\x00"
    for end in range(len(payload)):
        with pytest.raises(ProtocolError):
            parse_execute(payload[:end], 2)


def test_ids() -> None:
    assert statement_id_of(b"\x1c\x01\x02\x00\x00\x09\0\0\0") == 0x201
    assert with_statement_id(b"\x19\x01\x02\x00\x00", 7) == b"\x19\x07\x00\x00\x00"
    with pytest.raises(ProtocolError):
        statement_id_of(b"\x19\x01\x02\x00")


QUERY = b"SELECT 1"


@pytest.mark.parametrize(
    "attributes",
    [
        b"\x00\x01",
        b"\xfc\x00\x00\x01",
        b"\x01\x01\x00\x01\xfd\x00\x05trace\x03abc",
        b"\x02\x01\x01\x01\x08\x00\x01a\x08\x80\x01b" + bytes(8),
        b"\x03\x01\x00\x01\x0c\x00\x01a\x0b\x00\x01b\x01\x00\x01c" + b"\x04\xe8\x07\x01\x01" + b"\x00" + b"\x7f",
        b"\x02\x01\x00\x01\x06\x00\x01a\x05\x00\x01b" + bytes(8),
    ],
)
def test_the_text_of_a_query_is_found_behind_its_attributes(attributes: bytes) -> None:
    payload = b"\x03" + attributes + QUERY
    assert payload[query_position(payload) :] == QUERY


@pytest.mark.parametrize(
    "malformed", [b"", b"\x03", b"\x03\x00", b"\x03\x00\x02", b"\x03\x01\x01\x00\x00\xfd\x00\x01a\x01b"]
)
def test_malformed_query_attributes(malformed: bytes) -> None:
    with pytest.raises(ProtocolError):
        query_position(malformed)


@given(st.binary(max_size=60), st.integers(0, 20), st.booleans())
def test_any_bytes_are_a_command_or_a_protocol_error(data: bytes, parameters: int, attributes: bool) -> None:
    for payload in (data, HEAD + data, ANNOUNCED + data):
        try:
            execution = parse_execute(payload, parameters, attributes)
        except ProtocolError:
            continue
        assert execution.values_position <= len(payload)
        rebind(payload, execution, b"types")
    for payload in (data, b"\x03" + data, b"\x03\x01\x01\x00\x01" + data):
        try:
            assert query_position(payload) <= len(payload)
        except ProtocolError:
            continue
