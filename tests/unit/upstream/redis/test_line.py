"""A shared connection hands out replies in order, whatever their form and whoever is gone."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.upstream.redis.key import key_of
from outlive.upstream.redis.line import LOST, Entry, Line
from outlive.wire.redis.values import command

from .fakes import FakeServer

LONG = b"$300\r\n" + b"x" * 300 + b"\r\n"
REPLIES = [b"+OK\r\n", b"$3\r\nabc\r\n", b"-ERR no\r\n", b"*2\r\n:1\r\n$1\r\na\r\n", LONG, b":7\r\n"]
GET = command(b"GET", b"a")


class Sharing:
    def __init__(self) -> None:
        self.route = SimpleNamespace(acquire_timeout_s=5, command_refused=lambda *_: None)
        self.heard = b""
        self.done = 0
        self.failed: list[tuple[str, bool, int]] = []

    def line_data(self, data: bytes, entry: Entry) -> None:
        self.heard += data

    def line_replied(self, data: bytes, entry: Entry) -> None:
        self.line_data(data, entry)
        self.line_done(entry)

    def line_done(self, entry: Entry) -> None:
        self.done += 1

    def line_failed(self, entry: Entry, why: str, *, cut: bool) -> None:
        self.failed.append((why, cut, entry.left))

    def line_paused(self, paused: bool) -> None:
        pass


def a_line() -> tuple[Line, FakeServer]:
    server = FakeServer()
    return Line(server, key_of("default", 0, 3)), server


@given(st.data())
def test_everybody_hears_its_own(data: Any) -> None:
    counts = data.draw(st.lists(st.integers(min_value=1, max_value=5), min_size=1, max_size=6))
    line, server = a_line()
    everybody = [Sharing() for _ in counts]
    for who, count in zip(everybody, counts, strict=True):
        line.add(who, GET * count, count, False)
    line.flush()
    assert server.connection.sent == GET * sum(counts)
    gone = data.draw(st.sampled_from([None, *everybody]))
    if gone is not None:
        line.forget(gone)
    expected = [b"".join(data.draw(st.sampled_from(REPLIES)) for _ in range(count)) for count in counts]
    whole, step = b"".join(expected), data.draw(st.integers(min_value=1, max_value=400))
    for at in range(0, len(whole), step):
        line.server_data(whole[at : at + step])
    assert [(who.heard, who.done) for who in everybody if who is not gone] == [
        (said, 1) for who, said in zip(everybody, expected, strict=True) if who is not gone
    ]
    assert not line.load
    assert not server.connection.failed


@pytest.mark.parametrize("data", [b"+OK\r\n+OK\r\n", b"+OK\r\n>1\r\n+a\r\n", b"+OK\r\n$1\r\na\r\n"])
def test_what_nobody_asked_for_ends_the_connection(data: bytes) -> None:
    line, server = a_line()
    line.add(Sharing(), GET, 1, False)
    line.flush()
    line.server_data(data)
    assert "without being asked" in server.connection.failed


def test_lost() -> None:
    """What was sent gets an error, the first of it cut where a part had come; what was not sent goes out anew."""
    line, server = a_line()
    one, two, three = Sharing(), Sharing(), Sharing()
    line.add(one, GET * 2, 2, False)
    line.add(two, GET, 1, False)
    line.flush()
    line.server_data(b"+OK\r\n$5\r\nab")
    line.add(three, GET, 1, False)
    server.connection.sent = b""
    server.pool.free = None
    line.server_lost()
    assert one.failed == [(LOST, True, 1)]
    assert two.failed == [(LOST, False, 1)]
    assert three.failed == []
    line.lent(server.connection)
    assert server.connection.sent == GET


def test_a_large_reply_is_seen() -> None:
    line, _ = a_line()
    line.add(Sharing(), GET, 1, False)
    line.flush()
    line.server_data(b"$1000000\r\nxx")
    assert line.is_large


def test_one_write_a_turn() -> None:
    line, server = a_line()
    first = Sharing()
    line.add(first, GET, 1, False)
    line.flush()
    line.server_data(b"+OK\r\n")
    server.connection.sent = b""
    for _ in range(3):
        line.add(Sharing(), GET, 1, False)
    assert server.connection.sent == b""
    assert len(server.soon) == 1
    server.turn()
    assert server.connection.sent == GET * 3
