"""Commands other than queries, capabilities side by side, pipelines, and what no driver sends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from outlive.wire.mysql import constants as wire
from outlive.wire.mysql.ok import parse_ok
from outlive.wire.mysql.packets import packet

from ..raw.mysql import ATTRIBUTES, CAPABILITIES, CLASSIC, LAST, MODERN, Raw, error_of
from ..servers import OutliveProcess
from ..servers.database import APP, APP2, Account, DatabaseServer
from .conftest import configuration
from .conversation import THIEVES, Conversation, assert_same, seen_by

T = (
    "DROP TABLE IF EXISTS test.cmd, other.cmd",
    "CREATE TABLE test.cmd (id INT AUTO_INCREMENT PRIMARY KEY, c VARCHAR(20))",
    "CREATE TABLE other.cmd (x INT)",
    "INSERT INTO test.cmd (c) VALUES ('a'), ('b'), ('c')",
)


def set_up(server: DatabaseServer) -> None:
    with server.connect() as root, root.cursor() as cursor:
        for statement in T:
            cursor.execute(statement)


def commands(c: Conversation) -> None:
    c.ping()
    c.command(b"\x02other")
    c.query("SELECT DATABASE()")
    c.command(b"\x02nowhere")
    c.query("SELECT DATABASE()")
    c.command(b"\x02test")
    c.command(b"\x1b\x01\x00")
    c.query("SELECT 1; SELECT 2")
    c.query("SELECT 1")
    c.command(b"\x1b\x00\x00")
    c.query("SELECT 1; SELECT 2; UPDATE cmd SET c = 'x'; SELECT nothing FROM nowhere; SELECT 3")
    c.query("SELECT ROW_COUNT()")
    c.command(b"\x1b\x07\x00")
    c.query("SELECT 2")
    c.query("")
    c.query("SET time_zone = '+07:00'")
    c.command(b"\x1f")
    c.query("SELECT @@time_zone, DATABASE()")
    for code in (0x00, 0x05, 0x06, 0x0B, 0x0F, 0x10, 0x63, 0xFF):
        c.command(bytes((code,)))
    c.command(b"\x0d")


@pytest.mark.parametrize("capabilities", CAPABILITIES)
def test_commands(server: DatabaseServer, node: OutliveProcess, capabilities: str) -> None:
    set_up(server)
    direct = seen_by(server, commands, capabilities=CAPABILITIES[capabilities])
    for name, make in THIEVES.items():
        set_up(server)
        thief = make(node)
        try:
            through = seen_by(node, commands, thief, capabilities=CAPABILITIES[capabilities])
        finally:
            thief.close()
        assert_same(direct, through, f"thief: {name}")


def test_field_list_and_statistics(server: DatabaseServer, node: OutliveProcess) -> None:
    set_up(server)
    found = []
    for target in (server, node):
        for capabilities in (CLASSIC, MODERN):
            with Raw(target.host, target.port, capabilities=capabilities) as raw:
                raw.send(b"\x04cmd\0%")
                reply: list[bytes] = []
                raw.rows(reply)
                found.append(reply)
                raw.send(b"\x09")
                assert raw.read().startswith(b"Uptime: ")
                assert raw.value("SELECT 'next'") == b"next"
    assert found[:2] == found[2:]


@pytest.mark.parametrize("code", [0x08, 0x12, 0x13, 0x14, 0x15, 0x1D, 0x1E, 0x20, 0x21])
def test_refused_commands(node: OutliveProcess, code: int) -> None:
    with Raw(node.host, node.port) as raw:
        assert error_of(raw.command(bytes((code,)) + b"\x04\0\0\0\0\0\0\0\0\0")) == 1235
        assert raw.value("SELECT 'next'") == b"next"


def test_bulk_execute_is_not_offered(node: OutliveProcess) -> None:
    with Raw(node.host, node.port) as raw:
        assert not raw.greeting.extended_capabilities
        assert error_of(raw.command(b"\xfa\1\0\0\0\x80\0")) == 1047


def test_empty_packets_and_wrong_numbers(server: DatabaseServer, node: OutliveProcess) -> None:
    for target in (server, node):
        with Raw(target.host, target.port) as raw:
            assert error_of(raw.command(b"")) in (0, 1047, 1065)
            assert raw.value("SELECT 'next'") == b"next"
            raw.send_bytes(b"\x09\0\0\x05\x03SELECT 1")
            assert raw.at_end()
    with Raw(node.host, node.port) as raw:
        assert raw.value("SELECT 'next'") == b"next"


def test_a_pipeline_is_answered_in_order(node: OutliveProcess, server: DatabaseServer) -> None:
    """All at once in one segment: local answers, errors, settings, transactions, statements."""
    set_up(server)
    for capabilities in (CLASSIC, MODERN):
        with Raw(node.host, node.port, capabilities=capabilities) as raw:
            payloads = [
                b"\x03SELECT 'one'", b"\x0e", b"\x03SELECT nothing FROM nowhere", b"\x03SET time_zone = '+01:00'",
                b"\x03BEGIN", b"\x03INSERT INTO test.cmd (c) VALUES ('pipelined')", b"\x0e", b"\x03ROLLBACK",
                b"\x03SELECT @@time_zone", b"\x1f", b"\x03SELECT CONNECTION_ID()", b"\x02other",
                b"\x03SELECT DATABASE()", b"\xff", b"\x03KILL 1",
            ]  # fmt: skip
            raw.send_bytes(b"".join(packet(0, payload) for payload in payloads) * 5)
            for _ in range(5):
                for payload in payloads:
                    raw.sequence = 1
                    reply = raw.reply()
                    wrong = {b"\x03SELECT nothing FROM nowhere": 1146, b"\xff": 1047, b"\x03KILL 1": 1094}
                    expected = wrong.get(payload, 0)
                    assert error_of(reply) == expected, (payload, reply)
                    if payload == b"\x03SELECT 'one'":
                        assert b"\x03one" in reply
                    elif payload == b"\x03SELECT @@time_zone":
                        assert b"\x06+01:00" in reply
                    elif payload == b"\x03SELECT DATABASE()":
                        assert b"\x05other" in reply
    assert server.query("SELECT COUNT(*) FROM test.cmd") == ((3,),)


def test_prepare_and_execute_in_one_segment(mariadb: DatabaseServer) -> None:
    """MariaDB's statement id -1: the one prepared last, and none after a PREPARE that failed."""
    mariadb.query("CREATE TABLE IF NOT EXISTS test.last (n INT)")
    with OutliveProcess(configuration(mariadb)) as node:
        for target in (mariadb, node):
            mariadb.query("DELETE FROM test.last")
            with Raw(target.host, target.port) as raw:
                execute = packet(0, raw.execute_payload(LAST, 5))
                insert = packet(0, b"\x16INSERT INTO last VALUES (?)")
                failing = packet(0, b"\x16INSERT INTO nowhere VALUES (?)")
                raw.send_bytes(insert + execute + execute + failing + execute + packet(0, b"\x0e"))
                raw.sequence = 1
                number, _ = raw.prepared()
                assert number
                for expected in (0, 0):
                    raw.sequence = 1
                    assert error_of(raw.reply()) == expected
                raw.sequence = 1
                assert error_of(raw.prepared()[1]) == 1146
                for expected in (1243, 0):
                    raw.sequence = 1
                    assert error_of(raw.reply()) == expected
                assert error_of(raw.execute(number, 6)) == 0
                assert mariadb.query("SELECT n FROM test.last ORDER BY n") == ((5,), (5,), (6,))


SIDE_BY_SIDE = (
    MODERN,
    CLASSIC,
    MODERN | wire.CLIENT_FOUND_ROWS,
    CLASSIC | wire.CLIENT_FOUND_ROWS | wire.CLIENT_INTERACTIVE,
    MODERN | wire.CLIENT_LOCAL_FILES,
    MODERN | wire.CLIENT_IGNORE_SPACE,
    ATTRIBUTES,
    MODERN & ~wire.CLIENT_MULTI_STATEMENTS,
    MODERN | wire.CLIENT_SESSION_TRACK,
)


def test_capabilities_side_by_side(node: OutliveProcess, server: DatabaseServer) -> None:
    """Each client has what it negotiated, whoever used the one connection before."""
    set_up(server)
    server.query("SET GLOBAL local_infile = 1")
    clients = [Raw(node.host, node.port, capabilities=capabilities) for capabilities in SIDE_BY_SIDE]
    directs = [Raw(server.host, server.port, capabilities=capabilities) for capabilities in SIDE_BY_SIDE]
    for _ in range(3):
        for raw, direct in zip(clients, directs, strict=True):
            for text in (
                "UPDATE cmd SET c = c",
                "SELECT 1; SELECT 2",
                "SELECT COUNT (*) FROM cmd",
                "SELECT @@wait_timeout",
                "USE test",
            ):
                mine, his = raw.query(text), direct.query(text)
                if mine[-1][:1] == b"\xff" or his[-1][:1] == b"\xff":
                    assert error_of(mine) == error_of(his), text
                elif text.startswith("UPDATE"):
                    assert parse_ok(mine[0], False).affected_rows == parse_ok(his[0], False).affected_rows
                    assert mine[0][7:] == his[0][7:]
                else:
                    assert [row for row in mine if row[:4] != b"\x03def" and row[0] != 0xFE] == [
                        row for row in his if row[:4] != b"\x03def" and row[0] != 0xFE
                    ], text
    for raw in clients + directs:
        raw.close()


def test_query_attributes(mysql97: DatabaseServer) -> None:
    """With COM_QUERY and COM_STMT_EXECUTE: the server reads them, and the lexer finds the text behind them."""
    with mysql97.connect() as root, root.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM mysql.component WHERE component_urn LIKE '%query_attributes'")
        if not cursor.fetchone()[0]:
            try:
                cursor.execute("INSTALL COMPONENT 'file://component_query_attributes'")
            except Exception as error:
                pytest.skip(str(error))
    attributes = ((b"trace", b"abc"), (b"n", 5), (b"none", None), (b"f", 1.5))
    with OutliveProcess(configuration(mysql97)) as node:
        for target in (mysql97, node):
            other = Raw(target.host, target.port, capabilities=ATTRIBUTES)
            with Raw(target.host, target.port, capabilities=ATTRIBUTES) as raw:
                read = "SELECT mysql_query_attribute_string('trace'), mysql_query_attribute_string('n')"
                assert raw.query(read, attributes)[3] == b"\x03abc\x015"
                assert raw.query(read)[3] == b"\xfb\xfb"
                raw.query("SET @kept = 7", attributes)
                raw.query("SET time_zone = '+02:00'", attributes)
                other.query("SELECT 1")
                assert raw.query("SELECT @kept, @@time_zone, ROW_COUNT()", attributes)[4] == b"\x017\x06+02:00\x010"
                assert error_of(raw.query("KILL QUERY CONNECTION_ID()", attributes)) == 1317
                statement, _ = raw.prepare(read + ", ?")
                theirs, _ = other.prepare(read + ", ?")
                for value in (1, b"text"):
                    for _ in range(2):
                        assert b"\x03xyz" in raw.execute(statement, value, b"xyz", names=(b"trace",))[4]
                        other.execute(theirs, 2.5, 1, names=(b"n",))
                        reply = raw.execute(statement, value, types=False)
                        assert reply[4].endswith(b"text" if value == b"text" else b"\1" + b"\0" * 7), reply
                    assert not error_of(raw.execute(statement, value, count=True))
                    assert not error_of(raw.execute(statement, value))
                without, _ = raw.prepare("SELECT mysql_query_attribute_string('trace')")
                assert b"\x03abc" in raw.execute(without, b"abc", names=(b"trace",))[2]
                assert not error_of(raw.execute(without))
                assert not error_of(raw.execute(without, count=True))
            other.close()


def test_change_user(node: OutliveProcess, server: DatabaseServer) -> None:
    """Another user on the same connection: nothing of the former session is left, and it is another pool's."""
    for target in (server, node):
        with Raw(target.host, target.port) as raw:
            number = raw.value("SELECT CONNECTION_ID()")
            raw.query("SET @x = 5, time_zone = '+04:00'")
            raw.query("CREATE TEMPORARY TABLE mine (a INT)")
            statement, _ = raw.prepare("SELECT 1")
            raw.query("BEGIN")
            raw.change_user(APP2, b"other")
            assert raw.value("SELECT CONCAT_WS(',', USER(), DATABASE(), IFNULL(@x, 'none'), @@time_zone)").startswith(
                b"app2@127.0.0.1,other,none,SYSTEM"
            ) or raw.value("SELECT USER()").startswith(b"app2@")
            assert raw.value("SELECT CONNECTION_ID()") == number
            assert error_of(raw.query("SELECT * FROM test.mine")) == 1146
            assert error_of(raw.execute(statement)) == 1243
            raw.change_user(APP)
            assert raw.value("SELECT DATABASE()") == b"test"
    node.wait_settled()


@pytest.mark.parametrize("account", [Account(APP2.user, "wrong"), Account("nobody", "x")])
def test_change_user_with_a_wrong_password_is_final(node: OutliveProcess, account: Account) -> None:
    with Raw(node.host, node.port) as raw:
        raw.query("BEGIN")
        with pytest.raises(ConnectionRefusedError) as caught:
            raw.change_user(account)
        assert caught.value.args[0] == 1045
        assert raw.at_end()


def test_reset_connection(node: OutliveProcess, server: DatabaseServer, eventually: Callable[..., None]) -> None:
    set_up(server)
    for target in (server, node):
        with Raw(target.host, target.port) as raw:
            statement, _ = raw.prepare("SELECT 1")
            raw.query("SET @x = 5")
            raw.query("BEGIN")
            raw.query("DELETE FROM cmd")
            assert error_of(raw.command(b"\x1f")) == 0
            assert raw.value("SELECT CONCAT(COUNT(*), IFNULL(@x, 'none')) FROM cmd") == b"3none"
            assert error_of(raw.execute(statement)) == 1243
