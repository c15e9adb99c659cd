"""Functions that speak to Outlive's HTTP port (docs/http.md), with nothing but the standard library.

A function keeps one connection open between its requests (keep-alive, RFC 9112, 9.3), as HTTP clients do.
"""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from typing import Any, Final

from outlive.storm.plan import Target
from outlive.storm.protocol import Connection, Driver, WrongAnswerError
from outlive.storm.statements import statements_of, values

DATABASE: Final = "storm"
"""What the node's configuration calls the database."""
_LONGEST_BODY: Final = 1 << 20
_MOST_HEADERS: Final = 100
_OK: Final = 200
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503


class ApiError(Exception):
    """An answer that is no success. `code` is the API's own; of a server that only says a status it is that."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class BadResponseError(Exception):
    """What came is no response in HTTP, or none that this reader takes."""


async def read_response(reader: StreamReader) -> tuple[int, Any, bool]:
    """The status, the document (None where the body is no JSON), and whether the connection stays open.

    Raises BadResponseError, and EOFError when the connection ends before the response does.
    """
    status, headers = await _head(reader)
    while status < _OK:  # 1xx: the answer is still to come (RFC 9110, 15.2)
        status, headers = await _head(reader)
    length = headers.get("content-length", "")
    # Node and function have nobody between them who would send chunks.
    if not (length.isascii() and length.isdigit()) or int(length) > _LONGEST_BODY or "transfer-encoding" in headers:
        raise BadResponseError("length")
    body = await reader.readexactly(int(length))
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    return status, document, headers.get("connection", "").lower() != "close"


async def _head(reader: StreamReader) -> tuple[int, dict[str, str]]:
    version, _, rest = (await _line(reader)).partition(" ")
    status = rest[:3]
    if version != "HTTP/1.1" or not (status.isascii() and status.isdigit() and len(status) == 3):
        raise BadResponseError("status")
    headers: dict[str, str] = {}
    for _ in range(_MOST_HEADERS):
        line = await _line(reader)
        if not line:
            return int(status), headers
        name, colon, value = line.partition(":")
        if not colon:
            raise BadResponseError("header")
        headers[name.lower()] = value.strip()
    raise BadResponseError("headers")


async def _line(reader: StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n"))[:-2].decode("latin-1")
    except asyncio.LimitOverrunError:
        raise BadResponseError("line") from None


def answer_of(status: int, document: Any) -> dict[str, Any]:
    """The document of a success. ApiError of any other answer."""
    if status == _OK and isinstance(document, dict):
        return document
    error = document.get("error") if isinstance(document, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    raise ApiError(status, code if isinstance(code, str) and code else f"HTTP {status}")


class _Connection:
    def __init__(self, reader: StreamReader, writer: StreamWriter, target: Target) -> None:
        self._reader = reader
        self._writer = writer
        self._statements = statements_of(target.scheme, target.tables, lambda name: f":{name}")
        self._head = (
            f"Host: {target.host}:{target.port}\r\nAuthorization: Bearer {target.password}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._stays = True
        name = writer.get_extra_info("sockname")
        self.endpoint = (str(name[0]), int(name[1]))
        # The server connections are the node's: this number only tells one connection of the process from another.
        self.number = self.endpoint[1]

    @property
    def ended(self) -> bool:
        return not self._stays or self._reader.at_eof() or self._writer.is_closing()

    async def request(self, function: int, turn: int, database_s: float = 0.0) -> None:
        given = values(function, turn, database_s)
        texts = (self._statements.insert, self._statements.select)
        parts = [{"sql": text, "parameters": given} for text in texts]
        answer = await self._post("/v1/batch", {"database": DATABASE, "statements": parts, "format": "arrays"})
        if _read_row(answer) != [function, 1]:
            raise WrongAnswerError

    async def leave_open(self, function: int) -> None:
        begun = await self._post("/v1/transactions", {"database": DATABASE})
        statement = {"sql": self._statements.update, "parameters": values(function)}
        await self._post(f"/v1/transactions/{begun['transaction']}/query", statement)

    async def _post(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(document).encode()
        head = f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode("latin-1") + body)
        await self._writer.drain()
        status, answer, self._stays = await read_response(self._reader)
        return answer_of(status, answer)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def _read_row(answer: Mapping[str, Any]) -> Any:
    """What the batch's second statement read: its own number and the count."""
    try:
        return answer["results"][1]["rows"][0][:2]
    except (KeyError, IndexError, TypeError):
        raise WrongAnswerError from None


class _Driver:
    async def connect(self, target: Target) -> Connection:
        reader, writer = await asyncio.open_connection(target.host, target.port)
        return _Connection(reader, writer, target)

    def is_full(self, error: BaseException) -> bool:
        if not isinstance(error, ApiError):
            return isinstance(error, ConnectionRefusedError)
        # A bare 503 is the HTTP server's own: it has more connections than it may.
        return error.status == _TOO_MANY or (error.status, error.code) in (
            (_UNAVAILABLE, "pool_full"),
            (_UNAVAILABLE, f"HTTP {_UNAVAILABLE}"),
        )

    def code(self, error: BaseException) -> str:
        return error.code if isinstance(error, ApiError) else type(error).__name__


def driver() -> Driver:
    """HTTP/1.1 on asyncio's streams. Its target's password is the API key; the scheme names the SQL that it sends."""
    return _Driver()
