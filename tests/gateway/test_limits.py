"""The HTTP port against callers that are slow, or endless: nobody holds anything for longer than a setting says."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.caller import KEY, Caller, configuration
from tests.servers import OutliveProcess, Postgres15
from tests.servers.processes import eventually

HTTP = """
request_timeout_s = 0.5
response_timeout_s = 0.5
keep_alive_s = 0.5
request_max_bytes = 100000
cors_origins = ["https://app.example.com"]
"""
HEAD = f"POST /v1/query HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer {KEY}\r\n"


@pytest.fixture(scope="module")
def node(postgres: Postgres15) -> Iterator[OutliveProcess]:
    with OutliveProcess(configuration({"pg": postgres.url(max_connections=3)}, http=HTTP)) as started:
        yield started


def dial(node: OutliveProcess, *, little: bool = False) -> socket.socket:
    sock = socket.socket()
    if little:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(10)
    sock.connect((node.http_host, node.http_port))
    return sock


def rest(sock: socket.socket) -> bytes:
    """All until its end."""
    found = b""
    with sock:
        while data := sock.recv(65536):
            found += data
    return found


def body(sql: str, **more: object) -> bytes:
    return json.dumps({"database": "pg", "sql": sql, **more}).encode()


def request(content: bytes) -> bytes:
    return HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(content) + content


def is_established(sock: socket.socket, at: int) -> bool:
    """Whether the other end, which listens `at` a port, still has it open. Source: proc(5), /proc/net/tcp."""
    ends = f":{at:04X}", f":{sock.getsockname()[1]:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[3] == "01" for row in rows)


def held(node: OutliveProcess) -> float:
    return node.metric("outlive_server_connections", state="leased")


@pytest.mark.parametrize("part", [b"", b"POST /v1/q", HEAD.encode()], ids=["nothing", "line", "head"])
def test_a_head_that_does_not_come(node: OutliveProcess, part: bytes) -> None:
    sock = dial(node)
    sock.sendall(part)
    began = time.monotonic()
    assert rest(sock).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 5


def test_a_head_byte_by_byte(node: OutliveProcess) -> None:
    """Each byte is something: what counts is the whole. Its end: an answer, or a reset if bytes cross it on the way."""
    sock = dial(node)
    sock.setblocking(False)
    answer, deadline = b"", time.monotonic() + 60
    with contextlib.suppress(ConnectionError):
        while not answer:
            assert time.monotonic() < deadline
            sock.sendall(b"x")
            with contextlib.suppress(BlockingIOError):
                answer = sock.recv(65536)
    assert answer.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) or not answer
    sock.close()


def test_a_body_that_does_not_come(node: OutliveProcess) -> None:
    sock = dial(node)
    sock.sendall(HEAD.encode() + b"Content-Length: 100\r\n\r\n{")
    assert b'"request_timeout"' in rest(sock)
    sock = dial(node)
    sock.sendall(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n")
    assert rest(sock).startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection(node: OutliveProcess) -> None:
    sock = dial(node)
    sock.sendall(request(body("SELECT 1")))
    assert rest(sock).startswith(b"HTTP/1.1 200 ")


def test_a_slow_statement_is_no_slow_caller(node: OutliveProcess) -> None:
    """Longer than all of the limits, on a connection that then goes on."""
    sock = dial(node)
    for sql in ("SELECT pg_sleep(1.6)", "SELECT 1"):
        sock.sendall(request(body(sql)))
        answer = b""
        while not answer.endswith(b'"command":"SELECT"}'):
            more = sock.recv(65536)
            assert more, answer
            answer += more
        assert answer.startswith(b"HTTP/1.1 200 ")
    sock.close()


@pytest.mark.parametrize("stream", [True, False])
def test_a_reader_who_stops(node: OutliveProcess, stream: bool) -> None:
    sock = dial(node, little=True)
    sql = f"SELECT repeat('x', 1000) FROM generate_series(1, {100_000 if stream else 15_000})"
    sock.sendall(request(body(sql, stream=stream)))
    assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    began = time.monotonic()
    eventually(lambda: held(node) == 0 and not is_established(sock, node.http_port))
    with contextlib.suppress(ConnectionError):
        assert b'"row_count"' not in rest(sock)[-1000:]
    assert time.monotonic() - began < 10
    assert node.metric("outlive_clients") == 0


def test_an_endless_head(node: OutliveProcess) -> None:
    for part in (b"GET /" + b"x" * 70_000, HEAD.encode() + b"X: " + b"x" * 70_000):
        sock = dial(node)
        sock.sendall(part)
        assert rest(sock).startswith(b"HTTP/1.1 431 ")


def test_endless_trailers(node: OutliveProcess) -> None:
    content = body("SELECT 1")
    sock = dial(node)
    sock.sendall(HEAD.encode() + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(content), content))
    sock.sendall(b"A: b\r\n" * 10_000)
    assert rest(sock).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 408 "))


def test_a_body_that_is_too_long(node: OutliveProcess) -> None:
    """Refused in its middle; its rest may not come for ever."""
    sock = dial(node)
    sock.sendall(HEAD.encode() + b"Content-Length: 1000000\r\n\r\n" + b"x" * 200_000)
    assert rest(sock).startswith(b"HTTP/1.1 413 ")


def test_pages_of_other_origins(node: OutliveProcess) -> None:
    def asked(method: str, origin: str, path: str = "/v1/query") -> str:
        sock = dial(node)
        content = body("SELECT 1")
        sock.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: example.com\r\nOrigin: {origin}\r\nAuthorization: Bearer {KEY}\r\n"
            f"Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        return rest(sock).decode().lower()

    known, unknown = "https://app.example.com", "https://other.example.com"
    preflight = asked("OPTIONS", known)
    assert preflight.startswith("http/1.1 204 ")
    assert "access-control-allow-headers: authorization, content-type, idempotency-key" in preflight
    for answer in (preflight, asked("POST", known), asked("POST", known, "/v1/transactions/x/commit")):
        assert f"access-control-allow-origin: {known}\r\n" in answer
        assert "vary: origin" in answer
    assert asked("POST", known).startswith("http/1.1 200 ")
    for answer in (asked("OPTIONS", unknown), asked("POST", unknown)):
        assert "access-control-allow-origin" not in answer
    assert asked("GET", known).startswith("http/1.1 405 ")


def test_without_the_setting_no_origin_is_told(postgres: Postgres15) -> None:
    with OutliveProcess(configuration({"pg": postgres.url(max_connections=3)})) as node:
        answer = Caller(node, "pg").query("SELECT 1", headers={"Origin": "https://app.example.com"})
        assert answer.rows == [[1]]
        assert "access-control-allow-origin" not in answer.headers
