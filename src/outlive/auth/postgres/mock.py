"""Secrets for users that do not exist, so that their logins look and take like those of users that do."""

import os
from typing import Final

from outlive.auth.postgres.scram import DEFAULT_ITERATIONS, SALT_BYTES, ScramSecret, hmac_sha256

_KEY_BYTES: Final = 32


class MockSecrets:
    """Made once a process. Nobody knows a password to any of these secrets.

    A user's salt is always the same, as that of a real secret is (PostgreSQL's scram_mock_salt has the same reason);
    it is also the salt of users whose clear password is known, so that it tells nothing.
    iterations: the users' own, PostgreSQL's default unless the server was told otherwise (scram_iterations).
    key: 32 random bytes; processes that share an address should share it, or a name's salt changes with the process.
    """

    __slots__ = ("_key", "iterations")

    def __init__(self, key: bytes | None = None, iterations: int = DEFAULT_ITERATIONS) -> None:
        self._key = os.urandom(_KEY_BYTES) if key is None else key
        self.iterations = iterations

    def salt(self, user: bytes) -> bytes:
        """The salt of a user: 16 bytes."""
        return self._of(b"salt", user)[:SALT_BYTES]

    def scram(self, user: bytes) -> ScramSecret:
        """A secret that no password fits."""
        return ScramSecret(self.iterations, self.salt(user), self._of(b"stored", user), self._of(b"server", user))

    def md5(self, user: bytes) -> bytes:
        """A hash that no password fits."""
        return self._of(b"md5", user)[:16].hex().encode("ascii")

    def _of(self, purpose: bytes, user: bytes) -> bytes:
        return hmac_sha256(self._key, purpose + b"\0" + user)
