"""What a client holds a connection for; and what is put back of what a dead one was given."""

import pytest

from outlive.session.redis.client_session import DISCARD, EXEC, MULTI, PLAIN, UNWATCH, WATCH, RedisSession
from outlive.session.redis.unclaimed import put_back, takes_away

FINE, ERROR, ARRAY = ord("+"), ord("-"), ord("*")


@pytest.mark.parametrize(
    ("answers", "holds"),
    [
        ([(PLAIN, FINE)], False),
        ([(MULTI, FINE)], True),
        ([(MULTI, ERROR)], False),
        ([(MULTI, FINE), (EXEC, ARRAY)], False),
        ([(MULTI, FINE), (EXEC, ERROR)], False),
        ([(MULTI, FINE), (DISCARD, FINE)], False),
        ([(MULTI, FINE), (MULTI, ERROR)], True),
        ([(WATCH, FINE)], True),
        ([(WATCH, ERROR)], False),
        ([(WATCH, FINE), (UNWATCH, FINE)], False),
        ([(WATCH, FINE), (EXEC, ERROR)], True),
        ([(WATCH, FINE), (DISCARD, ERROR)], True),
        ([(WATCH, FINE), (MULTI, FINE), (UNWATCH, FINE)], True),
        ([(WATCH, FINE), (MULTI, FINE), (EXEC, ARRAY)], False),
    ],
)
def test_holds(answers: list[tuple[int, int]], holds: bool) -> None:
    session = RedisSession("default", 0)
    for step, kind in answers:
        session.answered(step, kind)
    assert session.holds is holds


def test_reset() -> None:
    session = RedisSession("app", 3, 3)
    session.name = b"me"
    session.answered(WATCH, FINE)
    session.reset("default", 1)
    assert (session.user, session.database, session.protocol, session.name) == ("default", 1, 2, b"")
    assert not session.holds


@pytest.mark.parametrize(
    ("command", "reply", "returned"),
    [
        ("BLPOP q 0", [b"q", b"x"], "LPUSH q x"),
        ("brpop q 0", [b"q", b"x"], "RPUSH q x"),
        ("BLMPOP 0 2 p q LEFT COUNT 2", [b"q", [b"1", b"2"]], "LPUSH q 2 1"),
        ("BLMPOP 0 1 q RIGHT", [b"q", [b"9", b"8"]], "RPUSH q 8 9"),
        ("BZPOPMIN z 0", [b"z", b"m", b"1.5"], "ZADD z NX 1.5 m"),
        ("BZPOPMAX z 0", [b"z", b"m", 1e300], "ZADD z NX 1e+300 m"),
        ("BZMPOP 0 1 z MIN", [b"z", [[b"m", b"1"], [b"n", 2.0]]], "ZADD z NX 1 m 2.0 n"),
        ("BLPOP q 0", None, ""),
        ("BLMOVE a b LEFT LEFT 0", b"x", ""),
    ],
)
def test_put_back(command: str, reply: object, returned: str) -> None:
    assert put_back(command.encode().split(), reply) == returned.encode().split()


def test_what_is_elsewhere_still() -> None:
    assert takes_away([b"blpop", b"q", b"0"])
    for name in (b"BLMOVE", b"BRPOPLPUSH", b"XREAD", b"XREADGROUP", b"WAIT"):
        assert not takes_away([name])
