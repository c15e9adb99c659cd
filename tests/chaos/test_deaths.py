"""Clients that die, at every point of what they do. It costs a slot two seconds at the most, and nothing else."""

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.processes import in_time
from ..servers.watch import Watch
from .wire import RawClient, command, query

DEATHS = ("fin", "rst", "half")
LENDABLE = 3


def bound_s() -> float:
    """What docs/promises.md says. An end that nobody noticed would take transaction_idle_timeout_s, 10 s."""
    return in_time(2.0)


@pytest.fixture(scope="module")
def node(mariadb: MariaDB) -> Iterator[OutliveProcess]:
    mariadb.query("CREATE TABLE IF NOT EXISTS deaths (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40), n INT)")
    mariadb.query("CREATE TABLE IF NOT EXISTS bulk (n INT PRIMARY KEY, filler VARBINARY(1000)) AS "
                  "SELECT seq AS n, REPEAT('x', 1000) AS filler FROM seq_1_to_40000")  # fmt: skip
    with OutliveProcess(mariadb.url(max_connections=LENDABLE + 1, acquire_timeout_s=5)) as started:
        yield started
        print(started.log[-20000:])
    mariadb.query("DROP TABLE deaths")
    mariadb.query("DROP TABLE bulk")


@pytest.fixture
def made(node: OutliveProcess) -> Iterator[Callable[..., RawClient]]:
    clients: list[RawClient] = []

    def make(**options: object) -> RawClient:
        clients.append(RawClient(node.host, node.port, **options))
        return clients[-1]

    yield make
    for client in clients:
        with contextlib.suppress(OSError):
            client.socket.close()


@pytest.mark.parametrize("how", DEATHS)
def test_idle_in_a_transaction(node, made, watch: Watch, whole, eventually, how: str) -> None:
    clients = [made() for _ in range(LENDABLE)]
    for number, client in enumerate(clients):
        client.run("BEGIN")
        client.run(f"INSERT INTO deaths (what, n) VALUES ('idle-{how}', {number})")
    assert watch.transactions() == LENDABLE
    before = watch.connections()
    for client in clients:
        client.die(how)
    eventually(lambda: watch.transactions() == 0, bound_s())
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = 'idle-{how}'") == ((0,),)
    # The same connections serve again.
    assert set(before) <= set(watch.connections())


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT SLEEP(30)",
        "UPDATE deaths SET n = n + SLEEP(30) WHERE what = 'seed'",
        "SELECT COUNT(*) FROM bulk a, bulk b, bulk c",
    ],
)
@pytest.mark.parametrize("begun", ["BEGIN", "SET autocommit=0"])
def test_a_statement_running_in_a_transaction(
    node, made, watch: Watch, whole, eventually, how: str, statement: str, begun: str
) -> None:
    watch.rows("REPLACE INTO deaths (id, what, n) VALUES (1, 'seed', 0)")
    client = made()
    client.run(begun)
    if begun == "BEGIN":
        client.run(f"INSERT INTO deaths (what, n) VALUES ('run-{how}', 1)")
    client.send(query(statement))
    eventually(lambda: watch.running(statement[:20]))
    client.die(how)
    eventually(lambda: watch.running(statement[:20]) == 0 and watch.transactions() == 0, bound_s())
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = 'run-{how}'") == ((0,),)
    assert watch.rows("SELECT n FROM deaths WHERE id = 1") == ((0,),)


@pytest.mark.parametrize("how", DEATHS)
def test_outside_a_transaction_a_read_is_killed_and_a_write_finishes(
    node, made, watch: Watch, whole, eventually, how: str
) -> None:
    reader, writer = made(), made()
    reader.send(query("SELECT SLEEP(31)"))
    writer.send(query(f"INSERT INTO deaths (what, n) SELECT 'write-{how}', SLEEP(1.5)"))
    eventually(lambda: watch.running("SLEEP(31)") and watch.running("SLEEP(1.5)"))
    reader.die(how)
    writer.die(how)
    eventually(lambda: not watch.running("SLEEP(31)"), bound_s())
    eventually(lambda: not watch.running("SLEEP(1.5)"))
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = 'write-{how}'") == ((1,),)


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("begun", [False, True])
def test_in_the_middle_of_a_command_at_every_byte(node, made, watch: Watch, whole, how: str, begun: bool) -> None:
    what = f"part-{how}-{begun}"
    whole_command = query(f"INSERT INTO deaths (what, n) VALUES ('{what}', 1)")
    for length in range(1, len(whole_command), 3):
        client = made()
        if begun:
            client.run("BEGIN")
        client.send(whole_command[:length])
        client.die(how)
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = '{what}'") == ((0,),)
    assert watch.transactions() == 0


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("begun", [False, True])
def test_in_the_middle_of_a_large_upload(node, made, watch: Watch, whole, eventually, how: str, begun: bool) -> None:
    what = f"upload-{how}-{begun}"
    text = f"INSERT INTO deaths (what, n) VALUES ('{what}', LENGTH('".encode() + b"y" * 8_000_000 + b"'))"
    packet = command(3, text)
    for length in (300_000, 4_000_000, len(packet) - 1):
        client = made()
        if begun:
            client.run("BEGIN")
            client.run(f"INSERT INTO deaths (what, n) VALUES ('{what}', 0)")
        client.send(packet[:length])
        client.die(how)
    eventually(lambda: watch.transactions() == 0, bound_s())
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = '{what}'") == ((0,),)


@pytest.mark.parametrize("how", DEATHS)
@pytest.mark.parametrize("begun", [False, True])
def test_in_the_middle_of_a_large_result(node, made, watch: Watch, whole, eventually, how: str, begun: bool) -> None:
    client = made()
    if begun:
        client.run("BEGIN")
        client.run(f"INSERT INTO deaths (what, n) VALUES ('result-{how}', 0)")
    client.send(query("SELECT * FROM bulk"))
    assert client.socket.recv(1000)
    time.sleep(0.3)  # until everything between has filled up; nothing tells that
    client.die(how)
    eventually(lambda: watch.transactions() == 0 and not watch.running("FROM bulk"), bound_s())
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = 'result-{how}'") == ((0,),)


@pytest.mark.parametrize("how", DEATHS)
def test_in_the_queue(node, made, watch: Watch, whole, eventually, how: str) -> None:
    holders = [made() for _ in range(LENDABLE)]
    for client in holders:
        client.run("BEGIN")
        client.run("SELECT 1 FROM deaths")
    waiters = [made() for _ in range(10)]
    for client in waiters:
        client.send(query(f"INSERT INTO deaths (what, n) VALUES ('queue-{how}', 1)"))
    eventually(lambda: node.metric("outlive_waiters") == len(waiters))
    # The last one waits with a command that is too large to be held.
    uploading = made()
    uploading.socket.setblocking(False)
    text = f"INSERT INTO deaths (what, n) VALUES ('queue-{how}', '{'z' * 3_000_000}')"
    with contextlib.suppress(BlockingIOError):
        uploading.socket.send(query(text))
    for client in [*waiters, uploading]:
        client.die(how)
    eventually(lambda: node.metric("outlive_waiters") <= 1, bound_s())
    for client in holders:
        client.run("ROLLBACK")
    whole(node, LENDABLE, bound_s())
    assert watch.rows(f"SELECT COUNT(*) FROM deaths WHERE what = 'queue-{how}'") == ((0,),)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_during_the_login_at_every_byte(node, made, whole, how: str) -> None:
    sent: list[bytes] = []
    recorder = _Recorder(node)
    with recorder as port:
        client = RawClient("127.0.0.1", port)
        client.run("SELECT 1")
        sent.append(recorder.login)
        client.close()
    login = sent[0]
    assert len(login) > 60
    for length in range(0, len(login), 5):
        raw = socket.create_connection((node.host, node.port), 5)
        assert raw.recv(1000)
        raw.sendall(login[:length])
        if how == "rst":
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.close()
    whole(node, LENDABLE, bound_s())


def test_half_a_prepared_command_and_kill_nine(node, watch: Watch, whole, eventually) -> None:
    """A process with clients in every state, killed."""
    program = f"""
import sys, time
sys.path.insert(0, {str(sys.path[0])!r})
import pymysql
def connect():
    return pymysql.connect(host={node.host!r}, port={node.port}, user="app", password="app-secret", database="test")
holding = connect()
holding.cursor().execute("INSERT INTO deaths (what, n) VALUES ('nine', 1)")
running = connect()
running.cursor().execute("UPDATE deaths SET n = n + 1 WHERE id = 1")
running._execute_command(3, "SELECT SLEEP(32)")
reading = connect()
reading._execute_command(3, "SELECT * FROM bulk")
waiting = [connect() for _ in range(5)]
for client in waiting:
    client._execute_command(3, "INSERT INTO deaths (what, n) VALUES ('nine', 2)")
print("ready", flush=True)
time.sleep(100)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        eventually(lambda: watch.running("SLEEP(32)"))
        assert watch.transactions() >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    eventually(lambda: watch.transactions() == 0 and not watch.running("SLEEP(32)"), bound_s())
    whole(node, LENDABLE, bound_s())
    assert watch.rows("SELECT COUNT(*) FROM deaths WHERE what = 'nine'") == ((0,),)


class _Recorder:
    """A relay that keeps what the client sends up to the server's second packet."""

    def __init__(self, node: OutliveProcess) -> None:
        self._node = node
        self.login = b""

    def __enter__(self) -> int:
        import threading

        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def _relay(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection((self._node.host, self._node.port))
        with client, server:
            client.sendall(server.recv(65536))
            self.login = client.recv(65536)
            server.sendall(self.login)
            while True:
                answer = server.recv(65536)
                if not answer:
                    return
                client.sendall(answer)
                data = client.recv(65536)
                if not data:
                    return
                server.sendall(data)

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._thread.join(5)
