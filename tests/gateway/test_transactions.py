"""Transactions over several requests, batches, and principals that may only read."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.caller import Caller, configuration, hashed
from tests.servers import MariaDB, OutliveProcess, Postgres15
from tests.servers.processes import eventually


@pytest.fixture(autouse=True)
def table(caller: Caller) -> None:
    for sql in ("DROP TABLE IF EXISTS t", "CREATE TABLE t (id int PRIMARY KEY)"):
        assert caller.query(sql).status == 200


def held(caller: Caller) -> float:
    return caller.node.metric("outlive_server_connections", state="leased")


def count(caller: Caller) -> int:
    return int(caller.query("SELECT count(*) FROM t").rows[0][0])


def test_commit_and_rollback(caller: Caller) -> None:
    id = caller.begin()
    assert caller.step(id, "INSERT INTO t VALUES (1)").json["rows_affected"] == 1
    assert caller.step(id, "SELECT id FROM t").rows == [[1]]
    assert count(caller) == 0
    assert caller.end(id).json == {"transaction": "committed"}
    assert count(caller) == 1
    assert caller.end(id).error["code"] == "no_such_transaction"
    id = caller.begin(isolation="serializable")
    caller.step(id, "DELETE FROM t")
    assert caller.end(id, "rollback").status == 200
    assert count(caller) == 1
    eventually(lambda: held(caller) == 0)


def test_who_stays_away_is_rolled_back(caller: Caller) -> None:
    """The node's idle deadline is 1 s; what it has locked is free then."""
    id = caller.begin()
    caller.step(id, "INSERT INTO t VALUES (1)")
    began = time.monotonic()
    assert caller.query("INSERT INTO t VALUES (1)", timeout_s=10).status == 200  # waits for the lock
    assert time.monotonic() - began < 5
    assert caller.step(id, "SELECT 1").error["code"] == "no_such_transaction"


def test_the_deadline_in_all(caller: Caller) -> None:
    id = caller.begin(timeout_s=0.3, idle_timeout_s=100)
    answer = caller.step(id, "SELECT pg_sleep(5)" if caller.database == "pg" else "SELECT SLEEP(5)")
    assert answer.status != 200 or answer.rows == [[1]]
    assert caller.end(id).status == 404
    eventually(lambda: held(caller) == 0)


def test_ids_are_bound_and_signed(caller: Caller) -> None:
    id = caller.begin()
    wrong = id[:-1] + ("A" if id[-1] != "A" else "B")
    assert caller.step(wrong, "SELECT 1").status == 404
    assert caller.step("x", "SELECT 1").status == 404
    assert caller.end(id, "rollback").status == 200


def test_a_statement_that_ends_the_transaction(caller: Caller) -> None:
    id = caller.begin()
    caller.step(id, "INSERT INTO t VALUES (1)")
    assert caller.step(id, "COMMIT").error["code"] == "transaction_over"
    assert caller.step(id, "SELECT 1").status == 404


def test_a_failed_transaction(caller: Caller) -> None:
    id = caller.begin()
    caller.step(id, "INSERT INTO t VALUES (1)")
    assert caller.step(id, "INSERT INTO t VALUES (1)").error["outcome"] == "failed"
    answer = caller.end(id)
    if caller.database == "pg":
        assert answer.error["code"] == "rolled_back"
        assert count(caller) == 0
    else:
        assert answer.status == 200
        assert count(caller) == 1


def test_a_deadlock(caller: Caller) -> None:
    """MySQL rolls the whole transaction back: what comes next must not run outside of it."""
    caller.query("INSERT INTO t VALUES (1), (2)")
    first, second = caller.begin(idle_timeout_s=1), caller.begin(idle_timeout_s=1)
    caller.step(first, "UPDATE t SET id = 1 WHERE id = 1")
    caller.step(second, "UPDATE t SET id = 2 WHERE id = 2")
    with ThreadPoolExecutor(2) as both:
        answers = list(
            both.map(
                lambda asked: caller.step(*asked),
                [(first, "UPDATE t SET id = 20 WHERE id = 2"), (second, "UPDATE t SET id = 10 WHERE id = 1")],
            )
        )
    assert sorted(answer.status for answer in answers) == [200, 400]
    loser = second if answers[0].status == 200 else first
    if caller.database == "my":
        assert next(answer for answer in answers if answer.status != 200).error["transaction"] == "rolled back"
    assert caller.step(loser, "INSERT INTO t VALUES (3)").status != 200
    caller.end(loser, "rollback")
    caller.end(second if loser is first else first, "rollback")
    assert count(caller) == 2


def test_a_connection_that_ends_takes_its_transaction_along(caller: Caller) -> None:
    id = caller.begin()
    own = "SELECT pg_backend_pid()" if caller.database == "pg" else "SELECT CONNECTION_ID()"
    shown = caller.step(id, own).rows[0][0]
    if caller.database == "pg":
        assert caller.query(f"SELECT pg_terminate_backend({shown})").rows == [[True]]
    else:  # the id is the one that Outlive gave; the server's is not known here
        caller.query(f"KILL {shown}")
    eventually(lambda: held(caller) == 0)
    assert caller.step(id, "INSERT INTO t VALUES (1)").status in (404, 409)
    assert count(caller) == 0


def test_a_batch(caller: Caller) -> None:
    statements = [{"sql": "INSERT INTO t VALUES (:id)", "parameters": {"id": 1}}, {"sql": "SELECT id FROM t"}]
    answer = caller.post("/v1/batch", {"database": caller.database, "statements": statements, "format": "arrays"})
    assert [result["rows"] for result in answer.json["results"]] == [[], [[1]]]
    sets = {"database": caller.database, "sql": "INSERT INTO t VALUES (:id)"}
    assert caller.post("/v1/batch", {**sets, "parameter_sets": [{"id": 2}, {"id": 3}]}).status == 200
    assert count(caller) == 3
    failed = caller.post("/v1/batch", {**sets, "parameter_sets": [{"id": 4}, {"id": 2}]}).error
    assert (failed["statement"], failed["outcome"]) == (1, "failed")
    assert count(caller) == 3
    assert caller.post("/v1/batch", sets).status == 400


@pytest.fixture(scope="module")
def reading(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    urls = {"my": maria.url(max_connections=4), "pg": postgres.url(max_connections=2)}
    other = f'[principals.other]\napi_key_sha256 = ["{hashed("other")}"]\ndatabases = ["my", "pg"]\nmax_concurrency = 1'
    with OutliveProcess(configuration(urls, more=other, read_only=True, max_rows=10)) as node:
        yield node


def test_read_only(caller: Caller, reading: OutliveProcess) -> None:
    reader = Caller(reading, caller.database)
    assert reader.query("SELECT 1").rows == [[1]]
    assert reader.query("INSERT INTO t VALUES (9)").error["code"] == "database_error"
    for way_out in ("COMMIT", "SET TRANSACTION READ WRITE", "START TRANSACTION READ WRITE", "BEGIN"):
        id = reader.begin(read_only=False)
        reader.step(id, way_out)
        assert reader.step(id, "INSERT INTO t VALUES (9)").status != 200, way_out
        reader.end(id)
        assert reader.query(way_out).status in (200, 400)
        inserts = [{"sql": way_out}, {"sql": "INSERT INTO t VALUES (9)"}]
        assert reader.post("/v1/batch", {"database": caller.database, "statements": inserts}).status != 200
    assert count(caller) == 0


def test_limits_of_a_principal(caller: Caller, reading: OutliveProcess) -> None:
    reader = Caller(reading, caller.database)
    many = "SELECT 1" + " UNION ALL SELECT 1" * 11
    assert reader.query(many).error["code"] == "result_too_large"
    assert reader.query(many, max_rows=1).error["code"] == "result_too_large"
    assert len(reader.query(many + " LIMIT 10").rows) == 10
    busy = Caller(reading, caller.database, key="other")
    id = busy.begin()
    refused = busy.query("SELECT 1")
    assert (refused.status, refused.error["outcome"], refused.headers["Retry-After"]) == (429, "not_run", "1")
    assert Caller(reading, caller.database).step(id, "SELECT 1").status == 404  # another principal's
    busy.end(id)
    assert busy.query("SELECT 1").status == 200
