"""Cuts statement text of PostgreSQL 15 to 18 into tokens, in pieces of any size, in linear time and constant memory.

The rules are those of the server's own lexer (scan.l). Where a text is an error to the server, the tokens may be
anything: nothing of it runs.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .analysis import BACKSLASH_ESCAPES, UNSAFE_ENCODING

WORD: Final = 1  # keyword or identifier without quotes
QUOTED: Final = 2  # "identifier"; the value is what is between the quotes, as written
STRING: Final = 3  # '...' or $tag$...$tag$ without escapes; the value is what it means; None when long
ESCAPED: Final = 4  # E'...', and '...' with a backslash that escapes; the value is as written
NUMBER: Final = 5
PARAMETER: Final = 6  # $1
PUNCTUATION: Final = 7  # one character
CONSTANT: Final = 8  # B'...', X'...', U&'...'
UNICODE_NAME: Final = 9  # U&"...", which may be any name

# The server cuts names after 63 bytes, so a longer word is no name that matters.
_WORD_LIMIT_BYTES: Final = 512
_TAG_LIMIT_BYTES: Final = 256
_VALUE_LIMIT_BYTES: Final = 2048
# The longest look-ahead that decides what a token is ("1" before "e+5", "u" before "&'").
_LOOKAHEAD_BYTES: Final = 3


class Token(NamedTuple):
    """``start`` and ``end`` are offsets in the whole text."""

    kind: int
    value: bytes | None
    start: int
    end: int


_TOKEN = re.compile(
    rb"([\t-\r ]++)"  # 1 white space
    rb"|([A-Za-z_\x80-\xff][0-9A-Za-z_$\x80-\xff]{0,511}+)"  # 2 word
    rb"|([,();=*<>+:\[\]]|\.(?:\.|(?![0-9])))"  # 3 the most frequent of the rest
    rb"|(['\"])"  # 4 quote
    rb"|(0[xX][0-9A-Fa-f_]{1,512}+|(?:[0-9][0-9_]{0,511}+(?:\.(?!\.)[0-9_]{0,512}+)?+|\.[0-9][0-9_]{0,511}+)"
    rb"(?:[eE][-+]?[0-9][0-9_]{0,511}+)?+)"  # 5 number
    rb"|(/\*)"  # 6 comment
    rb"|(--)"  # 7 line comment
    rb"|(\$[0-9]{1,512}+)"  # 8 parameter
    rb"|(\$(?:[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]{0,254}+)?+\$)"  # 9 dollar quote
    rb"|([\x00-\xff])",  # 10 the rest
    re.DOTALL,
)
_PLAIN_BODY: Final = re.compile(rb"[^']*+(?:''[^']*+)*+", re.DOTALL)
_NAME_BODY: Final = re.compile(rb'[^"]*+(?:""[^"]*+)*+', re.DOTALL)
_BITS_BODY: Final = re.compile(rb"[^']*+", re.DOTALL)
_ESCAPED_BODY: Final = re.compile(rb"[^'\\]*+(?:(?:''|\\.)[^'\\]*+)*+", re.DOTALL)
_COMMENT_MARK: Final = re.compile(rb"/\*|\*/")
_LINE_END: Final = re.compile(rb"[\r\n]")
_TAG_BEGIN: Final = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][0-9A-Za-z_\x80-\xff]*+)?+")
_REST_OF_WORD: Final = re.compile(rb"[0-9A-Za-z_$\x80-\xff]*+")
_SPACE, _WORD, _QUOTE, _COMMENT, _LINE, _DOLLAR, _REST = 1, 2, 4, 6, 7, 9, 10
_KINDS: Final = (0, 0, WORD, PUNCTUATION, 0, NUMBER, 0, 0, PARAMETER, 0, PUNCTUATION)
_PREFIXES: Final = frozenset(b"eEbBxXnNuU")


class Tokenizer:
    """One text. ``feed`` it in pieces, the last one with ``final``; the tokens are the same however it is cut."""

    __slots__ = (
        "_body",
        "_depth",
        "_inside",
        "_kept",
        "_kind",
        "_last_kind",
        "_mode",
        "_offset",
        "_rest",
        "_size",
        "_start",
        "_tag",
        "_waiting",
        "unreadable",
    )

    def __init__(self, mode: int = 0) -> None:
        self._mode = mode
        self._rest = b""
        self._offset = 0  # of _rest in the text
        self._inside = b""  # quote, "$" dollar quote, "/" comment, "-" line comment, "w" long word, or nothing
        self._kind = 0
        self._last_kind = 0
        self._start = 0
        self._kept = b""
        self._size = 0
        self._body = _BITS_BODY  # of the string: up to its end
        self._tag = b""
        self._depth = 0  # of comments
        self._waiting = False
        #: The server might read the text in another way.
        self.unreadable = False

    def feed(self, piece: bytes, final: bool = False) -> list[Token]:
        """Tokens that are complete by now. No exception, whatever the bytes."""
        data = self._rest + piece if self._rest else piece
        if self._mode & UNSAFE_ENCODING and not piece.isascii():
            self.unreadable = True
        tokens: list[Token] = []
        position = 0
        self._waiting = False
        while position < len(data) and not self._waiting:
            inside = self._inside
            if not inside:
                position = self._code(data, position, final, tokens)
            elif inside == b"/":
                position = self._comment(data, position, final)
            elif inside == b"-":
                position = self._line(data, position)
            elif inside == b"$":
                position = self._dollar(data, position, final, tokens)
            elif inside == b"w":
                position = self._word(data, position)
            else:
                position = self._quoted(data, position, final, tokens)
        self._rest = data[position:]
        self._offset += position
        if tokens:
            self._last_kind = tokens[-1].kind
        return tokens

    @property
    def idle(self) -> bool:
        """Between tokens: then :meth:`skip` may be called before the next piece is fed."""
        return not self._inside and not self._mode

    @property
    def rest(self) -> bytes:
        """Bytes that wait for more."""
        return self._rest

    def skip(self, count: int) -> int:
        """The caller has dealt with :attr:`rest` and bytes after it, ``count`` in all. Returns the offset reached."""
        self._offset += count
        self._rest = b""
        self._last_kind = PUNCTUATION
        return self._offset

    def _code(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        """Tokens from ``position`` on, to the end, to a wait, or to what opens a quote or comment."""
        size = len(data)
        offset = self._offset
        limit = size if final else size - _LOOKAHEAD_BYTES
        match = _TOKEN.match
        append = tokens.append
        while position < size:
            found = match(data, position)
            if found is None:  # cannot be: the last group takes any byte
                break
            group = found.lastindex or 0
            end = found.end()
            if group == _SPACE:
                position = end
                continue
            if end > limit:
                self._waiting = True
                return position
            kind = _KINDS[group]
            if kind == WORD:
                if end - position <= 1 and data[position] in _PREFIXES:
                    opened = self._prefixed(data, position, end)
                    if opened:
                        return opened
                append(Token(WORD, found.group(), offset + position, offset + end))
                if end - position >= _WORD_LIMIT_BYTES:
                    self._inside = b"w"
                    return end
            elif kind:
                if group == _REST and self._doubt(data, position, final):
                    self._waiting = True
                    return position
                append(Token(kind, found.group(), offset + position, offset + end))
            elif group == _QUOTE:
                last = tokens[-1].kind if tokens else self._last_kind
                if data[position] == 0x22:
                    self._open(b'"', QUOTED, position, _NAME_BODY)
                elif last == ESCAPED or self._mode & BACKSLASH_ESCAPES:
                    # After E'...' and a line's end it is the rest of the same string.
                    self._open(b"'", ESCAPED, position, _ESCAPED_BODY)
                else:
                    self._open(b"'", STRING, position, _PLAIN_BODY)
                return end
            elif group == _COMMENT:
                self._inside = b"/"
                self._depth = 1
                return end
            elif group == _LINE:
                self._inside = b"-"
                return end
            else:
                self._inside = b"$"
                self._tag = found.group()
                self._start = offset + position
                self._kept = b""
                self._size = 0
                return end
            position = end
        return position

    def _prefixed(self, data: bytes, position: int, end: int) -> int:
        """Opens the string whose prefix is at ``position`` and returns where it begins, or 0 where there is none."""
        prefix = data[position] | 0x20
        if prefix == 0x75:  # u
            quote = data[end + 1 : end + 2]
            if data[end : end + 1] != b"&" or quote not in (b"'", b'"') or not quote:
                return 0
            if quote == b"'":
                self._open(quote, CONSTANT, position, _PLAIN_BODY)
            else:
                self._open(quote, UNICODE_NAME, position, _NAME_BODY)
            return end + 2
        if data[end : end + 1] != b"'":
            return 0
        if prefix == 0x65:  # e
            self._open(b"'", ESCAPED, position, _ESCAPED_BODY)
        elif prefix == 0x6E:  # n: as without
            if self._mode & BACKSLASH_ESCAPES:
                self._open(b"'", ESCAPED, position, _ESCAPED_BODY)
            else:
                self._open(b"'", STRING, position, _PLAIN_BODY)
        else:
            self._open(b"'", CONSTANT, position, _BITS_BODY)
        return end + 1

    def _doubt(self, data: bytes, position: int, final: bool) -> bool:
        """Whether to wait for more before the sign at ``position`` can be read."""
        if data[position] == 0x24:  # "$": a tag may go on behind the piece
            found = _TAG_BEGIN.match(data, position)
            length = found.end() - position if found else 1
            if length > _TAG_LIMIT_BYTES:
                self.unreadable = True
            elif not final and position + length == len(data):
                return True
        elif data[position] == 0:
            self.unreadable = True  # where the text ends to the server
        return False

    def _open(self, quote: bytes, kind: int, position: int, body: re.Pattern[bytes]) -> None:
        self._inside = quote
        self._kind = kind
        self._start = self._offset + position
        self._kept = b""
        self._size = 0
        self._body = body

    def _quoted(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        body = self._body.match(data, position)
        end = body.end() if body else position
        if end >= len(data) or data[end] == 0x5C:  # the rest is the string's, or half an escape
            if end < len(data) and final:
                end = len(data)
            self._keep(data, position, end)
            self._waiting = end < len(data)
            return end
        self._keep(data, position, end)
        if end + 1 == len(data) and not final:
            self._waiting = True  # half of a doubled quote, or its end
            return end
        value = self._kept if self._size <= _VALUE_LIMIT_BYTES else None
        if value and self._kind == STRING and b"'" in value:
            value = value.replace(b"''", b"'")
        tokens.append(Token(self._kind, value, self._start, self._offset + end + 1))
        self._inside = b""
        self._kept = b""
        return end + 1

    def _dollar(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        end = data.find(self._tag, position)
        if end < 0:
            stop = len(data) if final else max(position, len(data) - len(self._tag) + 1)
            self._keep(data, position, stop)
            self._waiting = True
            return stop
        self._keep(data, position, end)
        value = self._kept if self._size <= _VALUE_LIMIT_BYTES else None
        tokens.append(Token(STRING, value, self._start, self._offset + end + len(self._tag)))
        self._inside = b""
        self._kept = b""
        return end + len(self._tag)

    def _keep(self, data: bytes, position: int, end: int) -> None:
        """Remembers a part of a quoted value, while it is short."""
        self._size += end - position
        if self._size <= _VALUE_LIMIT_BYTES:
            self._kept += data[position:end]
        else:
            self._kept = b""

    def _comment(self, data: bytes, position: int, final: bool) -> int:
        for found in _COMMENT_MARK.finditer(data, position):
            position = found.end()
            self._depth += 1 if found.group() == b"/*" else -1
            if self._depth == 0:
                self._inside = b""
                return position
        if final:
            return len(data)
        self._waiting = True
        return len(data) - (position < len(data) and data[-1] in b"/*")

    def _line(self, data: bytes, position: int) -> int:
        found = _LINE_END.search(data, position)
        if found is None:
            return len(data)
        self._inside = b""
        return found.end()

    def _word(self, data: bytes, position: int) -> int:
        found = _REST_OF_WORD.match(data, position)
        end = found.end() if found else position
        if end < len(data):
            self._inside = b""
        return end
