"""`python -m bench.tcp.load requests|reconnect HOST PORT CLIENTS BYTES SECONDS`: clients of memcached that ask for one
value again and again, on one connection each or on one for every request. Writes the number of answers, the seconds,
and the milliseconds that 95 of 100 answers kept.
"""

import asyncio
import sys
import time

import uvloop


class Client(asyncio.Protocol):
    """One connection: it asks, and tells `answered` the seconds of each answer; False from there ends it."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._missing = 0
        self._asked_at = load.started

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._load.kind == "requests":
            self._asked_at = time.perf_counter()
        self._ask()

    def begun(self, at: float) -> None:
        """Its connection was asked for at this time."""
        self._asked_at = at

    def _ask(self) -> None:
        self._missing = self._load.answer_bytes
        self._transport.write(self._load.question)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing > 0:
            return
        now = time.perf_counter()
        self._load.latencies_s.append(now - self._asked_at)
        if now < self._load.ends and self._load.kind == "requests":
            self._asked_at = now
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if self._missing > 0:
            self._load.failed(f"the connection ended before its answer: {error!r}")
        elif time.perf_counter() < self._load.ends:
            self._load.open()
        else:
            self._load.over()


class Load:
    """A number of clients, for some seconds."""

    def __init__(self, kind: str, host: str, port: int, clients: int, size: int, seconds: float) -> None:
        self.kind = kind
        self.latencies_s: list[float] = []
        self.question = b"get v%d\r\n" % size
        self.answer_bytes = len(b"VALUE v%d 0 %d\r\n\r\nEND\r\n" % (size, size)) + size
        self.started = time.perf_counter()
        self.ends = self.started + seconds
        self._where = host, port
        self._clients = clients
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        for _ in range(self._clients):
            self.open()
        await self._done

    def open(self) -> None:
        """One more connection."""
        task = self._loop.create_task(self._open())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        client = Client(self)
        client.begun(time.perf_counter())
        try:
            await self._loop.create_connection(lambda: client, *self._where)
        except OSError as error:
            self.failed(f"no connection: {error}")

    def over(self) -> None:
        """One client is done."""
        self._clients -= 1
        if not self._clients and not self._done.done():
            self._done.set_result(None)

    def failed(self, why: str) -> None:
        """The figures would be worth nothing."""
        if not self._done.done():
            self._done.set_exception(ConnectionError(why))


def main() -> None:
    kind, host, port, clients, size, seconds = sys.argv[1:]
    load = Load(kind, host, int(port), int(clients), int(size), float(seconds))
    uvloop.run(load.run())
    latencies_s = sorted(load.latencies_s)
    elapsed_s = time.perf_counter() - load.started
    print(len(latencies_s), elapsed_s, latencies_s[int(len(latencies_s) * 0.95)] * 1000)


if __name__ == "__main__":
    main()
