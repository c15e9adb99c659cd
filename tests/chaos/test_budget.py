"""The budget, as the server itself counts it, every 10 ms, under everything that makes connections come and go."""

import contextlib
import random
import threading
import time
from collections.abc import Iterator

import pymysql
import pytest
from pymysql.constants import ER

from ..servers import MariaDB, MySQL97
from ..servers.database import APP, APP2, DatabaseServer
from ..servers.watch import Observer
from .wire import RawClient, query

BUDGET = 5
PROBES = 1


@pytest.fixture(params=[MariaDB, MySQL97])
def exact(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server whose max_connections is the budget and the sampler, not one more."""
    with request.param(tls=False, max_connections=BUDGET + PROBES) as server:
        yield server


def churn(node, seconds: float, rng: random.Random, results: list[tuple[int, object]]) -> None:
    """One function after the other, each with its own way to live and to die; adds its id and the code it failed by."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        thread_id = 0
        try:
            client = RawClient(
                node.host,
                node.port,
                rng.choice((APP, APP, APP2)),
                client_flag=rng.choice((0, pymysql.constants.CLIENT.FOUND_ROWS, pymysql.constants.CLIENT.IGNORE_SPACE)),
                autocommit=rng.random() < 0.7,
            )
            thread_id = client.thread_id
            for _ in range(rng.randrange(4)):
                number = rng.randrange(1 << 30)
                assert client.run(f"SELECT {number}") == ((number,),)
            what = rng.randrange(7)
            if what == 0:
                client.run("BEGIN")
            elif what == 1:
                client.send(query("SELECT SLEEP(5)"))
                time.sleep(rng.random() * 0.05)  # before the statement arrives, or after
            elif what == 2:
                client.send(query("SELECT 1")[: rng.randrange(1, 10)])
            elif what == 3:
                client.send(b"\xff\xff\xff\x00\x03SELECT '" + b"x" * 600_000)
            elif what == 4:
                client.run("CREATE TEMPORARY TABLE t (n INT)")
            elif what == 5:
                client.run("SELECT GET_LOCK('x', 0)")
            client.die(rng.choice(("fin", "rst")))
            results.append((thread_id, None))
        except (pymysql.err.Error, OSError) as error:
            results.append((thread_id, error.args[0]))


def test_never_above_the_budget(exact: DatabaseServer, outlive, count) -> None:
    seconds = float(count(4, 60))
    node = outlive(
        f"""
[databases.test]
url = "{exact.url(APP)}"
max_connections = {BUDGET}
max_age_s = 2
idle_timeout_s = 1
acquire_timeout_s = 20
transaction_idle_timeout_s = 1
[databases.test.users]
{APP2.user} = "{APP2.password}"
"""
    )
    results: list[tuple[int, object]] = []
    with Observer(exact) as observer:
        named = _churn_and_kill(node, seconds, results)
        refused = observer.status("Connection_errors_max_connections")
    assert observer.samples > 5 * seconds  # Python threads share the machine with everything else
    assert observer.most <= BUDGET
    assert node.metric("outlive_dials_total") > 10
    print(f"{len(results)} functions, {node.metric('outlive_dials_total'):.0f} dials, {refused} refused")
    # A function that was in the middle of a statement when its id was drawn is interrupted, and nobody else.
    killed = {(thread_id, ER.QUERY_INTERRUPTED) for thread_id in named}
    assert [result for result in results if result[1] is not None and result not in killed] == []
    assert refused == 0
    assert node.metric("outlive_dial_failures_total") == 0


def _churn_and_kill(node, seconds: float, results: list[tuple[int, object]]) -> set[int]:
    """The ids that were killed while the functions came and went."""
    named: set[int] = set()
    workers = [
        threading.Thread(target=churn, args=(node, seconds, random.Random(number), results)) for number in range(12)
    ]
    for worker in workers:
        worker.start()
    stop = time.monotonic() + seconds
    while time.monotonic() < stop:
        time.sleep(0.3)  # between one KILL and the next
        with contextlib.suppress(pymysql.err.Error), node.connect() as killer, killer.cursor() as cursor:
            named.add(thread_id := 0x80000000 + random.randrange(1, 200))
            cursor.execute(f"KILL QUERY {thread_id}")
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    return named
