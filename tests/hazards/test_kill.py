"""KILL by the ids that clients were given: it hits the one it is meant for, and nobody else, ever."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from ..raw.mysql import Raw, error_of
from ..servers import OutliveProcess
from ..servers.database import APP, APP2, DatabaseServer
from .conftest import configuration

NO_SUCH_THREAD, NOT_OWNER, INTERRUPTED, KILLED = 1094, 1095, 1317, 1927
LONG = "SELECT SLEEP(30)"
WRITE = "INSERT INTO killed SELECT COUNT(*) FROM many a, many b, many c, many d WHERE a.n + b.n + c.n + d.n = 7"


@pytest.fixture(scope="module")
def killing(server: DatabaseServer) -> Iterator[OutliveProcess]:
    """A node with four connections to lend, and one for KILL."""
    text = configuration(server, acquire_timeout_s=20).replace("max_connections=2", "max_connections=5")
    server.query("CREATE TABLE IF NOT EXISTS test.killed (n INT) ENGINE=InnoDB")
    server.query("CREATE TABLE IF NOT EXISTS test.many (n INT)")
    server.query("INSERT INTO test.many VALUES " + ",".join(f"({number})" for number in range(500)))
    with OutliveProcess(text) as node:
        yield node
        print(node.log[-20000:])
    server.query("DROP TABLE test.killed, test.many")


def own_id(raw: Raw) -> int:
    return int(raw.value("SELECT CONNECTION_ID()"))


def running(server: DatabaseServer, statement: str = LONG) -> int:
    return len(server.query("SELECT id FROM information_schema.processlist WHERE info = %s", statement))


def test_kill_query(killing: OutliveProcess, server: DatabaseServer, eventually: Callable[..., None]) -> None:
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        assert number != own_id(killer)
        for way in (f"KILL QUERY {number}", f"kill /* it */ query {number};"):
            victim.send(b"\x03SELECT SLEEP(30) FROM (SELECT 1 UNION SELECT 2) AS t")
            eventually(lambda: running(server, "SELECT SLEEP(30) FROM (SELECT 1 UNION SELECT 2) AS t"))
            assert error_of(killer.query(way)) == 0
            assert victim.reply()  # SLEEP itself is interrupted without an error on some servers
            assert victim.value("SELECT 'alive'") == b"alive"
        assert not running(server)


def test_kill_query_in_a_transaction(
    killing: OutliveProcess, server: DatabaseServer, eventually: Callable[..., None]
) -> None:
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        victim.query("BEGIN")
        victim.query("INSERT INTO killed VALUES (1)")
        victim.send(b"\x03" + LONG.encode())
        eventually(lambda: running(server))
        assert error_of(killer.query(f"KILL QUERY {number}")) == 0
        victim.reply()
        assert victim.value("SELECT COUNT(*) FROM killed") == b"1"
        victim.query("ROLLBACK")
        assert victim.value("SELECT COUNT(*) FROM killed") == b"0"


@pytest.mark.parametrize("process_kill", [False, True])
@pytest.mark.parametrize("statement", [LONG, WRITE])
def test_kill_connection(
    killing: OutliveProcess,
    server: DatabaseServer,
    eventually: Callable[..., None],
    statement: str,
    process_kill: bool,
) -> None:
    """The statement ends, a write too, and so does the client."""
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        victim.send(b"\x03" + statement.encode())
        eventually(lambda: running(server, statement))
        payload = b"\x0c" + number.to_bytes(4, "little") if process_kill else f"\x03KILL {number}".encode("latin-1")
        assert error_of(killer.command(payload)) == 0
        assert victim.at_end()
        eventually(lambda: not running(server, statement))
        assert error_of(killer.query(f"KILL {number}")) == NO_SUCH_THREAD
    assert server.query("SELECT COUNT(*) FROM test.killed") == ((0,),)


def test_kill_of_an_idle_client(killing: OutliveProcess) -> None:
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        assert error_of(killer.query(f"KILL QUERY {number}")) == 0
        assert victim.value("SELECT 'alive'") == b"alive"
        assert error_of(killer.query(f"KILL CONNECTION {number}")) == 0
        assert victim.at_end()


def test_kill_of_a_client_in_a_transaction_rolls_it_back(killing: OutliveProcess, server: DatabaseServer) -> None:
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        victim.query("BEGIN")
        victim.query("INSERT INTO killed VALUES (1)")
        assert error_of(killer.query(f"KILL {number}")) == 0
        assert victim.at_end()
        assert killer.value("SELECT COUNT(*) FROM killed") == b"0"


def test_unknown_ids_and_other_users(killing: OutliveProcess, server: DatabaseServer) -> None:
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port, account=APP2) as killer:
        number = own_id(victim)
        for kill in ("KILL", "KILL QUERY", "KILL CONNECTION"):
            assert error_of(killer.query(f"{kill} {number}")) == NOT_OWNER
            for unknown in (0, 1, 2**31 + 12345, 2**32 - 1, *server.connection_ids(APP.user)):
                assert error_of(killer.query(f"{kill} {unknown}")) == NO_SUCH_THREAD, unknown
        assert error_of(killer.command(b"\x0c" + number.to_bytes(4, "little"))) == NOT_OWNER
        assert victim.value("SELECT 'alive'") == b"alive"
        assert error_of(killer.query(f"KILL QUERY {number} + 0")) == 1235
        assert error_of(killer.prepare(f"KILL {number}")[1]) == 1235


def test_kill_of_itself(killing: OutliveProcess, server: DatabaseServer) -> None:
    for target in (server, killing):
        with Raw(target.host, target.port) as raw:
            assert error_of(raw.query(f"KILL QUERY {own_id(raw)}")) == INTERRUPTED
            assert error_of(raw.query("KILL QUERY CONNECTION_ID()")) == INTERRUPTED
            assert raw.value("SELECT 'alive'") == b"alive"
            expected = KILLED if server.flavour == "mariadb" else INTERRUPTED
            assert error_of(raw.query("KILL CONNECTION_ID()")) == expected
            assert raw.at_end()
        with Raw(target.host, target.port) as raw:
            assert error_of(raw.query(f"KILL CONNECTION {own_id(raw)}")) == expected
            assert raw.at_end()


def test_kill_query_of_a_client_in_the_queue(killing: OutliveProcess, eventually: Callable[..., None]) -> None:
    holders = [Raw(killing.host, killing.port) for _ in range(4)]
    with Raw(killing.host, killing.port) as victim, Raw(killing.host, killing.port) as killer:
        number = own_id(victim)
        for holder in holders:
            holder.query("BEGIN")
        victim.send(b"\x03SELECT 1")
        eventually(lambda: killing.metric("outlive_waiters") == 1)
        assert error_of(killer.query(f"KILL QUERY {number}")) == 0
        assert error_of(victim.reply()) == INTERRUPTED
        for holder in holders:
            holder.query("COMMIT")
            holder.close()
        assert victim.value("SELECT 'alive'") == b"alive"


def test_users_kill_in_turn(killing: OutliveProcess, server: DatabaseServer, eventually: Callable[..., None]) -> None:
    """The one control connection is each user's in turn."""
    for account in (APP, APP2, APP, APP2):
        with (
            Raw(killing.host, killing.port, account=account) as victim,
            Raw(killing.host, killing.port, account=account) as killer,
        ):
            number = own_id(victim)
            victim.send(b"\x03" + LONG.encode())
            eventually(lambda: running(server))
            assert error_of(killer.query(f"KILL QUERY {number}")) == 0
            victim.reply()


class Bystander(threading.Thread):
    """Runs short statements, in and out of transactions; nothing may ever interrupt one."""

    def __init__(self, node: OutliveProcess, seed: int) -> None:
        super().__init__(daemon=True)
        self._node = node
        self._random = random.Random(seed)
        self.stop = threading.Event()
        self.failed: list[object] = []
        self.done = 0

    def run(self) -> None:
        try:
            with Raw(self._node.host, self._node.port) as raw:
                while not self.stop.is_set():
                    self._turn(raw)
        except Exception as error:
            self.failed.append(error)

    def _turn(self, raw: Raw) -> None:
        mark = self._random.randrange(1 << 30)
        statements = [f"SELECT {mark}, SLEEP({self._random.choice((0, 0, 0.001, 0.003))})"]
        if self._random.random() < 0.3:
            statements = ["BEGIN", *statements, "COMMIT"]
        for statement in statements:
            reply = raw.query(statement)
            right = b"%c%d\x010" % (len(str(mark)), mark)
            if error_of(reply) or (statement.startswith("SELECT") and reply[3] != right):
                self.failed.append((statement, reply))
            self.done += 1


def test_kill_at_random_moments(killing: OutliveProcess, count: Callable[[int, int], int]) -> None:
    """KILL QUERY comes before, during and after the statement it is meant for: never does a bystander notice."""
    bystanders = [Bystander(killing, seed) for seed in range(6)]
    for bystander in bystanders:
        bystander.start()
    chance = random.Random(5)
    victims = [Raw(killing.host, killing.port) for _ in range(2)]
    numbers = [own_id(victim) for victim in victims]
    hit = 0
    with Raw(killing.host, killing.port) as killer:
        for _ in range(count(200, 2000)):
            index = chance.randrange(2)
            victims[index].send(b"\x03SELECT SLEEP(0.003) FROM (SELECT 1 UNION SELECT 2) AS t")
            time.sleep(chance.random() * 0.008)  # before, during or after it
            assert error_of(killer.query(f"KILL QUERY {numbers[index]}")) == 0
            reply = victims[index].reply()
            assert error_of(reply) in (0, INTERRUPTED)
            hit += error_of(reply) == INTERRUPTED or b"\x011" in reply
            assert victims[index].value(f"SELECT 'own {index}'") == b"own %d" % index
    for bystander in bystanders:
        bystander.stop.set()
    for bystander in bystanders:
        bystander.join(30)
        assert not bystander.failed, bystander.failed[:3]
        assert bystander.done > 20
    for victim in victims:
        victim.close()
    assert hit
