"""Any bytes on the client's side, in every phase: an error of the protocol or a close, and nothing else."""

import ssl
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.net.certificates import Certificates, listener_certificates
from outlive.net.tls import TLS
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import ssl_request
from outlive.wire.mysql.packets import packet

from ..servers.certificates import Certificates as Made
from .house import CLIENT, MODERN, FakeClient, House
from .inputs import anything, cuts, examples, garbage, headers, streams

LOGIN_BYTES = 16_384
HELD_BYTES = 600_000
"""A command held whole, what was read at once beyond it, and a reply above the high water mark."""


@cache
def certificates() -> Certificates:
    made = Made.shared()
    return listener_certificates(str(made.server_cert), str(made.server_key))


# -- before the login ---------------------------------------------------------------------------------


def at_greeting(house: House) -> FakeClient:
    return house.client()


def after_ssl_request(house: House) -> FakeClient:
    client = house.client()
    client.say(packet(1, ssl_request(MODERN | wire.CLIENT_SSL, 1 << 24, 45)))
    return client


def switched(house: House) -> FakeClient:
    client = house.client()
    client.say(packet(1, client.response(plugin=b"nonsense")))
    assert client.transport.received.find(b"mysql_native_password") or client.transport.received
    return client


def entering(house: House) -> FakeClient:
    house.servers.held = True
    house.server.known_schemas.clear()
    client = house.client()
    client.say(packet(1, client.response()))
    return client


def passing_through(house: House) -> FakeClient:
    client = house.client()
    client.say(packet(1, client.response(plugin=b"caching_sha2_password")))
    return client


BEFORE = (at_greeting, after_ssl_request, switched, entering, passing_through)


@st.composite
def logins(draw: st.DrawFn) -> Callable[[FakeClient], bytes]:
    """A right login, damaged."""
    seed = draw(st.integers(0, 255))
    positions = draw(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4))
    cut = draw(st.integers(0, 150))

    def make(client: FakeClient) -> bytes:
        data = bytearray(packet(1, client.response()))
        for position, value in positions:
            if position < len(data):
                data[position] = value ^ seed
        return bytes(data[:cut]) if cut < len(data) and seed % 3 == 0 else bytes(data)

    return make


@pytest.mark.parametrize("phase", BEFORE)
@examples(15)
@given(data=st.lists(st.one_of(garbage, headers, anything), max_size=5).map(b"".join), by=cuts, login=logins())
def test_before_the_login(
    phase: Callable[[House], FakeClient], data: bytes, by: int, login: Callable[[FakeClient], bytes]
) -> None:
    with House(certificates=certificates(), passthrough=phase is passing_through) as house:
        client = phase(house)
        commands, logins = len(house.servers.commands), house.servers.logins
        if phase is at_greeting and by % 2:
            data = login(client)
        client.say(data, by=by)
        house.check()
        if not client.is_in:
            assert client.held_bytes <= LOGIN_BYTES + 4
            if phase not in (entering, passing_through) and not house.servers.held:
                # Known to be let in, or refused: either way nobody asks a server.
                assert house.servers.commands[commands:] in ([], [b"\x02test"])
                assert house.servers.logins == logins
            house.pass_time(12)
            assert client.transport.closed or client.is_in
        house.check_serves()


def test_nothing_reaches_a_server_before_the_login() -> None:
    with House() as house:
        before = len(house.servers.commands), house.servers.logins
        for payload in (b"\x03SELECT 1", b"\x11app\0\0test\0", b"\x01", b"\x0e", b"x" * 100):
            client = house.client()
            client.say(packet(1, payload) + packet(0, payload) + packet(2, payload))
            assert client.transport.closed
        assert (len(house.servers.commands), house.servers.logins) == before


def test_a_failed_login_is_final() -> None:
    with House() as house:
        before = list(house.servers.commands)
        client = house.client()
        wrong = bytearray(packet(1, client.response()))
        wrong[wrong.index(b"app\0\x14") + 10] ^= 1
        client.transport.received.clear()
        client.transport.say(bytes(wrong) + packet(0, b"\x03SELECT 1"))
        client.transport.say(packet(0, b"\x03SELECT 1") + packet(1, client.response.__self__.house and b"x"))
        house.loop.settle()
        assert client.transport.received[4:7] == b"\xff\x15\x04"  # 1045
        assert client.transport.lost
        assert house.servers.commands == before
        house.check_serves()


class _TLSClient:
    """The client's side of TLS on a `Wire`."""

    def __init__(self, house: House) -> None:
        self.client = house.client()
        self.client.say(packet(1, ssl_request(MODERN | wire.CLIENT_SSL, 1 << 24, 45)))
        self.login = packet(2, self.client.response(MODERN | wire.CLIENT_SSL))
        self.client.transport.received.clear()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.tls = TLS(context, server_side=False)
        while not self.tls.established:
            self.client.say(self.tls.outgoing())
            self.tls.receive(bytes(self.client.transport.received))
            self.client.transport.received.clear()

    def say(self, data: bytes, by: int) -> None:
        for start in range(0, len(data), by):
            self.tls.send(data[start : start + by])
            self.client.say(self.tls.outgoing())


@pytest.mark.parametrize("by", [1, 100])
def test_a_login_by_tls(by: int) -> None:
    with House(certificates=certificates()) as house:
        end = _TLSClient(house)
        end.say(end.login, by)
        house.pass_time(0.2)
        assert end.client.is_in
        house.check_serves()


def test_a_login_by_tls_has_a_limit() -> None:
    """Records of one byte: 22 bytes each on the wire."""
    with House(certificates=certificates()) as house:
        end = _TLSClient(house)
        end.say(b"\xf0\x3f\x00\x02" + b"x" * 5000, 1)
        assert end.client.transport.closed
        assert not end.client.is_in
        house.check_serves()


# -- after it -----------------------------------------------------------------------------------------


def ready(house: House) -> FakeClient:
    client = house.client()
    client.log_in()
    assert client.is_in
    return client


def in_transaction(house: House) -> FakeClient:
    client = ready(house)
    client.command(b"\x03\x00\x01BEGIN")
    return client


def waiting(house: House) -> FakeClient:
    for _ in range(2):
        in_transaction(house)
    client = ready(house)
    client.command(b"\x03\x00\x01SELECT 1")
    return client


def preparing(house: House) -> FakeClient:
    other, client = ready(house), ready(house)
    other.command(b"\x03\x00\x01SET @a=1")
    house.servers.held = True
    client.command(b"\x03\x00\x01SELECT 1")
    return client


def relaying(house: House) -> FakeClient:
    client = ready(house)
    house.servers.held = True
    client.command(b"\x03\x00\x01SELECT 1")
    return client


def uploading(house: House) -> FakeClient:
    client = ready(house)
    client.say((1_000_001).to_bytes(3, "little") + b"\0\x03\x00\x01SELECT '" + b"x" * 300_000)
    return client


def infile(house: House) -> FakeClient:
    client = ready(house)
    client.command(b"\x03\x00\x01LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
    assert client.answers()[4] == 0xFB
    return client


def asking(house: House) -> FakeClient:
    client = in_transaction(house)
    house.servers.held = True
    client.command(b"\x03\x00\x01BAD")
    house.servers.open[0].release()
    return client


def changing_user(house: House) -> FakeClient:
    client = in_transaction(house)
    client.command(b"\x11app\x00\x14" + b"x" * 20 + b"test\x00\x2d\x00nonsense\x00")
    return client


def lexing(house: House) -> FakeClient:
    client = ready(house)
    client.transport.say(packet(0, b"\x03\x00\x01SELECT " + b"(" * 12_000))
    return client


def prepared(house: House) -> FakeClient:
    client = ready(house)
    client.command(b"\x16SELECT ?, ?")
    return client


def classic_prepared(house: House) -> FakeClient:
    """Of a client without query attributes."""
    client = house.client()
    client.log_in(CLIENT)
    client.command(b"\x16SELECT ?, ?")
    return client


def not_reading(house: House) -> FakeClient:
    client = ready(house)
    client.transport.reads = False
    return client


AFTER = (
    ready, in_transaction, waiting, preparing, relaying, uploading, infile, asking, changing_user, lexing, prepared,
    not_reading,
)  # fmt: skip


@pytest.mark.parametrize("phase", AFTER)
@examples(15)
@given(data=streams, by=cuts, ends=st.integers(0, 3))
def test_after_the_login(phase: Callable[[House], FakeClient], data: bytes, by: int, ends: int) -> None:
    with House() as house:
        client = phase(house)
        client.say(data, by=by)
        house.check()
        assert client.held_bytes <= HELD_BYTES
        if ends == 1:
            client.transport.hang_up()
        elif ends == 2:
            client.transport.hang_up(reset=True)
        house.servers.release()
        house.loop.settle()
        house.check()
        house.check_serves()


def test_long_data_for_a_server_that_does_not_read() -> None:
    """Commands without an answer wait for a slow server at the client, and not in the node."""
    with House() as house:
        client = classic_prepared(house)
        client.command(b"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\xfd\x00\x01a\x01b")
        assert not client.transport.closed
        wires = [found.transport for found in house.servers.open]
        for link in wires:
            link.reads = False
        for _ in range(200):
            client.transport.say(packet(0, b"\x18\x01\x00\x00\x00\x00\x00" + b"d" * 100_000))
            house.loop.settle()
        assert 0 < sum(link.most_unsent for link in wires) < 600_000
        assert client.held_bytes <= HELD_BYTES
        for link in wires:
            link.read_all()
        house.loop.settle()
        assert sum(command[:1] == b"\x18" for command in house.servers.commands) == 200
        house.check_serves()


def executing_long(house: House) -> FakeClient:
    client = classic_prepared(house)
    values = b"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\xfd\x00\x01a\xfd\x00\x00\x08"
    client.say((600_000).to_bytes(3, "little") + b"\0" + values + b"x" * 300_000)
    assert not client.transport.closed
    return client


@examples(15)
@given(data=streams, by=cuts, more=st.integers(0, 400_000))
def test_within_a_long_execution(data: bytes, by: int, more: int) -> None:
    with House() as house:
        client = executing_long(house)
        client.say(b"y" * more)
        client.say(data, by=by)
        house.check()
        assert client.held_bytes <= HELD_BYTES
        house.check_serves()
