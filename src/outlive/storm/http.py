"""Functions that speak to Outlive's HTTP port (docs/http.md).

A function keeps one connection open between its requests (keep-alive, RFC 9112, 9.3), as HTTP clients do.
"""

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import h11

from outlive.storm.plan import Target
from outlive.storm.protocol import Connection, Driver, WrongAnswerError
from outlive.storm.statements import statements_of, values

DATABASE: Final = "storm"
"""What the node's configuration calls the database."""
_LONGEST_BODY: Final = 1 << 20
_READ: Final = 1 << 16
_OK: Final = 200
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503


class ApiError(Exception):
    """An answer that is no success. `code` is the API's own; of a server that only says a status it is that."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


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
        self._http = h11.Connection(h11.CLIENT)
        self._headers = [
            ("Host", f"{target.host}:{target.port}"),
            ("Authorization", f"Bearer {target.password}"),
            ("Content-Type", "application/json"),
        ]
        name = writer.get_extra_info("sockname")
        self.endpoint = (str(name[0]), int(name[1]))
        # The server connections are the node's: this number only tells one connection of the process from another.
        self.number = self.endpoint[1]

    @property
    def ended(self) -> bool:
        return self._http.our_state is not h11.IDLE or self._reader.at_eof() or self._writer.is_closing()

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
        head = h11.Request(method="POST", target=path, headers=[*self._headers, ("Content-Length", str(len(body)))])
        for event in (head, h11.Data(body), h11.EndOfMessage()):
            self._writer.write(self._http.send(event) or b"")
        await self._writer.drain()
        return answer_of(*await self._response())

    async def _response(self) -> tuple[int, Any]:
        """The status, and the document: None where the body is no JSON. Raises h11.RemoteProtocolError."""
        status, body = 0, bytearray()
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _LONGEST_BODY:
                    raise h11.RemoteProtocolError("too long")
        if (self._http.our_state, self._http.their_state) == (h11.DONE, h11.DONE):
            self._http.start_next_cycle()  # else the server closes, or said that it will
        try:
            return status, json.loads(body)
        except ValueError:
            return status, None

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):  # the server may have closed before
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
