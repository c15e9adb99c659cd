"""One subscription for all: who gets what, who is told when, and that nothing is left of those who are gone."""

from types import SimpleNamespace

import pytest

from outlive.proxy.redis.subscriptions import Subscriptions
from outlive.upstream.redis.key import HELD, key_of
from outlive.upstream.redis.line import LOST
from outlive.upstream.redis.pubsub import PSUBSCRIBE, SUBSCRIBE, SharedSubscription
from outlive.wire.redis.values import bulk

from .fakes import FakeServer


class Somebody:
    route = SimpleNamespace(acquire_timeout_s=5)

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.outcomes: list[str] = []

    def published(self, message: bytes, pushed: bytes) -> None:
        assert pushed == b">" + message[1:]
        self.heard.append(message)

    def subscription_lost(self, why: str) -> None:
        self.heard.append(why.encode())


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def shared(server: FakeServer) -> SharedSubscription:
    return SharedSubscription(server, key_of("default", 0, 2, HELD))


def confirmation(kind: bytes, name: bytes, count: int = 1) -> bytes:
    return b"*3\r\n" + bulk(kind) + bulk(name) + b":%d\r\n" % count


def message(name: bytes, text: bytes) -> bytes:
    return b"*3\r\n" + bulk(b"message") + bulk(name) + bulk(text)


def ask(shared: SharedSubscription, who: Somebody, *names: bytes, kind: bytes = SUBSCRIBE) -> None:
    shared.subscribe(who, kind, names, who.outcomes.append)


def test_each_asks_and_each_hears(server: FakeServer, shared: SharedSubscription) -> None:
    one, two = Somebody(), Somebody()
    ask(shared, one, b"a", b"b")
    shared.server_data(confirmation(b"subscribe", b"a") + message(b"a", b"early"))
    assert not one.outcomes
    assert not one.heard
    shared.server_data(confirmation(b"subscribe", b"b", 2))
    assert one.outcomes == [""]
    ask(shared, two, b"a")
    shared.server_data(message(b"a", b"1") + confirmation(b"subscribe", b"a"))
    shared.server_data(message(b"a", b"2") + message(b"b", b"3"))
    assert one.heard == [message(b"a", b"1"), message(b"a", b"2"), message(b"b", b"3")]
    assert two.heard == [message(b"a", b"2")]
    assert server.connection.said() == [[b"subscribe", b"a", b"b"], [b"subscribe", b"a"]]
    shared.unsubscribe(one, SUBSCRIBE, [b"a"])
    assert server.connection.said() == []
    shared.unsubscribe(two, SUBSCRIBE, [b"a"])
    assert server.connection.said() == [[b"unsubscribe", b"a"]]


def test_patterns(shared: SharedSubscription) -> None:
    one = Somebody()
    ask(shared, one, b"a*", kind=PSUBSCRIBE)
    said = b"*4\r\n" + bulk(b"pmessage") + bulk(b"a*") + bulk(b"abc") + bulk(b"x")
    shared.server_data(confirmation(b"psubscribe", b"a*") + said)
    assert one.heard == [said]


def test_in_pieces(shared: SharedSubscription) -> None:
    one = Somebody()
    ask(shared, one, b"a")
    for byte in confirmation(b"subscribe", b"a") + message(b"a", b"text") * 2:
        shared.server_data(bytes([byte]))
    assert one.heard == [message(b"a", b"text")] * 2


def test_who_leaves_before_it_was_confirmed(server: FakeServer, shared: SharedSubscription) -> None:
    """It is forgotten, and the server's connection is free again."""
    one, own = Somebody(), Subscriptions()
    own.asked[shared] = None
    ask(shared, one, b"a")
    own.leave(one)
    assert server.connection.said() == [[b"subscribe", b"a"], [b"unsubscribe", b"a"]]
    shared.server_data(confirmation(b"subscribe", b"a") + message(b"a", b"x") + confirmation(b"unsubscribe", b"a", 0))
    assert (one.outcomes, one.heard) == ([], [])
    assert shared.is_idle
    assert server.given_back == 1


def test_another_asks_while_the_last_one_leaves(server: FakeServer, shared: SharedSubscription) -> None:
    one, two = Somebody(), Somebody()
    ask(shared, one, b"a")
    shared.server_data(confirmation(b"subscribe", b"a"))
    ask(shared, two, b"a")
    shared.leave(one)
    assert server.connection.said() == [[b"subscribe", b"a"], [b"subscribe", b"a"]]
    shared.server_data(confirmation(b"subscribe", b"a") + message(b"a", b"x"))
    assert two.heard == [message(b"a", b"x")]


def test_refused(server: FakeServer, shared: SharedSubscription) -> None:
    one = Somebody()
    ask(shared, one, b"a", b"b")
    shared.server_data(b"-NOPERM no channel\r\n")
    assert one.outcomes == ["NOPERM no channel"]
    assert shared.is_idle
    assert server.given_back == 1


def test_lost(shared: SharedSubscription) -> None:
    one, two = Somebody(), Somebody()
    ask(shared, one, b"a")
    shared.server_data(confirmation(b"subscribe", b"a"))
    ask(shared, two, b"b")
    shared.server_lost()
    assert one.heard == [LOST.encode()]
    assert two.outcomes == [LOST]


def test_too_large_for_anybody(server: FakeServer, shared: SharedSubscription) -> None:
    server.message_bytes_max = 1000
    one, two = Somebody(), Somebody()
    ask(shared, one, b"a")
    ask(shared, two, b"b")
    shared.server_data(confirmation(b"subscribe", b"a") + confirmation(b"subscribe", b"b"))
    large = message(b"a", b"x" * 5000)
    for at in range(0, len(large), 300):
        shared.server_data(large[at : at + 300])
    shared.server_data(message(b"b", b"y"))
    assert len(one.heard) == 1
    assert b"larger" in one.heard[0]
    assert two.heard == [message(b"b", b"y")]


def test_waits_for_a_connection() -> None:
    server = FakeServer(free=False)
    shared, one = SharedSubscription(server, key_of("default", 0, 2, HELD)), Somebody()
    ask(shared, one, b"a")
    assert server.pool.queue == [shared]
    shared.lent(server.connection)
    assert server.connection.said() == [[b"subscribe", b"a"]]
