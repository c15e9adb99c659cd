"""The readers of both sides: whatever the pieces, the same; whatever the bytes, an end, or ProtocolError."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire import ProtocolError
from outlive.wire.redis.commands import CommandScanner, CommandStream, arguments_of
from outlive.wire.redis.decoding import decoded
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.runs import small_replies

from ..inputs import examples
from .inputs import COMMANDS, INLINE, PUSHES, REPLIES, pieces, spoiled


def count(scanner: ReplyScanner, parts: list[bytes]) -> int:
    """How many replies and pushes come to their end in these parts."""
    done = 0
    for part in parts:
        at = 0
        while at < len(part):
            end, more = scanner.scan(part, at, 1)
            assert end > at
            at = end
            done += more
    return done + scanner.pushes


@examples(30)
@given(st.lists(st.one_of(REPLIES, PUSHES), min_size=1, max_size=2))
def test_replies_cut_at_every_byte(replies: list[bytes]) -> None:
    whole = b"".join(replies)
    for at in range(len(whole) + 1):
        scanner = ReplyScanner()
        assert count(scanner, [whole[:at], whole[at:]]) == len(replies)
        assert scanner.is_at_rest


@examples(40)
@given(st.lists(st.one_of(REPLIES, PUSHES), min_size=1, max_size=6))
def test_replies_byte_by_byte(replies: list[bytes]) -> None:
    """And after each whole reply, not before, it is at rest."""
    scanner = ReplyScanner()
    for reply in replies:
        for at in range(len(reply)):
            scanner.scan(reply[at : at + 1], 0, 1)
            assert scanner.is_at_rest == (at == len(reply) - 1)
    assert len(replies) == count(ReplyScanner(), replies)


@examples(50)
@given(st.data(), st.lists(REPLIES, min_size=1, max_size=5))
def test_replies_in_pieces(data: st.DataObject, replies: list[bytes]) -> None:
    assert count(ReplyScanner(), data.draw(pieces(b"".join(replies)))) == len(replies)


@examples(150)
@given(st.one_of(st.binary(max_size=60), spoiled(REPLIES), spoiled(PUSHES)))
def test_whatever_a_server_says(data: bytes) -> None:
    """No other exception; and whole or byte by byte it is the same number of replies, or wrong both times."""
    data += b"\r\n"  # the end of what would be waited for
    outcomes = []
    for parts in ([data], [data[at : at + 1] for at in range(len(data))]):
        try:
            outcomes.append(count(ReplyScanner(), parts))
        except ProtocolError:
            outcomes.append(-1)
    assert outcomes[0] == outcomes[1]


@examples(50)
@given(st.lists(REPLIES, min_size=1, max_size=8))
def test_runs_of_small_replies_end_where_replies_do(replies: list[bytes]) -> None:
    whole = b"".join(replies)
    ends = {0}
    for reply in replies:
        ends.add(max(ends) + len(reply))
    at = 0
    while (found := small_replies().match(whole, at)) is not None and found.end() > at:
        at = found.end()
        assert at in ends


@examples(50)
@given(st.one_of(REPLIES, spoiled(REPLIES), st.binary(max_size=40)))
def test_decoding_ends(data: bytes) -> None:
    """In a value, or in one of the two errors that its callers know."""
    try:
        decoded(data)
    except (ProtocolError, ValueError):
        pass


@examples(50)
@given(REPLIES)
def test_what_is_whole_is_decoded(data: bytes) -> None:
    if b"?\r\n" not in data:  # no server sends the streamed types to Outlive's own commands
        decoded(data)


def ends_of(data: bytes) -> list[tuple[int, bytes | None]] | str:
    """Where the commands end, whole; or what is wrong."""
    scanner, at, found = CommandScanner(), 0, []
    try:
        while at < len(data):
            end = scanner.scan(data, at)
            if end < 0:
                return found
            found.append((end, scanner.name))
            at = end
    except ProtocolError as problem:
        return str(problem)
    return found


@examples(50)
@given(st.lists(st.one_of(COMMANDS, INLINE), min_size=1, max_size=3))
def test_commands_byte_by_byte(commands: list[bytes]) -> None:
    """Each is found when its last byte is there, never before, and has the name that it has whole."""
    whole = b"".join(commands)
    expected = ends_of(whole)
    if isinstance(expected, str):
        return
    scanner, start, found = CommandScanner(), 0, []
    for end in range(1, len(whole) + 1):
        at = scanner.scan(whole[:end], start)
        if at >= 0:
            assert at == end
            found.append((at, scanner.name))
            start = at
        else:
            assert end - start < scanner.least or scanner.least == 0
    assert found == expected


@examples(150)
@given(st.one_of(st.binary(max_size=60), spoiled(COMMANDS)))
def test_whatever_a_client_says(data: bytes) -> None:
    """No other exception."""
    ends_of(data)
    try:
        CommandStream().feed(data)
    except ProtocolError:
        pass


@examples(50)
@given(st.data(), COMMANDS, st.binary(max_size=10))
def test_a_stream_ends_where_the_scanner_does(data: st.DataObject, command: bytes, behind: bytes) -> None:
    stream, seen = CommandStream(), 0
    for part in data.draw(pieces(command + behind)):
        end = stream.feed(part)
        if end >= 0:
            assert seen + end == len(command)
            break
        seen += len(part)
    scanner = CommandScanner()
    assert scanner.scan(command, 0) == len(command)
    assert len(arguments_of(command, 0, len(command))) == scanner.arguments


@pytest.mark.parametrize("size", [b"-2", b"9" * 20, b"+1", b" 1", b"1_0", b"0x1", b"", b"\xb2"])
def test_hostile_lengths(size: bytes) -> None:
    """Of commands, and of replies: what the server would not take is not taken here."""
    for kind in (b"*%b\r\n", b"*1\r\n$%b\r\n"):
        assert isinstance(ends_of(kind % size + b"x" * 30), str)
    for kind in (b"$", b"*", b"%", b"~", b"="):
        with pytest.raises(ProtocolError):
            ReplyScanner().scan(kind + size + b"\r\n", 0, 1)
    for kind in (b"*", b"%", b"~", b">"):
        with pytest.raises(ProtocolError):
            ReplyScanner().scan(kind + b"4294967297\r\n", 0, 1)


def test_nesting_ends() -> None:
    with pytest.raises(ProtocolError):
        ReplyScanner().scan(b"*1\r\n" * 100_000, 0, 1)


def test_a_line_without_an_end_is_not_kept() -> None:
    scanner = ReplyScanner()
    for _ in range(1000):
        assert scanner.scan(b"+" + b"x" * 1000 if scanner.is_at_rest else b"x" * 1000, 0, 1)[1] == 0
    assert scanner.scan(b"\r\n", 0, 1) == (2, 1)


def test_a_header_of_no_bytes_in_two_pieces() -> None:
    scanner = ReplyScanner()
    scanner.scan(b"\r", 0, 1)
    with pytest.raises(ProtocolError):
        scanner.scan(b"\n", 0, 1)


def test_a_map_as_a_name() -> None:
    assert decoded(b"%1\r\n%1\r\n+a\r\n*1\r\n:1\r\n:2\r\n") == {((b"a", (1,)),): 2}
