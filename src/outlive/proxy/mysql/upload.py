"""What a client sends that is too large to be held: a long command, or the file of LOAD DATA LOCAL.

It goes on in the pieces in which it comes, framed as it came. A payload of 16 MiB - 1 or more travels as several
packets, the last of which is shorter. The text of a long COM_QUERY is lexed piece by piece on its way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from outlive.proxy.mysql import errors
from outlive.proxy.mysql.long_text import read
from outlive.proxy.mysql.reframe import Reframer
from outlive.session.mysql import executes
from outlive.session.mysql.analysis import LAST_INSERT_ID, Analysis
from outlive.session.mysql.lexer import Lexer
from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import ERR
from outlive.wire.mysql.packets import MAX_PAYLOAD
from outlive.wire.mysql.packets import packet as frame
from outlive.wire.mysql.reply import REPLY_QUERY

if TYPE_CHECKING:
    from outlive.session.mysql.client_session import ClientSession

HEAD_BYTES: Final = 256 * 1024
"""What is awaited of a long command before it goes on: more than the head of a COM_STMT_EXECUTE of 65535 parameters."""
PREPARE_BYTES: Final = 4 * 1024 * 1024
"""The longest text of COM_STMT_PREPARE: it is kept for as long as it is prepared anywhere."""
_TAKE_BYTES: Final = 256 * 1024

_NOT_LEXED_YET: Final = Analysis(False, False, b"", needs=LAST_INSERT_ID)
"""Before a long text has passed it may read anything that can be replayed."""


class Upload:
    """One command, or one file. `last_sequence` is the number of its last packet as the server saw it."""

    __slots__ = (
        "_analysis",
        "_client_sequence",
        "_file",
        "_full",
        "_head",
        "_left",
        "_lexer",
        "_reframer",
        "_session",
        "_shift",
        "_text",
        "_text_read",
        "done",
        "error",
        "last_sequence",
        "refused",
        "turn_over",
    )

    def __init__(self, session: ClientSession) -> None:
        self._session = session
        self._file = False
        self._full = False
        self._left = 0
        self._shift = 0
        self._lexer: Lexer | None = None
        self._analysis: Analysis | None = None
        self._head = self._text = b""
        """A part of the text that is still to be read, from `_text_read` on; the head is on its way meanwhile."""
        self._text_read = 0
        self._reframer: Reframer | None = None
        self._client_sequence = 0
        self.done = False
        self.refused = False
        self.turn_over = False
        """After `take`: there is more to do, in another turn of the loop."""
        self.error: ERR | None = None
        self.last_sequence = 0

    @classmethod
    def of_file(cls, session: ClientSession, sequence_shift: int) -> Upload:
        """A file; the client's packets are numbered `sequence_shift` higher than the server expects."""
        upload = cls(session)
        upload._file = True
        upload._shift = sequence_shift
        return upload

    def begin(self, inbox: bytearray) -> bytes | None:
        """Takes the head of a long command, header included; None while there is too little of it. See `error`."""
        if len(inbox) < HEAD_BYTES:
            return None
        length = int.from_bytes(inbox[:3], "little")
        head = bytes(inbox[:HEAD_BYTES])
        del inbox[:HEAD_BYTES]
        self._left = length + 4 - HEAD_BYTES
        self._full = length == MAX_PAYLOAD
        session = self._session
        code = head[4]
        if code == wire.COM_QUERY:
            self._begin_query(head)
        elif code in (wire.COM_STMT_EXECUTE, wire.COM_STMT_SEND_LONG_DATA):
            session.packet = None
            (executes.execute if code == wire.COM_STMT_EXECUTE else executes.send_long_data)(session, head)
            if session.statement is None:
                # Of an unknown statement: as the servers, who say nothing to SEND_LONG_DATA.
                self.refuse(ERR.parse(session.answer[4:]) if code == wire.COM_STMT_EXECUTE else None)
        else:
            self.refuse(errors.TOO_LARGE)
        return head

    def _begin_query(self, head: bytes) -> None:
        session = self._session
        session.packet = session.statement = None
        session.analysis = _NOT_LEXED_YET
        session.reply_kind = REPLY_QUERY
        self._lexer = session.lexer()
        self._text = self._head = head
        self._text_read = session.text_start(head)

    def _read_text(self) -> bytes | None:
        """Reads on for one turn. What may go on now that it was read; None where it takes another turn."""
        if self._lexer is None or not self._text:
            return b""
        self._text_read = read(self._lexer, self._text, self._text_read)
        if self._text_read < len(self._text):
            return None
        # The server answers what has arrived: so the end of a text goes on when it was read, and not before.
        piece = b"" if self._text is self._head else self._text
        self._text = self._head = b""
        self._text_read = 0
        return piece

    def take(self, inbox: bytearray) -> bytes:
        """Takes out of the inbox what may go on now."""
        read_before = self._read_text()
        self.turn_over = read_before is None
        if read_before is None:
            return b""
        pieces = [read_before]
        taken = 0
        while not self._text and taken < _TAKE_BYTES:
            if self._left:
                piece = bytes(inbox[: min(self._left, _TAKE_BYTES)])
                if not piece:
                    break
                del inbox[: len(piece)]
                self._left -= len(piece)
                if self._lexer is not None:
                    self._text = piece
                    break
                piece = self._reframed(piece)
            elif self._file or self._full:
                if self.done or len(inbox) < 4:
                    break
                piece = self._header(inbox)
            else:
                break
            pieces.append(piece)
            taken += max(len(piece), 4)
        read_now = self._read_text()
        self.turn_over = read_now is None
        pieces.append(read_now or b"")
        self.done |= not (self._left or self._file or self._full or self._text)
        return b"".join(pieces)

    def _header(self, inbox: bytearray) -> bytes:
        length = int.from_bytes(inbox[:3], "little")
        self.last_sequence = (inbox[3] - self._shift) & 0xFF
        header = bytes(inbox[:3]) + bytes((self.last_sequence,))
        del inbox[:4]
        self._client_sequence = (self.last_sequence + self._shift) & 0xFF
        self._left = length
        was_full, self._full = self._full, length == MAX_PAYLOAD
        # An empty packet ends a file, unless it only says that the packet before it was the last of its payload.
        self.done = not length and not (self._file and was_full)
        return header if self._reframer is None else self._reframed(b"")

    def _reframed(self, piece: bytes) -> bytes:
        if self._reframer is None:
            return piece
        data = self._reframer.feed(piece, self._left, not self._full)
        self.last_sequence = (self._reframer.sequence - 1) & 0xFF
        return data

    def begun(self, head: bytes) -> bytes:
        """The head as it goes to the server. Where types were put in it is longer than it came: see `reframe`."""
        if len(head) == HEAD_BYTES:
            return head
        self._reframer = Reframer()
        return self._reframed(head[4:])

    def refuse(self, error: ERR | None) -> None:
        """The command will not run: the rest is thrown away as it comes, then `error` answers it (None: none)."""
        self.refused = True
        self.error = error
        self._lexer = self._reframer = None
        self._text = self._head = b""

    @property
    def sequence_shift(self) -> int:
        """How much higher the client's packet numbers are than the server's."""
        return self._client_sequence - self.last_sequence

    def refusal(self) -> bytes:
        """The answer to a refused command that has passed."""
        return b"" if self.error is None else frame(self._client_sequence + 1, self.error.encode())

    def analysis(self) -> Analysis:
        """What the whole command does; when it is `done`."""
        if self._lexer is None:
            return self._session.analysis
        if self._analysis is None:
            self._analysis = self._lexer.finish()
        return self._analysis
