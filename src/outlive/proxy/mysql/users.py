"""The passwords by which clients are judged."""

from __future__ import annotations

import asyncio
from typing import Final

from outlive.auth.mysql.credential import Credential
from outlive.config.secrets import SecretError
from outlive.upstream.users import Users

_KEPT_MAX: Final = 10_000
FRESH_S: Final = 10.0


class ClientUsers:
    """Credentials of one server's users, made from the very secrets with which Outlive logs in there.

    A secret is read at each login, so that a rotated password counts at once; one that a command gives is taken as it
    was up to FRESH_S ago, since a command may take seconds, and strangers must not start them at will.
    """

    __slots__ = ("_kept", "_users")

    def __init__(self, users: Users) -> None:
        self._users = users
        self._kept: dict[str, tuple[bytes, Credential]] = {}

    def credential(self, user: bytes) -> Credential | None:
        """None where the user is not known here."""
        try:
            name = user.decode("utf-8")
        except UnicodeDecodeError:
            return None
        password = self._password(name)
        if password is None:
            return None
        kept = self._kept.get(name)
        if kept is not None and kept[0] == password:
            return kept[1]
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        credential = Credential(password)
        self._kept[name] = password, credential
        return credential

    def renewal(self, user: bytes, now: float) -> asyncio.Future[bytes] | None:
        """The run of the user's command where what it gave is not fresh: judge the user when it is done, either way."""
        users = self._users
        name = user.decode("utf-8", "replace")
        secret = users.secrets.get(name)
        if secret is None or not secret.blocks or now - users.read_at.get(name, -FRESH_S) < FRESH_S:
            return None
        running = asyncio.ensure_future(users.run(name, secret))
        running.add_done_callback(_told)
        return running

    def _password(self, name: str) -> bytes | None:
        users = self._users
        secret = users.secrets.get(name)
        if secret is None:
            return users.passed_through.get(name)
        if secret.blocks:
            return users.last_read.get(name)
        try:
            return secret.read()
        except SecretError:
            return None


def _told(running: asyncio.Future[bytes]) -> None:
    """A command that fails leaves what was known before; the next dial says in the log why."""
    if not running.cancelled():
        running.exception()
