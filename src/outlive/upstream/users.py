"""The secrets with which Outlive logs in at a server."""

from __future__ import annotations

import asyncio

from outlive.config.secrets import Secret


class Users:
    """The passwords with which Outlive logs in at a server.

    Configured users have a secret that is read at each dial. Those of passthrough are kept in memory as their
    clients gave them, and nowhere else.
    """

    __slots__ = ("_running", "last_read", "passed_through", "read_at", "secrets", "trials")

    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.passed_through: dict[str, bytes] = {}
        self.last_read: dict[str, bytes] = {}
        """What commands gave last, by user."""
        self.read_at: dict[str, float] = {}
        """When a command last gave something or failed, by user, on the loop's clock."""
        self._running: dict[str, asyncio.Future[bytes]] = {}
        self.trials: dict[int, bytes] = {}
        """Passwords being tried, by the number of the attempt."""

    def __repr__(self) -> str:
        return f"Users({', '.join(sorted(self.secrets))})"

    async def password(self, user: str) -> bytes:
        """Raises SecretError."""
        secret = self.secrets.get(user)
        if secret is None:
            return self.passed_through.get(user, b"")
        if secret.blocks:
            return await self.run(user, secret)
        return secret.read()

    async def run(self, user: str, secret: Secret) -> bytes:
        """What a command gives now; one run serves all who ask meanwhile. Raises SecretError."""
        running = self._running.get(user)
        if running is None:
            running = self._running[user] = asyncio.ensure_future(self._run(user, secret))
        return await asyncio.shield(running)

    async def _run(self, user: str, secret: Secret) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            password = await loop.run_in_executor(None, secret.read)
            self.last_read[user] = password
            return password
        finally:
            self.read_at[user] = loop.time()
            del self._running[user]

    def forget(self, user: str) -> None:
        """The server refused the password that a client once gave: it is no proof of anything any more."""
        self.passed_through.pop(user, None)
