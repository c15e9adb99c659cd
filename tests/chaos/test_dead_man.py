"""Outlive itself is killed, or told to stop: nothing of it stays at the server."""

from ..servers import MariaDB
from .wire import one


def test_killed_outlive_leaves_no_connection(own: MariaDB, outlive, eventually) -> None:
    node = outlive(own.url(max_connections=6, dead_man_s=3, ping_interval_s=1))
    clients = [node.connect() for _ in range(4)]
    for client in clients:
        one(client, "BEGIN")
    clients[0]._execute_command(3, "SELECT SLEEP(4)")
    eventually(lambda: own.query("SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'"))
    assert len(own.connection_ids("app")) >= 4
    # Without FINs, as by a power cut: the node is stopped and stays.
    node.process.pause()
    eventually(lambda: len(own.connection_ids("app")) <= 1, 15)
    # A statement that runs is ended by nobody; its connection ends when the server wants to tell its result, or by the
    # same bound after it.
    eventually(lambda: own.connection_ids("app") == [], 20)
    node.kill()


def test_sigkill_and_sigterm(own: MariaDB, outlive) -> None:
    node = outlive(own.url(max_connections=6, dead_man_s=3, ping_interval_s=1))
    clients = [node.connect() for _ in range(4)]
    for client in clients:
        one(client, "BEGIN")
    node.kill()
    own.wait_gone("app")
    node = outlive(own.url(max_connections=6))
    clients = [node.connect() for _ in range(4)]
    for client in clients:
        one(client, "BEGIN")
        one(client, "SELECT 1")
    for client in clients[1:]:
        one(client, "COMMIT")
    clients[0].rollback()
    assert node.stop() == 0
    own.wait_gone("app")
