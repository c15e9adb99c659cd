"""A caller of the native API."""

import hashlib
import http.client
import json
from typing import Any

from tests.servers import OutliveProcess

KEY = "key-of-the-tests"


def hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def configuration(urls: dict[str, str], more: str = "", http: str = "", **principal: object) -> str:
    """A configuration with the databases, and the principal `tests` that may use them all."""
    lines = ["[http]", http]
    for name, url in urls.items():
        lines += [f"[databases.{name}]", f'url = "{url}"']
    lines += ["[principals.tests]", f'api_key_sha256 = ["{hashed(KEY)}"]', f"databases = {json.dumps(list(urls))}"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in principal.items()]
    return "\n".join([*lines, more, ""])


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def rows(self) -> Any:
        assert self.status == 200, (self.status, self.raw)
        return self.json["rows"]

    @property
    def error(self) -> Any:
        assert self.status != 200, self.raw
        return self.json["error"]

    def __repr__(self) -> str:
        return f"{self.status} {self.raw[:300]!r}"


class Caller:
    def __init__(self, node: OutliveProcess, database: str = "", key: str = KEY) -> None:
        self.node = node
        self.database = database
        self.key = key

    def post(self, path: str, body: object, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.node.http_host, self.node.http_port, timeout=30)
        try:
            self.send(connection, path, body, **headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def send(self, connection: http.client.HTTPConnection, path: str, body: object, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(
            "POST",
            path,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self.key}", **named},
        )

    def begun(self, path: str, body: object, **headers: str) -> http.client.HTTPConnection:
        """A request whose answer is not awaited; closing it is the caller's death."""
        connection = http.client.HTTPConnection(self.node.http_host, self.node.http_port, timeout=30)
        self.send(connection, path, body, **headers)
        return connection

    def query(self, sql: str, parameters: object = (), headers: dict[str, str] | None = None, **more: Any) -> Answer:
        body = {"database": self.database, "sql": sql, "parameters": parameters, "format": "arrays", **more}
        return self.post("/v1/query", body, **(headers or {}))

    def step(self, transaction: str, sql: str, parameters: object = (), **more: Any) -> Answer:
        return self.post(
            f"/v1/transactions/{transaction}/query",
            {"sql": sql, "parameters": parameters, "format": "arrays", **more},
        )

    def begin(self, **options: Any) -> str:
        answer = self.post("/v1/transactions", {"database": self.database, **options})
        assert answer.status == 200, answer
        return str(answer.json["transaction"])

    def end(self, transaction: str, how: str = "commit", **headers: str) -> Answer:
        return self.post(f"/v1/transactions/{transaction}/{how}", {}, **headers)

    def runs(self, start: str) -> bool:
        """Whether a statement that starts so is under way at the database."""
        if "postgresql" in self.kind:
            sql = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE $1"
        else:
            sql = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE ?"
        return int(self.query(sql, [f"{start}%"]).rows[0][0]) > 0

    @property
    def kind(self) -> str:
        """The protocol of its database."""
        assert self.node.configuration is not None
        text = self.node.configuration.read_text()
        return text.partition(f"[databases.{self.database}]")[2].partition('"')[2].partition(":")[0]
