"""Rows as lines: the columns first, the outcome last, and no more in memory than the reader leaves there."""

import http.client
import json
from pathlib import Path
from typing import Any

from tests.gateway.caller import Caller
from tests.servers import MariaDB, Postgres15
from tests.servers.processes import eventually


def numbers(caller: Caller, many: int) -> str:
    """So many rows of 1000 bytes."""
    if caller.database == "pg":
        return f"SELECT n, repeat('x', 1000) AS x FROM generate_series(1, {many}) AS n"
    return f"SELECT seq AS n, repeat('x', 1000) AS x FROM seq_1_to_{many}"


def begin(caller: Caller, sql: str, **more: Any) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    body = {"database": caller.database, "sql": sql, "stream": True, **more}
    connection = caller.begun("/v1/query", body)
    return connection, connection.getresponse()


def held(caller: Caller) -> float:
    return caller.node.metric("outlive_server_connections", state="leased")


def test_lines(caller: Caller) -> None:
    connection, response = begin(caller, numbers(caller, 3), format="objects")
    assert response.headers["content-type"] == "application/x-ndjson"
    first, *rows, last = [json.loads(line) for line in response.read().splitlines()]
    connection.close()
    assert [column["name"] for column in first["columns"]] == ["n", "x"]
    assert [row["n"] for row in rows] == [1, 2, 3]
    assert (last["outcome"], last["row_count"]) == ("done", 3)


def test_errors(caller: Caller) -> None:
    connection, response = begin(caller, "SELECT * FROM nowhere")
    assert response.status == 400
    assert json.loads(response.read())["error"]["code"] == "database_error"
    connection.close()
    connection, response = begin(caller, numbers(caller, 100), max_rows=10)
    lines = response.read().splitlines()
    assert len(lines) == 12
    assert json.loads(lines[-1])["error"]["code"] == "result_too_large"
    connection.close()
    answer = caller.query("SELECT 1", stream=True, headers={"Idempotency_Key": "k"})
    assert answer.status == 400


class Stalled:
    """Whether what a server has to say waits in its socket, and has for some looks."""

    def __init__(self, port: int) -> None:
        self._end = f":{port:04X}"
        self._seen: list[int] = []

    def __call__(self) -> bool:
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        queued = sum(int(row[4].partition(":")[0], 16) for row in rows if row[1].endswith(self._end))
        self._seen = [*self._seen[-4:], queued]
        return len(self._seen) == 5 and queued > 0 and len(set(self._seen)) == 1


def server(caller: Caller, maria: MariaDB, postgres: Postgres15) -> MariaDB | Postgres15:
    return postgres if caller.database == "pg" else maria


def memory(caller: Caller) -> int:
    with open(f"/proc/{caller.node.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_back_pressure(caller: Caller, maria: MariaDB, postgres: Postgres15) -> None:
    """100 MB to a caller that does not read: they stay at the server. A caller that goes frees it."""
    before = memory(caller)
    connection, response = begin(caller, numbers(caller, 100_000), format="arrays")
    assert response.status == 200
    eventually(Stalled(server(caller, maria, postgres).port))
    assert held(caller) == 1
    assert memory(caller) - before < 30_000_000
    connection.close()
    response.close()
    eventually(lambda: held(caller) == 0)


def test_a_slow_reader_gets_it_all(caller: Caller, maria: MariaDB, postgres: Postgres15) -> None:
    many = 50_000  # more than all sockets on the way may hold
    connection, response = begin(caller, numbers(caller, many), format="arrays")
    eventually(Stalled(server(caller, maria, postgres).port))
    lines = response.read().splitlines()
    connection.close()
    assert len(lines) == many + 2
    assert json.loads(lines[-1])["outcome"] == "done"
    assert json.loads(lines[many])[0] == many
