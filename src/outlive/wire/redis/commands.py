"""Where a client's commands end. Their arguments are not looked at, but for the name.

Source: "Redis serialization protocol specification", "Sending commands to a Redis server" and "Inline commands"; limits
and the words of the errors as the server itself has them (processMultibulkBuffer, processInlineBuffer).
"""

from __future__ import annotations

from typing import Final

from outlive.wire import ProtocolError

MAX_ARGUMENTS: Final = 1024 * 1024
MAX_BULK_BYTES: Final = 512 * 1024 * 1024
"""proto-max-bulk-len's default."""
MAX_INLINE_BYTES: Final = 64 * 1024
_MAX_HEADER_BYTES: Final = 24
"""A `*` or `$`, a number of up to 19 digits, and CRLF."""

INCOMPLETE: Final = -1


class CommandScanner:
    """Finds the end of one command after the other, and goes on where it was when more of one has come.

    `name`: of the command that was found last, as the client wrote it; None for an inline command or an empty one,
    whose words are in `inline`. `least`: how many bytes an incomplete command has at least.
    `heads_max`: the most bytes that an argument's length may say, and `arguments_max` how many there may be, which
    before a login is little.
    """

    __slots__ = ("_at", "_left", "arguments", "arguments_max", "bulk_max", "inline", "least", "name")

    def __init__(self, *, arguments_max: int = MAX_ARGUMENTS, bulk_max: int = MAX_BULK_BYTES) -> None:
        self.arguments_max = arguments_max
        self.bulk_max = bulk_max
        self.name: bytes | None = None
        self.arguments = 0
        self.inline: list[bytes] = []
        self.least = 0
        self._at = 0
        self._left = -1

    def reset(self) -> None:
        """Forget what was scanned of an incomplete command."""
        self._at = 0
        self._left = -1

    def scan(self, data: bytes | bytearray, start: int) -> int:
        """The offset behind the command that begins at `start`, or INCOMPLETE.

        After INCOMPLETE the next call must have the same command at `start`, with more bytes behind it. Raises
        ProtocolError, with the server's own words.
        """
        left = self._left
        if left < 0:
            if data[start] != 42:  # *
                return self._scan_inline(data, start)
            at = data.find(b"\r\n", start, start + _MAX_HEADER_BYTES)
            if at < 0:
                return self._wait(data, start, start, -1, "invalid multibulk length")
            left = self.arguments = _number(data[start + 1 : at], "invalid multibulk length")
            if left > self.arguments_max:
                raise ProtocolError(self._too_much("multibulk"))
            self.name = None
            at += 2
            if left <= 0:
                self.inline = []
                self._left = -1
                return at
        else:
            at = start + self._at
        size = len(data)
        while left:
            line = data.find(b"\r\n", at, at + _MAX_HEADER_BYTES)
            if line < 0 or data[at] != 36:  # $
                if at < size and data[at] != 36:
                    raise ProtocolError(f"expected '$', got '{chr(data[at])}'")
                return self._wait(data, start, at, left, "invalid bulk length")
            length = _number(data[at + 1 : line], "invalid bulk length")
            if not 0 <= length <= self.bulk_max:
                raise ProtocolError(self._too_much("bulk") if length > 0 else "invalid bulk length")
            end = line + length + 4
            if end > size:
                if self.name is None and line + 2 + length <= size:
                    self.name = None  # its CRLF is missing still: read with the rest
                self._at = at - start
                self._left = left
                self.least = end - start
                return INCOMPLETE
            if self.name is None:
                self.name = bytes(data[line + 2 : end - 2])
            at = end
            left -= 1
        self._left = -1
        self._at = 0
        return at

    def _wait(self, data: bytes | bytearray, start: int, at: int, left: int, why: str) -> int:
        """A header's line is not complete, or has no end."""
        if len(data) - at >= _MAX_HEADER_BYTES:
            raise ProtocolError(why)
        self._at = at - start
        self._left = left
        self.least = len(data) - start + 1
        return INCOMPLETE

    def _too_much(self, what: str) -> str:
        limited = self.arguments_max < MAX_ARGUMENTS
        return f"unauthenticated {what} length" if limited else f"invalid {what} length"

    def _scan_inline(self, data: bytes | bytearray, start: int) -> int:
        end = data.find(b"\n", start, start + MAX_INLINE_BYTES)
        if end < 0:
            if len(data) - start >= MAX_INLINE_BYTES:
                raise ProtocolError("too big inline request")
            self._left = -1
            self.least = len(data) - start + 1
            return INCOMPLETE
        self.name = None
        self.inline = split_inline(bytes(data[start:end]).removesuffix(b"\r"))
        return end + 1


def _number(digits: bytes | bytearray, why: str) -> int:
    # int() would take " 1", "+1" and "1_0" as well, and what this side takes for a number the server must, too.
    if digits.isdigit() and (digits[0] != 48 or len(digits) == 1):
        return int(digits)
    if digits == b"-1":
        return -1
    raise ProtocolError(why)


def arguments_of(data: bytes | bytearray, start: int, end: int, most: int = MAX_ARGUMENTS) -> list[bytes]:
    """The first `most` arguments, the name among them, of a command that was scanned whole (no inline one)."""
    at = data.index(b"\r\n", start, end) + 2
    found: list[bytes] = []
    while at < end and len(found) < most:
        line = data.index(b"\r\n", at, end)
        behind = line + 2 + int(data[at + 1 : line])
        found.append(bytes(data[line + 2 : behind]))
        at = behind + 2
    return found


def head_of(data: bytes | bytearray, start: int) -> list[bytes]:
    """The arguments that are there already, of a command that is not complete."""
    at = data.find(b"\r\n", start) + 2
    found: list[bytes] = []
    while (line := data.find(b"\r\n", at)) > at > 1:
        behind = line + 2 + int(data[at + 1 : line])
        if behind > len(data):
            break
        found.append(bytes(data[line + 2 : behind]))
        at = behind + 2
    return found


class CommandStream:
    """Finds the end of one command that is too large to be held: fed with its pieces, it keeps none of them."""

    __slots__ = ("_head", "_left", "_skip")

    def __init__(self) -> None:
        self._left = -1
        self._skip = 0
        self._head = b""

    def feed(self, data: bytes) -> int:
        """The offset in `data` behind the command, or INCOMPLETE. Raises ProtocolError."""
        at = 0
        while self._left:
            if self._skip:
                taken = min(self._skip, len(data) - at)
                self._skip -= taken
                at += taken
                if self._skip:
                    return INCOMPLETE
                self._left -= 1
                continue
            line = data.find(b"\n", at, at + _MAX_HEADER_BYTES)
            if line < 0:
                self._head += data[at:]
                if len(self._head) >= _MAX_HEADER_BYTES:
                    raise ProtocolError("invalid bulk length")
                return INCOMPLETE
            head = (self._head + data[at : line + 1]).removesuffix(b"\r\n")
            self._head = b""
            at = line + 1
            number = _number(head[1:], "invalid bulk length")
            if self._left < 0:
                self._left = number
            elif head[:1] != b"$" or not 0 <= number <= MAX_BULK_BYTES:
                raise ProtocolError("invalid bulk length")
            else:
                self._skip = number + 2
        return at


_ESCAPES: Final = {110: b"\n", 114: b"\r", 116: b"\t", 98: b"\b", 97: b"\a"}
_SPACES: Final = b" \n\r\t\x00\x0b\x0c"


def split_inline(line: bytes) -> list[bytes]:
    """The words of an inline command, quoted as the server has it (sdssplitargs). Raises ProtocolError."""
    if b'"' not in line and b"'" not in line:
        return line.split()
    words: list[bytes] = []
    at = 0
    while True:
        while at < len(line) and line[at] in _SPACES:
            at += 1
        if at >= len(line):
            return words
        word, at = _word(line, at)
        words.append(word)


def _word(line: bytes, at: int) -> tuple[bytes, int]:
    word = bytearray()
    while at < len(line) and line[at] not in _SPACES:
        if line[at] in b"\"'":
            at = _quoted(line, at, word)
            if at < len(line) and line[at] not in _SPACES:
                raise ProtocolError("unbalanced quotes in request")
            break
        word.append(line[at])
        at += 1
    return bytes(word), at


def _quoted(line: bytes, at: int, word: bytearray) -> int:
    """Adds what stands in the quotes that open at `at`; the offset behind them."""
    quote = line[at]
    at += 1
    while at < len(line) and line[at] != quote:
        if quote == 34 and line[at] == 92 and at + 1 < len(line):
            digits = line[at + 2 : at + 4]
            if line[at + 1] == 120 and len(digits) == 2 and all(digit in b"0123456789abcdefABCDEF" for digit in digits):
                word.append(int(digits, 16))
                at += 4
                continue
            word += _ESCAPES.get(line[at + 1], line[at + 1 : at + 2])
            at += 2
            continue
        if quote == 39 and line[at : at + 2] == b"\\'":
            at += 1
        word.append(line[at])
        at += 1
    if at >= len(line):
        raise ProtocolError("unbalanced quotes in request")
    return at + 1
