"""Redis, Debian's package: as much of a server as these tests need."""

import socket
from typing import Any

import redis

from ..servers.processes import Process, ServerError, eventually, free_port, own_folder, program


class Redis:
    """On a free loopback port, in memory, ready when the constructor returns."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        folder = own_folder("redis")
        options = {"port": self.port, "bind": self.host, "save": "", "appendonly": "no", "dir": folder}
        command = [program("redis-server", "redis-server")]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.process = Process(command, name="redis", folder=folder)
        self.process.wait_line("Ready to accept connections", 30)

    def ask(self, *command: Any) -> Any:
        """One command on a connection of its own, which does not come from redis-py's pool."""
        with redis.Redis(host=self.host, port=self.port, client_name="observer") as client:
            return client.execute_command(*command)

    def clients(self) -> list[int]:
        """Ids of the clients, without the one that asks."""
        with redis.Redis(host=self.host, port=self.port, client_name="observer") as client:
            return [int(found["id"]) for found in client.client_list() if found["name"] != "observer"]

    def fill(self, most: int) -> list[socket.socket]:
        """Take all of `most` places; CONFIG keeps working on connections that exist. Close the sockets to end it."""
        self.admin = redis.Redis(host=self.host, port=self.port, client_name="observer", single_connection_client=True)
        self.admin.config_set("maxclients", most)
        taken = [socket.create_connection((self.host, self.port)) for _ in range(most - 1)]
        eventually(lambda: int(self.admin.info("clients")["connected_clients"]) >= most)
        return taken

    def close(self) -> None:
        self.process.close()

    def __enter__(self) -> "Redis":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


__all__ = ["Redis", "ServerError"]
