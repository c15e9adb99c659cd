"""A database that is away is told as such, before anything ran: not as a full pool."""

import pytest

from tests.chaos.relay import Relay
from tests.gateway.caller import Caller, configuration
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
