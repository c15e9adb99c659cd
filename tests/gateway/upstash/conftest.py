"""A Redis, and a node with Upstash's API before it, for each file."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.caller import KEY, Answer, hashed
from tests.redis.conftest import Node
from tests.servers.redis import RedisServer


class Upstash(Node):
    """A node whose callers speak Upstash's REST API."""

    @property
    def url(self) -> str:
        return f"http://{self.http_host}:{self.http_port}"

    def begun(self, method: str, path: str, body: Any = None, key: str | None = KEY, **headers: str) -> Any:
        """A request whose answer is not awaited; closing the connection is the caller's death."""
        connection = http.client.HTTPConnection(self.http_host, self.http_port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["Authorization"] = f"Bearer {key}"
        connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body).encode(), named)
        return connection

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        connection = self.begun(method, path, body, **more)
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def run(self, *words: Any, **more: Any) -> Any:
        """The result of one command, or its error."""
        answer = self.call("POST", "/", list(words), **more)
        return answer.json["result"] if answer.status == 200 else answer.json["error"]


def configuration(server: RedisServer, more: str = "", url: str = "max_connections=6", **principal: object) -> str:
    options = "\n".join(f"{name} = {json.dumps(value)}" for name, value in principal.items())
    return f"""
[databases.cache]
url = "redis://default@{server.host}:{server.port}/0?{url}"
[principals.tests]
api_key_sha256 = ["{hashed(KEY)}"]
databases = ["cache"]
{options}
{more}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as found:
        yield found
