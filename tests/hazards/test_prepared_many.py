"""Many statements: the least recently used give way, the server's limit is kept. And a driver's prepared cursors."""

from __future__ import annotations

import datetime
import decimal
from itertools import pairwise
from typing import Any

import mysql.connector
import pytest

from ..raw.mysql import Raw, error_of
from ..servers import OutliveProcess
from ..servers.database import APP, DatabaseServer
from .conftest import configuration
from .conversation import THIEVES

MOST = 1461


def prepared_at(server: DatabaseServer) -> int:
    return server.status("Prepared_stmt_count")


def test_the_least_recently_used_give_way(server: DatabaseServer) -> None:
    before = prepared_at(server)
    with OutliveProcess(configuration(server, prepared_statements=10)) as node:
        clients = [Raw(node.host, node.port) for _ in range(3)]
        for _ in range(2):
            handles = [
                (client, client.prepare(f"SELECT {number}, ?")[0], number) for number in range(25) for client in clients
            ]
            for _ in range(2):
                for client, handle, number in handles:
                    reply = client.execute(handle, 7)
                    assert reply[3][2:6] == number.to_bytes(4, "little") or reply[3][2] == number, reply
            assert prepared_at(server) - before <= 11
        for client in clients:
            client.close()


def test_a_cursor_outlives_any_number_of_other_statements(server: DatabaseServer) -> None:
    with OutliveProcess(configuration(server, prepared_statements=3)) as node, Raw(node.host, node.port) as raw:
        rows = " UNION ALL ".join(f"SELECT {number} AS n" for number in range(30))
        handle, _ = raw.prepare(f"SELECT n FROM ({rows}) AS t ORDER BY n")
        raw.execute(handle, flags=1)
        for number in range(30):
            other, _ = raw.prepare(f"SELECT {number} + 1000")
            assert not error_of(raw.execute(other))
            assert raw.fetch(handle, 1)[0][2] == number


def test_the_server_s_limit_is_an_error_and_no_more(server: DatabaseServer) -> None:
    server.query("SET GLOBAL max_prepared_stmt_count = 5")
    try:
        with OutliveProcess(configuration(server)) as node, Raw(node.host, node.port) as raw:
            codes = [error_of(raw.prepare(f"SELECT {number}")[1]) for number in range(8)]
            assert set(codes) <= {0, MOST}
            assert MOST in codes
            assert (MOST, MOST) not in pairwise(codes)  # what is only kept makes room
            assert raw.value("SELECT 'next'") == b"next"
    finally:
        server.query("SET GLOBAL max_prepared_stmt_count = 16382")


def test_a_client_s_own_limit(node: OutliveProcess) -> None:
    with Raw(node.host, node.port) as raw:
        text = b"SELECT '" + b"x" * 800_000 + b"'"  # five are below client_prepared_bytes (4 MiB), six are not
        codes = [error_of(raw.prepare(text)[1]) for _ in range(6)]
        assert codes == [0, 0, 0, 0, 0, MOST]
        raw.close_statement(1)
        assert raw.value("SELECT 'next'") == b"next"


@pytest.mark.parametrize("thief", THIEVES)
def test_mysql_connector_prepared(server: DatabaseServer, node: OutliveProcess, thief: str) -> None:
    """The connector's prepared cursors, of every type, with another client between every two executions."""
    server.query("DROP TABLE IF EXISTS test.kinds")
    server.query(
        "CREATE TABLE test.kinds (i BIGINT, d DECIMAL(20,5), f DOUBLE, s VARCHAR(100), b BLOB, t DATETIME(6), n INT)"
    )
    rows: list[tuple[Any, ...]] = [
        (1, decimal.Decimal("12.50000"), 1.5, "ä€", b"\x00\xff", datetime.datetime(2024, 2, 29, 1, 2, 3, 456), None),
        (-(2**63), decimal.Decimal("-0.00001"), -1e300, "", b"", datetime.datetime(1999, 12, 31), 0),
        (2**62, None, None, None, None, None, 7),
    ]
    found = []
    for target in (server, node):
        server.query("DELETE FROM test.kinds")
        rival = THIEVES[thief](node) if target is node else None
        connection = mysql.connector.connect(
            host=target.host,
            port=target.port,
            user=APP.user,
            password=APP.password,
            database="test",
            use_pure=True,
            autocommit=True,
            ssl_disabled=target is node,
        )
        cursor = connection.cursor(prepared=True)
        for row in rows:
            cursor.execute("INSERT INTO kinds VALUES (%s, %s, %s, %s, %s, %s, %s)", row)
            if rival is not None:
                rival.steal()
        read = connection.cursor(prepared=True)
        seen = []
        for number in (1, 2**62, -(2**63)):
            read.execute("SELECT * FROM kinds WHERE i = %s", (number,))
            seen.append(read.fetchall())
            if rival is not None:
                rival.steal()
        found.append(seen)
        connection.close()
        if rival is not None:
            rival.close()
    assert found[0] == found[1]
