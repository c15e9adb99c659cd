"""The description, and a node without principals."""

from tests.gateway.caller import Caller
from tests.servers import MariaDB, OutliveProcess


def test_the_description(node: OutliveProcess) -> None:
    status, body = node.get("/openapi.json")
    assert status == 200
    assert '"openapi":"3.1.0"' in body
    assert '"/v1/transactions/{id}/commit"' in body


def test_without_principals_it_is_off(maria: MariaDB) -> None:
    with OutliveProcess(maria.url()) as node:
        answer = Caller(node, "test").query("SELECT 1")
        assert answer.status == 404
        assert "[principals.NAME]" in answer.error["message"]
        assert node.get("/openapi.json")[0] == 404
