"""PostgreSQL's types: how parameters of them are written, and how their values become JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from outlive.gateway.cells import NULL, ascii_text, document, integer, number, text
from outlive.gateway.failure import bad_request
from outlive.gateway.parameters import Typed, as_bytes, as_text, typed
from outlive.gateway.postgres.type_names import ARRAYS, BOX, NAMES

UNKNOWN: Final = 0
_BYTEA: Final = 17
_ARRAY_OF: Final = {element: array for array, element in ARRAYS.items()}
_OIDS: Final = {name: oid for oid, name in NAMES.items()}
TYPES: Final = {
    **{name: oid for name, oid in _OIDS.items() if oid in _ARRAY_OF},
    "bytes": 17,
    "decimal": 1700,
    "int": 20,
    "float": 701,
    "boolean": 16,
}
"""What a parameter's `type` may be, also with `[]`."""

Encoder = Callable[[bytes], bytes]


def name_of(oid: int) -> str:
    """What the database calls it; the number of a type that is no built-in one."""
    if oid in ARRAYS:
        return NAMES[ARRAYS[oid]] + "[]"
    return NAMES.get(oid, str(oid))


# -- values ---------------------------------------------------------------------------------------


def boolean(value: bytes) -> bytes:
    """true or false."""
    return b"true" if value == b"t" else b"false"


def _binary(value: bytes) -> bytes:
    if value[:2] == b"\\x":
        return b'"' + b64encode(bytes.fromhex(value[2:].decode())) + b'"'
    return b'"' + b64encode(_unescaped(value)) + b'"'


def _unescaped(value: bytes) -> bytes:
    """bytea_output = escape, which a session may set."""
    pieces = value.split(b"\\\\")
    for index, piece in enumerate(pieces):
        first, *rest = piece.split(b"\\")
        pieces[index] = first + b"".join(bytes((int(part[:3], 8),)) + part[3:] for part in rest)
    return b"\\".join(pieces)


_ENCODERS: Final[dict[int, Encoder]] = {
    16: boolean,
    17: _binary,
    20: integer,
    21: bytes,
    23: bytes,
    26: bytes,
    114: document,
    700: number,
    701: number,
    1082: ascii_text,
    1083: ascii_text,
    1114: ascii_text,
    1184: ascii_text,
    1266: ascii_text,
    1700: ascii_text,
    2950: ascii_text,
    3802: document,
}


def encoder(oid: int, encoders: Mapping[int, Encoder] = _ENCODERS) -> Encoder:
    """From the server's text to JSON; what `encoders` lacks is text."""
    element = ARRAYS.get(oid)
    if element is None:
        return encoders.get(oid, text)
    of_element = encoders.get(element, text)
    comma = b";" if element == BOX else b","
    return lambda value: _array(value, of_element, comma)


def _array(value: bytes, of_element: Encoder, comma: bytes) -> bytes:
    """An array's text (PostgreSQL manual, 8.15.6) as a JSON array; bounds other than 1 are not told."""
    out: list[bytes] = []
    position = value.index(b"=") + 1 if value[:1] == b"[" else 0
    size, ends = len(value), (comma[0], 0x7D)
    while position < size:
        byte = value[position : position + 1]
        if byte == b"{":
            out.append(b"[")
            position += 1
        elif byte in (b"}", comma):
            out.append(b"]" if byte == b"}" else b",")
            position += 1
        elif byte == b'"':
            item, position = _quoted(value, position + 1)
            out.append(of_element(item))
        else:
            end = position
            while value[end] not in ends:
                end += 1
            item = value[position:end]
            out.append(NULL if item == b"NULL" else of_element(item))
            position = end
    return b"".join(out)


def _quoted(value: bytes, position: int) -> tuple[bytes, int]:
    out = bytearray()
    while value[position] != 0x22:
        if value[position] == 0x5C:
            position += 1
        out.append(value[position])
        position += 1
    return bytes(out), position + 1


# -- parameters -----------------------------------------------------------------------------------


def bound(values: Sequence[Any]) -> tuple[bytes, list[bytes | None]]:
    """What Parse says of the types, and the values for Bind. Raises Failure.

    A parameter without a type is of type unknown: the server takes it for what the statement needs.
    """
    oids: list[int] = []
    texts: list[bytes | None] = []
    for value in values:
        parameter = typed(value, TYPES)
        oid = _oid(parameter.type)
        oids.append(oid)
        texts.append(None if parameter.value is None else _text(parameter, oid))
    return len(oids).to_bytes(2, "big") + b"".join(oid.to_bytes(4, "big") for oid in oids), texts


def _oid(name: str) -> int:
    if not name:
        return UNKNOWN
    oid = TYPES[name.removesuffix("[]")]
    return _ARRAY_OF[oid] if name.endswith("[]") else oid


def _text(parameter: Typed, oid: int) -> bytes:
    value = parameter.value
    if oid == _BYTEA:
        return b"\\x" + as_bytes(value).hex().encode()
    if isinstance(value, list) and oid not in (114, 3802):
        return _literal(value, ARRAYS.get(oid, UNKNOWN))
    if oid in (114, 3802) and isinstance(value, str):
        return as_text(value)  # the document's own text
    found = as_text(value)
    if b"\0" in found:
        raise bad_request("A text parameter has a NUL character, which PostgreSQL does not take.")
    return found


def _literal(values: list[Any], oid: int) -> bytes:
    """An array as PostgreSQL reads it."""
    pieces = []
    for value in values:
        if value is None:
            pieces.append(b"NULL")
        elif isinstance(value, list) and oid not in (114, 3802):
            pieces.append(_literal(value, oid))
        else:
            item = _text(Typed("", value), oid)
            pieces.append(b'"' + item.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"')
    return b"{" + b",".join(pieces) + b"}"
