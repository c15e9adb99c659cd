"""A store of locks, and two nodes on it."""

from typing import Any

import psycopg

from tests.gateway.caller import Caller, configuration, hashed
from tests.servers import OutliveProcess, Postgres15
from tests.servers.processes import free_port
from tests.servers.redis import RedisServer

BUDGET = 5
ACK_S = 1.2
LOCKS = f"""
[locks]
database = "store"
ack_timeout_s = {ACK_S}
grace_s = 5.0
wake_s = 0.05
recheck_s = 0.5
max_waiting = 11000
"""
ORDERS_KEY = "key-of-the-orders"
ORDERS = f"""
[principals.orders]
api_key_sha256 = ["{hashed(ORDERS_KEY)}"]
locks = ["orders-*"]
"""


class PostgresHouse:
    """Locks in PostgreSQL, which writes to its log as it comes: what was committed is there after a kill."""

    def __init__(self) -> None:
        self.server = Postgres15()
        self.url = self.server.url(max_connections=BUDGET)

    def restart(self) -> None:
        self.server.kill()
        self.server.start()

    def connections(self) -> int:
        return len(self.server.connection_ids("app"))

    def observer(self) -> "psycopg.Connection[Any]":
        return self.server.connect()

    def close(self) -> None:
        self.server.close()


class RedisHouse:
    """Locks in Redis with an append-only file that is synced at each write."""

    class _Durable(RedisServer):
        def restart(self) -> None:
            """Killed, and started again on what it has written."""
            self.process.kill()
            self.process = self._start()

    def __init__(self) -> None:
        self.server = self._Durable(appendonly="yes", appendfsync="always")
        self.url = f"redis://127.0.0.1:{self.server.port}/0?max_connections={BUDGET}"

    def restart(self) -> None:
        self.server.restart()

    def connections(self) -> int:
        return len(self.server.connections())

    def close(self) -> None:
        self.server.close()


HOUSES = {"postgres": PostgresHouse, "redis": RedisHouse}


class Place:
    """See the module."""

    def __init__(self, kind: str, *, nodes: int = 2) -> None:
        self.kind = kind
        self.house = HOUSES[kind]()
        self._ports = [free_port() for _ in range(nodes)]
        self.nodes = [self.start(port, wait=False) for port in self._ports]
        for node in self.nodes:
            node.wait_ready()

    def start(self, port: int, *, wait: bool = True) -> OutliveProcess:
        """A node; again on the same port after one that has ended."""
        text = configuration(
            {"store": self.house.url}, LOCKS + ORDERS, http="max_connections = 12000", locks=["*"], max_concurrency=5
        ).replace('databases = ["store"]', "")
        text = f"max_clients = 200\ndrain_delay_s = 0.1\n{text}"
        return OutliveProcess(text, http_port=port, arguments=("--redis", f"127.0.0.1:{free_port()}"), wait=wait)

    def again(self, number: int) -> None:
        """The node that has ended is back."""
        self.nodes[number].close()
        self.nodes[number] = self.start(self._ports[number])

    @property
    def ports(self) -> list[int]:
        return self._ports

    def caller(self, number: int = 0, **options: Any) -> Caller:
        return Caller(self.nodes[number], **options)

    def waiting(self) -> int:
        """How many wait, at all nodes."""
        return sum(int(node.metric("outlive_lock_waiters")) for node in self.nodes)

    def close(self) -> None:
        for node in self.nodes:
            print(f"--- log of outlive {node.pid} ---\n{node.log[-5000:]}")
            node.close()
        self.house.close()
