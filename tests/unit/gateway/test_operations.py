import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable

import pytest
import uvloop

from outlive.gateway.operations import Operations, serve_operations
from outlive.observe.metrics import Metrics


class Node:
    def __init__(self) -> None:
        self.draining = False
        self.metrics = Metrics()


async def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def serving(check: Callable[[Node, Operations], Awaitable[None]], **options: bool) -> None:
    async def main() -> None:
        node = Node()
        operations = await serve_operations("127.0.0.1", 0, node, **options)
        try:
            await check(node, operations)
        finally:
            await operations.close()

    uvloop.run(asyncio.wait_for(main(), 30))


def test_probes_and_metrics() -> None:
    async def check(node: Node, operations: Operations) -> None:
        assert await get(operations.port, "/healthz") == (200, "ok\n")
        assert await get(operations.port, "/readyz") == (200, "ok\n")
        node.draining = True
        assert await get(operations.port, "/readyz") == (503, "draining\n")
        assert (await get(operations.port, "/healthz"))[0] == 200
        node.metrics.evictions = 12
        status, body = await get(operations.port, "/metrics")
        assert status == 200
        assert "outlive_client_evictions_total 12.0" in body
        assert (await get(operations.port, "/"))[0] == 404
        assert (await get(operations.port, "/healthz", "POST"))[0] == 405

    serving(check)


@pytest.mark.parametrize(
    ("options", "probes", "metrics"), [({"metrics": False}, 200, 404), ({"probes": False}, 404, 200)]
)
def test_metrics_may_have_a_port_of_their_own(options: dict[str, bool], probes: int, metrics: int) -> None:
    async def check(node: Node, operations: Operations) -> None:
        assert (await get(operations.port, "/readyz"))[0] == probes
        assert (await get(operations.port, "/metrics"))[0] == metrics

    serving(check, **options)


def test_signals_stay_the_nodes() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def check(node: Node, operations: Operations) -> None:
        assert (await get(operations.port, "/healthz"))[0] == 200
        assert signal.getsignal(signal.SIGTERM) is before

    serving(check)


def test_an_address_in_use_is_an_oserror() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
            await serve_operations("127.0.0.1", taken.getsockname()[1], Node())

    uvloop.run(main())


def test_closing_is_quick_with_an_idle_connection_and_frees_the_port() -> None:
    async def main() -> None:
        operations = await serve_operations("127.0.0.1", 0, Node())
        assert (await get(operations.port, "/healthz"))[0] == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", operations.port)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await operations.close()
        await operations.close()
        assert loop.time() - started < 3
        assert await reader.read() == b""
        writer.close()
        socket.create_server(("127.0.0.1", operations.port)).close()

    uvloop.run(asyncio.wait_for(main(), 30))


def test_closing_before_it_served() -> None:
    async def main() -> None:
        await (await serve_operations("127.0.0.1", 0, Node())).close()

    uvloop.run(asyncio.wait_for(main(), 30))


def test_any_bytes_cost_nothing_but_the_connection() -> None:
    async def check(node: Node, operations: Operations) -> None:
        for junk in (b"\x00\xff" * 100, b"GET " + b"x" * 200_000, b"\x0a\x00\x00\x01", b"GET / HTTP/9\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", operations.port)
            writer.write(junk)
            writer.write_eof()
            try:
                await reader.read()
            except ConnectionError:
                pass
            writer.close()
        assert (await get(operations.port, "/healthz"))[0] == 200

    serving(check)
