"""idempotency = "database": a key and its answer are in the transaction of the statement, whatever is killed when."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException

import pytest

from tests.gateway.caller import Answer, Caller, configuration
from tests.gateway.gate import Gate
from tests.servers import MariaDB, OutliveProcess, Postgres15
from tests.servers.processes import eventually

Server = MariaDB | Postgres15
DURABLE = 'idempotency = "database"'


class Place:
    """A database, and nodes before it: `node` reaches it through a gate, `other` does not."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.is_postgres = isinstance(server, Postgres15)
        self.gate = Gate(server.port, later=0 if self.is_postgres else 1)
        options = "sslmode=disable&max_connections=5" if self.is_postgres else "ssl-mode=disabled&max_connections=6"
        url = server.url().partition("?")[0]
        self.configurations = [
            configuration({"db": url.replace(f":{server.port}/", f":{port}/") + "?" + options}, http=DURABLE)
            for port in (self.gate.port, server.port)
        ]
        self.node = OutliveProcess(self.configurations[0])
        self.other = OutliveProcess(self.configurations[1])

    @property
    def caller(self) -> Caller:
        return Caller(self.node, "db")

    @property
    def neighbour(self) -> Caller:
        return Caller(self.other, "db")

    def restart(self) -> None:
        """As after kill -9."""
        self.node.kill()
        self.gate.drop()
        self.node.close()
        self.gate.close()
        self.gate = Gate(self.server.port, later=0 if self.is_postgres else 1)
        old, new = self.configurations[0], f":{self.gate.port}/"
        port = old.split("127.0.0.1:")[1].split("/")[0]
        self.configurations[0] = old.replace(f":{port}/", new)
        self.node = OutliveProcess(self.configurations[0])

    def ids(self) -> list[int]:
        return [int(row[0]) for row in self.neighbour.query("SELECT id FROM d ORDER BY id").rows]

    def keys(self) -> int:
        return int(self.neighbour.query("SELECT count(*) FROM outlive_idempotency").rows[0][0])

    def expire(self) -> None:
        past = "now() - interval '1 s'" if self.is_postgres else "UTC_TIMESTAMP() - INTERVAL 1 SECOND"
        assert self.neighbour.query(f"UPDATE outlive_idempotency SET expires_at = {past}").status == 200

    def close(self) -> None:
        self.node.close()
        self.other.close()
        self.gate.close()


@pytest.fixture(scope="module", params=["pg", "my"])
def place(request: pytest.FixtureRequest, maria: MariaDB, postgres: Postgres15) -> Iterator[Place]:
    made = Place(postgres if request.param == "pg" else maria)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def table(place: Place) -> None:
    key = "serial" if place.is_postgres else "int AUTO_INCREMENT"
    for sql in ("DROP TABLE IF EXISTS d", f"CREATE TABLE d (id {key} PRIMARY KEY, x int)"):
        assert place.neighbour.query(sql).status == 200


def insert(caller: Caller, key: str, x: int = 1) -> Answer:
    returning = " RETURNING id" if is_postgres(caller) else ""
    return caller.query(f"INSERT INTO d (x) VALUES ({x}){returning}", headers={"Idempotency_Key": key})


def is_postgres(caller: Caller) -> bool:
    return 'url = "postgresql' in (caller.node.configuration.read_text() if caller.node.configuration else "")


def written(answer: Answer) -> int:
    """The id of the row that it wrote."""
    assert answer.status == 200, answer
    return int(answer.json.get("last_insert_id") or answer.rows[0][0])


def test_killed_between_commit_and_answer(place: Place) -> None:
    place.gate.hold = "answer"
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(insert, place.caller, "killed-after")
        assert place.gate.held.wait(10)
        assert len(place.ids()) == 1  # it is committed, and nobody knows
        place.restart()
        with pytest.raises((OSError, HTTPException)):
            lost.result()
    again = insert(place.caller, "killed-after")
    assert [written(again)] == place.ids()
    assert insert(place.caller, "killed-after").raw == again.raw
    assert insert(place.neighbour, "killed-after").raw == again.raw
    assert len(place.ids()) == 1


def test_killed_before_commit(place: Place) -> None:
    place.gate.hold = "commit"
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(insert, place.caller, "killed-before")
        assert place.gate.held.wait(10)
        place.restart()
        with pytest.raises((OSError, HTTPException)):
            lost.result()
    again = insert(place.caller, "killed-before")
    assert [written(again)] == place.ids()


def test_a_retry_at_another_node_waits(place: Place) -> None:
    place.gate.held.clear()
    place.gate.hold = "commit"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(insert, place.caller, "waits")
        assert place.gate.held.wait(10)
        second = pool.submit(insert, place.neighbour, "waits")
        eventually(lambda: place.other.metric("outlive_server_connections", state="leased") == 1)
        assert not second.done()
        place.gate.drop()
        assert first.result().raw == second.result().raw
    assert len(place.ids()) == 1


def test_another_body(place: Place) -> None:
    insert(place.caller, "body")
    for caller in (place.caller, place.neighbour):
        assert insert(caller, "body", x=2).error["code"] == "idempotency_key_reused"
    assert len(place.ids()) == 1


def test_a_failure_is_not_kept(place: Place) -> None:
    headers = {"Idempotency_Key": "fails"}
    wrong = place.caller.query("INSERT INTO d (x) VALUES (1 / 'a')", headers=headers)
    if not place.is_postgres:
        wrong = place.caller.query("INSERT INTO nowhere VALUES (1)", headers={"Idempotency_Key": "fails-2"})
    assert wrong.error["outcome"] == "failed"
    before = place.keys()
    insert(place.caller, "works")
    assert place.keys() == before + 1


def test_a_batch(place: Place) -> None:
    body = {"database": "db", "sql": "INSERT INTO d (x) VALUES (:x)", "parameter_sets": [{"x": 1}, {"x": 2}]}
    first = place.caller.post("/v1/batch", body, Idempotency_Key="batch")
    assert first.status == 200
    again = place.neighbour.post("/v1/batch", body, Idempotency_Key="batch")
    assert (again.status, again.raw) == (200, first.raw)
    assert len(place.ids()) == 2


def test_what_ends_a_transaction_is_refused(place: Place) -> None:
    refused = ["/* x */ COMMIT", "BEGIN", "ROLLBACK"]
    if not place.is_postgres:
        refused += ["CREATE TABLE e (a int)", "/*!50000 DROP TABLE d */", "TRUNCATE d", "SET autocommit = 1"]
    for number, sql in enumerate(refused):
        error = place.caller.query(sql, headers={"Idempotency_Key": f"refused-{number}"}).error
        assert (error["code"], error["outcome"]) == ("not_idempotent", "not_run"), sql
    if place.is_postgres:
        error = place.caller.query("VACUUM d", headers={"Idempotency_Key": "vacuum"}).error
        assert (error["sqlstate"], error["outcome"]) == ("25001", "failed")
        ddl = place.caller.query("ALTER TABLE d ADD y int", headers={"Idempotency_Key": "ddl"})
        assert place.neighbour.query("ALTER TABLE d ADD y int", headers={"Idempotency_Key": "ddl"}).raw == ddl.raw


def test_a_transaction_ended_from_inside(place: Place) -> None:
    """A procedure may commit in MySQL: what was then lost is told as unknown, and does not run again."""
    if place.is_postgres:
        return
    place.caller.query("DROP PROCEDURE IF EXISTS ends")
    sql = "CREATE PROCEDURE ends() BEGIN INSERT INTO d (x) VALUES (1); COMMIT; SIGNAL SQLSTATE '45000'; END"
    assert place.caller.query(sql).status == 200
    key = {"Idempotency_Key": "ends"}
    assert place.caller.query("CALL ends()", headers=key).status == 400
    again = place.neighbour.query("CALL ends()", headers=key).error
    assert (again["code"], again["outcome"]) == ("result_not_kept", "unknown")
    assert len(place.ids()) == 1


def test_expiry(place: Place) -> None:
    first = written(insert(place.caller, "expires"))
    place.expire()
    second = written(insert(place.caller, "expires"))
    assert first != second
    place.expire()
    # The first key of a node that has just been started deletes what is over.
    place.restart()
    insert(place.caller, "after-expiry")
    eventually(lambda: place.keys() == 1)


def test_reads_need_no_table(place: Place) -> None:
    text = place.configurations[1] + "read_only = true\n"
    with OutliveProcess(text) as node:
        caller = Caller(node, "db")
        before = place.keys()
        raw = {caller.query("SELECT 1", headers={"Idempotency_Key": "read"}).raw for _ in range(2)}
        assert len(raw) == 1
        assert place.keys() == before


def test_a_crowd_with_one_key(place: Place) -> None:
    answers: list[bytes] = []

    def ask(caller: Caller) -> None:
        answers.append(insert(caller, "crowd").raw)

    threads = [threading.Thread(target=ask, args=(caller,)) for caller in (place.caller, place.neighbour) * 6]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(place.ids()) == 1
