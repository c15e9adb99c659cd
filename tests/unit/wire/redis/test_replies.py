"""Where replies end: every type of both versions, in pieces of any size, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.redis.decoding import Status, decoded
from outlive.wire.redis.replies import MAX_DEPTH, ReplyScanner
from outlive.wire.redis.values import RedisError

REPLIES = [
    b"+OK\r\n", b"-ERR no\r\n", b":-12\r\n", b"$0\r\n\r\n", b"$5\r\na\r\nbc\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*2\r\n:1\r\n*-1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n", b"(123456789012345678901\r\n",
    b"=6\r\ntxt:ab\r\n", b"!5\r\nERR x\r\n", b"%1\r\n+a\r\n*1\r\n:1\r\n", b"~2\r\n:1\r\n:2\r\n", b"%0\r\n",
    b"|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n", b"*1\r\n|1\r\n+ttl\r\n:3\r\n$1\r\na\r\n", b"$?\r\n;2\r\nab\r\n;0\r\n",
    b"*?\r\n:1\r\n:2\r\n.\r\n",
]  # fmt: skip
PUSH = b">2\r\n+message\r\n$1\r\na\r\n"


@pytest.mark.parametrize("reply", REPLIES)
def test_each_type_byte_by_byte(reply: bytes) -> None:
    scanner = ReplyScanner()
    for at in range(len(reply) - 1):
        assert scanner.scan(reply[at : at + 1], 0, 1) == (1, 0)
        assert not scanner.is_at_rest
    assert scanner.scan(reply[-1:], 0, 1) == (1, 1)
    assert scanner.is_at_rest


@given(st.lists(st.sampled_from([*REPLIES, PUSH]), max_size=20), st.integers(min_value=1, max_value=40))
def test_many_in_pieces(replies: list[bytes], step: int) -> None:
    data = b"".join(replies)
    scanner, done = ReplyScanner(), 0
    for at in range(0, len(data), step):
        piece = data[at : at + step]
        end, more = scanner.scan(piece, 0, 1 << 30)
        assert end == len(piece)
        done += more
    assert done == len(replies) - replies.count(PUSH)
    assert scanner.pushes == replies.count(PUSH)
    assert scanner.is_at_rest


def test_no_more_than_wanted() -> None:
    assert ReplyScanner().scan(b"+a\r\n+b\r\n+c\r\n", 0, 2) == (8, 2)


def test_errors_are_seen() -> None:
    scanner = ReplyScanner()
    scanner.scan(b"-READONLY You can't\r\n", 0, 1)
    assert scanner.error == b"READONLY You can't\r"
    scanner.error = b""
    scanner.scan(b"*1\r\n-READONLY inside\r\n", 0, 1)
    assert not scanner.error


def test_what_is_left_of_a_large_one() -> None:
    scanner = ReplyScanner()
    assert scanner.scan(b"$1000000\r\nab", 0, 1) == (12, 0)
    assert scanner.remaining_bytes == 1_000_000


@pytest.mark.parametrize(
    "data",
    [b"x\r\n", b"$x\r\n", b"*x\r\n", b"$-2\r\n", b";1\r\n", b".\r\n", b"$" + b"1" * 80, b"*1\r\n" * (MAX_DEPTH + 1)],
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        ReplyScanner().scan(data, 0, 1)


def test_values() -> None:
    assert decoded(b"*3\r\n+OK\r\n$2\r\nab\r\n*1\r\n:-7\r\n") == [b"OK", b"ab", [-7]]
    assert type(decoded(b"+OK\r\n")) is Status
    assert [decoded(data) for data in (b"$-1\r\n", b"*-1\r\n", b"_\r\n")] == [None] * 3
    assert decoded(b"%1\r\n$1\r\na\r\n,1.5\r\n") == {b"a": 1.5}
    assert decoded(b"*3\r\n#t\r\n=5\r\ntxt:a\r\n(12\r\n") == [True, b"a", 12]
    inside = decoded(b"*2\r\n-ERR a\r\n!5\r\nERR b\r\n")
    assert [str(error) for error in inside if isinstance(error, RedisError)] == ["ERR a", "ERR b"]
    assert decoded(b"|1\r\n+a\r\n:1\r\n:5\r\n") == 5
    for broken in (b"+a", b"+a\r\n+b\r\n", b"@1\r\n", b"*1\r\n" * 600):
        with pytest.raises(ProtocolError):
            decoded(broken)
