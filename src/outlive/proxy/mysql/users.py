"""The passwords by which MySQL clients are judged."""

from __future__ import annotations

from outlive.auth.mysql.credential import Credential
from outlive.proxy.users import ClientUsers


class MySQLUsers(ClientUsers):
    """See `ClientUsers`."""

    def make(self, user: bytes, password: bytes, *, listed: bool) -> Credential:
        """See `ClientUsers`."""
        return Credential(password)
