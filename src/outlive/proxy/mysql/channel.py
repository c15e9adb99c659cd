"""A MySQL client's socket: it may go through the gate again (COM_CHANGE_USER)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outlive.proxy.channel import Channel
from outlive.proxy.mysql.gate import MySQLGate

if TYPE_CHECKING:
    from outlive.proxy.mysql.client import MySQLClient
    from outlive.proxy.mysql.services import MySQLServices


class MySQLChannel(Channel):
    """See `Channel`. `scramble` is the one its client was greeted with."""

    __slots__ = ("scramble",)

    services: MySQLServices
    client: MySQLClient | None

    def __init__(self, services: MySQLServices) -> None:
        Channel.__init__(self, services)
        self.scramble = b""

    def change_user(self, payload: bytes, ahead: bytes) -> None:
        """COM_CHANGE_USER: through the gate again. `ahead` are the client's bytes behind it."""
        client, self.client = self.client, None
        gate = self.gate = MySQLGate(self, self.services)
        gate.change_user(payload, client, ahead)
