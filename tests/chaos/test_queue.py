"""The queue: first come first served, bounded, with an answer that says what was full."""

import threading

import pymysql
import pytest

from ..servers import MariaDB
from .wire import one


def test_the_queue_is_bounded_and_fair(own: MariaDB, outlive, eventually) -> None:
    own.query("CREATE TABLE turns (turn INT AUTO_INCREMENT PRIMARY KEY, client INT)")
    node = outlive(own.url(max_connections=2, max_waiters=20, acquire_timeout_s=30))
    holder = node.connect()
    one(holder, "BEGIN")
    one(holder, "SELECT 1")
    clients = [node.connect() for _ in range(20)]
    late = node.connect()

    threads = []
    for number in range(20):
        turn = f"INSERT INTO turns (client) VALUES ({number})"
        threads.append(threading.Thread(target=one, args=(clients[number], turn)))
        threads[-1].start()
        eventually(lambda: node.metric("outlive_waiters") == number + 1)  # noqa: B023
    with pytest.raises(pymysql.err.OperationalError) as error:
        one(late)
    assert error.value.args[0] == 1040
    assert "20 clients wait" in error.value.args[1]
    one(holder, "COMMIT")
    for thread in threads:
        thread.join(20)
    assert [client for (client,) in own.query("SELECT client FROM turns ORDER BY turn")] == list(range(20))
