"""Neon-Connection-String: it names a configured database and user. Its host is never dialled."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from outlive.gateway.failure import Failure, bad_request

HEADER: Final = "neon-connection-string"
_MAX_BYTES: Final = 8192


class Target(NamedTuple):
    """`password` is "" where another credential says who asks."""

    database: str
    user: str
    password: str


def parse_target(text: str) -> Target:
    """Raises Failure, without the text: it has a password."""
    if not text or len(text) > _MAX_BYTES:
        raise bad_request("The request needs the header Neon-Connection-String.")
    try:
        url = urlsplit(text)
        user, password = unquote(url.username or ""), unquote(url.password or "")
    except ValueError:
        raise _malformed() from None
    database = unquote(url.path.removeprefix("/")) or user
    if url.scheme not in ("postgres", "postgresql") or not database:
        raise _malformed()
    return Target(database, user, password)


def _malformed() -> Failure:
    return bad_request("Neon-Connection-String is not of the form postgresql://user:password@host/database.")
