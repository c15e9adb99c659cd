"""The passwords by which clients are judged."""

from __future__ import annotations

from typing import Final

from outlive.auth.mysql.credential import Credential
from outlive.config.secrets import SecretError
from outlive.upstream.mysql.dial import Users

_KEPT_MAX: Final = 10_000


class ClientUsers:
    """Credentials of one server's users, made from the very secrets with which Outlive logs in there.

    A secret is read at each login, so that a rotated password counts at once; one that a command gives is taken as the last
    dial read it, since a command may take seconds.
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
