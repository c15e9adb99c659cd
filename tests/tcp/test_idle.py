"""Who makes room for others, and when a connection has had its time."""

import threading
import time

import pytest

from ..servers import Beanstalkd, Memcached, free_port
from .client import END, RESET


def test_the_one_idle_longest_makes_room(memcached: Memcached, outlive, connect, eventually) -> None:
    node = outlive(memcached.url(max_connections=3, evict_after_idle_s=0.1))
    clients = [connect(node) for _ in range(3)]
    for client in (clients[1], clients[2], clients[0]):
        client.ask(b"version\r\n")
        time.sleep(0.1)  # the order of their silences
    another = connect(node)
    assert another.ask(b"version\r\n").startswith(b"VERSION")
    assert clients[1].rest() == (b"", END)
    for client in (clients[2], clients[0]):
        assert client.ask(b"version\r\n").startswith(b"VERSION")
    assert node.metric("outlive_server_closes_total", reason="evicted") == 1


def test_age_and_idle_timeout_end_the_quiet_only(memcached: Memcached, outlive, connect, eventually) -> None:
    """The same server under two names, so with two sets of limits."""
    aged = memcached.url(max_connections=2, max_age_s=1, evict_after_idle_s=0.3)
    ports = [free_port(), free_port()]
    idle = aged.replace("127.0.0.1", "localhost").replace(
        "max_age_s=1&evict", f"listen=127.0.0.1:{ports[0]}&idle_timeout_s=1&evict"
    )
    node = outlive([f"{aged}&listen=127.0.0.1:{ports[1]}", idle])
    silent, quiet, busy = connect(node, ports[0]), connect(node, ports[1]), connect(node, ports[1])
    done = threading.Event()
    for client in (silent, quiet):
        client.ask(b"version\r\n")

    def work() -> None:
        while not done.wait(0.05):
            busy.ask(b"version\r\n")

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for client in (quiet, silent):
            assert client.rest() == (b"", END)
        for reason in ("age", "idle"):
            eventually(lambda reason=reason: node.metric("outlive_server_closes_total", reason=reason) == 1)
        assert thread.is_alive()
        assert node.metric("outlive_leases_held") == 1
    finally:
        done.set()
        thread.join()


def test_who_waits_for_an_answer_is_not_idle_and_drained_when_it_came(
    beanstalkd: Beanstalkd, outlive, connect, eventually
) -> None:
    """A long request looks like silence, but for whose the last word was. The quiet go at once."""
    node = outlive(
        beanstalkd.url(max_connections=2, evict_after_idle_s=0.1, acquire_timeout_s=0.3),
        environment={"OUTLIVE_DRAIN_DELAY_S": "0"},
    )
    quiet, busy = connect(node), connect(node)
    busy.send(b"reserve-with-timeout 1\r\n")
    started = time.monotonic()
    quiet.ask(b"use another\r\n")
    quiet.send(b"put 0 0 60 10\r\nhalf")  # a job of which the rest is to come: not quiet
    assert connect(node).rest() == (b"", RESET)
    quiet.ask(b" a job\r\n")
    node.signal(15)
    assert quiet.rest() == (b"", END)
    assert time.monotonic() - started < 1
    assert busy.rest() == (b"TIMED_OUT\r\n", END)
    assert node.process.wait(20) == 0
    assert beanstalkd.connections() == 0
    with pytest.raises(ConnectionRefusedError):
        connect(node)
