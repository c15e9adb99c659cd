"""Bytes that somebody might send: garbage, right packets, and right packets with something wrong in them."""

from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from outlive.wire.mysql.packets import packet

FULL_FACTOR = 25
"""So many times the examples in `make prove`."""
_factor = [1]


def be_thorough() -> None:
    """`--full`; before the tests are imported."""
    _factor[0] = FULL_FACTOR


def examples(number: int, **more: int) -> settings:
    """The settings of a test with so many examples."""
    return settings(
        deadline=None,
        max_examples=number * _factor[0],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        **more,  # type: ignore[arg-type]
    )


COMMANDS: Sequence[bytes] = (
    b"\x01",
    b"\x02test",
    b"\x03SELECT 1",
    b"\x03\x00\x01SELECT 1",
    b"\x03\x00\x01BEGIN",
    b"\x03\x00\x01COMMIT",
    b"\x03\x00\x01SET sql_mode=ANSI_QUOTES",
    b"\x03\x00\x01SET @a=1, @b='x'",
    b"\x03\x00\x01SELECT GET_LOCK('a', 1)",
    b"\x03\x00\x01LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
    b"\x03\x00\x01KILL 5",
    b"\x03\x00\x01SHOW WARNINGS",
    b"\x03\x00\x01SELECT CONNECTION_ID(), LAST_INSERT_ID()",
    b"\x03\x00\x01SET wait_timeout=5",
    b"\x03\x00\x01SELECT @@wait_timeout, ROW_COUNT()",
    b"\x03\x00\x01SELECT 1; SELECT 2",
    b"\x03\x00\x01INSERT INTO t VALUES (1)",
    b"\x03\x00\x01WARN",
    b"\x03\x00\x01BAD",
    b"\x03\x00\x01SET ROLE r",
    b"\x03\x00\x01SELECT '" + b"x" * 9000 + b"'",
    b"\x03\x01\x01\x00\x01\xfe\x00\x00\x01xSELECT 1",
    b"\x04t\x00%",
    b"\x09",
    b"\x0a",
    b"\x0c\x05\x00\x00\x00",
    b"\x0e",
    b"\x11app\x00\x00test\x00\x2d\x00mysql_native_password\x00",
    b"\x11app\x00\x14" + b"x" * 20 + b"test\x00\x2d\x00nonsense\x00",
    b"\x12",
    b"\x16SELECT ?, ?",
    b"\x16SELECT 1",
    b"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00",
    b"\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01\xfd\x00\xfd\x00\x01a\x01b",
    b"\x17\x01\x00\x00\x00\x08\x01\x00\x00\x00\x02\x00\x01\xfd\x00\x00\xfd\x00\x00\x01a\x01b",
    b"\x17\x01\x00\x00\x00",
    b"\x17\xff\xff\xff\xff\x00\x01\x00\x00\x00\x00\x00",
    b"\x18\x01\x00\x00\x00\x00\x00" + b"d" * 100,
    b"\x19\x01\x00\x00\x00",
    b"\x1a\x01\x00\x00\x00",
    b"\x1b\x00\x00",
    b"\x1b\x01\x00",
    b"\x1c\x01\x00\x00\x00\x05\x00\x00\x00",
    b"\x1d",
    b"\x1f",
    b"",
)
"""One of each command, most in the form of clients with query attributes."""

garbage = st.binary(max_size=64)
headers = st.builds(
    lambda length, sequence, payload: length.to_bytes(3, "little") + bytes((sequence,)) + payload,
    st.sampled_from((0, 1, 2, 5, 251, 16_384, 16_385, 262_140, 262_141, 1_000_000, 0xFFFFFE, 0xFFFFFF)),
    st.sampled_from((0, 0, 0, 1, 2, 255)),
    garbage,
)
commands = st.sampled_from(COMMANDS)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """One of `whole` with bytes changed, left out, put in or cut off."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(data)))
        kind = draw(st.integers(0, 3))
        if kind == 0 and position < len(data):
            data[position] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF)))
        elif kind == 1:
            del data[position : position + draw(st.integers(1, 4))]
        elif kind == 2:
            data[position:position] = draw(st.binary(min_size=1, max_size=4))
        else:
            del data[position:]
    return bytes(data)


right = commands.map(lambda payload: packet(0, payload))
anything = st.one_of(right, damaged(right), damaged(commands).map(lambda payload: packet(0, payload)), headers, garbage)
streams = st.lists(anything, min_size=1, max_size=6).map(b"".join)
cuts = st.sampled_from((0, 0, 1, 2, 3, 5))
"""Of how many bytes the pieces are; 0: all in one."""
