"""A server whose one connection only remembers what it was sent."""

from types import SimpleNamespace
from typing import Any

from outlive.wire.redis.commands import CommandScanner, arguments_of


class FakeConnection:
    lessee: Any = None
    running = False
    retired = None
    lost = False
    expires_at = float("inf")
    transport = None

    def __init__(self) -> None:
        self.sent = b""
        self.failed = ""

    def send(self, data: bytes) -> None:
        self.sent += data

    def fail(self, why: str) -> None:
        self.failed = why

    def said(self) -> list[list[bytes]]:
        """The commands since it was asked last."""
        found, at, data = [], 0, self.sent
        while at < len(data):
            end = CommandScanner().scan(data, at)
            found.append(arguments_of(data, at, end))
            at = end
        self.sent = b""
        return found


class FakePool:
    draining = False
    stirred = False
    obstacles = 0
    waiters = 0
    server_full = False

    def __init__(self, connection: FakeConnection | None) -> None:
        self.free = connection
        self.queue: list[Any] = []
        self.limits = SimpleNamespace(lendable=5, max_connections=5, max_waiters=9, key_switch_after_ms=5)

    def acquire(self, *_: object) -> FakeConnection | None:
        found, self.free = self.free, None
        return found

    def wait(self, waiter: Any, now: float, **_: object) -> bool:
        self.queue.append(waiter)
        return True

    def stale(self, *_: object) -> bool:
        return False

    def states(self) -> dict[str, int]:
        return {}


class FakeServer:
    message_bytes_max = 1 << 20

    def __init__(self, *, free: bool = True) -> None:
        self.connection = FakeConnection()
        self.pool = FakePool(self.connection if free else None)
        self.metrics = SimpleNamespace(bytes_to_server=0, leases=0, waits=SimpleNamespace(observe=lambda _: None))
        self.lines = SimpleNamespace(press=lambda: None, waited=lambda seconds: "full", settle=lambda: None)
        self.given_back = 0
        self.soon: list[Any] = []

    def time(self) -> float:
        return 1.0

    def call_soon(self, call: Any) -> None:
        self.soon.append(call)

    def give_back(self, connection: FakeConnection) -> None:
        self.given_back += 1
        self.pool.free = connection

    def turn(self) -> None:
        calls, self.soon = self.soon, []
        for call in calls:
            call()
