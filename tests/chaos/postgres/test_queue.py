"""A full server: the queue is bounded and fair, and says what was full; reload and drain while all of it is busy."""

import re
import signal
import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from ...servers import OutliveProcess, Postgres18
from ...servers.processes import in_time
from .conftest import Watch

Start = Callable[..., OutliveProcess]


def held(node: OutliveProcess) -> psycopg.Connection:
    client = node.pg(autocommit=False)
    client.execute("SELECT 1")
    return client


def test_the_queue_is_bounded_and_fair(postgres18: Postgres18, outlive: Start, eventually) -> None:
    postgres18.query("CREATE TABLE turns (turn serial, client int)")
    postgres18.query("GRANT ALL ON turns, turns_turn_seq TO app")
    node = outlive(postgres18.url(max_connections=1, max_waiters=20, acquire_timeout_s=30))
    late = node.pg()
    clients = [node.pg() for _ in range(20)]
    holder = held(node)
    threads = []
    for number, client in enumerate(clients):
        turn = f"INSERT INTO turns (client) VALUES ({number})"
        threads.append(threading.Thread(target=client.execute, args=(turn,)))
        threads[-1].start()
        eventually(lambda: node.metric("outlive_waiters") == number + 1)  # noqa: B023
    with pytest.raises(psycopg.errors.TooManyConnections, match="20 clients wait"):
        late.execute("SELECT 1")
    holder.commit()
    for thread in threads:
        thread.join(20)
    found = [client for (client,) in postgres18.query("SELECT client FROM turns ORDER BY turn")]
    assert found == list(range(20))
    assert late.execute("SELECT 1").fetchall() == [(1,)], "an error, and no end of the client"
    postgres18.query("DROP TABLE turns")


def test_the_deadline_is_that_of_the_route(postgres18: Postgres18, outlive: Start) -> None:
    node = outlive(postgres18.url(max_connections=2, acquire_timeout_s=1))
    waiting = node.pg()
    holders = [held(node), held(node)]
    started = time.monotonic()
    with pytest.raises(psycopg.errors.TooManyConnections, match=r"2 server connections.*1\.\d s"):
        waiting.execute("SELECT 1")
    assert 0.9 < time.monotonic() - started < in_time(1.5)
    # In a pipeline each of the units has its answer, and those behind the first are not lost.
    with pytest.raises(psycopg.errors.TooManyConnections), waiting.pipeline():
        waiting.execute("SELECT 2")
    for holder in holders:
        assert holder.execute("SELECT 3").fetchall() == [(3,)]
        holder.commit()
    assert waiting.execute("SELECT 4").fetchall() == [(4,)]


def test_a_reload_changes_the_budget_while_all_of_it_is_busy(
    postgres18: Postgres18, outlive: Start, watch: Watch, eventually
) -> None:
    node = outlive(f'[databases.test]\nurl = "{postgres18.url()}"\nmax_connections = 4\nacquire_timeout_s = 20\n')
    assert node.configuration is not None
    text = node.configuration.read_text()

    def reload(budget: int) -> None:
        before = node.metric("outlive_reloads_total")
        node.configuration.write_text(re.sub(r"max_connections = \d+", f"max_connections = {budget}", text))
        node.signal(signal.SIGHUP)
        eventually(lambda: node.metric("outlive_reloads_total") == before + 1)

    clients = [node.pg() for _ in range(6)]
    holders = [held(node) for _ in range(4)]
    answers: list[object] = []
    threads = [
        threading.Thread(target=lambda c=client: answers.append(c.execute("SELECT 7").fetchall()))
        for client in clients
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    eventually(lambda: node.metric("outlive_waiters") == 6)
    reload(2)
    for holder in holders:  # nobody's transaction is cut off
        assert holder.execute("SELECT 1").fetchall() == [(1,)]
    for holder in holders[:2]:
        holder.commit()
    eventually(lambda: len(watch.connections()) == 2)
    assert not answers
    reload(3)
    for thread in threads:
        thread.join(20)
    assert answers == [[(7,)]] * 6
    assert len(watch.connections()) <= 3
    for holder in holders[2:]:
        holder.commit()


def test_a_drain_ends_what_goes_on_beyond_its_timeout(
    postgres18: Postgres18, outlive: Start, watch: Watch, eventually
) -> None:
    postgres18.query("CREATE TABLE drained (n int)")
    postgres18.query("GRANT ALL ON drained TO app")
    environment = {"OUTLIVE_DRAIN_DELAY_S": "0", "OUTLIVE_DRAIN_TIMEOUT_S": "2"}
    node = outlive(postgres18.url(max_connections=4), environment=environment)
    holder, sleeper, finishing, pinned = held(node), node.pg(), node.pg(), node.pg()
    holder.execute("INSERT INTO drained VALUES (1)")
    pinned.execute("SELECT pg_advisory_lock(1)")
    wrong: list[Exception] = []

    def sleep() -> None:
        try:
            sleeper.execute("SELECT pg_sleep(60)")
        except psycopg.OperationalError as error:
            wrong.append(error)

    threads = [
        threading.Thread(target=sleep),
        threading.Thread(target=finishing.execute, args=("INSERT INTO drained SELECT 2 FROM pg_sleep(1)",)),
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: watch.running("pg_sleep") == 2)
    started = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - started < 20
    for thread in threads:
        thread.join(10)
    assert len(wrong) == 1
    eventually(lambda: watch.connections() == [])
    assert postgres18.query("SELECT n FROM drained") == ((2,),)
    postgres18.query("DROP TABLE drained")


def test_a_drain_with_the_database_hanging(own: Postgres18, outlive: Start) -> None:
    """Under 30 s in all, whatever the server does."""
    environment = {"OUTLIVE_DRAIN_DELAY_S": "0", "OUTLIVE_DRAIN_TIMEOUT_S": "1"}
    node = outlive(own.url(max_connections=4), environment=environment)
    held(node)
    own.pause()
    started = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - started < 25
    own.resume()
