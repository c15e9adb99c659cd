"""Requests of JSON over HTTP with the standard library only, with and without an event loop."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection
    from typing import Any
    from urllib.parse import SplitResult

ANSWER_MAX_BYTES = 16 * 1024 * 1024


class Reply:
    """A response."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self._body = body

    def json(self) -> dict[str, Any]:
        """Its object; an empty one where it is none, as of a proxy between."""
        try:
            found = json.loads(self._body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


def _split(url: str) -> SplitResult:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the URL of a node is http://HOST:PORT or https://HOST")
    return parts


class Http:
    """One connection, opened again when it has ended."""

    def __init__(self, url: str, api_key: str) -> None:
        self._parts = _split(url)
        self._headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        self._connection: HTTPConnection | None = None

    def request(self, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float) -> Reply | None:
        """The response; None where there is none, and it is not known what became of the request."""
        from http.client import HTTPException

        try:
            connection = self._opened(timeout_s)
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, self._parts.path.rstrip("/") + path, data, self._headers)
            response = connection.getresponse()
            return Reply(response.status, response.read(ANSWER_MAX_BYTES))
        except (OSError, HTTPException):
            self.close()
            return None
        except BaseException:  # an interrupt: the answer would be taken for the next one's
            self.close()
            raise

    def _opened(self, timeout_s: float) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        if self._connection is None:
            kind = HTTPSConnection if self._parts.scheme == "https" else HTTPConnection
            self._connection = kind(self._parts.hostname or "", self._parts.port, timeout=timeout_s)
        self._connection.timeout = timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        return self._connection

    def close(self) -> None:
        """Ends the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class AsyncHttp:
    """A connection for each request."""

    def __init__(self, url: str, api_key: str) -> None:
        self._parts = _split(url)
        self._api_key = api_key

    async def request(
        self, method: str, path: str, body: Mapping[str, object] | None, timeout_s: float
    ) -> Reply | None:
        """See `Http`."""
        import asyncio

        try:
            async with asyncio.timeout(timeout_s):
                return await self._request(method, path, body)
        except (OSError, EOFError, ValueError):  # TimeoutError is an OSError, an incomplete read an EOFError
            return None

    async def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> Reply:
        import asyncio

        parts = self._parts
        tls = parts.scheme == "https"
        port = parts.port or (443 if tls else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=tls or None)
        try:
            data = b"" if body is None else json.dumps(body).encode()
            head = (
                f"{method} {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {parts.netloc.rpartition('@')[2]}\r\n"
                f"Authorization: Bearer {self._api_key}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            )
            writer.write(head.encode("latin-1") + data)
            status = int((await reader.readline()).split(b" ", 2)[1])
            length = ANSWER_MAX_BYTES
            chunked = False
            while (line := await reader.readline()).strip():
                name, _, value = line.decode("latin-1").partition(":")
                if name.lower() == "content-length":
                    length = int(value)
                chunked |= name.lower() == "transfer-encoding" and "chunked" in value.lower()
            if chunked:
                return Reply(status, await _chunks(reader))
            if length >= ANSWER_MAX_BYTES:
                return Reply(status, await reader.read(ANSWER_MAX_BYTES))
            return Reply(status, await reader.readexactly(length))
        except IndexError:
            raise EOFError from None
        finally:
            writer.close()


async def _chunks(reader: Any) -> bytes:
    """A body in chunks (RFC 9112, 7.1), as a proxy between may make one."""
    body = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        if len(body) + size > ANSWER_MAX_BYTES:
            raise ValueError("too long")
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    return bytes(body)
