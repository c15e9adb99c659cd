"""Callers in a crowd, and callers that go away: nobody holds what others need, nothing runs twice."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.caller import Caller
from tests.servers.processes import eventually


@pytest.fixture(autouse=True)
def table(caller: Caller) -> None:
    for sql in ("DROP TABLE IF EXISTS c", "CREATE TABLE c (id int, note varchar(20))"):
        assert caller.query(sql).status == 200


def sleep(caller: Caller, seconds: float) -> str:
    return f"SELECT pg_sleep({seconds})" if caller.database == "pg" else f"SELECT SLEEP({seconds})"


def insert_slowly(caller: Caller, seconds: int = 3) -> str:
    """A write that takes its time, and leaves a row."""
    return f"INSERT INTO c SELECT 1, '' FROM ({sleep(caller, seconds)}) AS s"


def held(caller: Caller) -> float:
    return caller.node.metric("outlive_server_connections", state="leased")


def count(caller: Caller) -> int:
    return int(caller.query("SELECT count(*) FROM c").rows[0][0])


def test_two_hundred_callers_on_five_connections(caller: Caller) -> None:
    with ThreadPoolExecutor(200) as crowd:
        answers = list(crowd.map(lambda n: caller.query(f"INSERT INTO c VALUES ({n}, 'x')"), range(200)))
    assert [answer.status for answer in answers] == [200] * 200
    assert count(caller) == 200
    eventually(lambda: held(caller) == 0)
    assert caller.node.metric("outlive_clients") == 0


@pytest.mark.parametrize("padding", [0, 300_000], ids=["short", "long"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_caller_who_goes_cancels_its_statement(caller: Caller, padding: int, stream: bool) -> None:
    """Long before it would end by itself; also where reading paused because of a long request."""
    sql = f"{insert_slowly(caller, 600)} /* {'x' * padding} */"
    dead = caller.begun("/v1/query", {"database": caller.database, "sql": sql, "stream": stream})
    # At the server: MySQL drops a KILL QUERY that comes before its statement.
    eventually(lambda: caller.runs("INSERT INTO c SELECT"))
    dead.close()
    eventually(lambda: held(caller) == 0)
    assert count(caller) == 0


def test_a_caller_with_a_key_finds_its_answer(caller: Caller) -> None:
    body = {"database": caller.database, "sql": insert_slowly(caller), "format": "arrays"}
    key = {"Idempotency_Key": f"first-{caller.database}"}
    dead = caller.begun("/v1/query", body, **key)
    eventually(lambda: held(caller) == 1)
    dead.close()
    again = caller.post("/v1/query", body, **key)  # waits for the first
    assert again.json["rows_affected"] == 1
    assert caller.post("/v1/query", body, **key).raw == again.raw
    assert count(caller) == 1
    other = caller.post("/v1/query", {**body, "sql": "SELECT 1"}, **key)
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")


def test_keys_of_transactions_and_failures(caller: Caller) -> None:
    key = {"Idempotency_Key": f"tx-{caller.database}"}
    body = {"database": caller.database}
    id = caller.post("/v1/transactions", body, **key).json["transaction"]
    assert caller.post("/v1/transactions", body, **key).json["transaction"] == id
    step = {"sql": "INSERT INTO c VALUES (1, 'x')"}
    for _ in range(2):
        assert caller.post(f"/v1/transactions/{id}/query", step, Idempotency_Key=f"s-{caller.database}").status == 200
    for _ in range(2):
        assert caller.end(id, Idempotency_Key=f"c-{caller.database}").json == {"transaction": "committed"}
    assert count(caller) == 1
    wrong = {"database": caller.database, "sql": "INSERT INTO nowhere VALUES (1)"}
    first = caller.post("/v1/query", wrong, Idempotency_Key=f"w-{caller.database}")
    assert caller.post("/v1/query", wrong, Idempotency_Key=f"w-{caller.database}").raw == first.raw
    assert caller.post("/v1/query", wrong, Idempotency_Key="x" * 300).status == 400


def test_a_killed_callers_transaction(caller: Caller) -> None:
    """In the middle of a statement: cancelled and rolled back at once."""
    id = caller.begin(idle_timeout_s=100)
    caller.step(id, "INSERT INTO c VALUES (1, 'x')")
    dead = caller.begun(f"/v1/transactions/{id}/query", {"sql": sleep(caller, 600)})
    eventually(lambda: caller.runs(sleep(caller, 600)))
    dead.close()
    eventually(lambda: held(caller) == 0)
    assert caller.end(id).status == 404
    assert count(caller) == 0


def test_a_statement_has_a_deadline(caller: Caller) -> None:
    error = caller.query(insert_slowly(caller), timeout_s=0.3).error
    assert (error["code"], error["outcome"]) == ("statement_timeout", "failed")
    assert count(caller) == 0


def test_a_full_pool_is_503(caller: Caller) -> None:
    ids = [caller.begin() for _ in range(5)]
    answer = caller.query("INSERT INTO c VALUES (1, 'x')", timeout_s=0.3)
    assert (answer.status, answer.error["outcome"]) == (503, "not_run")
    assert answer.headers["Retry-After"] == "1"
    for id in ids:
        caller.end(id, "rollback")
    assert count(caller) == 0


def test_sessions_end_with_their_requests(caller: Caller) -> None:
    """What one sets no other sees, on whichever of the five connections it comes to be."""
    if caller.database == "pg":
        sets = ["SET search_path = nowhere", "SET statement_timeout = 4711", "CREATE TEMP TABLE c (x int)"]
        shown = "SELECT current_setting('search_path'), current_setting('statement_timeout'), (SELECT count(*) FROM c)"
        clean = [['"$user", public', "0", 0]]
    else:
        sets = ["SET @a = 5", "SET sql_mode = ''", "CREATE TEMPORARY TABLE c (x int)", "SET autocommit = 0"]
        shown = "SELECT @a, @@sql_mode = '', @@autocommit, (SELECT count(*) FROM c)"
        clean = [[None, 0, 1, 0]]
    id = caller.begin()
    for sql in sets[:-1]:
        caller.step(id, sql)
    with ThreadPoolExecutor(8) as crowd:
        for sql in sets * 4:
            assert caller.query(sql).status == 200
        assert all(answer.rows == clean for answer in crowd.map(lambda _: caller.query(shown), range(20)))
    caller.end(id)
    assert all(caller.query(shown).rows == clean for _ in range(6))


def test_two_requests_in_one_transaction(caller: Caller) -> None:
    caller.query("INSERT INTO c VALUES (1, 'x')")
    other, id = caller.begin(), caller.begin()
    update = "UPDATE c SET note = 'y'"
    caller.step(other, update)
    slow = threading.Thread(target=caller.step, args=(id, update))  # waits for the row
    slow.start()
    eventually(lambda: caller.step(other, "SELECT 1").status == 200 and caller.runs(update))
    assert caller.step(id, "SELECT 1").error["code"] == "transaction_busy"
    caller.end(other)
    slow.join()
    assert caller.step(id, "SELECT 1").rows == [[1]]
    caller.end(id, "rollback")


def test_values_are_in_no_log(caller: Caller) -> None:
    caller.query("SELECT 'a-secret-value' FROM nowhere")
    caller.query("SELECT CAST(:v AS int), CAST('a-secret-value' AS unheard_of)", {"v": "a-secret-value"})
    assert "a-secret-value" not in caller.node.log
