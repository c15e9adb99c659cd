"""Socket options as the kernel reports them, and what it knows of a peer."""

import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from outlive.net.sockets import (
    arm_probe,
    is_vanished,
    raise_open_files_limit,
    relax_probe,
    reset_at_close,
    set_no_delay,
    watch_peer,
)

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        with closing(client), closing(server):
            yield client, server


def tcp(sock: socket.socket, option: int) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, option)


def test_a_probe_is_armed_and_relaxed(pair: Pair) -> None:
    _, server = pair
    set_no_delay(server)
    assert tcp(server, socket.TCP_NODELAY)
    arm_probe(server, limit_s=5)
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert (tcp(server, socket.TCP_KEEPIDLE), tcp(server, socket.TCP_KEEPINTVL)) == (1, 1)
    assert tcp(server, socket.TCP_USER_TIMEOUT) == 5000
    relax_probe(server, keepalive_s=300)
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert tcp(server, socket.TCP_KEEPIDLE) == 300
    assert tcp(server, socket.TCP_USER_TIMEOUT) == 0


def test_limits_of_a_second_are_taken(pair: Pair) -> None:
    arm_probe(pair[1], limit_s=1)
    relax_probe(pair[1], keepalive_s=1)


def test_unix_sockets_have_nothing_to_set() -> None:
    left, right = socket.socketpair()
    with closing(left), closing(right):
        set_no_delay(left)
        arm_probe(left, limit_s=5)
        relax_probe(left, keepalive_s=300)
        assert not is_vanished(left)
        right.close()
        assert is_vanished(left)


def test_a_peer_that_closed_behind_unread_data_is_known(pair: Pair) -> None:
    client, server = pair
    assert not is_vanished(server)
    client.sendall(b"unread")
    assert not is_vanished(server)
    client.close()
    assert is_vanished(server)


def test_a_reset_is_known(pair: Pair) -> None:
    client, server = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    assert is_vanished(server)


def test_a_closed_socket_is_vanished(pair: Pair) -> None:
    pair[1].close()
    assert is_vanished(pair[1])


def test_options_on_a_closed_socket_are_an_os_error(pair: Pair) -> None:
    pair[1].close()
    with pytest.raises(OSError):
        arm_probe(pair[1], limit_s=5)


def test_the_limit_of_open_files_is_raised_and_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert raise_open_files_limit(512) == 512
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, hard)
        assert raise_open_files_limit(300) == 512
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("limit_s", [2, 3, 119, 120, 121, 7200])
def test_a_watched_peer_is_found_in_time_and_may_be_slow_to_read(pair: Pair, limit_s: int) -> None:
    _, server = pair
    watch_peer(server, limit_s=limit_s)
    assert server.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle_s, every_s, count = (
        tcp(server, option) for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert limit_s - 2 * every_s <= idle_s + every_s * count - every_s <= limit_s
    assert tcp(server, socket.TCP_USER_TIMEOUT) == 0


def test_a_close_that_is_a_reset(pair: Pair) -> None:
    client, server = pair
    reset_at_close(server)
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
