"""The expressions for short commands and replies match what the scanners find, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlive.wire.redis.commands import CommandScanner
from outlive.wire.redis.replies import ReplyScanner
from outlive.wire.redis.runs import SHORT_BYTES, small_commands, small_replies
from outlive.wire.redis.values import bulk, command

COMMANDS = small_commands([b"get", b"getset", b"set", b"ping"])
REPLIES = small_replies()


@given(
    st.sampled_from([b"GET", b"get", b"SET", b"getset", b"PING"]),
    st.lists(st.binary(max_size=SHORT_BYTES), max_size=7),
    st.binary(max_size=20),
)
def test_commands(name: bytes, arguments: list[bytes], behind: bytes) -> None:
    whole = command(name, *arguments)
    found = COMMANDS.match(whole + behind)
    assert found is not None
    assert found.end() == len(whole)
    assert COMMANDS.match(whole[:-1]) is None


@pytest.mark.parametrize(
    "data",
    [
        command(b"DEL", b"a"), command(b"Get", b"a"), command(b"GETSE", b"a"),
        command(b"GET", b"a" * (SHORT_BYTES + 1)),
        command(b"GET", *[b"a"] * 8), b"GET a\r\n", b"*2\r\n$3\r\nGET\r\n$01\r\na\r\n",
        b"*2\r\n$3\r\nGET\r\n$2\r\na\r\n",
        b"*1\r\n$3\r\nGETX\r\n", b"*02\r\n$3\r\nGET\r\n$1\r\na\r\n",
    ],
)  # fmt: skip
def test_no_such_command(data: bytes) -> None:
    assert COMMANDS.match(data) is None


@given(st.binary(max_size=200))
def test_never_more_than_the_scanner(data: bytes) -> None:
    found = COMMANDS.match(b"*2\r\n$3\r\nGET\r\n$" + data)
    if found is not None:
        assert CommandScanner().scan(found.string, 0) == found.end()


BULKS = st.binary(max_size=SHORT_BYTES).map(bulk)


@given(st.lists(st.one_of(BULKS, st.sampled_from([b"+OK\r\n", b":1\r\n", b"$-1\r\n"]))))
def test_replies(replies: list[bytes]) -> None:
    data = b"".join(replies)
    assert REPLIES.findall(data) == replies
    assert ReplyScanner().scan(data, 0, 1 << 30) == (len(data), len(replies))


LONG = b"$200\r\n" + b"x" * 200 + b"\r\n"


@pytest.mark.parametrize("data", [b"-ERR\r\n", b"*1\r\n:1\r\n", LONG, b"$2\r\nabc\r\n", b":\r\n"])
def test_no_such_reply(data: bytes) -> None:
    assert REPLIES.match(data) is None


def test_the_table_fits() -> None:
    from outlive.proxy.redis.ordinary import ordinary_commands

    found = ordinary_commands()
    assert isinstance(found, re.Pattern)
    for name in (b"GET", b"zrangebyscore", b"GEORADIUSBYMEMBER_RO"):
        assert found.match(command(name, b"a"))
    for name in (b"BLPOP", b"MULTI", b"SELECT", b"CLIENT", b"subscribe", b"XREAD"):
        assert not found.match(command(name, b"a"))
