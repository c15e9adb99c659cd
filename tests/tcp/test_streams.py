"""Large streams both ways, and readers that are slow: in constant memory, and nothing is lost."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..servers import Memcached, OutliveProcess
from .client import Client

MIB = 1 << 20
VALUE = bytes(range(256)) * (MIB // 256 - 4)
ANSWER = b"VALUE large 0 %d\r\n%s\r\nEND\r\n" % (len(VALUE), VALUE)


def peak_bytes(node: OutliveProcess) -> int:
    """The most resident memory that the node ever had."""
    status = Path(f"/proc/{node.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def receive(client: Client, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = client.socket.recv(min(MIB, size - len(data)))
        assert more
        data += more
    return bytes(data)


@pytest.fixture(scope="module")
def node(memcached: Memcached) -> Iterator[OutliveProcess]:
    with OutliveProcess(memcached.url(max_connections=2, client_write_timeout_s=1)) as found:
        yield found


def test_large_both_ways(node: OutliveProcess, connect, count) -> None:
    times = count(64, 1000)
    client = connect(node)
    assert client.ask(b"set large 0 0 %d\r\n%s\r\n" % (len(VALUE), VALUE)) == b"STORED\r\n"
    before = peak_bytes(node)
    command = b"set other 0 0 %d\r\n%s\r\nget large\r\n" % (len(VALUE), VALUE)
    sender = threading.Thread(target=lambda: [client.send(command) for _ in range(times)])
    sender.start()
    for _ in range(times):
        assert receive(client, 8 + len(ANSWER)) == b"STORED\r\n" + ANSWER
    sender.join()
    assert peak_bytes(node) - before < 8 * MIB
    assert node.metric("outlive_bytes_to_server_total") >= times * MIB - 4096


def test_who_reads_slowly_is_not_buffered_for_and_who_reads_nothing_is_ended(
    memcached: Memcached, node: OutliveProcess, eventually
) -> None:
    client, stuck = [Client("127.0.0.1", node.tcp_port, buffer_bytes=65536) for _ in range(2)]
    assert client.ask(b"set large 0 0 %d\r\n%s\r\n" % (len(VALUE), VALUE)) == b"STORED\r\n"
    before = peak_bytes(node)
    for each in (client, stuck):
        each.send(b"get large\r\n" * 40)
    for _ in range(40):
        assert receive(client, len(ANSWER)) == ANSWER
        time.sleep(0.05)  # it reads slowly
    assert peak_bytes(node) - before < 4 * MIB
    eventually(lambda: node.metric("outlive_errors_total", kind="client_write_timeout") == 1)
    assert client.ask(b"version\r\n").startswith(b"VERSION")
    client.close()
    stuck.close()
    eventually(lambda: memcached.connections() == 0)
