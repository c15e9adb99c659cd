"""What is large, what is refused, what ends: the answer is still exact."""

import json
import signal

import pytest

from tests.gateway.caller import Caller, configuration, hashed
from tests.servers import MariaDB, OutliveProcess, Postgres15
from tests.servers.processes import eventually


def held(caller: Caller) -> float:
    return caller.node.metric("outlive_server_connections", state="leased")


def test_large_values(caller: Caller) -> None:
    value = "ü" * 500_000
    if caller.database == "pg":
        assert caller.query("SELECT length($1), $1::text", [value]).rows == [[500_000, value]]
    else:
        assert caller.query("SELECT CHAR_LENGTH(?), ?", [value, value[:9]]).rows == [[500_000, value[:9]]]
        big = caller.query("SELECT REPEAT('x', 15000000)")
        assert len(big.rows[0][0]) == 15_000_000
    refused = caller.query("SELECT 1", ["x" * 5_000_000])
    assert (refused.status, refused.error["code"]) == (413, "request_too_large")
    repeat = "SELECT repeat('x', 9000000) AS a, repeat('x', 9000000) AS b"
    assert caller.query(repeat).error["code"] == "result_too_large"
    eventually(lambda: held(caller) == 0)


def test_more_than_sixteen_mib_in_a_row_of_mysql(node: OutliveProcess) -> None:
    caller = Caller(node, "my")
    connection = caller.begun(
        "/v1/query",
        {
            "database": "my",
            "sql": "SELECT REPEAT('x', 9000000) AS a, REPEAT('y', 9000000) AS b",
            "stream": True,
            "format": "arrays",
        },
    )
    _, row, last = connection.getresponse().read().splitlines()
    connection.close()
    assert [len(value) for value in json.loads(row)] == [9_000_000, 9_000_000]
    assert json.loads(last)["outcome"] == "done"


def test_what_is_no_single_statement(caller: Caller) -> None:
    assert caller.query("SELECT 1; SELECT 2").status == 400
    assert caller.query("").status == 400
    assert caller.query("SELECT 1\0").status == 400
    assert caller.query("-- nothing").status in (200, 400)
    assert caller.query("SELECT 1").rows == [[1]]


def test_copy(node: OutliveProcess) -> None:
    caller = Caller(node, "pg")
    caller.query("CREATE TABLE IF NOT EXISTS copied (a int)")
    many = "COPY (SELECT generate_series(1, 300000)) TO STDOUT"
    for sql in ("COPY copied FROM STDIN", "COPY (SELECT 1) TO STDOUT", many):
        error = caller.query(sql).error
        assert (error["code"], error["outcome"]) == ("not_supported", "failed"), sql
    eventually(lambda: held(caller) == 0)
    assert caller.query("SELECT count(*) FROM copied").rows == [[0]]


def test_a_procedure_with_results(node: OutliveProcess) -> None:
    caller = Caller(node, "my")
    caller.query("DROP PROCEDURE IF EXISTS two")
    assert caller.query("CREATE PROCEDURE two() BEGIN SELECT 1 AS a; SELECT 2 AS b; END").status == 200
    answer = caller.query("CALL two()")
    assert answer.rows == [[1]]
    assert answer.json["further_results"] == 1


def test_ids_and_counts(caller: Caller) -> None:
    caller.query("DROP TABLE IF EXISTS e")
    key = "serial" if caller.database == "pg" else "int AUTO_INCREMENT"
    caller.query(f"CREATE TABLE e (id {key} PRIMARY KEY, x int)")
    returning = " RETURNING id" if caller.database == "pg" else ""
    answer = caller.query(f"INSERT INTO e (x) VALUES (5), (6){returning}").json
    assert answer["rows_affected"] == 2
    if returning:
        assert answer["rows"] == [[1], [2]]
        assert answer["command"] == "INSERT"
    else:
        assert answer["last_insert_id"] == 1
    assert caller.query("UPDATE e SET x = 7").json["rows_affected"] == 2
    # A write whose result is too large has taken effect, or it has not: the answer says which.
    if returning:
        error = caller.query("INSERT INTO e (x) VALUES (8), (9) RETURNING id", max_rows=1).error
        expected = {"done": 4, "failed": 2}[error["outcome"]]
        assert caller.query("SELECT count(*) FROM e").rows == [[expected]]


@pytest.mark.parametrize("which", ["pg", "my"])
def test_reload_and_drain(which: str, maria: MariaDB, postgres: Postgres15) -> None:
    """A key that is taken out is refused after SIGHUP. SIGTERM waits for the statement that runs."""
    server: MariaDB | Postgres15 = postgres if which == "pg" else maria
    with OutliveProcess(configuration({which: server.url(max_connections=3)})) as node:
        caller = Caller(node, which)
        assert caller.query("SELECT 1").status == 200
        assert node.configuration is not None
        text = node.configuration.read_text()
        node.configuration.write_text(text.replace(hashed(caller.key), hashed("another")))
        node.signal(signal.SIGHUP)
        eventually(lambda: caller.query("SELECT 1").status == 401)
        caller.key = "another"
        id = caller.begin()
        sql = "SELECT 1 FROM (SELECT pg_sleep(3)) s" if which == "pg" else "SELECT SLEEP(3) + 1"
        running = caller.begun(f"/v1/transactions/{id}/query", {"sql": sql, "format": "arrays"})
        eventually(lambda: held(caller) == 1)
        eventually(lambda: caller.runs(sql))
        node.signal(signal.SIGTERM)
        response = running.getresponse()
        assert json.loads(response.read())["rows"] == [[1]]
        running.close()
        late = caller.query("SELECT 1")
        assert (late.status, late.error["outcome"]) == (503, "not_run")
        caller.end(id)
        assert node.stop() == 0
