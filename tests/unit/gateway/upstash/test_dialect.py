"""The pure parts of Upstash's API: patterns, keys, events."""

import pytest

from outlive.config.redis_keys import keys_of
from outlive.gateway.redis_patterns import matcher
from outlive.gateway.upstash.subscription import event


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("user:*", ["user:", "user:1", "user:\n\xff"], ["user", "users:1", "xuser:1"]),
        ("a?c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("a[bc]d", ["abd", "acd"], ["add", "ad"]),
        ("a[^b]d", ["acd"], ["abd", "ad"]),
        ("[a-c]", ["a", "c"], ["d", "-"]),
        ("[c-a]", ["b"], ["d"]),
        ("\\*", ["*"], ["x", "\\*"]),
        ("\\**", ["*", "*x"], ["x"]),
        ("a[\\]]", ["a]"], ["a\\"]),
        ("a[", [], ["a", "a["]),
        ("*" * 50 + "x", ["x", "yx"], ["y" * 200]),
        ("", [""], ["a"]),
    ],
)
def test_patterns(pattern: str, yes: list[str], no: list[str]) -> None:
    for key in yes:
        assert matcher(pattern).fullmatch(key.encode("latin-1")), key
    for key in no:
        assert not matcher(pattern).fullmatch(key.encode("latin-1")), key


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("GET a", "a"),
        ("mget a b", "a b"),
        ("MSET a 1 b 2", "a b"),
        ("BLPOP a b 0", "a b"),
        ("BLMPOP 0 2 a b LEFT", "a b"),
        ("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b"),
        ("SORT a BY nosort GET # LIMIT 0 1 STORE d", "a d"),
        ("GEORADIUS a 0 0 1 km COUNT 1 ANY STORE d", "a d"),
        ("XREAD COUNT 1 BLOCK 5 STREAMS a b 0 0", "a b"),
        ("XREADGROUP GROUP STREAMS STREAMS NOACK STREAMS a >", "a"),
        ("SORT a BY w_*", None),
        ("XREAD STREAMS a b 0", None),
        ("ZUNION 3 a b", None),
        ("ZUNION -1 a b", None),
        ("COPY a b DB 1", None),
        ("EVAL x 1 a", None),
        ("SCAN 0", None),
    ],
)
def test_keys(command: str, keys: str | None) -> None:
    found = keys_of(command.encode().split())
    assert (None if found is None else b" ".join(found).decode()) == keys


def test_events() -> None:
    assert event([b"subscribe", b"a", 1]) == b"data: subscribe,a,1\n\n"
    assert event([b"message", b"a", b"1\r\n2\r3"]) == b"data: message,a,1\ndata:2\ndata:3\n\n"
