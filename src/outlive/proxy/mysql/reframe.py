"""A payload that grew on its way, cut into packets anew.

Parameter types that are put into a long COM_STMT_EXECUTE make its first packet longer than the client's, and where that
is full already, every packet after it. How long a packet will be must be known before its first byte goes: so at most
what was put in is held back, until the client's next header tells.
"""

from __future__ import annotations

from outlive.wire.mysql.packets import MAX_PAYLOAD


class Reframer:
    """`sequence` is the number of the next packet towards the server."""

    __slots__ = ("_ended", "_left", "_pending", "sequence")

    def __init__(self) -> None:
        self._pending = b""
        self._left = 0
        self._ended = False
        self.sequence = 0

    def feed(self, data: bytes, more: int, last: bool) -> bytes:
        """The next bytes of the payload. `more` are sure to follow; `last`: and none after those."""
        data = self._pending + data
        position = 0
        pieces: list[bytes] = []
        while True:
            if self._left:
                piece = data[position : position + self._left]
                if not piece:
                    break
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                continue
            known = len(data) - position + more
            if self._ended or (known < MAX_PAYLOAD and not last):
                break
            self._left = min(known, MAX_PAYLOAD)
            self._ended = self._left < MAX_PAYLOAD
            pieces.append((self._left | (self.sequence & 0xFF) << 24).to_bytes(4, "little"))
            self.sequence += 1
        self._pending = data[position:]
        return b"".join(pieces)
