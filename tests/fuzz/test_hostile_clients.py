"""Hostile clients on real sockets, before and after the login: little memory, nobody held up, the end in time."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.handshake import ssl_request
from outlive.wire.mysql.packets import packet

from ..servers import MariaDB, OutliveProcess
from ..servers.certificates import Certificates
from ..servers.database import APP
from .house import CLIENT
from .raw import RawClient, cpu_s, rss_bytes

LOGIN_TIMEOUT_S = 1
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def node(mariadb: MariaDB) -> Iterator[OutliveProcess]:
    """One for all: what one test leaves behind is the next one's affair."""
    made = Certificates.shared()
    configuration = f"""
login_timeout_s = {LOGIN_TIMEOUT_S}
log_level = "error"
tls_cert = "{made.server_cert}"
tls_key = "{made.server_key}"

[databases.test]
url = "mysql://{APP.user}:{APP.password}@127.0.0.1:{mariadb.port}/test"
max_connections = 4
client_write_timeout_s = 2
"""
    with OutliveProcess(configuration) as process:
        with process.connect() as warm, warm.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield process
        print(process.log[-5000:])
        assert "Traceback" not in process.log
        assert "Fatal" not in process.log
        assert "Exception" not in process.log


@pytest.fixture(autouse=True)
def serves(node: OutliveProcess) -> Iterator[None]:
    """After each attack: alive, and whoever comes is served."""
    yield
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        assert cursor.fetchone() == (42,)


@pytest.fixture
def memory(node: OutliveProcess) -> Callable[[], float]:
    """Megabytes by which the node has grown since the test began."""
    before = rss_bytes(node.pid)
    return lambda: (rss_bytes(node.pid) - before) / MEGABYTE


# -- before the login ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xff\xff\xff\x01" + b"x" * 65536,
        (16_300).to_bytes(3, "little") + b"\x01" + b"x" * 65536,
        b"\0\0\0\x01" * 65536,
        b"\0" * 65536,
        packet(1, ssl_request(CLIENT | wire.CLIENT_SSL, 1 << 24, 45)) + b"x" * 65536,
        packet(1, ssl_request(CLIENT | wire.CLIENT_SSL, 1 << 24, 45)) * 1000,
        packet(1, ssl_request(CLIENT | wire.CLIENT_SSL, 1 << 24, 45)) + b"\x16\x03\x01\xff\xff" + b"x" * 65536,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1000,
    ],
    ids=["huge", "full", "empty packets", "zeros", "ssl and plain", "ssl requests", "half a hello", "http"],
)
def test_size_bombs(node: OutliveProcess, memory: Callable[[], float], bomb: bytes) -> None:
    logins = node.metric("outlive_server_logins_total")
    clients = [RawClient(node.port) for _ in range(30)]
    for client in clients:
        client.flood(bomb, 0.3)
    for client in clients:
        assert client.ends(LOGIN_TIMEOUT_S + 10)
        client.close()
    assert memory() < 8
    assert node.metric("outlive_server_logins_total") == logins


def test_a_byte_at_a_time(node: OutliveProcess) -> None:
    """A slow login has its time as a whole, not for each byte."""
    with RawClient(node.port) as client:
        begun = time.monotonic()
        try:
            for position in range(200):
                client.send_bytes(packet(1, client.response())[position : position + 1])
                time.sleep(0.1)  # slowly: all of it would take twenty seconds
        except OSError:
            pass
        assert LOGIN_TIMEOUT_S * 0.9 <= time.monotonic() - begun < LOGIN_TIMEOUT_S + 8


def test_what_was_sent_in_plain_never_counts_as_sent_by_tls(node: OutliveProcess) -> None:
    with RawClient(node.port) as client:
        request = packet(1, ssl_request(CLIENT | wire.CLIENT_SSL, 1 << 24, 45))
        client.send_bytes(request + packet(2, client.response(CLIENT | wire.CLIENT_SSL)) + packet(0, b"\x03SELECT 1"))
        assert client.ends(LOGIN_TIMEOUT_S + 10)


def test_failed_logins_are_final_and_cost_the_server_nothing(node: OutliveProcess, mariadb: MariaDB) -> None:
    connections = mariadb.status("Connections")
    for _ in range(50):
        with RawClient(node.port) as client:
            client.sequence = 2
            client.send_bytes(packet(1, client.response(password="wrong")) + packet(0, b"\x03SELECT 1") * 100)
            assert client.read()[:3] == b"\xff\x15\x04"
            assert client.ends(10)
    assert mariadb.status("Connections") - connections < 10  # the tests' own


# -- after the login ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        b"\x0e",
        b"\x03SELECT REPEAT('x', 1000000)",
        b"\x03SELECT ROW_COUNT()",
        b"\x03KILL 5",
        b"\x1f",
        b"\x09",
        b"\x16SELECT ?",
        b"\x03SELECT SLEEP(0.001)",
        b"\x03BAD",
        b"\xee",
    ],
    ids=["ping", "megabytes", "local", "kill", "reset", "statistics", "prepare", "sleep", "error", "unknown"],
)
def test_floods_of_a_client_that_never_reads(node: OutliveProcess, memory: Callable[[], float], command: bytes) -> None:
    clients = [RawClient(node.port, receive_buffer_bytes=4096).logged_in() for _ in range(3)]
    for client in clients:
        client.flood(packet(0, command) * 2000, 0.5)
    assert memory() < 25
    for client in clients:
        client.close()


def test_who_does_not_read_and_does_not_end_is_ended(
    node: OutliveProcess, eventually: Callable[..., None], memory: Callable[[], float]
) -> None:
    """Half closed, with an answer of megabytes on its way."""
    import socket

    clients = [RawClient(node.port, receive_buffer_bytes=4096).logged_in() for _ in range(3)]
    for client in clients:
        client.send_bytes(packet(0, b"\x03SELECT REPEAT('x', 10000000)"))
        assert client.socket.recv(1)
        client.socket.shutdown(socket.SHUT_WR)
    eventually(lambda: node.metric("outlive_clients") == 0)
    assert memory() < 25
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT " + b"(" * 250_000,
        b"(" * 600_000,
        b"SELECT CONNECTION_ID()+1;" * 10_000,
        b"SELECT " + b"CONNECTION_ID()+1," * 30_000,
        b"SET @a=1;" * 25_000,
        b"/*!" * 80_000,
        b"SELECT " + b"'' " * 80_000,
        b"-" * 250_000,
        b"SELECT 1" + b";" * 400_000,
        b"PREPARE s FROM 'SELECT 1';" * 9_000,
    ],
    ids=[
        "parentheses",
        "streamed",
        "ids",
        "more ids",
        "sets",
        "comments",
        "strings",
        "minus",
        "semicolons",
        "prepares",
    ],
)
def test_texts_made_to_be_slow_hold_nobody_up(node: OutliveProcess, memory: Callable[[], float], text: bytes) -> None:
    """The longest that another client waits for an answer meanwhile, in time of the processor: the machine may be busy
    with others.
    """
    stop = threading.Event()

    def attack() -> None:
        with contextlib.suppress(OSError), RawClient(node.port).logged_in() as client:
            while not stop.is_set():
                client.send(b"\x03" + text)
                if client.read()[:1] != b"\xff":
                    return  # several results: enough

    attackers = [threading.Thread(target=attack, daemon=True) for _ in range(2)]
    longest = 0.0
    with node.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        for attacker in attackers:
            attacker.start()
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            begun = cpu_s(node.pid)
            connection.ping(reconnect=False)  # answered by the node itself: what is measured is its loop
            longest = max(longest, cpu_s(node.pid) - begun)
        stop.set()
    for attacker in attackers:
        attacker.join(30)
    print(f"longest {longest * 1000:.0f} ms")
    assert longest < 0.25
    assert memory() < 60


def test_statements_without_end(node: OutliveProcess, memory: Callable[[], float]) -> None:
    """A client that prepares and never closes."""
    with RawClient(node.port).logged_in() as client:
        for number in range(5000):
            answer = client.command(b"\x16SELECT %d, '" % number + b"x" * 50_000 + b"'")
            if answer[:1] == b"\xff":
                assert answer[1:3] == (1461).to_bytes(2, "little")
                break
            for _ in range(4):  # two columns, and the EOF behind them
                if client.read()[:1] == b"\xfe":
                    break
        else:
            raise AssertionError("5000 statements of 50 kB were taken")
    assert memory() < 80


def test_user_variables_without_end(node: OutliveProcess, memory: Callable[[], float]) -> None:
    with node.connect() as connection, connection.cursor() as cursor:
        for number in range(3000):
            cursor.execute(f"SET @v{number} = '{'x' * 200}'")
        cursor.execute("SELECT @v0, @v2999")
        assert cursor.fetchone() == ("x" * 200, "x" * 200)
    assert memory() < 20


def test_names_of_a_megabyte(node: OutliveProcess, memory: Callable[[], float]) -> None:
    for payload in (
        b"\x02" + b"n" * 200_000,
        b"\x03USE `" + b"n" * MEGABYTE + b"`",
        b"\x03SET @`" + b"n" * MEGABYTE + b"`=1",
        b"\x03SELECT GET_LOCK('" + b"n" * MEGABYTE + b"', 0)",
        b"\x03CREATE TEMPORARY TABLE `" + b"n" * MEGABYTE + b"`(a INT)",
        b"\x03PREPARE `" + b"n" * MEGABYTE + b"` FROM 'SELECT 1'",
        b"\x03KILL " + b"9" * MEGABYTE,
        b"\x03SHOW WARNINGS LIMIT " + b"9" * 5000,
        b"\x16SELECT `" + b"n" * 200_000 + b"`",
    ):
        with RawClient(node.port).logged_in() as client:
            client.command(payload)  # whatever it is, it is answered
    assert memory() < 30


@pytest.mark.parametrize("statement", [b"KILL %d", b"KILL QUERY %d", b"SET wait_timeout=31536000, @a=%d"])
def test_what_must_not_run_as_it_is(node: OutliveProcess, mariadb: MariaDB, statement: bytes) -> None:
    """A text too long to be held, of a kind that Outlive answers itself or changes."""
    with node.connect() as victim, victim.cursor() as cursor:
        victim.begin()
        cursor.execute("SELECT 1")
        for real in mariadb.connection_ids("app"):
            with RawClient(node.port).logged_in() as client:
                comment = b"/*" + b"x" * 400_000 + b"*/"
                assert client.command(b"\x03" + comment + statement % real)[:1] == b"\xff"
                assert client.ends(10)
        cursor.execute("SELECT 1")
        victim.rollback()


def test_many_locks_and_tables(node: OutliveProcess, memory: Callable[[], float]) -> None:
    with node.connect() as connection, connection.cursor() as cursor:
        for number in range(3000):
            cursor.execute(f"SELECT GET_LOCK('{'x' * 40}{number}', 0)")
    assert memory() < 20


def test_half_commands(node: OutliveProcess, memory: Callable[[], float], eventually: Callable[..., None]) -> None:
    """A length, and then silence: what is held is what came."""
    clients = [RawClient(node.port).logged_in() for _ in range(50)]
    half = (250_000).to_bytes(3, "little") + b"\0\x03SELECT '" + b"x" * 100
    before = node.metric("outlive_bytes_from_clients_total")
    for client in clients:
        client.send_bytes(half)
    eventually(lambda: node.metric("outlive_bytes_from_clients_total") == before + len(half) * len(clients))
    assert memory() < 10
    for client in clients:
        client.close()


def test_memory_stays_flat(node: OutliveProcess, count: Callable[[int, int], int]) -> None:
    """Round after round of everything bad: after the first nothing grows."""

    def a_round(turns: int) -> None:
        for turn in range(turns):
            with RawClient(node.port) as client:
                if turn % 4 == 0:
                    client.send_bytes(b"\xff\xff\xff\x01" + bytes(turn % 251 for _ in range(20_000)))
                elif turn % 4 == 1:
                    client.send(client.response(password="wrong"), 1)
                    client.ends(10)
                elif turn % 4 == 2:
                    client.logged_in().send_bytes(b"\x09\0\0\0\x03SELECT 1" * 50)
                else:
                    client.logged_in().send_bytes(
                        packet(0, b"\x03SET @a%d='%s'" % (turn, b"x" * 100)) + b"\xff\xff\xff\x07x"
                    )
                    client.ends(10)

    turns = count(300, 3000)
    a_round(turns)
    before = rss_bytes(node.pid)
    a_round(turns)
    a_round(turns)
    assert (rss_bytes(node.pid) - before) / MEGABYTE < 4
