"""Servers of two other protocols, and clients of bare sockets."""

from collections.abc import Callable, Iterator

import pytest

from ..servers import Beanstalkd, Memcached, OutliveProcess
from .client import Client


@pytest.fixture(scope="module")
def memcached() -> Iterator[Memcached]:
    with Memcached() as server:
        yield server  # type: ignore[misc]


@pytest.fixture(scope="module")
def beanstalkd() -> Iterator[Beanstalkd]:
    with Beanstalkd() as server:
        yield server  # type: ignore[misc]


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """`connect(node)`: a client of it, closed after the test."""
    made: list[Client] = []

    def client(node: OutliveProcess, port: int | None = None) -> Client:
        made.append(Client("127.0.0.1", port or node.tcp_port))
        return made[-1]

    yield client
    for found in made:
        found.socket.close()
