"""Redis, Debian's package: in memory, with the accounts that clients log in as."""

from pathlib import Path
from typing import Any

import redis

from .processes import Process, free_port, own_folder, program

USER, PASSWORD = "app", "app's password"
READER, READER_PASSWORD = "reader", "r"


class RedisServer:
    """On a loopback port, ready when the constructor returns. `users`: the default user has no password, `app` and
    `reader` have one. `options` go to the command line.
    """

    def __init__(self, *, port: int | None = None, **options: object) -> None:
        self.host = "127.0.0.1"
        self.port = port or free_port()
        self._options = options
        self._folder: Path = own_folder("redis")
        self.process = self._start()

    def _start(self) -> Process:
        options = {"port": self.port, "bind": self.host, "save": "", "appendonly": "no", "dir": self._folder}
        command = [program("redis-server", "redis-server")]
        for name, value in {**options, **self._options}.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        process = Process(command, name="redis", folder=self._folder)
        process.wait_line("Ready to accept connections", 30)
        with self._connect(process) as client:
            client.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
            reader = ("on", f">{READER_PASSWORD}", "~*", "&*", "+@all", "-@write")
            client.execute_command("ACL", "SETUSER", READER, *reader)
        return process

    def _connect(self, process: Process) -> "redis.Redis":
        return redis.Redis(host=self.host, port=self.port, client_name="observer", protocol=3)

    def restart(self) -> None:
        """Killed, and started again on the same port: empty."""
        self.process.kill()
        self.process.close()
        self.process = self._start()

    def ask(self, *command: Any) -> Any:
        """One command on a connection of its own."""
        with self._connect(self.process) as client:
            return client.execute_command(*command)

    def connections(self) -> list[dict[str, Any]]:
        """Those of Outlive, as CLIENT LIST shows them."""
        with self._connect(self.process) as client:
            return [found for found in client.client_list() if found["name"] == "outlive"]

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "RedisServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
