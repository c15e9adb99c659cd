"""Headers of the PROXY protocol, version 2, whole and in pieces."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.net.proxy_protocol import (
    ProxyHeader,
    ProxyHeaderReader,
    ProxyProtocolError,
    TrustedNetworks,
    proxy_header,
)

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TLV = b"\x04\0\x05hello" + b"\x20\0\x03\x01\0\0"


def header(command: int, transport: int, body: bytes = b"") -> bytes:
    return SIGNATURE + bytes((command, transport)) + struct.pack(">H", len(body)) + body


def tcp4(tlvs: bytes = b"") -> bytes:
    addresses = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.9")
    return header(0x21, 0x11, addresses + struct.pack(">HH", 40000, 6033) + tlvs)


def tcp6() -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(socket.AF_INET6, "2001:db8::9")
    return header(0x21, 0x21, addresses + struct.pack(">HH", 40000, 6033))


FOUR = ProxyHeader(("192.0.2.7", 40000), ("198.51.100.9", 6033), False)
SIX = ProxyHeader(("2001:db8::7", 40000), ("2001:db8::9", 6033), False)
GOOD = [
    (tcp4(), FOUR),
    (tcp4(TLV), FOUR),
    (tcp6(), SIX),
    (header(0x20, 0x00), ProxyHeader(None, None, True)),
    (header(0x20, 0x11, bytes(12)), ProxyHeader(None, None, True)),
    (header(0x21, 0x00, TLV), ProxyHeader(None, None, False)),
    (header(0x21, 0x31, bytes(216)), ProxyHeader(None, None, False)),
]


@pytest.mark.parametrize(("data", "expected"), GOOD)
def test_headers_cut_at_each_byte(data: bytes, expected: ProxyHeader) -> None:
    rest = b"\x20\0\0\x01what the client said"
    for cut in range(len(data) + 1):
        reader = ProxyHeaderReader()
        found = reader.feed(data[:cut])
        assert (found is not None) == (cut == len(data))
        if found is None:
            found = reader.feed(data[cut:] + rest)
            assert reader.rest() == rest
        assert found == expected


@pytest.mark.parametrize(("data", "expected"), GOOD)
def test_headers_byte_by_byte(data: bytes, expected: ProxyHeader) -> None:
    reader = ProxyHeaderReader()
    found = [reader.feed(data[at : at + 1]) for at in range(len(data))]
    assert found == [None] * (len(data) - 1) + [expected]
    assert reader.rest() == b""


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.9 40000 6033\r\n", "version 1"),
        (b"P", "version 1"),
        (b"\x20\0\0\x01", "requires one"),
        (b"GET / HTTP/1.1\r\n", "requires one"),
        (b"\r\n\r\nX", "requires one"),
        (header(0x11, 0x11, bytes(12)), "version"),
        (header(0x22, 0x11, bytes(12)), "command"),
        (header(0x21, 0x12, bytes(12)), "TCP"),
        (header(0x21, 0x11, bytes(11)), "TCP"),
        (header(0x21, 0x21, bytes(35)), "TCP"),
        (header(0x21, 0x31, bytes(10)), "TCP"),
        (header(0x21, 0x99, bytes(12)), "TCP"),
        (SIGNATURE + b"\x21\x11\xff\xff", "longer"),
    ],
)
def test_what_is_not_accepted_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ProxyProtocolError, match=reason):
        ProxyHeaderReader().feed(data)


@given(st.one_of(st.binary(max_size=200), st.binary(max_size=200).map(lambda tail: SIGNATURE + tail)))
def test_any_bytes_give_the_same_whole_and_byte_by_byte(data: bytes) -> None:
    def read(pieces: list[bytes]) -> object:
        reader = ProxyHeaderReader()
        for piece in pieces:
            try:
                found = reader.feed(piece)
            except ProxyProtocolError as error:
                return type(error)
            if found is not None:
                return found
        return None

    assert read([data]) == read([data[at : at + 1] for at in range(len(data))])


def test_trusted_networks() -> None:
    trusted = TrustedNetworks(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"])
    for host in ("10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3", "2001:db8::1%eth0"):
        assert trusted.trusts(host), host
    for host in ("11.0.0.1", "192.0.2.8", "2001:db9::1", "::ffff:11.0.0.1", "", "localhost"):
        assert not trusted.trusts(host), host
    assert not TrustedNetworks([]).trusts("127.0.0.1")
    with pytest.raises(ValueError, match="load-balancer"):
        TrustedNetworks(["load-balancer"])


@pytest.mark.parametrize(
    ("source", "destination", "read"),
    [
        ("192.0.2.7", "198.51.100.9", ("192.0.2.7", "198.51.100.9")),
        ("2001:db8::7", "2001:db8::9", ("2001:db8::7", "2001:db8::9")),
        ("192.0.2.7", "2001:db8::9", ("::ffff:192.0.2.7", "2001:db8::9")),
        ("fe80::1%lo", "fe80::2", ("fe80::1", "fe80::2")),
    ],
)
def test_what_is_written_is_read(source: str, destination: str, read: tuple[str, str]) -> None:
    reader = ProxyHeaderReader()
    found = reader.feed(proxy_header((source, 40000), (destination, 6700)) + b"rest")
    assert found == ProxyHeader((read[0], 40000), (read[1], 6700), False)
    assert reader.rest() == b"rest"


def test_nobody_knows_who_it_is() -> None:
    assert ProxyHeaderReader().feed(proxy_header(None, None)) == ProxyHeader(None, None, True)
