"""Several entries on one node, beside other protocols; and the PROXY protocol, in and out."""

import signal
import socket

from outlive.net.proxy_protocol import ProxyHeader, ProxyHeaderReader, proxy_header

from ..servers import Beanstalkd, Memcached, free_port
from .client import RESET, Client

CONFIGURATION = """
proxy_protocol_trusted = ["127.0.0.1"]
{more}
[databases.shop]
url = "postgresql://app@127.0.0.1:{away}/shop"
"""
ENTRY = """
[databases.{name}]
url = "{url}"
listen = "127.0.0.1:{port}"
"""


def test_several_entries_come_and_go(
    memcached: Memcached, beanstalkd: Beanstalkd, outlive, connect, eventually
) -> None:
    """Beside a PostgreSQL database whose server is away."""
    ports = [free_port(), free_port()]
    start = CONFIGURATION.format(more="", away=free_port())
    entries = [
        ENTRY.format(name="cache", url=memcached.url(), port=ports[0]),
        ENTRY.format(name="jobs", url=beanstalkd.url(), port=ports[1]),
    ]
    node = outlive(start + entries[0])
    first = connect(node, ports[0])
    assert first.ask(b"version\r\n").startswith(b"VERSION")
    node.configuration.write_text(start + entries[1])
    node.signal(signal.SIGHUP)
    eventually(lambda: "event=reloaded" in node.log)
    eventually(lambda: _listens(ports[1]))
    assert connect(node, ports[1]).ask(b"list-tube-used\r\n") == b"USING default\r\n"
    eventually(lambda: not _listens(ports[0]))
    assert first.ask(b"version\r\n").startswith(b"VERSION"), "who is connected stays"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def test_proxy_protocol_in_and_out(outlive, connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, server_port = free_port(), listener.getsockname()[1]
        entry = ENTRY.format(name="any", url=f"tcp://127.0.0.1:{server_port}", port=port)
        more = 'proxy_protocol = "required-tcp"'
        node = outlive(CONFIGURATION.format(more=more, away=free_port()) + entry + "send_proxy_protocol = true\n")
        client = connect(node, port)
        source, destination = ("192.0.2.7", 1234), ("192.0.2.1", 7687)
        client.send(proxy_header(source, destination) + b"hello")
        listener.settimeout(10)
        accepted, _ = listener.accept()
        reader, header = ProxyHeaderReader(), None
        while header is None:
            header = reader.feed(accepted.recv(1000))
        assert header == ProxyHeader(source, destination, False)
        said = reader.rest()
        while len(said) < 5:
            said += accepted.recv(100)
        assert said == b"hello"
        accepted.close()
        stranger: Client = connect(node, port)
        stranger.send(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.rest() == (b"", RESET)
        assert node.metric("outlive_clients_refused_total", reason="proxy_protocol") == 1
