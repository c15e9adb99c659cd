"""Packets, length-encoded values, and the reader of logins and control connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.mysql.packets import (
    MAX_PAYLOAD,
    PacketReader,
    lenenc_bytes,
    lenenc_int,
    packet,
    read_fixed,
    read_fixed_int,
    read_lenenc_bytes,
    read_lenenc_int,
    read_lenenc_number,
    read_nul,
)


@given(st.integers(0, 2**64 - 1))
def test_integers_survive(number: int) -> None:
    data = lenenc_int(number)
    assert read_lenenc_int(b"x" + data, 1) == (number, 1 + len(data))


@pytest.mark.parametrize(("number", "length"), [(0, 1), (250, 1), (251, 3), (65535, 3), (65536, 4), (2**24, 9)])
def test_integers_take_as_few_bytes_as_the_protocol_has(number: int, length: int) -> None:
    assert len(lenenc_int(number)) == length


def test_null_and_strings() -> None:
    assert read_lenenc_int(b"\xfb", 0) == (None, 1)
    assert read_lenenc_bytes(b"\xfb", 0) == (None, 1)
    assert read_lenenc_bytes(lenenc_bytes(b"a" * 300), 0) == (b"a" * 300, 303)
    assert read_nul(b"ab\0c", 0) == (b"ab", 3)
    with pytest.raises(ProtocolError):
        read_lenenc_number(b"\xfb", 0)


@given(st.binary(max_size=20), st.integers(0, 25))
def test_any_bytes_are_a_value_or_a_protocol_error(data: bytes, position: int) -> None:
    for read in (read_lenenc_int, read_lenenc_bytes, read_nul, read_lenenc_number):
        try:
            _, end = read(data, position)
        except ProtocolError:
            continue
        assert position < end <= len(data)
    for fixed in (read_fixed, read_fixed_int):
        try:
            assert fixed(data, position, 3)[1] <= len(data)
        except ProtocolError:
            continue


def test_a_payload_of_16_mib_is_split_and_one_of_just_the_limit_has_an_empty_packet_behind_it() -> None:
    split = packet(254, bytes(MAX_PAYLOAD + 1))
    assert split[:4] == b"\xff\xff\xff\xfe"
    assert split[4 + MAX_PAYLOAD :] == b"\x01\x00\x00\xff\x00"
    split = packet(255, bytes(MAX_PAYLOAD))
    assert split[4 + MAX_PAYLOAD :] == b"\x00\x00\x00\x00"


def test_packets_are_read_whole_and_at_every_split() -> None:
    stream = packet(3, b"one") + packet(4, b"") + packet(5, b"three")
    for split in range(len(stream) + 1):
        reader = PacketReader(16, sequence=3)
        found = []
        for piece in (stream[:split], stream[split:]):
            reader.feed(piece)
            while (payload := reader.next()) is not None:
                found.append(payload)
        assert found == [b"one", b"", b"three"]
        assert reader.sequence == 6


def test_what_follows_one_packet_can_be_taken_out_untouched() -> None:
    reader = PacketReader(64)
    reader.feed(packet(0, b"ssl request") + b"\x16\x03\x01hello")
    assert reader.next() == b"ssl request"
    assert reader.pending == 8
    assert reader.rest() == b"\x16\x03\x01hello"
    assert reader.rest() == b""


def test_wrong_numbers_and_long_packets_are_refused_from_the_header_alone() -> None:
    reader = PacketReader(10)
    reader.feed(b"\x01\x00\x00\x05")
    with pytest.raises(ProtocolError, match="number"):
        reader.next()
    reader = PacketReader(10)
    reader.feed(b"\x0b\x00\x00\x00")
    with pytest.raises(ProtocolError, match="limit"):
        reader.next()
    reader = PacketReader(1 << 30)
    reader.feed(b"\xff\xff\xff\x00")
    with pytest.raises(ProtocolError):  # A continuation would follow; no packet of a login has one.
        reader.next()
