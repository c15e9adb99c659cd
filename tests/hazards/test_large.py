"""Commands, parameters, rows and files of 16 MiB and more: as they are, in constant memory, other clients between."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from outlive.wire.mysql.constants import CLIENT_LOCAL_FILES
from outlive.wire.mysql.ok import parse_ok
from outlive.wire.mysql.packets import MAX_PAYLOAD, packet, read_lenenc_number

from ..raw.mysql import CLASSIC, MODERN, Raw, error_of
from ..servers import OutliveProcess
from ..servers.database import DatabaseServer
from .conftest import configuration
from .scripts import other_user, same_user

MIB = 1 << 20
GROWTH_LIMIT_BYTES = 24 * MIB
"""What the resident set may grow by while 64 MiB pass: the sockets' buffers and a few pieces on their way."""
SIZES = [MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1, 2 * MAX_PAYLOAD]


@pytest.fixture(scope="module")
def big(server: DatabaseServer) -> Iterator[OutliveProcess]:
    """A node in front of a server that takes packets up to 256 MiB."""
    with server.connect() as root, root.cursor() as cursor:
        cursor.execute("SELECT @@global.max_allowed_packet")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET GLOBAL max_allowed_packet = {256 * MIB}")
        cursor.execute("SET GLOBAL local_infile = 1")
        cursor.execute("CREATE TABLE IF NOT EXISTS test.stolen (id INT AUTO_INCREMENT PRIMARY KEY, n INT)")
        cursor.execute("CREATE TABLE IF NOT EXISTS test.loaded (n INT, c VARCHAR(2000)) ENGINE=MyISAM")
        with OutliveProcess(configuration(server, acquire_timeout_s=20)) as node:
            yield node
            print(node.log[-5000:])
        cursor.execute(f"SET GLOBAL max_allowed_packet = {before}")
        cursor.execute("DROP TABLE test.loaded")


class Memory:
    """The most memory a process has had resident since this began."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._before = self._peak()

    def _peak(self) -> int:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def growth(self) -> int:
        return self._peak() - self._before


def text_of(reply: list[bytes], classic: bool = False) -> bytes:
    row = reply[3 if classic else 2]
    return row[read_lenenc_number(row, 0)[1] :]


def number_of(reply: list[bytes]) -> int:
    return int(text_of(reply))


@pytest.mark.parametrize("capabilities", [CLASSIC, MODERN], ids=["classic", "modern"])
@pytest.mark.parametrize("size", SIZES)
def test_text_of_packet_sizes(big: OutliveProcess, size: int, capabilities: int) -> None:
    with Raw(big.host, big.port, capabilities=capabilities) as raw:
        before, after = b"SELECT LENGTH('", b"')"
        length = size - 1 - len(before) - len(after)
        assert error_of(reply := raw.query(before + b"x" * length + after)) == 0
        assert number_of([reply[0], *reply[2:]] if capabilities == CLASSIC else reply) == length
        assert raw.value("SELECT 'next'") == b"next"


@pytest.mark.parametrize("capabilities", [CLASSIC, MODERN], ids=["classic", "modern"])
@pytest.mark.parametrize("size", SIZES)
def test_rows_of_packet_sizes(big: OutliveProcess, size: int, capabilities: int) -> None:
    with Raw(big.host, big.port, capabilities=capabilities) as raw:
        length = size - (4 if size <= MAX_PAYLOAD + 3 else 9)
        if length >= 1 << 24:
            length = size - 9
        reply = raw.query(f"SELECT REPEAT('r', {length})")
        assert text_of(reply, capabilities == CLASSIC) == b"r" * length
        assert raw.value("SELECT 'next'") == b"next"


@pytest.mark.parametrize("size", SIZES)
def test_parameters_with_types_put_in(big: OutliveProcess, size: int) -> None:
    """The connection was another user's in between, and the client leaves out the types that it bound before."""
    with Raw(big.host, big.port) as raw:
        statement, _ = raw.prepare("SELECT LENGTH(?), ?")
        assert not error_of(raw.execute(statement, b"small", 1))
        for inserted in range(3):
            thief = other_user(big)
            thief.steal()
            thief.close()
            head = len(raw.execute_payload(statement, b"x" * (1 << 20), 77 + inserted, types=False)) - (1 << 20)
            value = bytes([97 + inserted]) * (size - head - inserted)
            if len(value) >= 1 << 24:
                value = value[: -len(raw.execute_payload(statement, value, 1, types=False)) + size] or value
            reply = raw.execute(statement, value, 77 + inserted, types=False)
            assert not error_of(reply), reply
            assert reply[3][2:].startswith(len(value).to_bytes(4, "little"))
            assert raw.value("SELECT 'next'") == b"next"


def test_64_mib_each_way_in_constant_memory(big: OutliveProcess, server: DatabaseServer) -> None:
    size = 64 * MIB
    with Raw(big.host, big.port) as raw:
        statement, _ = raw.prepare("SELECT LENGTH(?)")
        raw.execute(statement, b"small")
        text = b"SELECT LENGTH('" + b"x" * size + b"')"
        file = b"1\tsome line of a file that is loaded\n" * 1024
        memory = Memory(big.pid)
        assert len(text_of(raw.query(f"SELECT REPEAT('r', {size})"))) == size
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"a row: {memory.growth() / MIB:.0f} MiB"
        assert number_of(raw.query(text)) == size
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"a text: {memory.growth() / MIB:.0f} MiB"
        reply = raw.execute(statement, b"p" * size)
        assert size.to_bytes(4, "little") in reply[2], reply
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"a parameter: {memory.growth() / MIB:.0f} MiB"
        for _ in range(size // MIB):
            raw.long_data(statement, 0, b"l" * MIB)
        reply = raw.execute(statement, b"", long=(0,))
        assert size.to_bytes(4, "little") in reply[2], reply
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"long data: {memory.growth() / MIB:.0f} MiB"
        raw.long_data(statement, 0, b"l" * size)
        reply = raw.execute(statement, b"", long=(0,))
        assert size.to_bytes(4, "little") in reply[2], reply
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"long data in one: {memory.growth() / MIB:.0f} MiB"
        rows = number_of(raw.query("SELECT COUNT(*) FROM loaded"))
    with Raw(big.host, big.port, capabilities=MODERN | CLIENT_LOCAL_FILES) as raw:
        raw.value("SELECT 1")
        memory = Memory(big.pid)
        pieces = size // len(file)
        reply = raw.query("LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c)", file=lambda: [file] * pieces)
        assert parse_ok(reply[-1], False).affected_rows == pieces * 1024
        assert memory.growth() < GROWTH_LIMIT_BYTES, f"a file: {memory.growth() / MIB:.0f} MiB"
    assert server.query("SELECT COUNT(*) FROM test.loaded") == ((rows + pieces * 1024,),)


def test_many_small_rows_to_a_slow_reader(big: OutliveProcess) -> None:
    """What the client does not read waits at the server."""
    with Raw(big.host, big.port) as raw:
        raw.value("SELECT 1")
        memory = Memory(big.pid)
        tables = b"information_schema.columns a, information_schema.collations b"
        raw.send(b"\x03SELECT REPEAT('x', 60000) FROM " + tables + b" LIMIT 1000")
        assert raw.read() == b"\x01"
        os.sched_yield()
        found: list[bytes] = [raw.read()]
        raw.rows(found)
        assert len(found) == 1002
        assert memory.growth() < GROWTH_LIMIT_BYTES


def test_files_in_packets_of_every_kind(big: OutliveProcess, server: DatabaseServer) -> None:
    """A file's packet of exactly 16 MiB - 1 is followed by an empty one, which does not end the file."""
    with Raw(big.host, big.port, capabilities=MODERN | CLIENT_LOCAL_FILES) as raw:
        server.query("TRUNCATE test.loaded")
        line = b"7\tabcdefghijklmnopqrstu\n"
        full = line * (MAX_PAYLOAD // len(line))
        full += b"8\t" + b"z" * (MAX_PAYLOAD - len(full) - 3) + b"\n"
        assert len(full) == MAX_PAYLOAD
        reply = raw.query("LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c)", file=lambda: [line, full, line])
        assert parse_ok(reply[-1], False).affected_rows == 2 + full.count(b"\n")
        assert raw.value("SELECT 'next'") == b"next"
        # Headers that come in two parts.
        raw.send(b"\x03LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c)")
        assert raw.read()[0] == 0xFB
        for data in (packet(2, line * 1000), packet(3, line), packet(4, b"")):
            for piece in (data[:2], data[2:4], data[4:]):
                raw.send_bytes(piece)
                raw.socket.getpeername()
        raw.sequence = 5
        assert parse_ok(raw.read(), False).affected_rows == 1001


def test_infile_needs_the_capability(big: OutliveProcess) -> None:
    with Raw(big.host, big.port) as raw:
        assert error_of(raw.query("LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c)")) in (1148, 3948, 4166)
        assert raw.value("SELECT 'next'") == b"next"


def test_an_infile_that_fails_and_one_whose_client_dies(big: OutliveProcess, server: DatabaseServer) -> None:
    with Raw(big.host, big.port, capabilities=MODERN | CLIENT_LOCAL_FILES) as raw:
        reply = raw.query(
            "LOAD DATA LOCAL INFILE 'any' INTO TABLE nowhere (n, c)", file=lambda: [b"1\tx\n" * 1000] * 10
        )
        assert error_of(reply) == 1146
        reply = raw.query(
            "LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c) SET n = (SELECT 1 UNION SELECT 2)",
            file=lambda: [b"1\tx\n" * 100_000] * 10,
        )
        assert error_of(reply) == 1242
        assert raw.value("SELECT 'next'") == b"next"
        raw.send(b"\x03LOAD DATA LOCAL INFILE 'any' INTO TABLE loaded (n, c)")
        assert raw.read()[0] == 0xFB
        raw.send_bytes(packet(2, b"1\thalf a fi"))
    with Raw(big.host, big.port) as raw:
        assert raw.value("SELECT 'next'") == b"next"


def test_a_long_command_given_up_in_the_queue_is_answered(
    big: OutliveProcess, server: DatabaseServer, outlive: Callable[..., OutliveProcess]
) -> None:
    """`big` has set up the server."""
    node = outlive(configuration(server, acquire_timeout_s=1))
    with Raw(node.host, node.port) as holder, Raw(node.host, node.port) as raw:
        statement, _ = raw.prepare("SELECT LENGTH(?)")
        holder.query("BEGIN")
        for size in (MIB, MAX_PAYLOAD, 20 * MIB):
            assert error_of(raw.query(b"SELECT LENGTH('" + b"x" * size + b"')")) == 1040
        assert error_of(raw.execute(statement, b"p" * MIB)) == 1040
        holder.query("COMMIT")
        assert number_of(raw.query(b"SELECT LENGTH('" + b"x" * MIB + b"')")) == MIB
        assert not error_of(raw.execute(statement, b"p" * MIB))


def test_a_long_command_waits_for_its_connection(big: OutliveProcess) -> None:
    with Raw(big.host, big.port) as holder, Raw(big.host, big.port) as raw:
        holder.query("BEGIN")
        raw.send(b"\x03SELECT LENGTH('" + b"x" * MIB + b"')")
        holder.query("COMMIT")
        assert number_of(raw.reply()) == MIB


def test_long_commands_that_are_refused(big: OutliveProcess) -> None:
    with Raw(big.host, big.port) as raw:
        assert error_of(raw.execute(4711, b"p" * MIB)) == 1243
        raw.long_data(4711, 0, b"l" * 3 * MIB)
        assert error_of(raw.command(b"\x02" + b"d" * MIB)) == 1153
        assert error_of(raw.prepare(b"SELECT '" + b"x" * 5 * MIB + b"'")[1]) == 1153
        assert raw.value("SELECT 'next'") == b"next"
        number, _ = raw.prepare(b"SELECT LENGTH('" + b"x" * 3 * MIB + b"')")
        thief = same_user(big)
        thief.steal()
        thief.close()
        assert (3 * MIB).to_bytes(4, "little") in raw.execute(number)[2]


def test_a_packet_the_server_refuses(big: OutliveProcess, server: DatabaseServer) -> None:
    """Beyond max_allowed_packet the server says so and closes: so does Outlive, and the next client is served."""
    with Raw(big.host, big.port) as raw:
        with pytest.raises((ConnectionError, AssertionError)):
            raw.query(b"SELECT LENGTH('" + b"x" * (300 * MIB) + b"')")
        assert raw.at_end()
    # The server reads the rest of the packet before it closes; until then its connection counts.
    with Raw(big.host, big.port) as raw:
        assert raw.value("SELECT 'next'") == b"next"
