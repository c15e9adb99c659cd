"""SUBSCRIBE and UNSUBSCRIBE of one client: its own counts, over a subscription that all clients of its user share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from outlive.proxy.phases import BUSY, CLOSED, READY
from outlive.proxy.redis.ordinary import worded
from outlive.upstream.redis.line import LOST
from outlive.upstream.redis.pubsub import PSUBSCRIBE, SSUBSCRIBE, SUBSCRIBE, UNSUBSCRIBES, SharedSubscription
from outlive.wire.redis.values import bulk, error

if TYPE_CHECKING:
    from outlive.proxy.redis.client import RedisClient

_ONLY: Final = (
    "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
)


class Subscriptions:
    """What one client has subscribed to, in the order in which it did, and where each of them is."""

    __slots__ = ("asked", "names")

    def __init__(self) -> None:
        self.asked: dict[SharedSubscription, None] = {}
        """Where it has ever asked, also what has not been confirmed yet."""
        self.names: dict[bytes, dict[bytes, SharedSubscription]] = {SUBSCRIBE: {}, PSUBSCRIBE: {}, SSUBSCRIBE: {}}

    def count(self, kind: bytes) -> int:
        """As the server counts them: those of shards by themselves."""
        names = self.names
        return len(names[SSUBSCRIBE]) if kind == SSUBSCRIBE else len(names[SUBSCRIBE]) + len(names[PSUBSCRIBE])

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(map(len, self.names.values()))

    def leave(self, client: Any) -> None:
        """The client is gone, or has said RESET."""
        asked, self.asked = self.asked, {}
        for names in self.names.values():
            names.clear()
        for shared in asked:
            shared.leave(client)


def refuse(client: RedisClient, name: bytes) -> bool:
    """What a client of RESP2 cannot do while it is subscribed, in the server's words."""
    client.answer_loudly(error(_ONLY % name.decode("utf-8", "replace").lower()[:128]))
    return True


def change(client: RedisClient, word: bytes, arguments: list[bytes]) -> bool:
    """One of the six commands. False: it has to wait."""
    kind = UNSUBSCRIBES.get(word)
    if kind is not None:
        _unsubscribe(client, word, kind, arguments[1:])
        return True
    if len(arguments) < 2:
        client.answer(error(f"ERR wrong number of arguments for '{word.decode()}' command"))
        return True
    if client.is_outstanding:
        return False
    client.follow_route()
    shared = client.server.subscription_of(client.session.user)
    names = arguments[1:]
    client.subscribed.asked[shared] = None
    client.phase = BUSY
    shared.subscribe(client, word, names, lambda why: _subscribed(client, shared, word, names, why))
    return True


def _subscribed(client: RedisClient, shared: SharedSubscription, kind: bytes, names: list[bytes], why: str) -> None:
    if client.phase == CLOSED:
        return
    client.phase = READY
    if why:
        if why == LOST:
            client.answer_loudly(error(worded(why)))
        else:
            client.answer_not_run(error(worded(why)))
    else:
        for name in names:
            client.subscribed.names[kind][name] = shared
            client.answer_loudly(_said(client, kind, name, kind))
    settle(client)
    client.services.call_soon(client.read_on)


def _unsubscribe(client: RedisClient, word: bytes, kind: bytes, names: list[bytes]) -> None:
    own = client.subscribed.names[kind]
    asked: list[bytes | None] = list(names or own) or [None]
    for name in asked:
        shared = None if name is None else own.pop(name, None)
        if name is not None and shared is not None:
            shared.unsubscribe(client, kind, [name])
        client.answer_loudly(_said(client, word, name, kind))
    settle(client)


def settle(client: RedisClient) -> None:
    """What the client may do follows from what it is subscribed to."""
    total = client.subscribed.total
    client.confined = bool(total) and client.session.protocol == 2


def _said(client: RedisClient, word: bytes, name: bytes | None, kind: bytes) -> bytes:
    three = client.session.protocol == 3
    shown = (b"_\r\n" if three else b"$-1\r\n") if name is None else bulk(name)
    return b"%b3\r\n%b%b:%d\r\n" % (b">" if three else b"*", bulk(word), shown, client.subscribed.count(kind))
