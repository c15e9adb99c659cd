"""The relay holds all bytes half a round trip each way, and a handshake costs a round trip more."""

import asyncio
import time

from outlive.storm.relay import Relay

RTT_S = 0.06
SLACK_S = 1.0  # the machine may be busy


async def _server(greeting: bytes) -> tuple[asyncio.Server, int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while data := await reader.read(1000):
            writer.write(data.upper())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def _connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    relayed = await Relay("127.0.0.1", port, RTT_S).listen()
    return await asyncio.open_connection("127.0.0.1", relayed)


def test_a_server_that_speaks_first_is_heard_after_two_round_trips() -> None:
    async def scenario() -> float:
        server, port = await _server(b"hello")
        began = time.monotonic()
        reader, writer = await _connect(port)
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        server.close()
        return time.monotonic() - began

    assert 2 * RTT_S <= asyncio.run(scenario()) < 2 * RTT_S + SLACK_S


def test_a_client_that_speaks_first_waits_two_and_then_one_each_and_the_order_holds() -> None:
    async def scenario() -> tuple[float, float]:
        server, port = await _server(b"")
        began = time.monotonic()
        reader, writer = await _connect(port)
        writer.write(b"a")
        assert await reader.readexactly(1) == b"A"
        first = time.monotonic()
        for letter in b"bcdefgh":
            writer.write(bytes([letter]))
            await asyncio.sleep(0)
        assert await reader.readexactly(7) == b"BCDEFGH"
        second = time.monotonic()
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        server.close()
        return first - began, second - first

    first, second = asyncio.run(scenario())
    assert 2 * RTT_S <= first < 2 * RTT_S + SLACK_S
    assert RTT_S <= second < RTT_S + SLACK_S


def test_where_nobody_listens_the_client_is_told() -> None:
    async def scenario() -> bytes:
        server, port = await _server(b"")
        server.close()
        await server.wait_closed()
        reader, _ = await _connect(port)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""

    assert asyncio.run(scenario()) == b""
