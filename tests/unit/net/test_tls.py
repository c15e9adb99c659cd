"""The TLS adapter against itself, both sides in memory, with the bytes cut everywhere."""

import gc
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers.certificates import Certificates

from outlive.net.certificates import (
    DISABLED,
    REQUIRED,
    VERIFY_CA,
    VERIFY_IDENTITY,
    listener_certificates,
    server_certificates,
)
from outlive.net.tls import TLS, TLSError
from outlive.wire.mysql.constants import CLIENT_PROTOCOL_41, CLIENT_SSL
from outlive.wire.mysql.handshake import is_ssl_request, ssl_request
from outlive.wire.mysql.packets import PacketReader, packet

Deliver = Callable[[TLS, bytes], bytes]


def whole(side: TLS, data: bytes) -> bytes:
    return side.receive(data)


def byte_by_byte(side: TLS, data: bytes) -> bytes:
    return b"".join([side.receive(data[at : at + 1]) for at in range(len(data))])


def shake_hands(client: TLS, server: TLS, deliver: Deliver = whole) -> tuple[bytes, bytes]:
    """Until neither has anything to say; what each read."""
    at_client = at_server = b""
    while True:
        to_server = client.outgoing()
        at_server += deliver(server, to_server)
        to_client = server.outgoing()
        at_client += deliver(client, to_client)
        if not to_server and not to_client:
            return at_client, at_server


def contexts(issued: Certificates, mode: str = VERIFY_IDENTITY) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    listener = listener_certificates(str(issued.server_cert), str(issued.server_key))
    servers = server_certificates(mode, ca=str(issued.ca))
    assert servers is not None
    return servers.context(), listener.context()


def pair(issued: Certificates, mode: str = VERIFY_IDENTITY, host: str = "localhost") -> tuple[TLS, TLS]:
    client_context, server_context = contexts(issued, mode)
    return TLS(client_context, server_side=False, server_hostname=host), TLS(server_context, server_side=True)


@pytest.fixture
def connected(issued: Certificates) -> tuple[TLS, TLS]:
    client, server = pair(issued)
    shake_hands(client, server)
    return client, server


@pytest.mark.parametrize("deliver", [whole, byte_by_byte])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_handshake_and_an_exchange(issued: Certificates, deliver: Deliver, host: str) -> None:
    client, server = pair(issued, host=host)
    assert not client.established
    assert (client.version, client.cipher) == ("", "")
    assert shake_hands(client, server, deliver) == (b"", b"")
    assert client.established
    assert server.established
    assert client.version == server.version == "TLSv1.3"
    assert client.cipher == server.cipher != ""
    client.send(b"question")
    assert deliver(server, client.outgoing()) == b"question"
    server.send(b"answer")
    assert deliver(client, server.outgoing()) == b"answer"
    assert client.outgoing() == server.outgoing() == b""


def test_each_flight_cut_at_each_byte(issued: Certificates) -> None:
    client_context, server_context = contexts(issued)

    def exchange(cut_flight: int, cut: int) -> int:
        """One connection whose flight number `cut_flight` comes in two pieces; that flight's length."""
        client = TLS(client_context, server_side=False, server_hostname="localhost")
        server = TLS(server_context, server_side=True)
        client.send(b"hello")
        server.send(b"welcome")
        length, read = 0, {client: b"", server: b""}
        sides = (client, server)
        for flight in range(8):
            sender, receiver = sides[flight % 2], sides[1 - flight % 2]
            data = sender.outgoing()
            if flight == cut_flight:
                length = len(data)
                read[receiver] += receiver.receive(data[:cut]) + receiver.receive(data[cut:])
            else:
                read[receiver] += receiver.receive(data)
        assert read == {client: b"welcome", server: b"hello"}
        return length

    for flight in range(3):
        length = exchange(flight, 0)
        assert length > 50
        for cut in range(1, length, 1 if length < 700 else 7):
            exchange(flight, cut)


def test_what_is_sent_before_the_handshake_goes_out_after_it(issued: Certificates) -> None:
    client, server = pair(issued)
    client.send(b"login ")
    client.send(b"packet")
    server.send(b"welcome")
    assert b"login" not in client.outgoing() + server.outgoing() or pytest.fail("sent in the clear")
    client, server = pair(issued)
    client.send(b"login ")
    client.send(b"packet")
    server.send(b"welcome")
    assert shake_hands(client, server) == (b"welcome", b"login packet")


def test_the_client_hello_follows_the_ssl_request_cut_at_each_byte(issued: Certificates) -> None:
    """As MySQL clients send them: what is behind the request goes into the engine, never into a packet reader."""
    client_context, server_context = contexts(issued)
    request = packet(1, ssl_request(CLIENT_PROTOCOL_41 | CLIENT_SSL, 1 << 24, 45))
    length = 0
    cut = 0
    while cut <= length:
        client = TLS(client_context, server_side=False, server_hostname="localhost")
        stream = request + client.outgoing()
        length = len(stream)
        reader, server = PacketReader(16384, sequence=1), None
        for piece in (stream[:cut], stream[cut:]):
            if server is not None:
                assert server.receive(piece) == b""
                continue
            reader.feed(piece)
            payload = reader.next()
            if payload is not None:
                assert is_ssl_request(payload)
                server = TLS(server_context, server_side=True)
                assert server.receive(reader.rest()) == b""
        assert server is not None
        client.send(packet(2, b"handshake response"))
        assert shake_hands(client, server) == (b"", packet(2, b"handshake response"))
        cut += 1


def test_plaintext_in_place_of_a_client_hello(issued: Certificates) -> None:
    _, server = pair(issued)
    with pytest.raises(TLSError):
        server.receive(packet(2, b"\x85\xa6\xff\x01 a login in the clear"))


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 16384, 65536, 1_000_001])
def test_sizes(connected: tuple[TLS, TLS], size: int) -> None:
    client, server = connected
    data = bytes(range(256)) * (size // 256 + 1)
    client.send(data[:size])
    assert server.receive(client.outgoing()) == data[:size]
    server.send(data[:size])
    assert client.receive(server.outgoing()) == data[:size]


def test_several_records_at_once_and_the_rest_of_one(connected: tuple[TLS, TLS]) -> None:
    client, server = connected
    for word in (b"one", b"two", b"three"):
        client.send(word)
    data = client.outgoing()
    assert server.receive(data[:-1]) == b"onetwo"
    assert server.receive(data[-1:]) == b"three"


@given(st.lists(st.tuples(st.binary(max_size=9000), st.integers(1, 3000)), max_size=8))
def test_any_messages_in_any_pieces(exchanges: list[tuple[bytes, int]]) -> None:
    client, server = pair(Certificates.shared())
    shake_hands(client, server)
    for message, size in exchanges:
        client.send(message)
        data = client.outgoing()
        assert b"".join([server.receive(data[at : at + size]) for at in range(0, len(data), size)]) == message


def test_a_close_notify_is_the_end(connected: tuple[TLS, TLS]) -> None:
    client, server = connected
    client.send(b"last words")
    client.close()
    assert not server.closed
    data = client.outgoing()
    assert server.receive(data) == b"last words"
    assert server.closed
    assert server.receive(b"anything at all") == b""
    server.send(b"the peer may still listen")
    assert client.receive(server.outgoing()) == b"the peer may still listen"
    server.close()
    assert client.receive(server.outgoing()) == b""
    assert client.closed
    client.close()
    server.close()


def test_a_close_notify_byte_by_byte(connected: tuple[TLS, TLS]) -> None:
    client, server = connected
    client.close()
    assert byte_by_byte(server, client.outgoing()) == b""
    assert server.closed


def test_close_during_the_handshake_says_nothing(issued: Certificates) -> None:
    _, server = pair(issued)
    server.close()
    assert server.outgoing() == b""


def test_sending_after_close_is_a_tls_error(connected: tuple[TLS, TLS]) -> None:
    client, _ = connected
    client.close()
    with pytest.raises(TLSError):
        client.send(b"too late")


def test_a_changed_byte_ends_the_connection_and_tells_the_peer(connected: tuple[TLS, TLS]) -> None:
    client, server = connected
    client.send(b"0123456789")
    data = bytearray(client.outgoing())
    data[-3] ^= 1
    with pytest.raises(TLSError):
        server.receive(bytes(data))
    with pytest.raises(TLSError, match="alert"):
        client.receive(server.outgoing())
    for use in (lambda: server.receive(b""), lambda: server.send(b"x")):
        with pytest.raises(TLSError, match="before"):
            use()
    server.close()


@given(st.binary(min_size=1, max_size=400))
def test_any_bytes_give_nothing_or_a_tls_error(data: bytes) -> None:
    for side in pair(Certificates.shared()):
        for deliver in (whole, byte_by_byte):
            try:
                assert deliver(side, data) == b""
            except TLSError:
                break
        assert not side.established


@given(st.binary(min_size=1, max_size=100))
def test_any_bytes_after_the_handshake_give_nothing_or_a_tls_error(data: bytes) -> None:
    client, server = pair(Certificates.shared())
    shake_hands(client, server)
    for side in (client, server):
        try:
            assert side.receive(data) == b""
        except TLSError:
            pass


class TestVerification:
    @pytest.mark.parametrize("mode", [VERIFY_CA, VERIFY_IDENTITY])
    def test_a_server_of_another_authority_is_refused(self, issued: Certificates, mode: str) -> None:
        _, server = pair(issued)
        other = server_certificates(mode, ca=str(issued.other_ca))
        assert other is not None
        client = TLS(other.context(), server_side=False, server_hostname="localhost")
        client.send(b"a secret")
        server.receive(client.outgoing())
        with pytest.raises(TLSError, match="not trusted"):
            client.receive(server.outgoing())
        with pytest.raises(TLSError, match="alert"):
            server.receive(client.outgoing())

    def test_another_name_is_refused_by_verify_identity_only(self, issued: Certificates) -> None:
        client, server = pair(issued, VERIFY_IDENTITY, host="elsewhere.example")
        server.receive(client.outgoing())
        with pytest.raises(TLSError, match="not trusted"):
            client.receive(server.outgoing())
        for mode in (VERIFY_CA, REQUIRED):
            client, server = pair(issued, mode, host="elsewhere.example")
            shake_hands(client, server)
            assert client.established

    def test_required_alone_verifies_nothing(self, issued: Certificates) -> None:
        _, server = pair(issued)
        anyone = server_certificates(REQUIRED, ca=str(issued.other_ca))
        assert anyone is not None
        client = TLS(anyone.context(), server_side=False)
        shake_hands(client, server)
        assert client.established

    def test_identity_is_the_default_and_the_systems_authorities_are(self, issued: Certificates) -> None:
        default = server_certificates()
        assert default is not None
        context = default.context()
        assert context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED
        client, server = TLS(context, server_side=False, server_hostname="localhost"), pair(issued)[1]
        server.receive(client.outgoing())
        with pytest.raises(TLSError, match="not trusted"):
            client.receive(server.outgoing())

    def test_a_name_to_verify_has_to_be_there(self, issued: Certificates) -> None:
        context, _ = contexts(issued)
        for host in (None, "", ".", "a\0b", "x" * 300):
            with pytest.raises(TLSError):
                TLS(context, server_side=False, server_hostname=host)

    def test_disabled_is_no_context_and_other_modes_do_not_exist(self) -> None:
        assert server_certificates(DISABLED) is None
        with pytest.raises(ValueError, match="verify-identity"):
            server_certificates("prefer")

    def test_clients_show_a_certificate_where_it_is_asked_for(self, issued: Certificates) -> None:
        strict = listener_certificates(str(issued.server_cert), str(issued.server_key), str(issued.ca)).context()
        known = server_certificates(ca=str(issued.ca), certificate=str(issued.client_cert), key=str(issued.client_key))
        assert known is not None
        client = TLS(known.context(), server_side=False, server_hostname="localhost")
        server = TLS(strict, server_side=True)
        shake_hands(client, server)
        assert server.established
        client, _ = pair(issued)
        server = TLS(strict, server_side=True)
        with pytest.raises(TLSError):
            shake_hands(client, server)

    def test_versions_before_1_2_are_refused(self, issued: Certificates) -> None:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1"):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        _, server = pair(issued)
        with pytest.raises(TLSError):
            server.receive(TLS(old, server_side=False).outgoing())

    def test_version_1_2_works(self, issued: Certificates) -> None:
        client_context, server_context = contexts(issued)
        client_context.maximum_version = ssl.TLSVersion.TLSv1_2
        client = TLS(client_context, server_side=False, server_hostname="localhost")
        server = TLS(server_context, server_side=True)
        client.send(b"question")
        assert shake_hands(client, server, byte_by_byte) == (b"", b"question")
        assert client.version == "TLSv1.2"


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


@pytest.mark.parametrize(("carried_bytes", "most_kib"), [(100, 22), (300_000, 33)])
def test_memory_of_a_connection(issued: Certificates, carried_bytes: int, most_kib: int) -> None:
    """The server's side alone, idle, after it once carried so much each way."""
    client_context, server_context = contexts(issued)
    data = bytes(carried_bytes)

    def connect() -> TLS:
        client = TLS(client_context, server_side=False, server_hostname="localhost")
        server = TLS(server_context, server_side=True)
        shake_hands(client, server)
        client.send(data)
        assert server.receive(client.outgoing()) == data
        server.send(data)
        assert client.receive(server.outgoing()) == data
        return server

    kept = [connect() for _ in range(50)]  # what the allocator and OpenSSL take once
    gc.collect()
    before = _resident_kib()
    kept += [connect() for _ in range(300)]
    gc.collect()
    assert (_resident_kib() - before) / 300 < most_kib
    assert len(kept) == 350


def test_what_peers_show_and_speak_is_known(issued: Certificates) -> None:
    client_context, server_context = contexts(issued, REQUIRED)
    client_context.set_alpn_protocols(["postgresql"])
    client, server = TLS(client_context, server_side=False), TLS(server_context, server_side=True)
    assert (client.peer_certificate, server.application_protocol) == (None, None)
    shake_hands(client, server)
    assert client.peer_certificate == ssl.PEM_cert_to_DER_cert(issued.server_cert.read_text())
    assert server.peer_certificate is None
    assert client.application_protocol == server.application_protocol == "postgresql"


def test_peers_that_speak_of_no_protocol_are_as_before(connected: tuple[TLS, TLS]) -> None:
    assert [side.application_protocol for side in connected] == [None, None]
