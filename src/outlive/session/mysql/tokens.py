"""Cuts statement text of MySQL 9.7 and MariaDB 10.11 into tokens,
in pieces of any size, in linear time and constant memory.

The rules are those of the servers' own lexers (sql_lex.cc), including ``1.5INTO@a`` and ``\\NINTO@a``, which are
several tokens without a space. Where the two servers, their versions or character sets could disagree about where a
token ends, :attr:`Tokenizer.ambiguous` is set and the caller must not trust what follows.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from .analysis import ANSI_QUOTES, MULTIBYTE_ESCAPES, NO_BACKSLASH_ESCAPES

WORD: Final = 1  # keyword, unquoted identifier, integer, hexadecimal or bit number
QUOTED: Final = 2  # quoted identifier; the value is without quotes
STRING: Final = 3  # the value is what is between the quotes, as written; None when long
PUNCTUATION: Final = 4
USER_VARIABLE: Final = 5  # @name; the value is the name, None when long
NUMBER: Final = 6  # with a point or an exponent
MIXED: Final = 7  # unquoted word with bytes above 0x7F
VERSIONED: Final = 8  # "/*!", with its number
VERSIONED_END: Final = 9  # and its end

# A server refuses identifiers above 64 characters: longer words are nothing that runs.
_WORD_LIMIT_BYTES: Final = 512
_VALUE_LIMIT_BYTES: Final = 1024
# The longest look-ahead that decides what a token is ("/*M!").
_LOOKAHEAD_BYTES: Final = 4


class Token(NamedTuple):
    """``start`` and ``end`` are offsets in the whole text."""

    kind: int
    value: bytes | None
    start: int
    end: int


_TOKEN = re.compile(
    rb"([\t-\r ]++)"  # 1 white space
    rb"|((?:[0-9]{0,512}+\.[0-9]{1,512}+|[0-9]{1,512}+\.(?![0-9A-Za-z_$\x80-\xff]))(?:[eE][-+]?[0-9]{1,512}+)?"
    rb"|[0-9]{1,512}+\.(?=[eE][-+]?[0-9])[eE][-+]?[0-9]{1,512}+|[0-9]{1,512}+[eE][-+]?[0-9]{1,512}+)"  # 2 number
    rb"|([0-9A-Za-z_$]{1,512}+(?![\x80-\xff]))"  # 3 word
    rb"|([0-9A-Za-z_$\x80-\xff]{1,512}+)"  # 4 word with other bytes
    rb"|(['\"`])"  # 5 quote
    rb"|(/\*)"  # 6 comment
    rb"|(\*/)"  # 7 end of a versioned comment
    rb"|(\#|--(?=[\x00-\x20\x7f]|\Z))"  # 8 line comment
    rb"|(@['\"`])"  # 9 quoted user variable
    rb"|(@@)"  # 10 system variable
    rb"|@([0-9A-Za-z_.$\x80-\xff]{0,512}+)"  # 11 user variable
    rb"|(:=|\\N|[\x00-\xff])",  # 12 the rest
    re.DOTALL,
)
_BODY: Final = {
    (quote, escapes): re.compile(
        (rb"[^Q\\]*+(?:(?:QQ|\\.)[^Q\\]*+)*+" if escapes else rb"[^Q]*+(?:QQ[^Q]*+)*+").replace(b"Q", quote), re.DOTALL
    )
    for quote in (b"'", b'"', b"`")
    for escapes in (True, False)
}
_VERSION = re.compile(rb"[0-9]{0,6}+")
_MULTIBYTE = re.compile(rb"[\x80-\xff][\\`]")
_COMMENT_MARK = re.compile(rb"[*/]")
_SPACE, _QUOTE, _COMMENT, _COMMENT_END, _LINE_COMMENT, _QUOTED_VARIABLE, _REST = 1, 5, 6, 7, 8, 9, 12
_KINDS: Final = {2: NUMBER, 3: WORD, 4: MIXED, 10: PUNCTUATION, 11: USER_VARIABLE, 12: PUNCTUATION}


class Tokenizer:
    """One text. ``feed`` it in pieces, the last one with ``final``; the tokens are the same however it is cut."""

    __slots__ = (
        "_backticks",
        "_escapes",
        "_hint",
        "_inside",
        "_kept",
        "_kind",
        "_last",
        "_mode",
        "_offset",
        "_rest",
        "_size",
        "_start",
        "_waiting",
        "ambiguous",
        "depth",
    )

    def __init__(self, mode: int = 0) -> None:
        self._mode = mode
        self._rest = b""
        self._last = b""
        self._offset = 0  # of _rest in the text
        self._inside = b""  # the quote, "/" block comment, "#" line comment, or nothing
        self._kind = 0
        self._start = 0
        self._kept = b""
        self._size = 0
        self._escapes = False
        self._hint = False
        self._backticks = 0
        self._waiting = False
        #: The servers might read the text in different ways.
        self.ambiguous = False
        #: Inside ``/*!``: whether its content runs is the server's affair.
        self.depth = 0

    def feed(self, piece: bytes, final: bool = False) -> list[Token]:
        """Tokens that are complete by now. No exception, whatever the bytes."""
        data = self._rest + piece if self._rest else piece
        if self._mode & MULTIBYTE_ESCAPES and piece:
            self.ambiguous |= bool(_MULTIBYTE.search(self._last + piece))
            self._last = piece[-1:]
        tokens: list[Token] = []
        position = 0
        self._waiting = False
        while position < len(data) and not self._waiting:
            if not self._inside:
                position = self._code(data, position, final, tokens)
            elif self._inside == b"/":
                position = self._comment(data, position, final)
            elif self._inside == b"#":
                position = self._line(data, position)
            elif self._inside == b"!":
                position = self._version(data, position, final, tokens)
            else:
                position = self._quoted(data, position, final, tokens)
        self._rest = data[position:]
        self._offset += position
        if final and self._inside not in (b"", b"#"):
            # Unterminated: no server runs it, if the server reads it as this lexer does.
            self.ambiguous = True
        return tokens

    @property
    def idle(self) -> bool:
        """Between tokens, outside comments: then :meth:`skip` may be called before the next piece is fed."""
        return not self._inside and not self.depth and not self._mode & MULTIBYTE_ESCAPES

    @property
    def rest(self) -> bytes:
        """Bytes that wait for more."""
        return self._rest

    def skip(self, count: int) -> int:
        """The caller has dealt with :attr:`rest` and bytes after it, ``count`` in all. Returns the offset reached."""
        self._offset += count
        self._rest = b""
        return self._offset

    def _code(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        """Tokens from ``position`` on, to the end, to a wait, or to what opens a quote or comment."""
        size = len(data)
        offset = self._offset
        limit = size if final else size - _LOOKAHEAD_BYTES
        while position < size:
            found = _TOKEN.match(data, position)
            if found is None:  # cannot be: the last group takes any byte
                break
            group = found.lastindex
            end = found.end()
            if group == _SPACE:
                position = end
                continue
            if end > limit:
                self._waiting = True
                return position
            kind = _KINDS.get(group or 0)
            if kind is not None:
                value = found.group(group or 0)
                if len(value) >= _WORD_LIMIT_BYTES or group == _REST or value[:1] == b"$":
                    self._doubt(data, value, end)
                tokens.append(Token(kind, value, offset + position, offset + end))
            elif group == _QUOTE:
                self._open(data[position:end], position, False)
                return end
            elif group == _QUOTED_VARIABLE:
                self._open(data[position + 1 : end], position, True)
                return end
            elif group == _COMMENT:
                return self._open_comment(data, end)
            elif group == _LINE_COMMENT:
                self._inside = b"#"
                return end
            elif self.depth:
                self.depth -= 1
                tokens.append(Token(VERSIONED_END, b"", offset + position, offset + end))
            else:
                # "*/" outside a comment: two operators, and the slash may open a comment.
                end = position + 1
                tokens.append(Token(PUNCTUATION, b"*", offset + position, offset + end))
            position = end
        return position

    def _doubt(self, data: bytes, value: bytes, end: int) -> None:
        if value == b"-":
            # A byte above 0x7F may be white space, so make a comment of "--".
            self.ambiguous |= data[end : end + 1] == b"-" and data[end + 1 : end + 2] > b"\x7f"
        elif value == b"\x00":
            self.ambiguous = True  # ends the text here and there
        elif len(value) >= _WORD_LIMIT_BYTES:
            self.ambiguous = True  # cut in two
        elif value.startswith(b"$"):
            # MySQL 9: $tag$ any text $tag$
            self.ambiguous |= value.count(b"$") > 1 or max(value) > 0x7F

    def _open(self, quote: bytes, position: int, variable: bool) -> None:
        self._inside = quote
        self._start = self._offset + position
        self._kept = b""
        self._size = 0
        identifier = quote == b"`" or (quote == b'"' and bool(self._mode & ANSI_QUOTES))
        self._kind = USER_VARIABLE if variable else QUOTED if identifier else STRING
        self._escapes = not identifier and not self._mode & NO_BACKSLASH_ESCAPES

    def _quoted(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        body = _BODY[self._inside, self._escapes].match(data, position)
        end = body.end() if body else position
        if end < len(data) and data[end] == 0x5C and not final:
            self._keep(data, position, end)  # half an escape
            self._waiting = True
            return end
        if end >= len(data) or data[end] == 0x5C:
            self._keep(data, position, len(data))
            return len(data)
        self._keep(data, position, end)
        if end + 1 == len(data) and not final:
            self._waiting = True  # half of a doubled quote, or its end
            return end
        value = self._kept if self._size <= _VALUE_LIMIT_BYTES else None
        tokens.append(Token(self._kind, value, self._start, self._offset + end + 1))
        self._inside = b""
        self._kept = b""
        return end + 1

    def _keep(self, data: bytes, position: int, end: int) -> None:
        """Remembers a part of a quoted value, while it is short;
        and doubts ends of comments that only one way of reading sees."""
        if end == position:
            return
        self._size += end - position
        if self._size <= _VALUE_LIMIT_BYTES:
            self._kept += data[position:end]
        else:
            self._kept = self._kept[:_VALUE_LIMIT_BYTES]
        if self.depth and _COMMENT_MARK.search(data, position, end):
            # A server that skips the versioned comment does not see the quotes: it ends at the first "*/" and nests at
            # "/*". One of the two characters is doubt enough: a piece may end between them.
            self.ambiguous = True

    def _open_comment(self, data: bytes, end: int) -> int:
        after = end + (data[end : end + 1] == b"M")
        if data[after : after + 1] == b"!":
            self.ambiguous |= self.depth > 0  # servers differ about nesting
            self.depth += 1
            self._inside = b"!"
            return after + 1
        self._inside = b"/"
        self._hint = data[end : end + 1] == b"+"
        self._backticks = 0
        return end

    def _version(self, data: bytes, position: int, final: bool, tokens: list[Token]) -> int:
        found = _VERSION.match(data, position)
        end = found.end() if found else position
        if not final and position + 8 > len(data):
            self._waiting = True
            return position
        digits = end - position
        if digits == 6:
            self.ambiguous |= data[end : end + 1].isalnum() or data[end : end + 1] == b"."
        else:
            self.ambiguous |= digits not in (0, 5)
        self._inside = b""
        tokens.append(Token(VERSIONED, b"", self._offset + position, self._offset + end))
        return end

    def _comment(self, data: bytes, position: int, final: bool) -> int:
        end = data.find(b"*/", position)
        stop = end if end >= 0 else len(data) - 1 if not final else len(data)
        if self._hint:
            # MySQL reads quotes in hints, so a quote may hide the end of the comment.
            text = data[position:stop]
            self._backticks += text.count(b"`")
            self.ambiguous |= b"'" in text or b'"' in text or (end >= 0 and self._backticks % 2 == 1)
        if self.depth and data.find(b"/*", position, stop + 1) >= 0:
            self.ambiguous = True  # nests, or not
        if end >= 0:
            self._inside = b""
            return end + 2
        self._waiting = not final
        return max(stop, position)

    def _line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end
        self.ambiguous |= self.depth > 0 or data.find(b"\x00", position, stop) >= 0
        if end < 0:
            return len(data)
        self._inside = b""
        return end + 1
