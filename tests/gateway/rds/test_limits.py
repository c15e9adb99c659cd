"""A principal's limits, and what of them a caller is told."""

import http.client
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.gateway.rds.clients import NARROW, Place
from tests.gateway.rds.test_signatures import Sent

SLEEP = {"pg": "SELECT pg_sleep(20)", "my": "SELECT SLEEP(20)"}


@pytest.fixture
def narrow(place: Place) -> Place:
    return Place(place.node, place.database, key=NARROW, attempts=1)  # boto3 tries again where it is throttled


def test_limits_of_a_principal(place: Place, narrow: Place) -> None:
    table = place.table("id INT")
    with pytest.raises(narrow.client.exceptions.DatabaseErrorException, match=r"(?i)read.only"):
        narrow.execute(f"INSERT INTO {table} VALUES (1)")
    three = "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"
    with pytest.raises(narrow.client.exceptions.DatabaseErrorException, match=r"response size limit: .*max_rows"):
        narrow.execute(three)
    with pytest.raises(narrow.client.exceptions.StatementTimeoutException, match=r"0\.5 s"):
        narrow.execute(SLEEP[place.database])
    id = narrow.begin()
    try:
        with pytest.raises(ClientError, match="max_concurrency") as raised:
            narrow.execute("SELECT 1")
        assert raised.value.response["Error"]["Code"] == "ThrottlingException"
        with pytest.raises(narrow.client.exceptions.BadRequestException, match="response size limit"):
            narrow.execute(three, transactionId=id)
        assert narrow.execute("SELECT 1", transactionId=id)["records"] == [[{"longValue": 1}]]  # it is still open
        with pytest.raises(place.client.exceptions.TransactionNotFoundException):
            place.execute("SELECT 1", transactionId=id)  # of another principal
    finally:
        narrow.rollback(id)


def test_a_transaction_of_another_database(pg: Place, my: Place) -> None:
    id = pg.begin()
    with pytest.raises(pg.client.exceptions.BadRequestException, match="another database"):
        my.execute("SELECT 1", transactionId=id)
    with pytest.raises(pg.client.exceptions.BadRequestException, match="another database"):
        my.commit(id)
    assert pg.commit(id) == "Transaction Committed"


@pytest.mark.parametrize("goes_on", [True, False])
def test_continue_after_timeout(pg: Place, goes_on: bool, eventually: Callable[..., None]) -> None:
    """A statement without an invocation id, whose caller leaves before its answer."""
    table = pg.table("id INT")
    running = f"SELECT COUNT(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO {table}%' AND state = 'active'"
    sent = Sent(pg, f"INSERT INTO {table} SELECT 1 FROM pg_sleep(0.5)", send=False, continueAfterTimeout=goes_on)
    del sent.headers["amz-sdk-invocation-id"]
    connection = http.client.HTTPConnection(pg.url.removeprefix("http://"), timeout=20)
    connection.request("POST", "/Execute", sent.body, sent.headers)
    eventually(lambda: pg.value(running) == ("longValue", 1))
    connection.close()
    eventually(lambda: pg.value(running) == ("longValue", 0))
    assert pg.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", int(goes_on))
