"""Messages of the connection phase."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.mysql.constants import (
    CLIENT_CONNECT_ATTRS,
    CLIENT_CONNECT_WITH_DB,
    CLIENT_LONG_PASSWORD,
    CLIENT_PLUGIN_AUTH,
    CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA,
    CLIENT_PROTOCOL_41,
    CLIENT_SECURE_CONNECTION,
    CLIENT_SSL,
)
from outlive.wire.mysql.handshake import (
    ChangeUser,
    Greeting,
    HandshakeResponse,
    auth_more_data,
    auth_switch_request,
    is_ssl_request,
    parse_auth_switch_request,
    ssl_request,
)

SCRAMBLE = bytes(range(1, 21))
BASE = CLIENT_LONG_PASSWORD | CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION
FULL = BASE | CLIENT_PLUGIN_AUTH | CLIENT_CONNECT_WITH_DB | CLIENT_CONNECT_ATTRS

# As MariaDB 10.11 and MySQL 9.7 sent them.
MARIADB = (
    b"\x0a5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x1f\x00\x00\x00abcdefgh\x00\xfe\xff\x2d\x02\x00\xff\x81\x15"
    b"\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00ijklmnopqrst\x00mysql_native_password\x00"
)
MYSQL = (
    b"\x0a9.7.4-2\x00\x08\x00\x00\x00abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15" + bytes(10) + b"ijklmnopqrst\x00"
    b"caching_sha2_password\x00"
)


def attributes(thing: object) -> dict[str, object]:
    return {name: getattr(thing, name) for name in type(thing).__slots__}  # type: ignore[attr-defined]


def test_greetings_of_real_servers() -> None:
    greeting = Greeting.parse(MARIADB)
    assert greeting.server_version == b"5.5.5-10.11.19-MariaDB-0+deb12u1"
    assert greeting.is_mariadb
    assert greeting.extended_capabilities == 0x1D
    assert (greeting.scramble, greeting.plugin) == (b"abcdefghijklmnopqrst", b"mysql_native_password")
    assert greeting.encode() == MARIADB
    greeting = Greeting.parse(MYSQL)
    assert not greeting.is_mariadb
    assert (greeting.capabilities, greeting.charset, greeting.connection_id) == (0xDFFFFFFF, 255, 8)
    assert greeting.extended_capabilities == 0
    assert greeting.encode() == MYSQL


@pytest.mark.parametrize("payload", [MARIADB, MYSQL])
def test_a_greeting_cut_short_is_a_protocol_error(payload: bytes) -> None:
    for end in range(payload.index(b"rst\0") + 3):
        with pytest.raises(ProtocolError):
            Greeting.parse(payload[:end])


@pytest.mark.parametrize("payload", [b"", b"\x09old\0", b"\xff\x10\x04Too many connections"])
def test_what_is_no_greeting(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        Greeting.parse(payload)


@pytest.mark.parametrize(
    "removed", [0, CLIENT_PLUGIN_AUTH, CLIENT_CONNECT_WITH_DB, CLIENT_CONNECT_ATTRS, CLIENT_LONG_PASSWORD]
)
@pytest.mark.parametrize("added", [0, CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA])
def test_responses_survive(removed: int, added: int) -> None:
    capabilities = FULL & ~removed | added
    response = HandshakeResponse(
        capabilities,
        1 << 24,
        45,
        b"user",
        SCRAMBLE,
        b"shop" if capabilities & CLIENT_CONNECT_WITH_DB else b"",
        b"mysql_native_password" if capabilities & CLIENT_PLUGIN_AUTH else b"",
        {b"program_name": b"test", b"": b"x" * 300} if capabilities & CLIENT_CONNECT_ATTRS else {},
        extended_capabilities=0 if capabilities & CLIENT_LONG_PASSWORD else 4,
    )
    assert attributes(HandshakeResponse.parse(response.encode())) == attributes(response)


def test_a_response_without_secure_connection_ends_its_password_with_nul() -> None:
    response = HandshakeResponse(CLIENT_PROTOCOL_41 | CLIENT_LONG_PASSWORD, 0, 8, b"u", b"pw")
    assert HandshakeResponse.parse(response.encode()).auth_response == b"pw"


def test_fields_that_clients_leave_out() -> None:
    payload = HandshakeResponse(BASE, 0, 8, b"u", b"").encode()
    payload = (FULL).to_bytes(4, "little") + payload[4:]
    response = HandshakeResponse.parse(payload)
    assert (response.database, response.plugin, response.attributes) == (b"", b"", {})
    assert HandshakeResponse.parse(payload + b"shop\0caching_sha2_password").plugin == b"caching_sha2_password"


def test_old_clients_are_refused() -> None:
    with pytest.raises(ProtocolError, match=r"4\.1"):
        HandshakeResponse.parse(b"\x85\x24\x00\x00\x00user\0password")


def test_secrets_do_not_show() -> None:
    assert b"secret" not in repr(HandshakeResponse(FULL, 0, 8, b"u", b"secret")).encode()
    assert b"secret" not in repr(ChangeUser(b"u", b"secret")).encode()


def test_ssl_requests() -> None:
    request = ssl_request(BASE, 1 << 24, 45)
    assert len(request) == 32
    assert is_ssl_request(request)
    assert not is_ssl_request(request + b"\0")
    assert not is_ssl_request((BASE & ~CLIENT_SSL).to_bytes(4, "little") + request[4:])
    assert not is_ssl_request(b"")


def test_authentication_switch() -> None:
    payload = auth_switch_request(b"mysql_native_password", SCRAMBLE)
    assert payload == b"\xfemysql_native_password\0" + SCRAMBLE + b"\0"
    assert parse_auth_switch_request(payload) == (b"mysql_native_password", SCRAMBLE)
    nonce = bytes(31) + b"\0"
    assert parse_auth_switch_request(auth_switch_request(b"client_ed25519", nonce)) == (b"client_ed25519", nonce)
    assert parse_auth_switch_request(auth_switch_request(b"mysql_clear_password", b""))[1] == b""
    assert auth_more_data(b"\x03") == b"\x01\x03"
    for malformed in (b"", b"\xfe", b"\xfename", b"\x00name\0"):
        with pytest.raises(ProtocolError):
            parse_auth_switch_request(malformed)


@pytest.mark.parametrize("capabilities", [BASE, FULL, CLIENT_PROTOCOL_41, FULL | CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA])
def test_change_of_user_survives(capabilities: int) -> None:
    change = ChangeUser(b"user", b"answer", b"shop", 45)
    if capabilities & CLIENT_PLUGIN_AUTH:
        change.plugin, change.attributes = b"caching_sha2_password", {b"a": b"b"}
    assert attributes(ChangeUser.parse(change.encode(capabilities), capabilities)) == attributes(change)


def test_an_authentication_response_too_long_for_its_length() -> None:
    with pytest.raises(ProtocolError):
        HandshakeResponse(BASE, 0, 8, b"u", bytes(256)).encode()


@given(st.binary(max_size=80), st.integers(0, 2**32 - 1))
def test_any_bytes_are_a_message_or_a_protocol_error(data: bytes, capabilities: int) -> None:
    head = (capabilities | CLIENT_PROTOCOL_41).to_bytes(4, "little") + bytes(28)
    for parse in (
        lambda: Greeting.parse(data),
        lambda: Greeting.parse(b"\x0a" + data),
        lambda: HandshakeResponse.parse(data),
        lambda: HandshakeResponse.parse(head + data),
        lambda: ChangeUser.parse(data, capabilities),
        lambda: ChangeUser.parse(b"\x11" + data, capabilities),
        lambda: parse_auth_switch_request(b"\xfe" + data),
    ):
        try:
            parse()
        except ProtocolError:
            continue
    is_ssl_request(data)


@given(st.data())
def test_responses_with_a_few_bytes_changed(data: st.DataObject) -> None:
    payload = bytearray(HandshakeResponse(FULL, 0, 8, b"u", SCRAMBLE, b"d", b"p", {b"k": b"v"}).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        HandshakeResponse.parse(bytes(payload[: data.draw(st.integers(0, len(payload)))]))
    except ProtocolError:
        pass
