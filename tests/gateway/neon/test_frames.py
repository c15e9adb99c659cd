"""WebSocket callers that break frames, flood, or go away in the middle: what they held is free."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.gateway.neon.frames import BINARY, CLOSE, LOGIN, PING, TEXT, Frames, frame, message
from tests.gateway.neon.test_websocket import configuration, resident_mb
from tests.servers import Network, OutliveProcess, Postgres15
from tests.servers.processes import eventually, in_time

HTTP = "[http]\nresponse_timeout_s = 1.0\nrequest_max_bytes = 100000\n"


@pytest.fixture(scope="module")
def shop(postgres15: Postgres15) -> Iterator[OutliveProcess]:
    text = HTTP + configuration(postgres15, websocket="true", max_concurrency="8")
    with OutliveProcess(text) as node:
        yield node


def test_frames_in_any_pieces(shop: OutliveProcess) -> None:
    """Each byte by itself; a message in fragments, with a ping between them."""
    with Frames(shop) as caller:
        for byte in frame(BINARY, LOGIN):
            caller.socket.sendall(bytes((byte,)))
        assert b"Z\0\0\0\5I" in caller.until(b"Z\0\0\0\5I")
        query = message(b"Q", b"select 'in' || 'pieces'\0")
        caller.socket.sendall(frame(BINARY, query[:7], last=False) + frame(PING, b"there?"))
        assert caller.next() == (10, b"there?")
        caller.socket.sendall(frame(0, b"", last=False) + frame(0, query[7:]))
        assert b"inpieces" in caller.until(b"Z\0\0\0\5I")


# fmt: off
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(BINARY, b"x", masked=False), 1002), (frame(3, b"x"), 1002), (frame(0x40 | BINARY, b"x"), 1002),
        (frame(0, b"x"), 1002), (frame(PING, b"x" * 126), 1002), (frame(PING, b"x", last=False), 1002),
        (frame(CLOSE, b"x"), 1002), (frame(CLOSE, b"\0\1"), 1002), (frame(BINARY, b"x", length=2**62), 1009),
        (frame(BINARY, b"x", length=100_001), 1009), (frame(BINARY, b"x", length=2**63), 1009),
        (frame(BINARY, b"a" * 60_000, last=False) + frame(0, b"b" * 60_000), 1009), (frame(TEXT, b"\xff") * 2, 1003),
        (frame(BINARY, b"x", last=False) + frame(BINARY, b"x"), 1002), (frame(TEXT, b"x"), 1003),
    ],
)  # fmt: skip
@pytest.mark.parametrize("when", ["before", "inside"])
def test_what_is_no_frame_ends_it(
    shop: OutliveProcess, postgres15: Postgres15, sent: bytes, code: int, when: str
) -> None:
    # fmt: on
    with Frames(shop) as caller:
        if when == "inside":
            assert b"BEGIN" in caller.log_in().query("begin; create temp table broken (id int)")
        caller.socket.sendall(sent)
        found = caller.next()
        while found is not None and found[0] != CLOSE:
            found = caller.next()
        assert found is not None
        assert int.from_bytes(found[1][:2], "big") == code
    eventually(lambda: shop.metric("outlive_clients") == 0)
    assert postgres15.query("SELECT count(*) FROM pg_class WHERE relname = 'broken'") == ((0,),)
    assert "Traceback" not in shop.log
    assert "internal error" not in shop.log


@pytest.mark.parametrize("how", ["close", "reset", "fin"])
def test_an_end_in_the_middle_of_a_statement(shop: OutliveProcess, postgres15: Postgres15, how: str) -> None:
    """It is cancelled, and the transaction rolled back."""
    marked = "FROM pg_stat_activity WHERE query LIKE '%halfway-there%' AND pid <> pg_backend_pid()"
    with Frames(shop) as caller:
        caller.log_in().query("create table if not exists halfway (id int)")
        assert b"INSERT" in caller.query("begin; insert into halfway values (1)")
        caller.send(message(b"Q", b"select pg_sleep(60) /* halfway-there */\0"))
        eventually(lambda: postgres15.query(f"SELECT count(*) {marked} AND state = 'active'") == ((1,),))
        if how == "close":
            caller.send(b"\x03\xe8bye", CLOSE)
            assert caller.next() == (CLOSE, b"\x03\xe8bye")
        elif how == "fin":
            caller.socket.shutdown(socket.SHUT_WR)
        else:
            caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    eventually(lambda: postgres15.query(f"SELECT count(*) {marked} AND xact_start IS NOT NULL") == ((0,),))
    assert postgres15.query("SELECT count(*) FROM halfway") == ((0,),)
    shop.wait_settled()


def test_pings_without_end(shop: OutliveProcess) -> None:
    """Of a caller that reads no answer, before any login: nothing piles up, and it is ended."""
    before = resident_mb(shop)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((shop.http_host, shop.http_port))
    pings = frame(PING, b"x" * 120) * 1000
    began = time.monotonic()
    with Frames(shop, over=narrow), contextlib.suppress(OSError):
        while time.monotonic() - began < 20:
            narrow.sendall(pings)
    assert time.monotonic() - began < 20
    assert resident_mb(shop) - before < 8


def test_who_takes_nothing_is_ended(shop: OutliveProcess, postgres15: Postgres15) -> None:
    """Also with much of the answer in the HTTP port's own buffers, and another caller is served meanwhile."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((shop.http_host, shop.http_port))
    with Frames(shop, over=narrow) as caller:
        caller.log_in()
        caller.send(message(b"Q", b"select repeat('x', 10000) from generate_series(1, 8000)\0"))
        with Frames(shop) as other:
            other.log_in()
            for _ in range(20):
                assert b"D" in other.query("select 1")
        eventually(lambda: shop.metric("outlive_clients") == 0)
        shop.wait_settled()


@pytest.mark.root
def test_a_caller_that_vanishes(network: Network) -> None:
    """The link is cut, no FIN is ever sent: as on the port, 3 s and 2 s later its transaction is gone."""
    with Postgres15(namespace=network.server.name) as server:
        text = configuration(server, websocket="true")
        node = OutliveProcess(
            text, namespace=network.server, arguments=("--http", "0.0.0.0:8080"), wait=False
        )
        try:
            node.http_port = 8080
            node.wait_ready()
            caller = Frames(node, over=network.client.connect(network.server.address, 8080))
            assert b"T" in caller.log_in().query("begin; select 1")
            in_it = "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()"
            assert network.server.call(server.query, in_it) == ((1,),)
            time.sleep(1.5)  # into the probe, as a function that has worked for a while
            network.cut()
            eventually(lambda: network.server.call(server.query, in_it) == ((0,),), in_time(5.0))
        finally:
            node.close()


def test_sigterm(postgres15: Postgres15, eventually: Callable[..., None]) -> None:
    """The idle are told, a transaction may end, and no caller keeps the node from its end."""
    text = configuration(postgres15, websocket="true")
    environment = {"OUTLIVE_DRAIN_DELAY_S": "0", "OUTLIVE_DRAIN_TIMEOUT_S": "10"}
    with OutliveProcess(text, environment=environment) as node:
        idle, busy = Frames(node).log_in(), Frames(node).log_in()
        assert b"INSERT" in busy.query("begin; create table at_the_end (id int); insert into at_the_end values (1)")
        node.signal(15)
        assert b"C57P01\0" in idle.until(b"C57P01\0")
        assert b"COMMIT" in busy.query("commit")
        busy.socket.close()
        began = time.monotonic()
        assert node.process.wait(20) == 0
        assert time.monotonic() - began < in_time(4.0), "idle has not closed its end"
    assert postgres15.query("SELECT count(*) FROM at_the_end") == ((1,),)
