"""Never above the budget: counted at the server every 10 ms, against a server that takes no more either."""

import random
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from ...hazards.postgres.raw import Raw
from ...servers import OutliveProcess, Postgres15, Postgres18
from .conftest import Observer
from .test_deaths import die

BUDGET = 5
CLIENTS = 25


def churn(node: OutliveProcess, seed: int, until: float) -> list[str]:
    """One function after the other: each does a little and ends in some way. Returns what it must not have seen."""
    random_ = random.Random(seed)
    wrong: list[str] = []
    while time.monotonic() < until:
        try:
            if random_.random() < 0.3:
                raw = Raw(node)
                raw.send(b"Q\0\0\0\x0aBEGIN\0")
                raw.read()
                die(raw, random_.choice(("fin", "rst")))
                continue
            with node.pg() as client:
                for _ in range(random_.randrange(1, 5)):
                    one_statement(client, random_, seed, wrong)
        except (psycopg.Error, OSError):
            continue  # the server was restarted, a connection killed: what counts is the number of connections
    return wrong


def one_statement(client: psycopg.Connection, random_: random.Random, seed: int, wrong: list[str]) -> None:
    what = random_.random()
    if what < 0.5:
        if client.execute("SELECT %s::int", (seed,)).fetchall() != [(seed,)]:
            wrong.append("another client's row")
    elif what < 0.6:
        client.execute(f"SET application_name = 'function {seed}'")
        if client.execute("SHOW application_name").fetchall() != [(f"function {seed}",)]:
            wrong.append("another client's setting")
    elif what < 0.7:
        client.execute("SELECT pg_advisory_lock(%s)", (seed,))
        client.execute("SELECT pg_advisory_unlock_all()")
    elif what < 0.8:
        client.execute("CREATE TEMP TABLE IF NOT EXISTS own (a int)")
    elif what < 0.9:
        client.execute("SELECT pg_sleep(0.01)")
    else:
        client.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("kind", [Postgres15, Postgres18])
def test_never_above_the_budget(
    kind: Callable[..., Postgres18],
    outlive: Callable[..., OutliveProcess],
    count: Callable[[int, int], int],
    eventually,
) -> None:
    with kind(tls=False, max_connections=BUDGET) as server:
        node = outlive(server.url(max_connections=BUDGET, acquire_timeout_s=20, max_age_s=2, idle_timeout_s=1))
        with Observer(server) as observer:
            until = time.monotonic() + count(6, 60)
            wrong: list[str] = []
            workers = [
                threading.Thread(target=lambda seed=seed: wrong.extend(churn(node, seed, until)))
                for seed in range(CLIENTS)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert observer.samples > 50
            assert 2 <= observer.most <= BUDGET
        assert not wrong
        eventually(lambda: node.metric("outlive_leases_held") == 0)
        assert node.pg().execute("SELECT 1").fetchall() == [(1,)]
