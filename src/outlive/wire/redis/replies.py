"""Where a server's replies end: RESP2 and RESP3, incremental, without a value being held or decoded.

Source: "Redis serialization protocol specification", "RESP protocol description"; the streamed types as in the RESP3
specification. A bulk string of 512 MiB passes in the pieces in which it comes.
"""

from __future__ import annotations

from typing import Final

from outlive.wire import ProtocolError

MAX_DEPTH: Final = 512
"""Of aggregates in each other; Lua, the deepest source of them, ends at 200 (LUAI_MAXCCALLS)."""
MAX_ELEMENTS: Final = 1 << 32
MAX_BULK_BYTES: Final = 1 << 40
_MAX_HEADER_BYTES: Final = 64

_LINE: Final = frozenset(b"+-:_#,(")
_BULK: Final = frozenset(b"$=!")
_AGGREGATE: Final = frozenset(b"*~>")
_PAIRS: Final = frozenset(b"%|")
_STREAMED: Final = -1

ERROR: Final = frozenset(b"-!")
PUSH: Final = 62
ATTRIBUTE: Final = 124


class ReplyScanner:
    """Counts the replies on one connection.

    `kind`: the first byte of the reply that is under way, or was found last. `error`: the beginning of the last
    error reply found, as far as it came in one piece (its code is its first word); b"" after it was taken.
    """

    __slots__ = ("_counts", "_head", "_in_line", "_skip", "error", "kind", "pushes")

    def __init__(self) -> None:
        self.kind = 0
        self.error = b""
        self.pushes = 0
        """How many push messages came in all: they are nobody's reply."""
        self._counts: list[int] = []
        """Elements that are still to come of each aggregate that is open, the outermost first."""
        self._skip = 0
        self._head = b""
        self._in_line = False

    @property
    def is_at_rest(self) -> bool:
        """Between two replies."""
        return not self.kind

    @property
    def remaining_bytes(self) -> int:
        """What is still to come of the bulk string that is under way."""
        return self._skip

    def scan(self, data: bytes, start: int, wanted: int) -> tuple[int, int]:
        """Goes over at most `wanted` replies; the offset behind what belongs to them, and how many were completed.

        Push messages before or between them are gone over and counted in `pushes`. Raises ProtocolError.
        """
        at = start
        size = len(data)
        done = 0
        counts = self._counts
        while done < wanted and at < size:
            if self._skip:
                taken = min(self._skip, size - at)
                self._skip -= taken
                at += taken
                if self._skip:
                    break
            elif self._in_line:
                end = data.find(b"\n", at)
                if end < 0:
                    at = size
                    break
                at = end + 1
                self._in_line = False
            else:
                if self._head:
                    found = self._finish_head(data, at)
                    if found is None:
                        at = size
                        break
                    head, at = found
                    kind = head[0]
                    value = head[1:]
                else:
                    kind = data[at]
                    if not self.kind:
                        self.kind = kind
                    if kind in _LINE:
                        end = data.find(b"\n", at)
                        if kind == 45 and not counts:
                            self.error = data[at + 1 : at + 64 if end < 0 else min(end, at + 64)]
                        if end < 0:
                            self._in_line = True
                            at = size
                            break
                        at = end + 1
                        if not counts:
                            self.kind = 0
                            done += 1
                            continue
                        if self._complete():
                            done += 1
                        continue
                    end = data.find(b"\r\n", at, at + _MAX_HEADER_BYTES)
                    if end < 0:
                        self._keep_head(data, at)
                        at = size
                        break
                    value = data[at + 1 : end]
                    at = end + 2
                if kind == 36:  # $: the most frequent one
                    if value.isdigit():
                        behind = at + int(value) + 2
                        if behind > size:
                            self._skip = behind - size
                            self._check_bulk()
                            at = size
                            break
                        at = behind
                    elif value == b"?":
                        self._open(_STREAMED)
                        continue
                    elif value != b"-1":
                        raise ProtocolError("a bulk string of no length")
                elif self._begin(kind, value):
                    continue
            if not counts:
                done += self._top()
            elif self._complete():
                done += 1
        return at, done

    # -- beginnings --------------------------------------------------------------------------------

    def _begin(self, kind: int, value: bytes) -> bool:
        """A header that is no plain string's. True: it opens something, and is no element by itself yet."""
        if kind in _BULK:
            if not value.isdigit():
                raise ProtocolError("a string of no length")
            if kind == 33 and not self._counts:
                self.error = b"ERR"
            self._skip = int(value) + 2
            self._check_bulk()
            return True
        if kind == 59:  # ; a part of a streamed string, the last of which has no bytes
            if not self._counts or self._counts[-1] != _STREAMED or not value.isdigit():
                raise ProtocolError("a part of no string")
            if value == b"0":
                self._counts.pop()
                return False
            self._skip = int(value) + 2
            self._check_bulk()
            return True
        if kind == 46:  # . the end of a streamed aggregate
            if not self._counts or self._counts[-1] != _STREAMED or value:
                raise ProtocolError("the end of no aggregate")
            self._counts.pop()
            return False
        if kind in _AGGREGATE or kind in _PAIRS:
            if value == b"-1" and kind == 42:
                return False
            if value == b"?":
                self._open(_STREAMED)
                return True
            if not value.isdigit() or int(value) > MAX_ELEMENTS:
                raise ProtocolError("an aggregate of no length")
            count = int(value) * 2 if kind in _PAIRS else int(value)
            if kind == ATTRIBUTE:
                count += 1  # what it describes follows as one more element, and stands for all of it
            if not count:
                return False
            self._open(count)
            return True
        raise ProtocolError("a reply of an unknown type")

    def _open(self, count: int) -> None:
        if len(self._counts) >= MAX_DEPTH:
            raise ProtocolError("a reply that is nested too deeply")
        self._counts.append(count)

    def _check_bulk(self) -> None:
        if self._skip > MAX_BULK_BYTES:
            raise ProtocolError("a string of no possible length")

    # -- ends --------------------------------------------------------------------------------------

    def _complete(self) -> int:
        """An element is complete, and with the last one its aggregate: 1 where the whole reply is."""
        counts = self._counts
        while counts:
            if counts[-1] == _STREAMED:
                return 0
            counts[-1] -= 1
            if counts[-1]:
                return 0
            counts.pop()
        return self._top()

    def _top(self) -> int:
        kind, self.kind = self.kind, 0
        if kind == PUSH:
            self.pushes += 1
            return 0
        return 1

    # -- headers in two pieces ---------------------------------------------------------------------

    def _keep_head(self, data: bytes, at: int) -> None:
        if len(data) - at >= _MAX_HEADER_BYTES:
            raise ProtocolError("a header without an end")
        self._head = data[at:]

    def _finish_head(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        end = data.find(b"\n", at, at + _MAX_HEADER_BYTES)
        if end < 0:
            self._head += data[at:]
            if len(self._head) >= _MAX_HEADER_BYTES:
                raise ProtocolError("a header without an end")
            return None
        head = self._head + data[at : end + 1]
        self._head = b""
        if not head.endswith(b"\r\n"):
            raise ProtocolError("a header without an end")
        return head[:-2], end + 1
