"""Redis, Debian's package: in memory, with the accounts that clients log in as."""

from pathlib import Path
from typing import Any

import redis

from .namespaces import Namespace
from .processes import Process, free_port, own_folder, program

USER, PASSWORD = "app", "app's password"
READER, READER_PASSWORD = "reader", "r"


class RedisServer:
    """On a loopback port, ready when the constructor returns. `users`: the default user has no password, `app` and
    `reader` have one. `options` go to the command line.
    """

    def __init__(
        self,
        *,
        port: int | None = None,
        host: str = "127.0.0.1",
        namespace: Namespace | None = None,
        **options: object,
    ) -> None:
        self.host = host
        self.port = port or free_port()
        self._namespace = namespace
        self._options = options
        self._folder: Path = own_folder("redis")
        self.process = self._start()

    def _start(self) -> Process:
        self._folder.mkdir(exist_ok=True)  # the end of the process before took it along
        options = {"port": self.port, "bind": self.host, "save": "", "appendonly": "no", "dir": self._folder}
        command = [program("redis-server", "redis-server")]
        for name, value in {**options, **self._options}.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        where = self._namespace.name if self._namespace else None
        process = Process(command, name="redis", folder=self._folder, namespace=where)
        process.wait_line("Ready to accept connections", 30)
        self._call(self._add_users)
        return process

    def _add_users(self) -> None:
        with self._connect() as client:
            client.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
            reader = ("on", f">{READER_PASSWORD}", "~*", "&*", "+@all", "-@write")
            client.execute_command("ACL", "SETUSER", READER, *reader)

    def _call(self, function: Any, *arguments: Any) -> Any:
        return self._namespace.call(function, *arguments) if self._namespace else function(*arguments)

    def _connect(self) -> "redis.Redis":
        return redis.Redis(host=self.host, port=self.port, client_name="observer", protocol=3)

    def restart(self) -> None:
        """Killed, and started again on the same port: empty."""
        self.process.kill()
        self.process.close()
        self.process = self._start()

    def ask(self, *command: Any) -> Any:
        """One command on a connection of its own."""
        return self._call(self._ask, *command)

    def _ask(self, *command: Any) -> Any:
        with self._connect() as client:
            return client.execute_command(*command)

    def connections(self) -> list[dict[str, Any]]:
        """Those of Outlive, as CLIENT LIST shows them."""
        return [found for found in self.ask("CLIENT LIST") if found["name"] == "outlive"]

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "RedisServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
