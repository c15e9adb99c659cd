"""What the functions' HTTP driver makes of answers, right and odd ones."""

import asyncio
import json
from typing import Any

import h11
import pytest

from outlive.storm.http import ApiError, answer_of, driver
from outlive.storm.plan import Target
from outlive.storm.protocol import WrongAnswerError
from outlive.storm.statements import statements_of

ROWS = b'{"results":[{},{"rows":[[7,1,""]]}]}'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(ROWS)


def ask(*answers: bytes) -> list[Any]:
    """What becomes of so many requests on one connection: None, or the error; and whether the connection has ended."""
    became: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
            writer.write(answer)
        await writer.drain()
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            connection = await driver().connect(Target("mysql", "127.0.0.1", port, "", "", "key", "t_"))
            for _ in answers:
                try:
                    await connection.request(7, 3)
                    became.append(None)
                except (ApiError, WrongAnswerError, h11.RemoteProtocolError) as error:
                    became.append(error)
            became.append(connection.ended)
            await connection.close()

    asyncio.run(scenario())
    return became


def test_answers_one_after_the_other_and_a_server_that_closes() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(ROWS), ROWS)
    closing = OK + b"Connection: close\r\n\r\n" + ROWS
    assert ask(OK + b"\r\n" + ROWS, early + OK + b"\r\n" + ROWS, chunked, closing) == [None, None, None, None, True]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy", "HTTP 503"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe", "HTTP 200"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2097152\r\n\r\n" + b"x" * 2097152, "RemoteProtocolError"),
        (b"HTTP/1.1 200 OK\r\nConte", "RemoteProtocolError"),
        (OK + b"\r\n{", "RemoteProtocolError"),
        (b"", "RemoteProtocolError"),
    ],
)
def test_what_is_no_answer(answer: bytes, code: str) -> None:
    (error, _) = ask(answer)
    assert driver().code(error) == code


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
            with pytest.raises((h11.RemoteProtocolError, OSError)):
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
