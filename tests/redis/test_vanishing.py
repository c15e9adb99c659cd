"""Clients that vanish: the link is cut, so that no FIN or RST is ever sent."""

import time
from collections.abc import Callable

import pytest

from ..servers import Network
from ..servers.processes import in_time
from ..servers.redis import RedisServer
from .conftest import Node
from .talk import Talker


@pytest.mark.root
def test_vanished_without_a_word(network: Network, eventually: Callable[..., None]) -> None:
    """In a transaction, watching, waiting for an element: what they hold is free 3 s (the probe's limit) and 2 s later,
    and what is pushed then is nobody's yet. Idle, subscribed, in the middle of a command, not reading: these hold
    nothing, and are in nobody's way.
    """
    with RedisServer(host=network.server.address, namespace=network.server, protected_mode="no") as server:
        target = f"redis://default@{server.host}:{server.port}/0?max_connections=9"
        with Node(target, host="0.0.0.0", namespace=network.server) as node:

            def come() -> Talker:
                return network.client.call(lambda: Talker(node.redis_port, host=network.server.address))

            clients = [come() for _ in range(7)]
            idle, transaction, watching, waiting, subscribed, sending, reading = clients
            server.ask("SET", "large", "x" * 1_000_000)
            idle.ask("GET", "a")
            transaction.ask("MULTI")
            transaction.ask("INCR", "never")
            watching.ask("WATCH", "a")
            waiting.send("BLPOP", "q", 0)
            subscribed.send("SUBSCRIBE", "c")
            subscribed.hear()
            sending.socket.sendall(b"*2\r\n$4\r\nINCR\r\n$50\r\nnev")
            for _ in range(20):
                reading.send("GET", "large")
            eventually(lambda: server.ask("INFO", "clients")["blocked_clients"] == 1)
            assert sum(found["multi"] != "-1" for found in server.connections()) == 1
            time.sleep(1.5)  # into the probe, as a function that has worked for a while
            network.cut()
            bound = in_time(5.0)
            eventually(lambda: server.ask("INFO", "clients")["blocked_clients"] == 0, bound)
            eventually(lambda: all(found["multi"] == "-1" for found in server.connections()), bound)
            server.ask("RPUSH", "q", "x")
            assert server.ask("LLEN", "q") == 1
            assert server.ask("EXISTS", "never") == 0
            near = network.server.call(lambda: Talker(node.redis_port, host=network.server.address))
            assert near.ask("BLPOP", "q", 1) == b"*2\r\n$1\r\nq\r\n$1\r\nx\r\n"
            assert near.ask("PUBLISH", "c", "x") in (b":0\r\n", b":1\r\n")
            assert near.pipeline(("WATCH", "a"), ("MULTI",), ("INCR", "n"), ("EXEC",)).endswith(b"*1\r\n:1\r\n")
            for talker in (*clients, near):
                talker.close()
