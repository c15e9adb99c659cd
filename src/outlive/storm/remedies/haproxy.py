"""Through HAProxy in TCP mode with maxconn: what a reverse proxy can do that knows no transactions."""

import os
import resource
import shutil

from outlive.storm.remedies.neighbour import Neighbour
from outlive.storm.stage import in_memory

_MOST_CLIENTS = 20_000
_OTHER_FILES = 200
_PATHS = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
_CONFIGURATION = """\
global
    maxconn {clients}
defaults
    mode tcp
    timeout connect 5s
    timeout queue {queue_ms}ms
    timeout client {idle_ms}ms
    timeout server {idle_ms}ms
listen database
    bind 127.0.0.1:{port}
    server database {host}:{server_port} maxconn {budget}
"""


class HAProxy(Neighbour):
    """A client has its server connection until either ends; who finds none waits, without a greeting."""

    name = "HAProxy"

    def obstacle(self) -> str:
        if shutil.which("haproxy", path=_PATHS) is None:
            return "HAProxy is not installed (Debian's package haproxy)"
        return ""

    def command(self, port: int) -> tuple[list[str], list[int]]:
        server = self._stage.observed
        text = _CONFIGURATION.format(
            # It refuses to start with more than its files allow, of which a client needs two.
            clients=min(_MOST_CLIENTS, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _OTHER_FILES) // 2),
            queue_ms=round((self.policy.queue_timeout_s or 0) * 1000),
            idle_ms=round((self.policy.client_idle_s or 0) * 1000),
            port=port,
            host=server.host,
            server_port=server.port,
            budget=self.policy.budget,
        )
        configuration = in_memory("haproxy", text)
        program = shutil.which("haproxy", path=_PATHS) or "haproxy"
        return [program, "-db", "-f", f"/proc/self/fd/{configuration}"], [configuration]
