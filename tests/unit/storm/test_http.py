"""What the functions' HTTP driver makes of answers, right and odd ones."""

import asyncio
import json
from typing import Any

import pytest

from outlive.storm.http import ApiError, BadResponseError, answer_of, driver, read_response
from outlive.storm.plan import Target
from outlive.storm.protocol import WrongAnswerError
from outlive.storm.statements import statements_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


def read(data: bytes) -> tuple[int, Any, bool]:
    async def reading() -> tuple[int, Any, bool]:
        reader = asyncio.StreamReader(limit=1024)
        reader.feed_data(data)
        reader.feed_eof()
        return await read_response(reader)

    return asyncio.run(reading())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK + b"\r\n{}", (200, {}, True)),
        (b"HTTP/1.1 204\r\nCONTENT-LENGTH:0\r\n\r\n", (204, None, True)),
        (OK + b"Connection: Close\r\n\r\n{}", (200, {}, False)),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK + b"\r\n{}", (200, {}, True)),
        (OK + b"\r\n\xff\xfe", (200, None, True)),
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy", (503, None, True)),
    ],
)
def test_responses(data: bytes, expected: tuple[int, Any, bool]) -> None:
    assert read(data) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        OK + b"no header\r\n\r\n{}",
        OK + b"X: y\r\n" * 200 + b"\r\n{}",
        b"HTTP/1.1 200 " + b"x" * 4096 + b"\r\n\r\n",
    ],
)
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(BadResponseError):
        read(data)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nConte", OK + b"\r\n{"])
def test_an_end_before_the_response_is_there(data: bytes) -> None:
    with pytest.raises(EOFError):
        read(data)


@pytest.mark.parametrize(
    ("status", "document", "code", "full"),
    [
        (503, {"error": {"code": "pool_full", "message": "..."}}, "pool_full", True),
        (429, {"error": {"code": "too_many_requests"}}, "too_many_requests", True),
        (503, None, "HTTP 503", True),
        (503, {"error": {"code": "draining"}}, "draining", False),
        (400, {"error": {"code": "database_error", "errno": 1213}}, "database_error", False),
        (500, {"error": "pool_full"}, "HTTP 500", False),
        (400, {"error": {"code": None}}, "HTTP 400", False),
        (200, [], "HTTP 200", False),
        (200, None, "HTTP 200", False),
    ],
)
def test_errors_have_the_codes_of_the_api(status: int, document: Any, code: str, full: bool) -> None:
    with pytest.raises(ApiError) as caught:
        answer_of(status, document)
    assert (driver().code(caught.value), driver().is_full(caught.value)) == (code, full)


def test_a_port_that_nobody_listens_on_refuses() -> None:
    assert driver().is_full(ConnectionRefusedError())
    assert not driver().is_full(ConnectionResetError())


def test_a_request_is_one_batch_and_its_answer_is_checked() -> None:
    asked: list[tuple[bytes, Any]] = []
    answers = [[[7, 1, ""]], [[8, 1, ""]], [[7, 0, ""]], [], None]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for rows in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            asked.append((head, json.loads(await reader.readexactly(length))))
            body = json.dumps({"results": [{}, {"rows": rows}]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connection = await driver().connect(Target("mysql", "127.0.0.1", port, "", "", "key", "t_"))
            await connection.request(7, 2, 0.5)
            assert not connection.ended
            for _ in answers[1:]:
                with pytest.raises(WrongAnswerError):
                    await connection.request(7, 3)
            with pytest.raises((EOFError, OSError)):
                await connection.request(7, 4)
            assert connection.ended
            await connection.close()

    asyncio.run(scenario())
    head, batch = asked[0]
    assert head.startswith(b"POST /v1/batch HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer key\r\n" in head
    texts = statements_of("mysql", "t_", lambda name: f":{name}")
    assert [part["sql"] for part in batch["statements"]] == [texts.insert, texts.select]
    assert batch["statements"][0]["parameters"] == {"function": 7, "turn": 2, "database_s": 0.5, "item": 7}
