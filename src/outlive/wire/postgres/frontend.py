"""A client's messages in place: which of them a chunk has, where their parts lie, and how names are replaced.

A view takes the chunk, where the message begins (its type byte) and where it ends, and copies only what it returns.
Source: "Message Formats" of the PostgreSQL documentation; limits of lengths as the server has them (SocketBackend in
its postgres.c).
"""

import struct
from collections.abc import Sequence
from struct import Struct
from typing import Final

from outlive.wire import ProtocolError
from outlive.wire.postgres.constants import (
    BIND,
    CLOSE,
    COPY_DATA,
    COPY_DONE,
    COPY_FAIL,
    DESCRIBE,
    EXECUTE,
    FLUSH,
    FUNCTION_CALL,
    PARSE,
    PORTAL,
    QUERY,
    STATEMENT,
    SYNC,
    TERMINATE,
)

LARGE_LIMIT_BYTES: Final = 0x3FFFFFFE
"""The length, its own four bytes included, of messages that carry a client's data (PQ_LARGE_MESSAGE_LIMIT)."""
SMALL_LIMIT_BYTES: Final = 10_000
"""Of all others (PQ_SMALL_MESSAGE_LIMIT)."""
NAMES_LIMIT_BYTES: Final = 4096
"""What the names at the head of a Bind or Parse may take: of a larger message so much must have come before its view
is asked for. Servers tell names apart by their first 63 bytes."""

_LIMITS: Final = [0] * 256
for _kind in (QUERY, PARSE, BIND, FUNCTION_CALL, COPY_DATA):
    _LIMITS[_kind] = LARGE_LIMIT_BYTES
for _kind in (CLOSE, DESCRIBE, EXECUTE, COPY_FAIL):
    _LIMITS[_kind] = SMALL_LIMIT_BYTES
for _kind in (FLUSH, SYNC, TERMINATE, COPY_DONE):
    _LIMITS[_kind] = 4

_unpack_head: Final = Struct(">BI").unpack_from
unpack_length: Final = Struct(">xI").unpack_from
"""The length of the message at an offset, which its type byte does not count: for a chunk of five bytes or more."""
_pack_head: Final = Struct(">BI").pack
_unpack_long: Final = Struct(">i").unpack_from
_CUT_SHORT: Final = struct.error

# How nearly every driver ends: Describe the unnamed portal, Execute it without a limit, Sync.
_DES: Final = b"D\0\0\0\x06P\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04"
_ES: Final = _DES[7:]


def scan(data: bytes, position: int = 0) -> tuple[bytes, Sequence[int]]:
    """Which whole messages follow: their types, one byte each, and the bounds between them.

    Message `i` is data[bounds[i]:bounds[i + 1]]; at bounds[-1] the incomplete tail begins, if there is one. Raises
    ProtocolError on a type or length that no client sends, the tail's included as soon as its head is here.
    """
    size = len(data)
    # The chunks of most clients, without a loop. What is equal to _DES cannot overlap the head before it.
    if size - position >= 5:
        kind, length = _unpack_head(data, position)
        end = position + length + 1
        if kind == QUERY:
            if end == size:
                return b"Q", (position, end)
        elif kind == BIND:
            if size - end == 22 and data[end:] == _DES:
                return b"BDES", (position, end, end + 7, end + 17, size)
            if size - end == 15 and data[end:] == _ES:
                return b"BES", (position, end, end + 10, size)
        elif kind == PARSE and end <= size - 5:
            kind, length = _unpack_head(data, end)
            second = end + length + 1
            if kind == BIND and size - second == 22 and data[second:] == _DES:
                return b"PBDES", (position, end, second, second + 7, second + 17, size)
    return _scan(data, position, size)


def _scan(data: bytes, position: int, size: int) -> tuple[bytes, list[int]]:
    kinds: list[int] = []
    bounds = [position]
    limits = _LIMITS
    unpack_head = _unpack_head
    try:
        while True:
            kind, length = unpack_head(data, position)
            if length > limits[kind] or length < 4:
                raise _refused(kind, length)
            position += length + 1
            if position > size:
                break
            kinds.append(kind)
            bounds.append(position)
    except _CUT_SHORT:
        if position < size and not limits[data[position]]:
            raise _refused(data[position], 0) from None
    return bytes(kinds), bounds


def _refused(kind: int, length: int) -> ProtocolError:
    if not _LIMITS[kind]:
        return ProtocolError(f"no client's message is of type {kind}")
    return ProtocolError(f"a message {chr(kind)} of length {length}")


def head(data: bytes, position: int) -> tuple[int, int] | None:
    """Type of the message at `position`, and where it will end; None while its five bytes of head are not here.

    Raises ProtocolError as `scan` does.
    """
    if len(data) - position < 5:
        return None
    kind, length = _unpack_head(data, position)
    if length > _LIMITS[kind] or length < 4:
        raise _refused(kind, length)
    return kind, position + length + 1


def copy_data_end(data: bytes, position: int) -> int:
    """Where the CopyData messages end that begin at `position`: at the head of another message, at a head that is cut
    short, or behind the end of `data` when the last one is.
    """
    try:
        while True:
            kind, length = _unpack_head(data, position)
            if kind != COPY_DATA:
                return position
            if length > LARGE_LIMIT_BYTES or length < 4:
                raise _refused(kind, length)
            position += length + 1
    except _CUT_SHORT:
        return position


def query_text(data: bytes, start: int, end: int) -> bytes:
    """The SQL of a Query. Raises ProtocolError where its only NUL is not at its end."""
    text = start + 5
    if data.find(0, text, end) != end - 1:
        raise ProtocolError("a Query is not one terminated string")
    return data[text : end - 1]


def parse_names(data: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes]:
    """Of a Parse the statement's name, its SQL, and its types: an Int16 count and the oids, as `messages.parse` takes
    them. Raises ProtocolError.
    """
    name_end = data.find(0, start + 5, end)
    text_end = data.find(0, name_end + 1, end)
    if name_end < 0 or text_end < 0:
        raise ProtocolError("a string of a Parse is not terminated")
    types = data[text_end + 1 : end]
    if len(types) < 2 or len(types) != 2 + 4 * int.from_bytes(types[:2], "big"):
        raise ProtocolError("a Parse of another length than its types")
    return data[start + 5 : name_end], data[name_end + 1 : text_end], types


def bind_names(data: bytes, start: int, end: int) -> tuple[bytes, bytes, int]:
    """Of a Bind the portal's name, the statement's, and where the rest begins. Raises ProtocolError.

    `end` may be where the data end, of a Bind that has not come whole: see NAMES_LIMIT_BYTES.
    """
    portal_end = data.find(0, start + 5, end)
    statement_end = data.find(0, portal_end + 1, end)
    if portal_end < 0 or statement_end < 0:
        raise ProtocolError("a name in a Bind is not terminated")
    return data[start + 5 : portal_end], data[portal_end + 1 : statement_end], statement_end + 1


def target(data: bytes, start: int, end: int) -> tuple[int, bytes]:
    """What a Describe or Close is about: STATEMENT or PORTAL, and its name. Raises ProtocolError."""
    if end - start < 7 or data.find(0, start + 6, end) != end - 1:
        raise ProtocolError("a Describe or Close is not one kind and one name")
    kind = data[start + 5]
    if kind not in (STATEMENT, PORTAL):
        raise ProtocolError("a Describe or Close of neither a statement nor a portal")
    return kind, data[start + 6 : end - 1]


def execute_portal(data: bytes, start: int, end: int) -> tuple[bytes, int]:
    """Of an Execute the portal's name and the most rows to return; 0 or less: all. Raises ProtocolError."""
    if end - start < 10 or data.find(0, start + 5, end) != end - 5:
        raise ProtocolError("an Execute is not one name and one number")
    (max_rows,) = _unpack_long(data, end - 4)
    return data[start + 5 : end - 5], max_rows


def rename_parse(data: bytes, start: int, end: int, name: bytes) -> tuple[bytes, int]:
    """A Parse under another name: what stands in place of its beginning, and where in `data` the rest lies.

    As of all these the message is the first + data[the second:end], so that one that goes on behind `end`, and the
    messages behind it, need no copy of their own. Raises ProtocolError.
    """
    name_end = data.find(0, start + 5, end)
    if name_end < 0:
        raise ProtocolError("the name in a Parse is not terminated")
    length = int.from_bytes(data[start + 1 : start + 5], "big") + len(name) - (name_end - start - 5)
    return _pack_head(PARSE, length) + name, name_end


def rename_bind(data: bytes, start: int, end: int, name: bytes) -> tuple[bytes, int]:
    """A Bind of another statement; returns as rename_parse does. Raises ProtocolError."""
    portal_end = data.find(0, start + 5, end)
    statement_end = data.find(0, portal_end + 1, end)
    if portal_end < 0 or statement_end < 0:
        raise ProtocolError("a name in a Bind is not terminated")
    length = int.from_bytes(data[start + 1 : start + 5], "big") + len(name) - (statement_end - portal_end - 1)
    return b"".join((_pack_head(BIND, length), data[start + 5 : portal_end + 1], name)), statement_end


def rename_first_bind(data: bytes, start: int, rest: int, size: int, name: bytes) -> bytes:
    """All that begins with a Bind at `start` to the unnamed portal, of another statement: `size` is that of the name
    that goes, `rest` where what follows it begins (`bind_names`).
    """
    length = _unpack_head(data, start)[1] + len(name) - size
    return b"%b\0%b%b" % (_pack_head(BIND, length), name, data[rest - 1 :])


def rename_target(data: bytes, start: int, end: int, name: bytes) -> bytes:
    """The whole Describe or Close under another name. Raises ProtocolError."""
    kind, _ = target(data, start, end)
    return b"".join((_pack_head(data[start], len(name) + 6), bytes((kind,)), name, b"\0"))
