"""The operations of the tests, the same on each database."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode

from tests.gateway.caller import KEY, Answer, configuration, hashed
from tests.servers import OutliveProcess

OTHER = "key-of-another-principal"
NARROW = {name: f"key-of-a-narrow-principal-{name}" for name in ("pg", "my", "nine")}
"""One a database: it has two requests, and each a row."""
TABLES = (
    "CREATE TABLE items (id bigint PRIMARY KEY, name varchar(20) NOT NULL UNIQUE, price decimal(10,2), stock int,"
    " at {time}, data {bytes})",
    "CREATE TABLE moves (item bigint NOT NULL REFERENCES items (id), n int NOT NULL)",
)
OPERATIONS = """
[operations.{db}_item]
method = "GET"
path = "/api/{db}/items/{{id:integer}}"
database = "{db}"
sql = "SELECT id, name, price, stock, at, data FROM items WHERE id = :id"
answer = "row"
principals = ["tests"]

[operations.{db}_items]
method = "GET"
path = "/api/{db}/items"
database = "{db}"
sql = "SELECT id, name FROM items WHERE name LIKE :like AND stock >= :least ORDER BY id"
parameters.like = "string"
parameters.least = {{ type = "int32", default = 0 }}
principals = ["*"]

[operations.{db}_count]
method = "GET"
path = "/api/{db}/items/count"
database = "{db}"
sql = "SELECT count(*) AS n FROM items"
answer = "value"
cache_s = 60
principals = ["tests"]

[operations.{db}_name]
method = "GET"
path = "/api/{db}/items/{{id:integer}}/name"
database = "{db}"
sql = "SELECT name FROM items WHERE id = :id"
answer = "value"
principals = ["tests"]

[operations.{db}_one_of_all]
method = "GET"
path = "/api/{db}/first"
database = "{db}"
sql = "SELECT id FROM items"
answer = "row"
principals = ["tests"]

[operations.{db}_add]
method = "POST"
path = "/api/{db}/items"
database = "{db}"
sql = "INSERT INTO items (id, name, price, stock, at, data) VALUES (:id, :name, :price, :stock, :at, :data)"
answer = "affected"
principals = ["tests"]
[operations.{db}_add.parameters]
id = "integer"
name = {{ type = "string", min_length = 1, pattern = "[a-z' ]+" }}
price = {{ type = "decimal", required = false }}
stock = {{ type = "{stock}", default = 1 }}
at = {{ type = "timestamp", required = false, nullable = true }}
data = {{ type = "bytes", required = false }}

[operations.{db}_rename]
method = "PUT"
path = "/api/{db}/items/{{id:integer}}/name"
database = "{db}"
sql = "UPDATE items SET name = :name WHERE id = :id"
parameters.name = "string"
answer = "affected"
require = true
principals = ["tests"]

[operations.{db}_take]
method = "POST"
path = "/api/{db}/items/{{id:integer}}/take"
database = "{db}"
answer = "value"
principals = ["tests"]
parameters.n = {{ type = "int32", minimum = 1, maximum = 1000 }}
[[operations.{db}_take.steps]]
sql = "SELECT id FROM items WHERE id = :id FOR UPDATE"
require = true
[[operations.{db}_take.steps]]
sql = "INSERT INTO moves (item, n) VALUES (:id, :n)"
[[operations.{db}_take.steps]]
sql = "UPDATE items SET stock = stock - :n WHERE id = :id AND stock >= :n"
require = true
status = 409
[[operations.{db}_take.steps]]
sql = "SELECT stock FROM items WHERE id = :id"
"""
PRINCIPALS = f"""
[principals.other]
api_key_sha256 = ["{hashed(OTHER)}"]
""" + "".join(
    f"""
[principals.narrow_{name}]
api_key_sha256 = ["{hashed(key)}"]
max_rows = 1
rate = 0.001
burst = 2
"""
    for name, key in NARROW.items()
)


def text(urls: dict[str, str], http: str = "", more: str = "") -> str:
    """The configuration of a node."""
    # MySQL says nothing of its parameters: there the database itself judges what is too much.
    kinds = {name: "int32" if name == "pg" else "integer" for name in urls}
    operations = "".join(OPERATIONS.format(db=name, stock=kinds[name]) for name in urls)
    return configuration(urls, PRINCIPALS + operations + more, http)


class Shop:
    """A caller of the operations of one database."""

    def __init__(self, node: OutliveProcess, database: str, key: str = KEY) -> None:
        self.node = node
        self.database = database
        self.key = key

    def begun(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> http.client.HTTPConnection:
        """A request whose answer is not awaited; closing the connection is the caller's death."""
        connection = http.client.HTTPConnection(self.node.http_host, self.node.http_port, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        authorized = {"Authorization": f"Bearer {self.key}", **(headers or {})}
        connection.request(method, f"/api/{self.database}{path}", data, authorized)
        return connection

    def call(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        connection = self.begun(method, path, body, headers)
        try:
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.call("GET", path + ("?" + urlencode(query, doseq=True) if query else ""))

    def post(self, path: str, body: object, key: str = "") -> Answer:
        return self.call("POST", path, body, {"Idempotency-Key": key} if key else None)

    def as_(self, key: str) -> "Shop":
        return Shop(self.node, self.database, key)
