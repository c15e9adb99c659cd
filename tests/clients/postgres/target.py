"""Where a PostgreSQL client connects: the database itself, or Outlive in front of it."""

from __future__ import annotations

from dataclasses import dataclass

from ...servers import Account, OutliveProcess, PostgresServer
from ...servers.database import APP


@dataclass(frozen=True, slots=True)
class Target:
    """A host and port that speak PostgreSQL's protocol; `is_direct` for what only the way there makes different."""

    host: str
    port: int
    is_direct: bool
    account: Account = APP
    database: str = "test"

    @classmethod
    def direct(cls, server: PostgresServer) -> Target:
        return cls(server.host, server.port, True)

    @classmethod
    def through(cls, node: OutliveProcess) -> Target:
        return cls(node.host, node.pg_port, False)

    @property
    def conninfo(self) -> dict[str, object]:
        """libpq's keywords, which most drivers took over."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.account.user,
            "password": self.account.password,
            "dbname": self.database,
        }

    @property
    def url(self) -> str:
        """For those who take one."""
        return f"postgresql://{self.account.user}:{self.account.password}@{self.host}:{self.port}/{self.database}"
