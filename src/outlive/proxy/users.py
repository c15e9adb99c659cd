"""The passwords by which clients are judged."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

from outlive.config.secrets import SecretError
from outlive.upstream.users import Users

_KEPT_MAX: Final = 10_000
FRESH_S: Final = 10.0


class ClientUsers(ABC):
    """Credentials of one server's users, made from the very secrets with which Outlive logs in there.

    A secret is read at each login, so that a rotated password counts at once; one that a command gives is taken as it
    was up to FRESH_S ago, since a command may take seconds, and strangers must not start them at will.
    """

    def __init__(self, users: Users) -> None:
        self.users = users
        self._kept: dict[str, tuple[bytes, Any]] = {}

    @abstractmethod
    def make(self, user: bytes, password: bytes, *, listed: bool) -> Any:
        """The protocol's credential of a password, None where there can be none. `listed`: by the configuration."""

    def is_listed(self, user: bytes) -> bool:
        """Whether the configuration has this user."""
        return _name(user) in self.users.secrets

    def credential(self, user: bytes) -> Any:
        """None where the user is not known here."""
        name = _name(user)
        password = None if name is None else self._password(name)
        if name is None or password is None:
            return None
        kept = self._kept.get(name)
        if kept is not None and kept[0] == password:
            return kept[1]
        made = self.make(user, password, listed=name in self.users.secrets)
        if made is not None:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            self._kept[name] = password, made
        return made

    def renewal(self, user: bytes, now: float) -> asyncio.Future[bytes] | None:
        """The run of the user's command where what it gave is not fresh: judge the user when it is done, either way."""
        users = self.users
        name = _name(user)
        secret = None if name is None else users.secrets.get(name)
        if name is None or secret is None or not secret.blocks or now - users.read_at.get(name, -FRESH_S) < FRESH_S:
            return None
        running = asyncio.ensure_future(users.run(name, secret))
        running.add_done_callback(_told)
        return running

    def _password(self, name: str) -> bytes | None:
        users = self.users
        secret = users.secrets.get(name)
        if secret is None:
            return users.passed_through.get(name)
        if secret.blocks:
            return users.last_read.get(name)
        try:
            return secret.read()
        except SecretError:
            return None


def _name(user: bytes) -> str | None:
    try:
        return user.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _told(running: asyncio.Future[bytes]) -> None:
    """A command that fails leaves what was known before; the next dial says in the log why."""
    if not running.cancelled():
        running.exception()
