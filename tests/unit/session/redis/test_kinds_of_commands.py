"""What a command is to a multiplexer, and how long one that blocks may wait."""

import pytest

from outlive.config.redis_commands import (
    ALONE,
    BLOCKING,
    FORBIDDEN,
    GATED,
    LOCAL,
    ORDINARY,
    SUBSCRIBING,
    TRANSACTION,
    kind_of,
)
from outlive.session.redis.commands import Wait


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("GET a", ORDINARY), ("gEt a", ORDINARY), ("JSON.GET a", ORDINARY), ("ft.search a", ORDINARY),
        ("NOSUCH", ALONE),
        ("MULTI", TRANSACTION), ("WATCH a", TRANSACTION), ("BLPOP a 0", BLOCKING), ("WAIT 1 0", BLOCKING),
        ("XREAD BLOCK 0 STREAMS a $", BLOCKING), ("XREAD COUNT 1 STREAMS block 0", ORDINARY), ("XREAD", ORDINARY),
        ("XREADGROUP GROUP g c BLOCK 5 STREAMS a >", BLOCKING),
        ("XREADGROUP GROUP block 5 STREAMS a >", ORDINARY),
        ("XREADGROUP GROUP streams c BLOCK 0 STREAMS a >", BLOCKING),
        ("XREADGROUP GROUP g streams COUNT 1 NOACK block 0 STREAMS a >", BLOCKING),
        ("XREADGROUP GROUP g c CLAIM 9 BLOCK 0 STREAMS a >", BLOCKING),
        ("SUBSCRIBE a", SUBSCRIBING), ("MONITOR", SUBSCRIBING),
        ("CLIENT ID", LOCAL), ("CLIENT PAUSE 1", GATED), ("client unpause", GATED), ("CLIENT", LOCAL),
        ("SELECT 1", LOCAL),
        ("FLUSHALL", GATED), ("CONFIG GET a", GATED), ("SYNC", FORBIDDEN), ("SCRIPT DEBUG YES", FORBIDDEN),
        ("SCRIPT LOAD x", ORDINARY), ("SCRIPT KILL", ALONE), ("FUNCTION KILL", ALONE), ("FUNCTION LIST", ORDINARY),
    ],
)  # fmt: skip
def test_kinds(words: str, kind: int) -> None:
    assert kind_of(words.encode().split()) == kind


@pytest.mark.parametrize(
    ("words", "seconds", "shortened"),
    [
        ("BLPOP a 2", 2.0, "BLPOP a 1.500"),
        ("BLPOP a 0.1", 0.1, "BLPOP a 0.001"),
        ("BLMPOP 2 1 a LEFT", 2.0, "BLMPOP 1.500 1 a LEFT"),
        ("XREAD BLOCK 2000 STREAMS a $", 2.0, "XREAD BLOCK 1500 STREAMS a $"),
        ("XREADGROUP GROUP block 9 BLOCK 2000 STREAMS a >", 2.0, "XREADGROUP GROUP block 9 BLOCK 1500 STREAMS a >"),
        ("XREAD BLOCK 9 BLOCK 2000 STREAMS a $", 2.0, "XREAD BLOCK 9 BLOCK 1500 STREAMS a $"),
        ("XREAD BLOCK 100 STREAMS a $", 0.1, "XREAD BLOCK 1 STREAMS a $"),
        ("BLPOP a 0", None, "BLPOP a 0"),
        ("BLPOP a x", None, "BLPOP a x"),
        ("BLPOP a -1", None, "BLPOP a -1"),
        ("BLPOP a nan", None, "BLPOP a nan"),
        ("BLPOP", None, "BLPOP"),
    ],
)
def test_waits(words: str, seconds: float | None, shortened: str) -> None:
    """The time in the queue is taken off, never down to 0, which is for ever."""
    wait = Wait(words.encode().split())
    assert wait.seconds == seconds
    assert wait.shortened(0.5) == shortened.encode().split()
    assert not wait.counts_replicas


def test_replicas_are_counted() -> None:
    assert Wait([b"WAIT", b"1", b"100"]).counts_replicas
