"""The long text of a COM_QUERY or COM_STMT_PREPARE, read in turns of the loop.

The lexer is linear, but a token costs it microseconds: a megabyte of parentheses would hold up every other client for a
second. So a text above LONG_BYTES is read for TURN_S at a time, one client's turn in each round of the loop.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from outlive.session.mysql.analysis import Analysis
    from outlive.session.mysql.client_session import ClientSession
    from outlive.session.mysql.lexer import Lexer

LONG_BYTES: Final = 8192
"""Commands up to this size are read at once: 15 ms at the worst (all parentheses), microseconds usually."""
TURN_S: Final = 0.002
PIECE_BYTES: Final = 2048
"""What is read between two looks at the clock."""


class LongText:
    """One whole command whose text is being read."""

    __slots__ = ("_lexer", "_position", "packet")

    def __init__(self, packet: bytes, session: ClientSession) -> None:
        """Raises ProtocolError where no text can be found in the packet."""
        self.packet = packet
        self._position = session.text_position(packet)
        self._lexer = session.lexer()

    def go_on(self) -> Analysis | None:
        """One turn; the analysis when it was the last."""
        self._position = read(self._lexer, self.packet, self._position)
        return self._lexer.finish() if self._position >= len(self.packet) else None


def read(lexer: Lexer, text: bytes, position: int) -> int:
    """Feeds `text` from `position` on, for one turn. Returns the position reached."""
    until = perf_counter() + TURN_S
    while position < len(text):
        lexer.feed(text[position : position + PIECE_BYTES])
        position += PIECE_BYTES
        if perf_counter() > until:
            break
    return position
