"""`Conversation` runs the same commands straight to a server and through Outlive, and writes down the replies."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from ..raw.mysql import Raw, error_of
from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .scripts import Thief, other_user, same_user

THIEVES = {"same user": same_user, "other user": other_user}


class PreparingThief:
    """A thief who prepares the very texts of its victim, and binds other types to them each time."""

    def __init__(self, node: OutliveProcess, capabilities: int) -> None:
        self._raw = Raw(node.host, node.port, capabilities=capabilities)
        self._ids = [self._raw.prepare(text)[0] for text in ("SELECT ?", "SELECT ?, ?", "SELECT ?, ? + 1")]
        self._turn = 0

    def steal(self) -> None:
        """One turn."""
        self._turn += 1
        value = (None, 1.5, b"stolen", 77)[self._turn % 4]
        assert not error_of(self._raw.execute(self._ids[0], value))
        assert not error_of(self._raw.execute(self._ids[1], 9, value))
        assert not error_of(self._raw.execute(self._ids[2], value, 4))

    def close(self) -> None:
        """Ends its session."""
        self._raw.close()


class Conversation:
    """One client that writes down what it sees; through Outlive a thief has its turn between every two commands.

    `holds`: from the next command on the session is expected to hold its connection, so that nobody can take it.
    """

    def __init__(self, raw: Raw, node: OutliveProcess | None, thief: Thief | PreparingThief | None) -> None:
        self.raw = raw
        self.node = node
        self.thief = thief
        self.holds = False
        self.seen: list[tuple[str, Any]] = []

    def _note(self, what: str, reply: Any) -> Any:
        self.seen.append((what, reply))
        self.between()
        return reply

    def between(self) -> None:
        """The thief's turn."""
        if self.node is None or self.thief is None:
            return
        deadline = time.monotonic() + 20
        held = self.node.metric("outlive_leases_held")
        # A reply may be ahead of Outlive's own last questions.
        while held != self.holds and time.monotonic() < deadline:
            held = self.node.metric("outlive_leases_held")
        assert held == self.holds, f"after {self.seen[-1:]}: {held:.0f} leases are held, where {self.holds:d} should be"
        if not self.holds:
            self.thief.steal()

    def query(self, text: str | bytes, *attributes: tuple[bytes, Any]) -> list[bytes]:
        found: list[bytes] = self._note(f"query {text!r:.200}", self.raw.query(text, attributes))
        return found

    def prepare(self, text: str) -> int:
        number, reply = self.raw.prepare(text)
        self._note(f"prepare {text!r:.200}", reply)
        return number

    def execute(self, statement: int, *values: Any, **options: Any) -> list[bytes]:
        reply: list[bytes] = self.raw.execute(statement, *values, **options)
        self._note(f"execute {values!r:.200} {options!r:.100}", reply)
        return reply

    def values(self, statement: int, *values: Any, **options: Any) -> None:
        """An execution of which only the rows are compared: the columns' lengths, or a NULL's type, may differ."""
        found = self.raw.execute(statement, *values, **options)
        self._note("values", [payload for payload in found if payload[:4] != b"\x03def"])

    def fetch(self, statement: int, rows: int) -> None:
        self._note(f"fetch {rows}", self.raw.fetch(statement, rows))

    def reset(self, statement: int) -> None:
        self._note("reset", self.raw.reset(statement))

    def close(self, statement: int) -> None:
        self.raw.close_statement(statement)
        self.ping()

    def long_data(self, statement: int, index: int, data: bytes) -> None:
        self.raw.long_data(statement, index, data)
        self.ping()

    def ping(self) -> None:
        """Also waits until everything sent before has been taken."""
        self._note("ping", self.raw.command(b"\x0e"))

    def command(self, payload: bytes) -> list[bytes]:
        found: list[bytes] = self._note(f"command {payload!r:.200}", self.raw.command(payload))
        return found


Scenario = Callable[[Conversation], None]


def seen_by(
    target: DatabaseServer | OutliveProcess,
    scenario: Scenario,
    thief: Thief | PreparingThief | None = None,
    **login: Any,
) -> list[tuple[str, Any]]:
    """What a client of this scenario sees."""
    with Raw(target.host, target.port, **login) as raw:
        conversation = Conversation(raw, target if isinstance(target, OutliveProcess) else None, thief)
        scenario(conversation)
        return conversation.seen


def assert_same(direct: list[tuple[str, Any]], through: list[tuple[str, Any]], name: str) -> None:
    """Fails with all that differs."""
    different = [
        f"{what}\n    direct  {_short(expected)}\n    through {_short(actual)}"
        for (what, expected), (_, actual) in zip(direct, through, strict=True)
        if _comparable(expected) != _comparable(actual)
    ]
    assert not different, name + "\n" + "\n".join(different)


def _comparable(reply: Any) -> Any:
    """Without what is known to differ, and to matter to nobody."""
    if not isinstance(reply, list) or not reply or not isinstance(reply[-1], bytes):
        return reply
    found = list(reply)
    if found[-1][:1] == b"\xff":
        # Statement ids in error messages are each side's own.
        found[-1] = _STATEMENT_ID.sub(b"(?)", found[-1])
    for index, payload in enumerate(found):
        if len(payload) in (5, 7) and payload[0] == 0xFE:
            # Before rows Outlive cannot know how the statement ends (no index used, more results); a server says that
            # it prepared anew by itself, but not where the statement was prepared elsewhere.
            status = int.from_bytes(payload[3:5], "little") & ~_STATUS_OF_A_STATEMENT & ~(8 if len(payload) == 5 else 0)
            found[index] = payload[:3] + status.to_bytes(2, "little") + payload[5:]
    return found


_STATUS_OF_A_STATEMENT = 0x10 | 0x20 | 0x400 | 0x4000 | 0x8000
_STATEMENT_ID = re.compile(rb"\([0-9]+\)")


def _short(reply: Any) -> str:
    return repr(reply)[:1500]
