"""Any bytes from a server, in every phase: that connection ends, its client learns it, and nothing else happens."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR, OK, encode_ok
from outlive.wire.mysql.packets import lenenc_bytes, packet

from .house import FakeClient, House
from .inputs import COMMANDS, examples, garbage, headers
from .server import CAPABILITIES
from .test_client_bytes import asking, infile, preparing, ready, relaying, uploading, waiting

HELD_BYTES = 2_500_000
"""An own reply's packet (1 MiB), and what was read at once beyond it."""


def _changes(*entries: tuple[int, bytes]) -> bytes:
    raw = b"".join(bytes((kind,)) + lenenc_bytes(data) for kind, data in entries)
    return packet(1, encode_ok(OK(status=wire.SERVER_SESSION_STATE_CHANGED | 2, changes=raw), CAPABILITIES))


LIES = (
    packet(1, b"\xfb/etc/passwd"),
    packet(1, ERR(1064, b"42000", b"x" * 600).encode()),
    packet(1, b"\xff"),
    packet(1, b"\xff\x15\x04"),
    packet(1, encode_ok(OK(status=2), CAPABILITIES)) * 2,
    packet(1, encode_ok(OK(status=2 | 8), CAPABILITIES)),
    packet(2, encode_ok(OK(status=2), CAPABILITIES)),
    packet(1, b"\xfe"),
    packet(1, b"\xfe\x00\x00\x02\x00"),
    packet(1, b"\x01") + packet(2, b"\x03def") + packet(3, b"\x00" * 7) + packet(4, b"\xfe\x00\x00\x02\x00\x00\x00"),
    packet(1, b"\x00\xfc"),
    packet(1, b"\xfc\xff\xff"),
    packet(1, b"\xfd\xff\xff\xff"),
    packet(1, b"\x00"),
    packet(1, b""),
    b"\xff\xff\xff\x01",
    b"\xff\xff\xff\x01" + b"x" * 100_000,
    b"\x00\x00\x10\x01" + b"\x00" * 100_000,
    _changes((0, b"\x05")),
    _changes((0, lenenc_bytes(b"sql_mode") + lenenc_bytes(b"x' OR 1"))),
    _changes((1, b"")),
    _changes((1, lenenc_bytes(b"other"))),
    _changes((2, b"1")),
    _changes((4, lenenc_bytes(b"DROP TABLE t;"))),
    _changes((5, lenenc_bytes(b"________L"[-8:]))),
    _changes((5, b"\xff")),
    _changes((3, b"\xfe")),
    packet(1, b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00"),
    packet(1, b"\x0a" + b"9" * 100),
)
"""What a hostile server might say in place of an answer."""

answers = st.one_of(st.sampled_from(LIES), st.sampled_from(LIES), garbage, headers)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], list[bytes]]:
    """Makes something else of some of a server's answers."""
    plan = iter(
        draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 200), st.integers(0, 255), answers), max_size=12))
    )

    def mutate(data: bytes) -> list[bytes]:
        kind, position, value, other = next(plan, (0, 0, 0, b""))
        if kind == 1:
            return [other]
        if kind == 2:
            return [data + other]
        if kind == 3:
            return [data, other]
        if kind == 4:
            return [other + data]
        if kind == 5 and position < len(data):
            return [data[:position] + bytes((value,)) + data[position + 1 :]]
        if kind == 6:
            return [data[:position]]
        if kind == 7:
            return [data[index : index + 1] for index in range(min(len(data), 3000))] if len(data) < 3000 else [data]
        if kind == 8:
            return []
        return [data]

    return mutate


@examples(40)
@given(mutation=mutations(), asked=st.lists(st.sampled_from(COMMANDS), max_size=6))
def test_from_the_first_greeting_on(mutation: Callable[[bytes], list[bytes]], asked: list[bytes]) -> None:
    house = House()
    house.servers.mutation = mutation
    with house:
        client = house.client()
        client.log_in()
        for payload in asked:
            client.command(payload)
            house.check()
        house.pass_time(3)
        house.check()
        house.check_serves()


@examples(60)
@given(
    mutation=mutations(),
    asked=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(COMMANDS)), min_size=1, max_size=10),
    ends=st.booleans(),
)
def test_after_a_good_beginning(
    mutation: Callable[[bytes], list[bytes]], asked: list[tuple[int, bytes]], ends: bool
) -> None:
    with House(max_connections=2) as house:
        clients = [ready(house), ready(house)]
        house.servers.mutation = mutation
        for who, payload in asked:
            clients[who].command(payload)
            house.check()
        if ends:
            clients[0].transport.hang_up()
            house.loop.settle()
        house.pass_time(2)
        house.check()
        house.check_serves()


@pytest.mark.parametrize("phase", [ready, waiting, preparing, relaying, uploading, infile, asking])
@examples(20)
@given(
    data=st.lists(answers, min_size=1, max_size=3).map(b"".join),
    by=st.sampled_from((0, 0, 1, 3)),
    which=st.integers(0, 2),
)
def test_unasked(phase: Callable[[House], FakeClient], data: bytes, by: int, which: int) -> None:
    with House() as house:
        client = phase(house)
        opened = house.servers.open
        server = opened[which % len(opened)]
        for start in range(0, len(data) if len(data) < 3000 else 1, by or len(data) or 1):
            server.blurt(data[start : start + by] if by and len(data) < 3000 else data)
            house.loop.settle()
        house.check()
        connection = server.transport.protocol
        assert connection.packets.pending <= HELD_BYTES
        client.transport.hang_up()
        house.check_serves()


def test_no_file_of_a_client_that_offers_none() -> None:
    """A request for a file in answer to a SELECT: drivers would send it whatever the file."""
    with House() as house:
        client = ready(house)
        client.command(b"\x03\x00\x01SELECT 1")
        house.servers.mutation = lambda data: [packet(1, b"\xfb/etc/passwd")]
        client.command(b"\x03\x00\x01SELECT 1")
        assert b"passwd" not in client.answers()
        assert client.transport.closed
        house.check_serves()


def test_rows_without_end_for_outlive_itself() -> None:
    """An answer to a question of Outlive's own has a limit."""
    with House(max_connections=2) as house:
        one, two = ready(house), ready(house)
        one.command(b"\x03\x00\x01WARN")  # its warnings are asked for before the other one's use
        (server, *_) = [found for found in house.servers.open if found.commands]
        flood = packet(1, b"\x03") + b"".join(packet(2 + number, b"\x03def") for number in range(3))
        house.servers.mutation = lambda data: [flood]
        two.command(b"\x03\x00\x01SELECT 1")
        row = b"\xfa" + b"x" * 250
        sequence = 5
        for _ in range(4000):
            server.blurt(b"".join(packet(sequence + number, row * 3) for number in range(256)))
            if server.transport.lost or server.transport.closed or server.transport.eof_sent:
                break
        else:
            raise AssertionError("a million rows were taken")
        house.check_serves()
