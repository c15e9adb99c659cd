"""A network that fails at every step of a server connection: login, prelude, statement, reply."""

import random
import threading
from collections import Counter
from collections.abc import Iterator

import pymysql
import pytest

from ..servers import MariaDB, OutliveProcess
from ..servers.database import APP
from .relay import Fault, Relay

LENDABLE = 2
HUNG = -2


@pytest.fixture
def relay(mariadb: MariaDB) -> Iterator[Relay]:
    mariadb.query("CREATE TABLE IF NOT EXISTS faults (id VARCHAR(60), KEY (id))")
    made = Relay(mariadb.port)
    yield made
    made.close()
    mariadb.query("DROP TABLE faults")


@pytest.fixture
def node(relay: Relay, outlive) -> OutliveProcess:
    url = f"mysql://{APP.user}:{APP.password}@127.0.0.1:{relay.port}/test"
    times = "connect_timeout_s=1&acquire_timeout_s=6&dead_man_s=3&ping_interval_s=1"
    return outlive(f"{url}?max_connections={LENDABLE + 1}&{times}")


def work(node: OutliveProcess, name: str) -> tuple[list[str], int]:
    """What a function does; the acknowledged INSERTs, and the code of the error that ended it."""
    done: list[str] = []
    try:
        with node.connect(read_timeout=20) as client, client.cursor() as cursor:
            cursor.execute("SELECT %s", (name,))
            answer = cursor.fetchone()
            cursor.execute(f"INSERT INTO faults VALUES ('{name} a')")
            done.append(f"{name} a")
            cursor.execute("SET SESSION sql_mode='ANSI'")
            cursor.execute("BEGIN")
            cursor.execute(f"INSERT INTO faults VALUES ('{name} b')")
            cursor.execute("SELECT id FROM faults WHERE id = %s", (f"{name} b",))
            cursor.fetchall()
            cursor.execute("COMMIT")
            done.append(f"{name} b")
            if answer != (name,):
                raise ValueError(answer)
    except pymysql.err.Error as error:
        if "timed out" in str(error):
            return done, HUNG
        return done, int(error.args[0] or 0)
    except (ValueError, UnicodeDecodeError):  # what a driver makes of a corrupted reply
        return done, -1
    return done, 0


def offsets(rng: random.Random, number: int, most: int) -> list[int]:
    """The first bytes, where the login is, and some of what follows."""
    return [0, 1, 3, 4, 5, 20, *sorted(rng.sample(range(60, most), number))]


@pytest.mark.parametrize("to", ["client", "server"])
@pytest.mark.parametrize("how", ["fin", "rst", "corrupt"])
def test_a_connection_fails_at_any_byte(mariadb, node, relay: Relay, whole, count, how: str, to: str) -> None:
    rng = random.Random(f"{how} {to}")
    work(node, "warm")
    acknowledged: list[str] = []
    happened = 0
    for offset in offsets(rng, count(9, 400), 2500):
        relay.drop()
        fault = relay.fault = Fault(how, to, offset)
        done, code = work(node, f"{how} {to} {offset}")
        acknowledged += done
        relay.fault = None
        happened += fault.happened
        # 1045 where the login itself was corrupted; 1047 and others where a command was.
        assert code in (0, 2013) or (how == "corrupt" and code != HUNG), (offset, code)
    relay.drop()
    whole(node, LENDABLE, 8.0)
    assert happened > 8
    rows = Counter(row[0] for row in mariadb.query("SELECT id FROM faults WHERE id LIKE %s", f"{how} {to} %"))
    assert all(number == 1 for number in rows.values()), rows
    if how != "corrupt":
        assert set(acknowledged) <= set(rows)
    assert "Traceback" not in node.log
    assert node.metric("outlive_dial_failures_total", reason="internal") == 0


@pytest.mark.parametrize("to", ["client", "server"])
def test_a_connection_stalls(node, relay: Relay, whole, to: str) -> None:
    """In the login it is given up after connect_timeout_s; in a statement it is the client's to wait."""
    work(node, "warm")
    for offset in (0, 5, 100, 700):
        relay.drop()
        relay.fault = Fault("stall", to, offset)
        release = threading.Timer(4.0, relay.drop)
        release.start()
        _, code = work(node, f"stall {to} {offset}")
        release.cancel()
        assert code in (0, 2013), (offset, code)
        if offset <= 5:
            assert code == 0  # another dial came in time
    relay.drop()
    whole(node, LENDABLE, 8.0)


def test_no_login_storm_while_the_server_speaks_nonsense(outlive) -> None:
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    dials = 0

    def speak() -> None:
        nonlocal dials
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            dials += 1
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
            sock.close()

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    node = outlive(
        f"mysql://app:secret@127.0.0.1:{listener.getsockname()[1]}/test?max_connections=5&acquire_timeout_s=3",
        environment={"OUTLIVE_LOGIN_TIMEOUT_S": "3"},
    )
    threads = [threading.Thread(target=_try, args=(node,)) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert dials < 40
    listener.close()


def _try(node: OutliveProcess) -> None:
    with pytest.raises(pymysql.err.Error):
        node.connect(connect_timeout=4)
