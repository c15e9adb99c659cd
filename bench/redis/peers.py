"""twemproxy (Debian's nutcracker) and webdis, one thread each, before a Redis."""

import json
import socket
import time

from tests.servers.processes import Process, ServerError, free_port, own_folder, program

_TWEMPROXY = """\
redis:
  listen: 127.0.0.1:{port}
  redis: true
  auto_eject_hosts: false
  client_connections: 4000
  server_connections: {connections}
  servers:
   - 127.0.0.1:{target}:1
"""


class _Peer:
    """A relay on a loopback port, ready when the constructor returns."""

    host = "127.0.0.1"

    def __init__(self, name: str, command: list[str]) -> None:
        self.process = Process(command, name=name, folder=self.folder)
        self.pid = self.process.pid
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection((self.host, self.port), 1).close()
                return
            except OSError:
                if not self.process.wait_change(0.02) or time.monotonic() > deadline:
                    raise ServerError(f"{name} does not listen:\n{self.process.log}") from None

    def _listens(self, name: str) -> None:
        self.port = free_port()
        self.folder = own_folder(name)

    def __enter__(self) -> "_Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.close()


class Twemproxy(_Peer):
    """With `connections` to the server."""

    def __init__(self, target: int, connections: int) -> None:
        self._listens("nutcracker")
        path = self.folder / "nutcracker.yml"
        path.write_text(_TWEMPROXY.format(port=self.port, connections=connections, target=target))
        stats = ["-s", str(free_port()), "-a", self.host]
        _Peer.__init__(self, "nutcracker", [program("nutcracker", "nutcracker"), "-c", str(path), *stats])


class Webdis(_Peer):
    """With one thread, as one process of Outlive has one."""

    def __init__(self, target: int) -> None:
        self._listens("webdis")
        path = self.folder / "webdis.json"
        options = {
            "redis_host": self.host,
            "redis_port": target,
            "http_host": self.host,
            "http_port": self.port,
            "threads": 1,
            "daemonize": False,
            "verbosity": 0,
            "logfile": str(self.folder / "webdis.log"),
        }
        path.write_text(json.dumps(options))
        _Peer.__init__(self, "webdis", [program("webdis", "webdis"), str(path)])
