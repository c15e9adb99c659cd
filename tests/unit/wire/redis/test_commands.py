"""Where commands end, whole and byte by byte, and what the server's own limits are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandScanner, CommandStream, arguments_of, head_of, split_inline
from outlive.wire.redis.values import command

WORDS = st.lists(st.binary(max_size=300), min_size=1, max_size=6)


def scan_all(scanner: CommandScanner, data: bytes) -> list[int]:
    ends, at = [], 0
    while at < len(data) and (end := scanner.scan(data, at)) > 0:
        ends.append(end)
        at = end
    return ends


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_whole(commands: list[list[bytes]]) -> None:
    data, expected = b"", []
    for words in commands:
        data += command(*words)
        expected.append(len(data))
    scanner = CommandScanner()
    assert scan_all(scanner, data) == expected
    assert scanner.name == commands[-1][0]
    assert scanner.arguments == len(commands[-1])
    assert arguments_of(data, 0, expected[0]) == commands[0]


@given(WORDS, st.integers(min_value=1, max_value=7))
def test_in_pieces(words: list[bytes], step: int) -> None:
    whole = command(*words)
    scanner = CommandScanner()
    for size in range(step, len(whole), step):
        assert scanner.scan(whole[:size], 0) == -1
        assert size < scanner.least <= len(whole)
    assert scanner.scan(whole + b"*1", 0) == len(whole)
    assert scanner.least == 0


@given(WORDS, st.integers(min_value=1, max_value=50))
def test_a_stream_keeps_nothing(words: list[bytes], step: int) -> None:
    data = command(*words) + b"rest"
    stream, taken = CommandStream(), 0
    for at in range(0, len(data), step):
        end = stream.feed(data[at : at + step])
        if end >= 0:
            taken = at + end
            break
    assert data[taken:] == b"rest"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"*x\r\n", "invalid multibulk length"),
        (b"*1048577\r\n", "invalid multibulk length"),
        (b"*01\r\n$1\r\na\r\n", "invalid multibulk length"),
        (b"*1\r\n:1\r\n", "expected '$', got ':'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$+1\r\na\r\n", "invalid bulk length"),
        (b"*" + b"1" * 40, "invalid multibulk length"),
        (b"a" * 65_537, "too big inline request"),
        (b'SET a "b\r\n', "unbalanced quotes in request"),
    ],
)
def test_what_the_server_refuses(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        CommandScanner().scan(data, 0)
    assert str(caught.value) == words


def test_little_before_a_login() -> None:
    for data, words in ((b"*11\r\n", "multibulk"), (b"*1\r\n$16385\r\n", "bulk")):
        with pytest.raises(ProtocolError, match=f"unauthenticated {words} length"):
            CommandScanner(arguments_max=10, bulk_max=16384).scan(data, 0)


def test_inline() -> None:
    scanner = CommandScanner()
    assert scanner.scan(b"set a b\r\nget", 0) == 9
    assert scanner.name is None
    assert scanner.inline == [b"set", b"a", b"b"]
    assert split_inline(b"set a 'it\\'s' \"\\x41\\n\" ") == [b"set", b"a", b"it's", b"A\n"]


def test_the_head_of_what_is_not_complete() -> None:
    assert head_of(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$99999\r\nxxx", 0) == [b"SET", b"a"]
