"""What stands before the node: load balancers, the PROXY protocol, probes; and a database that is away."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

import pymysql
import pytest

from tests.servers import MariaDB, OutliveProcess, free_port
from tests.servers.database import APP

from . import raw

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(source: str = "203.0.113.9", *, command: int = 0x21) -> bytes:
    body = socket.inet_aton(source) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 4711, 3306)
    return SIGNATURE + bytes((command, 0x11)) + struct.pack("!H", len(body)) + body


def behind_a_balancer(server: MariaDB, trusted: str = "127.0.0.0/8") -> dict[str, object]:
    environment = {"OUTLIVE_PROXY_PROTOCOL": "required", "OUTLIVE_PROXY_PROTOCOL_TRUSTED": trusted}
    return {"target": server.url(), "environment": environment}


def test_connect_and_close_is_nothing(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(mariadb.url())
    node.process.wait_line("event=serving")
    node.connect().close()
    lines, aborted = len(node.process.lines), mariadb.status("Aborted_connects")
    refused = node.metric("outlive_client_logins_refused_total")
    for number in range(100):
        sock = raw.dial(node)
        if number % 3 == 1:
            raw.greeted(sock)
        elif number % 3 == 2:  # RST, as balancers end a probe
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    node.connect().close()
    assert node.metric("outlive_client_logins_refused_total") == refused == 0
    assert len(node.process.lines) == lines, node.log
    assert mariadb.status("Aborted_connects") == aborted


def test_proxy_header(
    outlive: Callable[..., OutliveProcess], mariadb: MariaDB, eventually: Callable[..., None]
) -> None:
    node = outlive(**behind_a_balancer(mariadb))
    node.process.wait_line("event=serving")
    for before in (header(), header(command=0x20), SIGNATURE + b"\x20\0\0\0"):
        for pieces in ([before], [before[at : at + 1] for at in range(len(before))]):
            sock = raw.dial(node)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                sock.sendall(piece)
            channel, greeting = raw.greeted(sock)
            assert raw.respond(channel, greeting, "app", APP.password)[0] == 0
            sock.close()
    sock = raw.dial(node, before=header())
    channel, greeting = raw.greeted(sock)
    assert b"'app'@'203.0.113.9'" in raw.respond(channel, greeting, "app", "wrong")
    # A balancer's own check, with and without the header, is nothing.
    lines = len(node.process.lines)
    for before in (b"", header(command=0x20)):
        raw.dial(node, before=before).close()
    # The node waits for the header: it does not speak first, and never guesses.
    for wrong in (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b"\x20\0\0\1\x85\xa6\xff\x01" + b"x" * 32):
        assert raw.closed(raw.dial(node, before=wrong))
    assert node.metric("outlive_clients_refused_total", reason="proxy_protocol") == 2
    eventually(lambda: len(node.process.lines) >= lines + 2)
    assert len(node.process.lines) == lines + 2
    assert "version 2" in node.process.lines[-2]


def test_proxy_header_of_somebody_else(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(**behind_a_balancer(mariadb, "10.0.0.0/8"))
    assert raw.closed(raw.dial(node, before=header()))
    node.process.wait_line("not trusted")


def test_a_header_where_it_is_off(outlive: Callable[..., OutliveProcess], mariadb: MariaDB) -> None:
    node = outlive(mariadb.url())
    node.connect().close()
    sock = raw.dial(node, before=header())
    channel, _ = raw.greeted(sock)
    with contextlib.suppress(ConnectionError):  # the error, or already its end
        assert channel.receive()[0] == 0xFF
    assert node.connect().open


def test_the_database_was_never_there(outlive: Callable[..., OutliveProcess], eventually: Callable[..., None]) -> None:
    with MariaDB() as server:
        server.stop()
        node = outlive(server.url(acquire_timeout_s=30), environment={"OUTLIVE_LOGIN_TIMEOUT_S": "5"})
        assert node.get("/readyz")[0] == 200
        impatient = raw.dial(node)
        began = time.monotonic()
        error = raw.refusal(impatient)
        assert error.code == 1040
        assert error.sqlstate == b"08004"
        assert 4 < time.monotonic() - began < 14
        assert raw.closed(impatient)
        results: list[object] = []
        threads = [threading.Thread(target=lambda: results.append(_select(node))) for _ in range(5)]
        for thread in threads:
            thread.start()
        server.start()
        for thread in threads:
            thread.join(20)
        assert results == [1] * 5
        # Away again: probes stay green, those who are there wait and are served, and the dials are no storm.
        connection = node.connect()
        node.wait_settled()
        server.stop()
        node.wait_ends(server)
        dials = node.metric("outlive_dials_total")
        waiting = threading.Thread(target=lambda: results.append(_select(node, connection)))
        waiting.start()
        eventually(lambda: node.metric("outlive_waiters") == 1)
        time.sleep(1)  # in which a storm of dials would show
        assert node.get("/readyz")[0] == 200
        assert node.get("/healthz")[0] == 200
        assert node.metric("outlive_waiters") == 1
        assert node.metric("outlive_dials_total") - dials < 40
        server.start()
        waiting.join(20)
        assert results == [1] * 6


def _select(node: OutliveProcess, connection: "pymysql.connections.Connection | None" = None) -> object:
    with connection or node.connect() as found, found.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


def test_the_deadline_of_those_who_wait_for_a_database(outlive: Callable[..., OutliveProcess]) -> None:
    with MariaDB() as server:
        node = outlive(server.url(acquire_timeout_s=2))
        connection = node.connect()
        node.wait_settled()
        server.stop()
        node.wait_ends(server)
        began = time.monotonic()
        with pytest.raises(pymysql.err.OperationalError, match="1040"), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        assert 1.5 < time.monotonic() - began < 8


def test_a_host_that_nobody_can_resolve(outlive: Callable[..., OutliveProcess]) -> None:
    node = outlive(
        "mysql://app:app-secret@database.invalid/test?connect_timeout_s=1", environment={"OUTLIVE_LOGIN_TIMEOUT_S": "1"}
    )
    assert raw.refusal(raw.dial(node)).code == 1040
    assert "app-secret" not in node.log
    assert free_port() != node.port
