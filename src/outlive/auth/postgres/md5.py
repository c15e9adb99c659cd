"""PostgreSQL's md5 authentication: MD5(MD5(password + user) + salt), both in hexadecimal."""

import hashlib
import re
from typing import Final

_STORED: Final = re.compile(r"md5([0-9a-f]{32})", re.ASCII)


def md5_hash(password: bytes, user: bytes) -> bytes:
    """What a server stores, 32 hexadecimal digits without its prefix `md5`. It logs in as the password does: secret."""
    return _hex(password + user)


def md5_response(stored: bytes, salt: bytes) -> bytes:
    """What a client sends, its final NUL excluded."""
    return b"md5" + _hex(stored + salt)


def parse_md5_hash(text: str) -> bytes | None:
    """The digits of a stored hash with its prefix `md5`, or None if this is no such hash."""
    match = _STORED.fullmatch(text)
    return match[1].encode("ascii") if match else None


def _hex(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode("ascii")
