"""Pool and Client of `@neondatabase/serverless`, and Drizzle on them, over a WebSocket; and what they may not do."""

import json
import socket as sockets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.servers import OutliveProcess, Postgres15
from tests.servers.database import APP
from tests.servers.processes import eventually

FOLDER = Path(__file__).parent
NODE = pytest.mark.skipif(not (FOLDER / "node_modules").exists(), reason="npm install has not run (make setup)")


def configuration(server: Postgres15, **more: str) -> str:
    lines = [
        "[databases.shop]",
        f'url = "{server.url(max_connections=5)}"',
        'client_auth = "scram-sha-256"',
        "[principals.functions]",
        'databases = ["shop"]',
        f'database_users = ["{APP.user}"]',
        *(f"{name} = {value}" for name, value in more.items()),
        "",
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def shop(postgres15: Postgres15) -> Iterator[OutliveProcess]:
    with OutliveProcess(configuration(postgres15, websocket="true", max_concurrency="8")) as node:
        yield node


def opened(node: OutliveProcess) -> ClientConnection:
    url = f"ws://{node.http_host}:{node.http_port}/v2?address=db.example.com:5432"
    return connect(url, compression=None).__enter__()


def message(kind: bytes, payload: bytes) -> bytes:
    return kind + (len(payload) + 4).to_bytes(4, "big") + payload


def startup(database: str = "shop") -> bytes:
    return message(b"", b"\0\3\0\0user\0app\0database\0" + database.encode() + b"\0\0")


def said(socket: ClientConnection, until: bytes) -> bytes:
    """What comes up to a message of this kind, or to the end."""
    data = b""
    while until not in data:
        try:
            data += socket.recv(timeout=20)  # type: ignore[operator]
        except ConnectionClosed:
            break
    return data


def logged_in(node: OutliveProcess) -> ClientConnection:
    socket = opened(node)
    socket.send(startup() + message(b"p", APP.password.encode() + b"\0"))
    assert said(socket, b"Z\0\0\0\5I").startswith(b"R\0\0\0\x08\0\0\0\3R\0\0\0\x08\0\0\0\0")
    return socket


@NODE
def test_the_package(shop: OutliveProcess, postgres15: Postgres15) -> None:
    done = subprocess.run(
        ["node", "websocket.js", f"http://{shop.http_host}:{shop.http_port}",
         f"postgresql://{APP.user}:{APP.password}@never-dialled.example.com/shop"],
        cwd=FOLDER, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:] + shop.log[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["query"] == [{"n": 7, "who": "app"}]
    assert (found["outside"], found["after"]) == ([{"n": 0}], [{"n": 1}])
    assert found["duplicate"]["code"] == "23505"
    assert (found["syntax"]["code"], found["syntax"]["position"]) == ("42601", "1")
    assert found["setting"] == [{"application_name": "kept"}]
    assert (found["big"], found["large"]) == ([{"n": 3000000}], 20000)
    assert found["many"] == list(range(20))
    assert found["drizzle"] == [{"n": 5}]
    assert found["orm"] == {"same": True, "refused": "23505", "names": ["it's", "zwei"]}
    assert found["wrong"].get("code") == "28P01", found["wrong"]
    assert found["asked"] == [{"one": 1}]
    assert len(postgres15.connection_ids(APP.user)) <= 5


def test_the_bytes_may_come_in_any_pieces(shop: OutliveProcess) -> None:
    with opened(shop) as socket:
        for byte in startup() + message(b"p", APP.password.encode() + b"\0"):
            socket.send(bytes((byte,)))
        said(socket, b"Z\0\0\0\5I")
        socket.send(message(b"Q", b"select 1\0") + message(b"Q", b"select 'two'\0"))
        assert b"two" in said(socket, b"two")


def test_a_caller_that_vanishes_in_a_transaction(shop: OutliveProcess, postgres15: Postgres15) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%gone-socket%' AND pid <> pg_backend_pid()"
    busy = running + " AND (state = 'active' OR xact_start IS NOT NULL)"
    socket = logged_in(shop)
    socket.send(message(b"Q", b"begin\0"))
    said(socket, b"Z\0\0\0\5T")
    socket.send(message(b"Q", b"select pg_sleep(60) /* gone-socket */\0"))
    eventually(lambda: postgres15.query(busy) == ((1,),))
    socket.socket.shutdown(sockets.SHUT_RDWR)  # without a word of WebSocket's
    eventually(lambda: postgres15.query(busy) == ((0,),))
    shop.wait_settled()
    assert shop.metric("outlive_clients") == 0


def test_who_may_come(shop: OutliveProcess, postgres15: Postgres15) -> None:
    for database in ("other", "outlive"):  # the console is for nobody here
        with opened(shop) as socket:
            socket.send(startup(database) + message(b"p", APP.password.encode() + b"\0"))
            assert b"C28000\0" in said(socket, b"E\0")
    with opened(shop) as socket:
        socket.send(startup() + message(b"p", b"wrong\0"))
        assert b"C28P01\0" in said(socket, b"C28P01")
    with opened(shop) as socket:
        socket.send("text")
        assert said(socket, b"never") == b""
    with opened(shop) as socket:
        socket.send(b"x" * 100_000)
        assert b"C08P01\0" in said(socket, b"C08P01")
    many = [logged_in(shop) for _ in range(8)]
    with opened(shop) as socket:
        socket.send(startup() + message(b"p", APP.password.encode() + b"\0"))
        assert b"C53300\0" in said(socket, b"C53300")
    for one in many:
        one.close()
    with OutliveProcess(configuration(postgres15)) as node, pytest.raises(InvalidStatus):
        opened(node)


def test_a_slow_reader_is_not_buffered(shop: OutliveProcess, postgres15: Postgres15) -> None:
    """While nobody takes the rows, they stay at the server."""
    before = resident_mb(shop)
    with logged_in(shop) as socket:
        socket.send(message(b"Q", b"select repeat('x', 10000) from generate_series(1, 8000)\0"))
        total = len(socket.recv(timeout=20))
        # The client's library reads ahead a few frames only. The server waits for room once all between are full.
        eventually(
            lambda: (
                postgres15.query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'ClientWrite'") == ((1,),)
            )
        )
        assert resident_mb(shop) - before < 30
        while total < 80_000_000:
            total += len(socket.recv(timeout=20))


def resident_mb(node: OutliveProcess) -> float:
    status = Path(f"/proc/{node.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def test_not_for_those_with_limits_on_what_they_say(postgres15: Postgres15, tmp_path: Path) -> None:
    file = tmp_path / "outlive.toml"
    file.write_text(configuration(postgres15, websocket="true", read_only="true"))
    done = subprocess.run(
        [sys.executable, "-m", "outlive", "check", str(file)], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "principals.functions.websocket" in done.stdout + done.stderr
