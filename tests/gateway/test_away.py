"""A database that is away is told as such, before anything ran: not as a full pool. One that goes in the middle leaves
nobody in doubt that there is doubt.
"""

import pytest

from tests.chaos.relay import Relay
from tests.gateway.caller import Answer, Caller, configuration
from tests.servers import MariaDB, OutliveProcess, Postgres15, free_port
from tests.servers.processes import eventually


@pytest.mark.parametrize("which", ["pg", "my"])
def test_away(which: str, maria: MariaDB, postgres: Postgres15) -> None:
    """Also one that was there before, and whose logins are known."""
    server: MariaDB | Postgres15 = postgres if which == "pg" else maria
    relay = Relay(server.port)
    url = server.url(acquire_timeout_s=0.5, max_connections=3).replace(f":{server.port}/", f":{relay.port}/")
    url += "&sslmode=disable" if which == "pg" else "&ssl-mode=disabled"
    with OutliveProcess(configuration({which: url})) as node:
        caller = Caller(node, which)
        _lost_in_the_middle(caller, relay)
        ids = [caller.begin() for _ in range(2 if which == "my" else 3)]
        assert caller.query("SELECT 1").error["code"] == "pool_full"
        for id in ids:
            caller.end(id)
        relay.target = free_port()
        relay.drop()
        eventually(lambda: node.metric("outlive_server_connections", state="idle") == 0)
        answer = caller.query("SELECT 1")
        assert (answer.status, answer.error["code"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"] == "1"
        never = OutliveProcess(configuration({which: url}))
    with never:
        error = Caller(never, which).query("SELECT 1").error
        assert (error["code"], error["outcome"]) == ("database_unavailable", "not_run")


def _lost_in_the_middle(caller: Caller, relay: Relay) -> None:
    """Never 5xx, which is sent again: the statement may have taken effect."""
    slow = "SELECT pg_sleep(30)" if caller.database == "pg" else "SELECT SLEEP(30)"
    bodies = {
        "/v1/query": {"database": caller.database, "sql": slow},
        "/v1/batch": {"database": caller.database, "statements": [{"sql": "SELECT 1"}, {"sql": slow}]},
        "/v1/transactions/{}/query": {"sql": slow},
    }
    for form, body in bodies.items():
        path = form.format(caller.begin()) if "{}" in form else form
        running = caller.begun(path, body)
        eventually(lambda: caller.runs(slow))
        relay.drop()
        answer = Answer(running.getresponse())
        running.close()
        assert (answer.status, answer.error["code"], answer.error["outcome"]) == (400, "connection_lost", "unknown")
        assert "Retry-After" not in answer.headers
        eventually(lambda: caller.node.metric("outlive_server_connections", state="leased") == 0)
