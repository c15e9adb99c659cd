"""First packets: each kind whole and byte by byte, hostile ones, and what follows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.postgres import messages
from outlive.wire.postgres.constants import PROTOCOL_3_0, PROTOCOL_3_2
from outlive.wire.postgres.startup import (
    STARTUP_LIMIT_BYTES,
    CancelRequest,
    DirectTLS,
    FirstPacket,
    GSSENCRequest,
    SSLRequest,
    Startup,
    StartupReader,
    UnsupportedVersion,
)

GSSENC = b"\0\0\0\x08\x04\xd2\x16\x30"


def read(data: bytes) -> FirstPacket | None:
    """Byte by byte, and the same in one piece."""
    whole = StartupReader()
    whole.feed(data)
    expected = whole.next()
    reader = StartupReader()
    for at in range(len(data)):
        assert reader.next() is None
        reader.feed(data[at : at + 1])
    found = reader.next()
    assert type(found) is type(expected)
    return found


def test_a_startup_message() -> None:
    parameters = {b"user": b"u", b"database": b"d", b"_pq_.compression": b"zstd", b"options": b"-c x=1", b"empty": b""}
    found = read(messages.startup(PROTOCOL_3_2, parameters))
    assert isinstance(found, Startup)
    assert found.version == PROTOCOL_3_2
    assert found.options == {b"_pq_.compression": b"zstd"}
    assert list(found.parameters.items()) == [
        (b"user", b"u"),
        (b"database", b"d"),
        (b"options", b"-c x=1"),
        (b"empty", b""),
    ]


def test_a_startup_message_without_parameters() -> None:
    found = read(messages.startup(PROTOCOL_3_0, {}))
    assert isinstance(found, Startup)
    assert found.parameters == {}


def test_other_versions() -> None:
    found = read(messages.startup(2 << 16, {}))
    assert isinstance(found, UnsupportedVersion)
    assert str(found) == "2.0"
    future = read(messages.startup(3 << 16 | 9999, {b"user": b"u"}))
    assert isinstance(future, Startup)
    assert future.version == 3 << 16 | 9999


def test_requests_for_encryption_and_what_follows_them() -> None:
    assert isinstance(read(messages.ssl_request()), SSLRequest)
    assert isinstance(read(GSSENC), GSSENCRequest)
    reader = StartupReader()
    reader.feed(messages.ssl_request() + b"\x16\x03\x01hello")
    assert isinstance(reader.next(), SSLRequest)
    assert reader.pending == 8
    assert reader.rest() == b"\x16\x03\x01hello"
    assert reader.rest() == b""


def test_requests_one_after_the_other() -> None:
    reader = StartupReader()
    reader.feed(GSSENC)
    assert isinstance(reader.next(), GSSENCRequest)
    assert reader.next() is None
    reader.feed(messages.startup(PROTOCOL_3_0, {b"user": b"u"}) + b"p")
    assert isinstance(reader.next(), Startup)
    assert reader.rest() == b"p"


@pytest.mark.parametrize("length", [4, 32, 256])
def test_a_cancel_request(length: int) -> None:
    found = read(messages.cancel_request(0xFFFFFFFE, bytes(range(length))))
    assert isinstance(found, CancelRequest)
    assert (found.pid, found.key) == (0xFFFFFFFE, bytes(range(length)))
    assert str(found.key) not in repr(found)


def test_direct_tls_is_left_untouched() -> None:
    reader = StartupReader()
    reader.feed(b"\x16")
    assert isinstance(reader.next(), DirectTLS)
    reader.feed(b"\x03\x01")
    assert reader.rest() == b"\x16\x03\x01"


MALFORMED = {
    "too short": b"\0\0\0\x07\0\3\0",
    "too long": (STARTUP_LIMIT_BYTES + 1).to_bytes(4, "big"),
    "negative": b"\xff\xff\xff\xff",
    "HTTP": b"GET / HTTP/1.1\r\n\r\n",
    "an SSLRequest with more": b"\0\0\0\x09\x04\xd2\x16\x2f\0",
    "a cancel without a key": b"\0\0\0\x0c\x04\xd2\x16\x2e\0\0\0\1",
    "a cancel with a long key": messages.cancel_request(1, bytes(257)),
    "a cancel with a short key": messages.cancel_request(1, bytes(3)),
    "no terminator": b"\0\0\0\x0f\0\3\0\0user\0u\0",
    "a value cut short": b"\0\0\0\x0e\0\3\0\0user\0u",
    "behind the terminator": b"\0\0\0\x11\0\3\0\0user\0u\0\0x",
    "nothing at all": b"\0\0\0\x08\0\3\0\0",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str) -> None:
    with pytest.raises(ProtocolError):
        read(MALFORMED[name])


def test_the_longest_allowed() -> None:
    value = b"x" * (STARTUP_LIMIT_BYTES - len(messages.startup(PROTOCOL_3_0, {b"user": b""})))
    found = read(messages.startup(PROTOCOL_3_0, {b"user": value}))
    assert isinstance(found, Startup)
    assert found.parameters[b"user"] == value


@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda body: (len(body) + 8).to_bytes(4) + body)))
def test_any_bytes(data: bytes) -> None:
    reader = StartupReader()
    reader.feed(data)
    try:
        reader.next()
    except ProtocolError:
        pass


@given(st.sampled_from((b"\0\3\0\0", b"\x04\xd2\x16\x2e", b"\x04\xd2\x16\x2f")), st.binary(max_size=60))
def test_any_body(code: bytes, body: bytes) -> None:
    reader = StartupReader()
    reader.feed((len(body) + 8).to_bytes(4, "big") + code + body)
    try:
        assert reader.next() is not None
    except ProtocolError:
        pass
