"""HAProxy in TCP mode: the floor of what any relay costs."""

import socket
import time

from .processes import Process, ServerError, free_port, own_folder, program

_CONFIGURATION = """\
global
    nbthread {threads}
    maxconn 4000
    stats socket {socket} mode 600
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen database
    bind {host}:{port}
    server database {target}
"""


class HAProxy:
    """Relays `host:port` to `target_host:target_port`, with one thread by default, as one Outlive process has one."""

    def __init__(self, target_host: str, target_port: int, *, threads: int = 1, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = free_port()
        self.folder = own_folder("haproxy")
        path = self.folder / "haproxy.cfg"
        path.write_text(
            _CONFIGURATION.format(
                threads=threads,
                socket=self.folder / "stats.sock",
                host=host,
                port=self.port,
                target=f"{target_host}:{target_port}",
            )
        )
        # -db stays in the foreground, -V says when it has bound its ports and started.
        self.process = Process(
            [program("haproxy", "haproxy"), "-V", "-db", "-f", str(path)], name="haproxy", folder=self.folder
        )
        self.pid = self.process.pid
        self._wait_until_bound()

    def _wait_until_bound(self) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                if not self.process.wait_change(0.02) or time.monotonic() > deadline:
                    raise ServerError(f"haproxy does not listen:\n{self.process.log}") from None

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "HAProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
