"""The values of the settings that Outlive keeps to itself: what a server takes for one, and how it shows it.

Source: parse_int, convert_to_base_unit and ShowGUCOption in guc.c; those of TCP are shown by functions of their own,
as bare numbers, and 0 means the system's default (pqcomm.c).
"""

from __future__ import annotations

import re
from typing import Final

DEFAULTS: Final = {
    b"idle_session_timeout": b"0",
    b"client_connection_check_interval": b"0",
    b"tcp_user_timeout": b"0",
    b"tcp_keepalives_idle": b"7200",
    b"tcp_keepalives_interval": b"75",
    b"tcp_keepalives_count": b"9",
}
"""What is shown where nothing was set: servers' own defaults, and Linux's."""
_MILLISECONDS: Final = {b"us": 0.001, b"ms": 1.0, b"s": 1e3, b"min": 6e4, b"h": 3.6e6, b"d": 8.64e7}
_SECONDS: Final = {unit: factor / 1000 for unit, factor in _MILLISECONDS.items()}
_UNITS: Final = {
    b"idle_session_timeout": _MILLISECONDS,
    b"client_connection_check_interval": _MILLISECONDS,
    b"tcp_user_timeout": _MILLISECONDS,
    b"tcp_keepalives_idle": _SECONDS,
    b"tcp_keepalives_interval": _SECONDS,
    b"tcp_keepalives_count": {},
}
_WITH_UNITS: Final = (b"idle_session_timeout", b"client_connection_check_interval")
_SHOWN_UNITS: Final = ((b"d", 86_400_000), (b"h", 3_600_000), (b"min", 60_000), (b"s", 1000), (b"ms", 1))
_NUMBER: Final = re.compile(
    rb"\s*([+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?))\s*([a-z]*)\s*\Z"
)
_LONGEST_BYTES: Final = 64
_LARGEST: Final = 2**31 - 1


def shown(name: bytes, value: bytes) -> bytes | None:
    """`value` of the virtual setting `name` as SHOW shows it; None where it is none that a server takes for certain."""
    found = _NUMBER.match(value) if len(value) <= _LONGEST_BYTES else None
    if found is None:
        return None
    factor = _UNITS[name].get(found[2]) if found[2] else 1.0
    if factor is None:
        return None
    number = round(_number(found[1]) * factor)
    if not 0 <= number <= _LARGEST:
        return None
    if name not in _WITH_UNITS:
        return b"%d" % number if number else DEFAULTS[name]
    if number:
        for unit, size in _SHOWN_UNITS:
            if number % size == 0:
                return b"%d%b" % (number // size, unit)
    return b"0"


def _number(digits: bytes) -> float:
    bare = digits.lstrip(b"+-")
    if bare[:2].lower() == b"0x":
        number: float = int(bare, 16)
    elif bare[:1] == b"0" and bare.isdigit() and not set(bare) & set(b"89"):
        number = int(bare, 8)  # as strtol reads it
    else:
        number = min(float(bare), 1e30)
    return -number if digits[:1] == b"-" else number
