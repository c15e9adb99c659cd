"""Takes messages one by one out of a stream, for logins and connections of Outlive's own."""

from struct import Struct
from typing import Final

from outlive.wire import ProtocolError

HEAD_BYTES: Final = 5
_unpack_head: Final = Struct(">BI").unpack_from


class MessageReader:
    """`feed` it, then `next` until None.

    A message above `limit_bytes`, known from its head alone, and an impossible length raise ProtocolError. What is fed
    is held until it is taken: who feeds stops reading from the socket while `pending` is above what may wait.
    """

    __slots__ = ("_buffer", "_limit_bytes")

    def __init__(self, limit_bytes: int) -> None:
        self._buffer = bytearray()
        self._limit_bytes = limit_bytes

    def feed(self, data: bytes) -> None:
        """Adds what was received."""
        self._buffer += data

    def next(self) -> tuple[int, bytes] | None:
        """Type and payload of the next message, or None while it is incomplete."""
        buffer = self._buffer
        if len(buffer) < HEAD_BYTES:
            return None
        kind, length = _unpack_head(buffer)
        if length < 4:
            raise ProtocolError(f"a message of length {length}")
        if length > self._limit_bytes:
            raise ProtocolError(f"a message of {length} bytes where {self._limit_bytes} are the limit")
        end = 1 + length
        if len(buffer) < end:
            return None
        payload = bytes(buffer[HEAD_BYTES:end])
        del buffer[:end]
        return kind, payload

    def rest(self) -> bytes:
        """Takes the unread bytes out."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    @property
    def pending(self) -> int:
        """Unread bytes."""
        return len(self._buffer)
