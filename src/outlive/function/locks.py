"""Waiting for a signal, and holding a mutex, at an Outlive node over HTTP (docs/locks.md): no connection of a database.

    locks = Locks("https://outlive.example.com", api_key)

    with locks.wait("order-42", timeout_s=60) as signal:       # acknowledged where the block ends without an error
        print(signal.payload)
    locks.release("order-42", {"status": "paid"})
    with locks.held("stock", lease_s=30) as held:
        store.write(..., fence=held.fence)
        held.renew()

`AsyncLocks` is the same with `async with` and `await`. Everything is sent again when it fails, with the same id, so
that it counts once: a release is one signal, however often it was sent, and a wait keeps its place. A signal is given
at least once: where this process dies in its block, or takes longer for it than the node's ack_timeout_s without
`signal.renew(seconds)`, another waiter gets it.
"""

from __future__ import annotations

import os
import time
from contextlib import asynccontextmanager, contextmanager

from outlive.function.waiting import end_of, pause_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterator, Mapping
    from typing import Any, TypeVar

    from outlive.function.http import AsyncHttp, Http, Reply

    T = TypeVar("T")
    Talk = Generator["Ask | float", "Reply | None", T]

POLL_S = 25.0
ANSWER_S = 5.0
"""How much longer than it may take an answer is waited for."""
_AGAIN = frozenset((408, 425, 429, 500, 502, 503, 504))


class LockError(Exception):
    """The node refused: `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        Exception.__init__(self, message)
        self.code = code


class LockTimeout(LockError, TimeoutError):
    """It was not granted, or could not be done, in time. Whether a release was done is not known."""


class LockLost(LockError):
    """The time of the grant was up: the signal, or the lock, may be another's by now."""


class Ask:
    """One request of a talk; what is yielded besides is a pause in seconds."""

    def __init__(self, method: str, path: str, body: Mapping[str, object] | None, answer_s: float) -> None:
        self.method = method
        self.path = path
        self.body = body
        self.answer_s = answer_s


class _Grant:
    """What a wait was answered with."""

    def __init__(self, key: str, reply: Mapping[str, Any]) -> None:
        self.key = key
        self.id: str = reply["grant_id"]
        self.fence: int = reply["fence"]
        """Rises with each grant: a store that refuses older ones is safe from a holder that was too slow."""
        self.payload: Any = reply["payload"]
        """Of a signal."""
        self._until = 0.0
        self.extend(reply)

    def extend(self, reply: Mapping[str, Any]) -> None:
        """It was renewed."""
        self._until = time.monotonic() + reply["lease_expires_in_ms"] / 1000

    @property
    def left_s(self) -> float:
        """For how long it is still held, without the time that the answer took to come."""
        return max(0.0, self._until - time.monotonic())


# -- what is said, without saying how it goes over the network --------------------------------------


def _path(key: str, what: str = "") -> str:
    from urllib.parse import quote

    return f"/v1/locks/{quote(key, safe='')}{what}"


def _until(ask: Ask, until: float, what: str) -> Talk[Mapping[str, Any]]:
    """The answer of a step that can be sent again. Raises LockError."""
    refusals = 0
    while True:
        reply = yield ask
        if reply is not None and not _is_again(reply):
            return _judged(reply)
        refusals += 1
        pause = pause_s(refusals)
        if time.monotonic() + pause > until:
            raise LockTimeout("timeout", f"{what} could not be done in time.")
        yield pause


def _is_again(reply: Reply) -> bool:
    """Whether the same is to be sent again: it has not run, or nobody knows, and its id lets it run once."""
    return reply.status in _AGAIN or (reply.status == 400 and _error(reply).get("outcome") == "unknown")


def _error(reply: Reply) -> Mapping[str, Any]:
    found: Mapping[str, Any] = reply.json().get("error", {})
    return found


def _judged(reply: Reply) -> Mapping[str, Any]:
    if reply.status < 300:
        found: Mapping[str, Any] = reply.json()
        return found
    error = _error(reply)
    code, message = error.get("code", f"http_{reply.status}"), error.get("message", "The node refused.")
    raise (LockLost if code == "stale" else LockError)(code, message)


def _wait(key: str, mode: str, lease_s: float, until: float) -> Talk[Mapping[str, Any]]:
    waiter = os.urandom(16).hex()
    refusals = 0
    while True:
        left_s = until - time.monotonic()
        poll_s = min(POLL_S, max(0.0, left_s))
        body = {
            "mode": mode,
            "waiter_id": waiter,
            "timeout_ms": int(poll_s * 1000),
            "lease_ms": int(lease_s * 1000),
        }
        reply = yield Ask("POST", _path(key, "/wait"), body, poll_s + ANSWER_S)
        if reply is not None and reply.status == 200:
            return reply.json()
        if reply is not None and reply.status != 202 and not _is_again(reply):
            _judged(reply)
        # The first is asked again at once: a node that stops has said "pending" early.
        refusals = 0 if reply is not None and reply.status == 202 and poll_s > 1 else refusals + 1
        if time.monotonic() >= until:
            yield Ask("DELETE", _path(key, f"/waiters/{waiter}"), None, ANSWER_S)
            raise LockTimeout("timeout", "It was not granted in time.")
        if refusals:
            yield min(pause_s(refusals), max(0.0, until - time.monotonic()))


def _release(key: str, payload: object, ttl_s: float, until: float) -> Talk[None]:
    body = {"release_id": os.urandom(16).hex(), "payload": payload, "ttl_ms": int(ttl_s * 1000)}
    yield from _until(Ask("POST", _path(key, "/release"), body, ANSWER_S), until, "The release")


def _ack(grant: _Grant) -> Talk[None]:
    ask = Ask("POST", _path(grant.key, "/ack"), {"grant_id": grant.id}, ANSWER_S)
    yield from _until(ask, time.monotonic() + max(ANSWER_S, grant.left_s), "The acknowledgement")


def _unlock(grant: _Grant) -> Talk[None]:
    body = {"grant_id": grant.id, "fence": grant.fence}
    ask = Ask("POST", _path(grant.key, "/release"), body, ANSWER_S)
    yield from _until(ask, time.monotonic() + max(ANSWER_S, grant.left_s), "The release")


def _renew(grant: _Grant, lease_s: float | None) -> Talk[None]:
    body: dict[str, object] = {"grant_id": grant.id}
    if lease_s is not None:
        body["lease_ms"] = int(lease_s * 1000)
    ask = Ask("POST", _path(grant.key, "/renew"), body, ANSWER_S)
    grant.extend((yield from _until(ask, time.monotonic() + grant.left_s, "The renewal")))


# -- without an event loop --------------------------------------------------------------------------


class Held(_Grant):
    """A mutex or a signal: `fence`, `payload`, `left_s`, `renew`."""

    def __init__(self, locks: Locks, key: str, reply: Mapping[str, Any]) -> None:
        _Grant.__init__(self, key, reply)
        self._locks = locks

    def renew(self, lease_s: float | None = None) -> None:
        """More time, by default as much as at first. Raises LockLost where it is too late."""
        self._locks._talk(_renew(self, lease_s))


class Locks:
    """See the module. `url` is the node's, or the balancer's before several; not for two threads at once."""

    def __init__(self, url: str, api_key: str) -> None:
        from outlive.function.http import Http

        self._http: Http = Http(url, api_key)

    @contextmanager
    def wait(self, key: str, timeout_s: float = 60.0, within: object = None) -> Iterator[Held]:
        """A signal, which is acknowledged where the block ends without an error. Raises LockTimeout.

        `within`: an AWS Lambda context, or seconds, that is not waited beyond.
        """
        signal = Held(self, key, self._talk(_wait(key, "signal", 30.0, end_of(timeout_s, within))))
        yield signal
        self._talk(_ack(signal))

    def release(self, key: str, payload: object = None, *, ttl_s: float = 3600.0, timeout_s: float = 30.0) -> None:
        """A signal for one waiter, who may come within `ttl_s`. Raises LockTimeout."""
        self._talk(_release(key, payload, ttl_s, end_of(timeout_s)))

    @contextmanager
    def held(
        self, key: str, *, lease_s: float = 30.0, timeout_s: float = 60.0, within: object = None
    ) -> Iterator[Held]:
        """Holds a mutex for the block. Raises LockTimeout, and at its end LockLost where it was held too long."""
        held = Held(self, key, self._talk(_wait(key, "mutex", lease_s, end_of(timeout_s, within))))
        try:
            yield held
        except BaseException:
            from contextlib import suppress

            with suppress(LockError):
                self._talk(_unlock(held))
            raise
        self._talk(_unlock(held))

    def close(self) -> None:
        """Ends the connection to the node."""
        self._http.close()

    def _talk(self, talk: Talk[T]) -> T:
        answer: Reply | None = None
        try:
            while True:
                said = talk.send(answer)
                answer = None
                if isinstance(said, Ask):
                    answer = self._http.request(said.method, said.path, said.body, said.answer_s)
                else:
                    time.sleep(said)
        except StopIteration as end:
            found: T = end.value
            return found


# -- on an event loop -------------------------------------------------------------------------------


class AsyncHeld(_Grant):
    """As `Held`."""

    def __init__(self, locks: AsyncLocks, key: str, reply: Mapping[str, Any]) -> None:
        _Grant.__init__(self, key, reply)
        self._locks = locks

    async def renew(self, lease_s: float | None = None) -> None:
        """See `Held`."""
        await self._locks._talk(_renew(self, lease_s))


class AsyncLocks:
    """As `Locks`, on an event loop; for any number of tasks at once, each with a connection of its own."""

    def __init__(self, url: str, api_key: str) -> None:
        from outlive.function.http import AsyncHttp

        self._http: AsyncHttp = AsyncHttp(url, api_key)

    @asynccontextmanager
    async def wait(self, key: str, timeout_s: float = 60.0, within: object = None) -> AsyncIterator[AsyncHeld]:
        """See `Locks`."""
        signal = AsyncHeld(self, key, await self._talk(_wait(key, "signal", 30.0, end_of(timeout_s, within))))
        yield signal
        await self._talk(_ack(signal))

    async def release(
        self, key: str, payload: object = None, *, ttl_s: float = 3600.0, timeout_s: float = 30.0
    ) -> None:
        """See `Locks`."""
        await self._talk(_release(key, payload, ttl_s, end_of(timeout_s)))

    @asynccontextmanager
    async def held(
        self, key: str, *, lease_s: float = 30.0, timeout_s: float = 60.0, within: object = None
    ) -> AsyncIterator[AsyncHeld]:
        """See `Locks`."""
        held = AsyncHeld(self, key, await self._talk(_wait(key, "mutex", lease_s, end_of(timeout_s, within))))
        try:
            yield held
        except BaseException:
            from contextlib import suppress

            with suppress(LockError):
                await self._talk(_unlock(held))
            raise
        await self._talk(_unlock(held))

    async def _talk(self, talk: Talk[T]) -> T:
        import asyncio

        answer: Reply | None = None
        try:
            while True:
                said = talk.send(answer)
                answer = None
                if isinstance(said, Ask):
                    answer = await self._http.request(said.method, said.path, said.body, said.answer_s)
                else:
                    await asyncio.sleep(said)
        except StopIteration as end:
            found: T = end.value
            return found
