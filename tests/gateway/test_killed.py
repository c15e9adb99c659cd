"""kill -9 of a node with transactions of callers over HTTP open: nothing is committed, and nothing stays open."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.caller import Caller, configuration
from tests.gateway.rds.clients import Place, principal
from tests.gateway.rds.test_signatures import Sent
from tests.servers import MariaDB, OutliveProcess, Postgres15
from tests.servers.processes import eventually

DURABLE = 'idempotency = "database"'


def node_of(number: int, maria: MariaDB, postgres: Postgres15) -> OutliveProcess:
    urls = {"my": maria.url(max_connections=4), "pg": postgres.url(max_connections=4)}
    text = f"node = {number}\n" + configuration(urls, principal(urls), http=DURABLE)
    return OutliveProcess(text)


@pytest.fixture
def one(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    with node_of(1, maria, postgres) as node:
        yield node


@pytest.fixture(scope="module")
def two(maria: MariaDB, postgres: Postgres15) -> Iterator[OutliveProcess]:
    with node_of(2, maria, postgres) as node:
        yield node


def open_transactions(server: MariaDB | Postgres15) -> int:
    if isinstance(server, MariaDB):
        sql = "SELECT COUNT(*) FROM information_schema.innodb_trx"
    else:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid()"
    return int(server.query(sql)[0][0])


def test_transactions_of_a_killed_node(
    one: OutliveProcess, two: OutliveProcess, maria: MariaDB, postgres: Postgres15
) -> None:
    """Between two requests, and in the middle of a statement. What they had locked is free at once."""
    ids = {}
    for name in ("pg", "my"):
        caller, other = Caller(one, name), Caller(two, name)
        for sql in ("DROP TABLE IF EXISTS killed", "CREATE TABLE killed (id int PRIMARY KEY)"):
            assert other.query(sql).status == 200
        for row in (1, 2):
            ids[name] = id = caller.begin()
            assert caller.step(id, f"INSERT INTO killed VALUES ({row})").status == 200
    # MySQL runs a statement to its end before it looks at its socket.
    running = Caller(one, "pg").begun(f"/v1/transactions/{ids['pg']}/query", {"sql": "SELECT pg_sleep(60)"})
    eventually(lambda: Caller(two, "pg").runs("SELECT pg_sleep(60)"))
    one.kill()
    running.close()
    servers: dict[str, MariaDB | Postgres15] = {"pg": postgres, "my": maria}
    for name, server in servers.items():
        eventually(lambda server=server: open_transactions(server) == 0)
        other = Caller(two, name)
        assert other.query("SELECT id FROM killed").rows == []
        error = other.step(ids[name], "SELECT 1").error
        assert (error["code"], error["outcome"]) == ("no_such_transaction", "not_run")
        assert "of node 1, and this is node 2" in error["message"]
        assert "on this node" in other.step("2.x.y", "SELECT 1").error["message"]


@pytest.mark.parametrize("name", ["pg", "my"])
def test_a_retry_after_a_kill_inserts_once(name: str, one: OutliveProcess, two: OutliveProcess) -> None:
    """`amz-sdk-invocation-id` in the database: another node answers what the killed one has done."""
    other = Caller(two, name)
    for sql in ("DROP TABLE IF EXISTS retried", "CREATE TABLE retried (id int)"):
        assert other.query(sql).status == 200
    insert = "INSERT INTO retried VALUES (1)"
    sent = Sent(Place(one, name), insert)
    one.kill()
    again = Place(two, name)

    def as_the_same(request: Any, **_: object) -> None:
        request.context["retries"]["invocation-id"] = sent.headers["amz-sdk-invocation-id"]

    again.client.meta.events.register_first("before-sign.rds-data", as_the_same)
    assert again.execute(insert)["numberOfRecordsUpdated"] == 1
    assert other.query("SELECT count(*) FROM retried").rows == [[1]]
