"""Where a client connects: the database itself, or Outlive in front of it."""

import difflib
import pprint
from dataclasses import dataclass
from typing import Any

from ..servers import Account, DatabaseServer, OutliveProcess
from ..servers.database import APP


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port that speak MySQL's protocol, and whether a MariaDB is behind it."""

    host: str
    port: int
    mariadb: bool
    account: Account = APP
    database: str = "test"

    @classmethod
    def direct(cls, server: DatabaseServer) -> "Target":
        return cls(server.host, server.port, server.flavour == "mariadb")

    @classmethod
    def through(cls, node: OutliveProcess, server: DatabaseServer) -> "Target":
        return cls(node.host, node.port, server.flavour == "mariadb")

    def login(self, **options: Any) -> dict[str, Any]:
        """What most drivers' `connect` take, and `options`."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.account.user,
            "password": self.account.password,
            "database": self.database,
            **options,
        }


def assert_same(direct: list[Any], through: list[Any]) -> None:
    """The two transcripts are equal; else the failure shows where they part."""
    if direct != through:
        left = [line for entry in direct for line in pprint.pformat(entry, width=150).splitlines()]
        right = [line for entry in through for line in pprint.pformat(entry, width=150).splitlines()]
        raise AssertionError("\n".join(difflib.unified_diff(left, right, "direct", "through", lineterm="", n=4)))
