"""Locks in Redis: a hash for each, changed by one script that has the rules of the model, at the server's time.

A client of the node's own Redis entry, in this process: the scripts of all waiters go over its shared connections, and
one connection is kept for a subscription, on which the other nodes say whom they granted something.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from typing import Any, Final, Protocol

import msgspec

from outlive.locks.state import Applied, Limits, Step
from outlive.locks.store import Batch, StoreFailure
from outlive.proxy.redis.in_process import InProcessRedis, NotRun, TooLarge
from outlive.wire.redis.values import RedisError

_KEYS_A_CHECK: Final = 500
_NO_SCRIPT: Final = b"NOSCRIPT"


class Script:
    """One script, by its text and by the name that a server knows it by once it has run there."""

    def __init__(self, name: str) -> None:
        self.text = (files(__package__) / name).read_bytes()
        self.name = hashlib.sha1(self.text).hexdigest().encode()


RULES: Final = Script("rules.lua")
CHANGED: Final = Script("changed.lua")


class Client(Protocol):
    """What is needed of a client of Redis: see `InProcessRedis`. A reply that is an error is a RedisError."""

    closed: bool

    async def pipeline(self, commands: Sequence[Sequence[bytes]]) -> list[Any]:
        """The replies."""

    def subscribed(self, *words: bytes) -> AsyncIterator[list[Any]]:
        """The messages."""

    def close(self) -> None:
        """Ends it."""


class RedisStore:
    """See the module, and `Store`. `connect` gives a new client."""

    batch_keys = 64

    def __init__(self, connect: Callable[[], Client], prefix: str, node: str, limits: Limits, batches: int) -> None:
        self._connect = connect
        self._prefix = prefix.encode()
        self._limits = msgspec.msgpack.encode(limits)
        self._idle: list[Client] = []
        self._closed = False
        self._listening: asyncio.Task[None] | None = None
        self._subscriber: Client | None = None
        self.node = node
        self.batches = batches
        self.woken: Callable[[str], None] = _nobody

    # -- see Store ---------------------------------------------------------------------------------

    async def apply(self, batch: Batch) -> dict[str, Applied]:
        """See `Store`."""
        calls = [self._call(key, steps) for key, steps in batch.items()]
        replies = await self._evaluate(RULES, calls)
        return {key: msgspec.msgpack.decode(reply, type=Applied) for key, reply in zip(batch, replies, strict=True)}

    def _call(self, key: str, steps: list[Step]) -> list[bytes]:
        name = key.encode()
        packed = msgspec.msgpack.encode(steps)
        return [b"1", self._name(key), self.node.encode(), self._limits, packed, self._prefix, name]

    def _name(self, key: str) -> bytes:
        return self._prefix + b":lock:" + key.encode()

    async def changed(self, known: Mapping[str, int]) -> list[str]:
        """See `Store`."""
        keys = list(known)
        parts = [keys[at : at + _KEYS_A_CHECK] for at in range(0, len(keys), _KEYS_A_CHECK)]
        calls = [[b"%d" % len(part), *map(self._name, part), *(b"%d" % known[key] for key in part)] for part in parts]
        replies = await self._evaluate(CHANGED, calls)
        return [part[place - 1] for part, places in zip(parts, replies, strict=True) for place in places]

    async def listen(self) -> None:
        """See `Store`: the subscription, where there is none."""
        if self._listening is None or self._listening.done():
            self._listening = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        client = self._subscriber = self._client()
        with suppress(RedisError):
            async for message in client.subscribed(b"SUBSCRIBE", self._prefix + b":wake:" + self.node.encode()):
                if message[0] == b"message":
                    self.woken(message[2].decode())
        # It ended, or is refused where no connection is to be had: until then the re-checks find what was granted.
        await asyncio.sleep(1)

    async def forget(self) -> None:
        """See `Store`: Redis itself forgets, each lock at its own time."""

    def close(self) -> None:
        """See `Store`."""
        self._closed = True
        if self._listening is not None:
            self._listening.cancel()
        for client in (*self._idle, *filter(None, (self._subscriber,))):
            client.close()
        self._idle.clear()

    # -- the server --------------------------------------------------------------------------------

    async def _evaluate(self, script: Script, calls: list[list[bytes]]) -> list[Any]:
        """The replies to the script's calls. Raises StoreFailure."""
        client = self._client()
        try:
            replies = await client.pipeline([[b"EVALSHA", script.name, *call] for call in calls])
            unknown = [at for at, reply in enumerate(replies) if _is_unknown(reply)]
            if unknown:
                again = await client.pipeline([[b"EVAL", script.text, *calls[at]] for at in unknown])
                for at, reply in zip(unknown, again, strict=True):
                    replies[at] = reply
        except RedisError as error:
            client.close()
            raise _failure(error) from None
        except BaseException:
            client.close()
            raise
        if self._closed:
            client.close()
        else:
            self._idle.append(client)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise _failure(reply)
        return replies

    def _client(self) -> Client:
        while self._idle:
            client = self._idle.pop()
            if not client.closed:
                return client
        try:
            return self._connect()
        except RedisError as error:
            raise _failure(error) from None


def in_process(services: Any) -> Callable[[], Client]:
    """New clients of the node's Redis entry."""
    return lambda: InProcessRedis(services, peer="locks")


def _is_unknown(reply: object) -> bool:
    return isinstance(reply, RedisError) and reply.code == _NO_SCRIPT


def _failure(error: RedisError) -> StoreFailure:
    # Of a batch some may have been performed: each is safe to be sent again.
    if isinstance(error, NotRun):
        return StoreFailure("No connection to the store of locks was to be had in time.", ran=False)
    if isinstance(error, TooLarge):
        return StoreFailure("The store's reply is too large.", ran=True)
    code = error.code.decode("ascii", "replace")[:32]
    return StoreFailure(f"The store of locks refused, or was lost ({code}).", ran=True)


def _nobody(key: str) -> None:
    pass
