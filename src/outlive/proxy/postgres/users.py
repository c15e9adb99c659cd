"""What PostgreSQL clients are judged by: passwords, and secrets as the server stores them."""

from __future__ import annotations

from outlive.auth.postgres.credential import Credential
from outlive.auth.postgres.mock import MockSecrets
from outlive.proxy.users import ClientUsers
from outlive.upstream.postgres.dial import is_stored
from outlive.upstream.users import Users


class PostgresUsers(ClientUsers):
    """See `ClientUsers`."""

    def __init__(self, users: Users, mock: MockSecrets) -> None:
        ClientUsers.__init__(self, users)
        self._mock = mock

    def make(self, user: bytes, password: bytes, *, listed: bool) -> Credential | None:
        """See `ClientUsers`. An empty password logs nobody in, as at the server."""
        if not password:
            return None
        if listed and is_stored(password):
            # It judges clients, whose proofs then log in at the server.
            return Credential.of_stored(password.decode("ascii"))
        return Credential.of_password(user, password, self._mock)
