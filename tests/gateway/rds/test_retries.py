"""What SDKs send again runs once; a caller that stays away holds nothing."""

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ConnectionClosedError

from tests.gateway.rds.clients import Place
from tests.servers.processes import eventually

SLOW = {"pg": "INSERT INTO {} SELECT 1 FROM pg_sleep(0.5)", "my": "INSERT INTO {} SELECT 1 + SLEEP(0.5)"}


class Lost:
    """The first request is sent and its answer is not awaited: the SDK sees a lost connection, and retries by itself.

    With `after_answer` the first one has been answered by then.
    """

    def __init__(self, place: Place, *, after_answer: bool) -> None:
        self.ids: list[str] = []
        self._after_answer = after_answer
        place.client.meta.events.register("before-send.rds-data", self._send)

    def _send(self, request: Any, **_: Any) -> None:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        self.ids.append(headers["amz-sdk-invocation-id"])
        if len(self.ids) > 1:
            return
        url = urlsplit(request.url)
        connection = http.client.HTTPConnection(url.netloc, timeout=20)
        connection.request("POST", url.path, request.body, headers)
        if self._after_answer:
            assert connection.getresponse().status == 200
        connection.close()
        raise ConnectionClosedError(endpoint_url=request.url)


@pytest.mark.parametrize("after_answer", [True, False])
def test_a_retry_inserts_once(place: Place, after_answer: bool) -> None:
    table = place.table("id INT")
    client = Place(place.node, place.database)
    lost = Lost(client, after_answer=after_answer)
    assert client.execute(SLOW[place.database].format(table))["numberOfRecordsUpdated"] == 1
    assert len(lost.ids) == 2
    assert len(set(lost.ids)) == 1
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 1)


def test_a_retry_of_begin_and_of_a_step(place: Place) -> None:
    table = place.table("id INT PRIMARY KEY")
    client = Place(place.node, place.database)
    Lost(client, after_answer=True)
    id = client.begin()
    client = Place(place.node, place.database)
    Lost(client, after_answer=True)
    client.execute(f"INSERT INTO {table} VALUES (1)", transactionId=id)
    client = Place(place.node, place.database)
    Lost(client, after_answer=True)
    assert client.commit(id) == "Transaction Committed"
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 1)


def test_a_transaction_whose_caller_stays_away_is_gone(place: Place) -> None:
    table = place.table("id INT PRIMARY KEY")
    id = place.begin()
    place.execute(f"INSERT INTO {table} VALUES (1)", transactionId=id)
    # It waits for the lock of the other one, which has a deadline of a second.
    place.execute(f"INSERT INTO {table} VALUES (1)")
    assert place.value(f"SELECT COUNT(*) FROM {table}") == ("longValue", 1)

    def gone() -> bool:
        try:
            place.execute("SELECT 1", transactionId=id)
        except place.client.exceptions.TransactionNotFoundException:
            return True
        return False

    eventually(gone)
