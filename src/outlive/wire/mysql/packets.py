"""Packets: their four-byte header, and the integers and strings inside them.

Source: "MySQL Packets" and "Protocol Basics" of the MySQL protocol documentation. A payload of 16 MiB - 1 or more
travels as several packets; the last one is shorter than that, be it empty.
"""

from outlive.wire import ProtocolError

MAX_PAYLOAD = 0xFFFFFF
HEADER_BYTES = 4


def packet(sequence: int, payload: bytes) -> bytes:
    """The packet, or packets, of one payload; `sequence` numbers the first and counts modulo 256."""
    length = len(payload)
    if length < MAX_PAYLOAD:
        return (length | (sequence & 0xFF) << 24).to_bytes(4, "little") + payload
    pieces = []
    for start in range(0, length + 1, MAX_PAYLOAD):
        piece = payload[start : start + MAX_PAYLOAD]
        pieces.append((len(piece) | (sequence & 0xFF) << 24).to_bytes(4, "little"))
        pieces.append(piece)
        sequence += 1
    return b"".join(pieces)


def lenenc_int(number: int) -> bytes:
    """A length-encoded integer, 0 to 2**64 - 1."""
    if number < 0xFB:
        return bytes((number,))
    if number < 1 << 16:
        return b"\xfc" + number.to_bytes(2, "little")
    if number < 1 << 24:
        return b"\xfd" + number.to_bytes(3, "little")
    return b"\xfe" + number.to_bytes(8, "little")


def lenenc_bytes(value: bytes) -> bytes:
    """A length-encoded string."""
    return lenenc_int(len(value)) + value


def read_lenenc_int(data: bytes, position: int) -> tuple[int | None, int]:
    """The length-encoded integer at `position` (None for the NULL mark 0xFB) and the position after it."""
    if not 0 <= position < len(data):
        raise ProtocolError("a length-encoded integer is missing")
    first = data[position]
    position += 1
    if first < 0xFB:
        return first, position
    if first == 0xFB:
        return None, position
    if first == 0xFF:
        raise ProtocolError("a length-encoded integer begins with 0xFF")
    end = position + (8 if first == 0xFE else first - 0xFA)
    if end > len(data):
        raise ProtocolError("a length-encoded integer is cut short")
    return int.from_bytes(data[position:end], "little"), end


def read_lenenc_number(data: bytes, position: int) -> tuple[int, int]:
    """As read_lenenc_int where NULL is not allowed."""
    number, position = read_lenenc_int(data, position)
    if number is None:
        raise ProtocolError("NULL in place of a length-encoded integer")
    return number, position


def read_lenenc_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    """The length-encoded string at `position` (None for NULL) and the position after it."""
    length, position = read_lenenc_int(data, position)
    if length is None:
        return None, position
    end = position + length
    if end > len(data):
        raise ProtocolError("a length-encoded string is cut short")
    return data[position:end], end


def read_nul(data: bytes, position: int) -> tuple[bytes, int]:
    """The NUL-terminated string at `position` and the position after its NUL."""
    end = data.find(b"\0", position)
    if end < 0:
        raise ProtocolError("a string is not terminated")
    return data[position:end], end + 1


def read_fixed(data: bytes, position: int, length: int) -> tuple[bytes, int]:
    """`length` bytes at `position` and the position after them."""
    end = position + length
    if end > len(data):
        raise ProtocolError("a field is cut short")
    return data[position:end], end


def read_fixed_int(data: bytes, position: int, length: int) -> tuple[int, int]:
    """The little-endian integer of `length` bytes at `position` and the position after it."""
    field, position = read_fixed(data, position, length)
    return int.from_bytes(field, "little"), position


class PacketReader:
    """Takes payloads one by one out of a stream, for logins and control connections, where packets are small.

    `sequence` is the number the next packet must bear; whoever sends packets in between sets it. A payload above
    `limit_bytes`, known from its header alone, and a wrong number raise ProtocolError. What is fed is held until it is
    taken: who feeds stops reading from the socket while `pending` is above what may wait.
    """

    __slots__ = ("_buffer", "_limit_bytes", "sequence")

    def __init__(self, limit_bytes: int, sequence: int = 0) -> None:
        self._buffer = bytearray()
        self._limit_bytes = min(limit_bytes, MAX_PAYLOAD - 1)
        self.sequence = sequence

    def feed(self, data: bytes) -> None:
        """Adds what was received."""
        self._buffer += data

    def next(self) -> bytes | None:
        """The next payload, or None while it is incomplete. What follows it is left alone, see `rest`."""
        buffer = self._buffer
        if len(buffer) < HEADER_BYTES:
            return None
        length = int.from_bytes(buffer[:3], "little")
        if length > self._limit_bytes:
            raise ProtocolError(f"a packet of {length} bytes where {self._limit_bytes} are the limit")
        if buffer[3] != self.sequence:
            raise ProtocolError(f"packet number {buffer[3]} where {self.sequence} is due")
        end = HEADER_BYTES + length
        if len(buffer) < end:
            return None
        payload = bytes(buffer[HEADER_BYTES:end])
        del buffer[:end]
        self.sequence = (self.sequence + 1) & 0xFF
        return payload

    def rest(self) -> bytes:
        """Takes the unread bytes out: after an SSLRequest they are the beginning of TLS and no packets."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    @property
    def pending(self) -> int:
        """Unread bytes."""
        return len(self._buffer)
