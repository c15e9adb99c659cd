"""Through PgBouncer with transaction pooling, the pooler that PostgreSQL's users know."""

import os
import shutil
from dataclasses import replace

from outlive.storm.plan import Target
from outlive.storm.remedies.neighbour import Neighbour
from outlive.storm.stage import in_memory

_MOST_CLIENTS = 20_000
_PATHS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--pdeathsig", "KILL", "--"]
"""It refuses to run as root; the signal at the parent's death is lost with the change of user, so it is set again."""


class PgBouncer(Neighbour):
    """Its configuration, with the password, is in memory only."""

    name = "PgBouncer"

    def obstacle(self) -> str:
        if self._stage.observed.scheme != "postgresql":
            return "PgBouncer speaks PostgreSQL's protocol only"
        if shutil.which("pgbouncer", path=_PATHS) is None:
            return "PgBouncer is not installed (Debian's package pgbouncer)"
        return ""

    def command(self, port: int) -> tuple[list[str], list[int]]:
        server = self._stage.observed
        users = in_memory("users", f"{_quoted(server.user)} {_quoted(server.password)}\n")
        options = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": f"/proc/self/fd/{users}",
            "pool_mode": "transaction",
            "default_pool_size": self.policy.budget,
            "max_db_connections": self.policy.budget,
            "max_client_conn": _MOST_CLIENTS,
            "query_wait_timeout": int(self.policy.queue_timeout_s or 0),
            "server_tls_sslmode": "disable" if server.tls == "disabled" else "require",
            "log_connections": 0,
            "log_disconnections": 0,
        }
        lines = "".join(f"{name} = {value}\n" for name, value in options.items())
        databases = f"[databases]\n* = host={server.host} port={server.port}\n"
        settings = in_memory("pgbouncer", f"{databases}[pgbouncer]\n{lines}")
        program = shutil.which("pgbouncer", path=_PATHS) or "pgbouncer"
        before = _NOBODY if os.geteuid() == 0 else []
        return [*before, program, f"/proc/self/fd/{settings}"], [users, settings]

    @property
    def target(self) -> Target:
        return replace(super().target, tls="disabled")

    @property
    def shares(self) -> bool:
        return True


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
