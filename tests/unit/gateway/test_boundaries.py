"""Texts are looked at before their statement runs, in the node's only thread: none may take long."""

from typing import Any

import pytest

from outlive.gateway.durable import _check
from outlive.gateway.failure import Failure
from outlive.gateway.planetscale.boundaries import boundary

MANY = "/**/" * 80
"""Tried in every way in which they could be divided, they would take for ever."""


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (f"{MANY} COMMIT {MANY};", "commit"),
        (f"{MANY}x", None),
        (f"COMMIT{MANY}x", None),
        ("-- a\nROLLBACK # b", "rollback"),
        ("--\nBEGIN", "begin"),
        ("start transaction read only --\n", "begin read only"),
        ("/*!COMMIT*/", None),
    ],
)
def test_boundary(sql: str, expected: str | None) -> None:
    assert boundary(sql) == expected


class _Conversation:
    def __init__(self, protocol: str) -> None:
        self.protocol = protocol


@pytest.mark.parametrize(
    ("protocol", "sql", "passes"),
    [
        ("postgresql", f"{MANY}x", True),
        ("postgresql", f"{MANY}COMMIT", False),
        ("mysql", f"{MANY}x", False),
        ("mysql", f"{MANY}SELECT 1", True),
    ],
)
def test_with_a_key(protocol: str, sql: str, passes: bool) -> None:
    conversation: Any = _Conversation(protocol)
    if passes:
        _check(conversation, sql)
        return
    with pytest.raises(Failure) as raised:
        _check(conversation, sql)
    assert raised.value.code == "not_idempotent"
