"""examples/lambda_handler: frozen by SIGSTOP between requests, killed by SIGKILL."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.database import APP, APP2
from ..servers.processes import eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "lambda_handler"
sys.path.insert(0, str(EXAMPLE))
from runtime import Instance  # noqa: E402


@pytest.fixture(scope="module")
def shop() -> Iterator[MariaDB]:
    with MariaDB(max_connections=10, tls=False) as server:
        server.query("CREATE TABLE test.orders (id INT AUTO_INCREMENT PRIMARY KEY, item VARCHAR(40)) ENGINE=InnoDB")
        yield server


def _instance(server: MariaDB, port: int | None = None, **environment: str) -> Instance:
    login = {"DB_USER": APP.user, "DB_PASSWORD": APP.password, "DB_NAME": "test"}
    where = {"DB_HOST": server.host, "DB_PORT": str(port or server.port)}
    return Instance("handler:handler", folder=str(EXAMPLE), environment={**login, **where, **environment})


def test_an_aged_connection_is_not_used_after_a_freeze_and_nothing_is_open_while_frozen(shop: MariaDB) -> None:
    # Long enough that the second request comes in time on a busy machine.
    with _instance(shop, TTL_S="3") as instance:
        first = instance.invoke({"item": "tea"}, timeout_s=10)
        assert shop.query("SELECT COUNT(*) FROM information_schema.innodb_trx") == ((0,),)
        second = instance.invoke({}, timeout_s=10)
        assert (second["orders"], second["connection"]) == (first["orders"], first["connection"])
        time.sleep(3.1)  # frozen for longer than it lives
        third = instance.invoke({}, timeout_s=10)
        assert third["connection"] != first["connection"]
        assert third["recycled"] == 1
        assert shop.connection_ids(APP.user) == [third["connection"]]
        assert shop.query("SELECT COUNT(*) FROM information_schema.innodb_trx") == ((0,),)
    shop.wait_gone(APP.user)


def test_per_request_leaves_nothing_on_the_server_while_frozen_or_when_killed(shop: MariaDB) -> None:
    with _instance(shop, PER_REQUEST="yes") as instance:
        for _ in range(2):
            instance.invoke({"item": "rice"}, timeout_s=10)
            shop.wait_gone(APP.user)
    assert not shop.connection_ids(APP.user)


def test_a_full_database_is_waited_for_within_the_remaining_time(shop: MariaDB) -> None:
    with contextlib.ExitStack() as stack:
        # One place is left beyond the limit, for the superuser, and refused logins take it, too, for a moment.
        root = stack.enter_context(shop.connect()).cursor()
        taken = [stack.enter_context(shop.connect(APP2)) for _ in range(9)]

        def refused() -> int:
            root.execute("SHOW GLOBAL STATUS LIKE 'Aborted_connects'")
            return int(root.fetchone()[1])

        full = refused()

        instance = stack.enter_context(_instance(shop))
        began = time.monotonic()
        with pytest.raises(RuntimeError, match="1040"):
            instance.invoke({}, timeout_s=1.5)
        assert time.monotonic() - began < 1.5 + 3  # the cold start is not the invocation's
        before = refused()
        assert before > full + 1
        instance.send({}, timeout_s=30)
        eventually(lambda: refused() > before + 1)
        taken.pop()._force_close()
        answer = instance.receive()
        assert answer["connects"] == 1
        assert answer["full"] > 1


def test_through_outlive_a_killed_instance_leaves_nothing_on_the_server(
    shop: MariaDB, outlive: Callable[..., OutliveProcess]
) -> None:
    shop.wait_gone()
    node = outlive(shop.url(max_connections=3))
    instances = [_instance(shop, node.port) for _ in range(6)]
    try:
        for instance in instances:
            instance.invoke({"item": "salt"}, timeout_s=20)
        assert len(shop.connection_ids(APP.user)) <= 3
    finally:
        for instance in instances:
            instance.kill()
    with _instance(shop, node.port, PER_REQUEST="yes") as instance:
        assert instance.invoke({"item": "salt"}, timeout_s=20)["connects"] == 1
        eventually(lambda: node.metric("outlive_clients") == 0)
